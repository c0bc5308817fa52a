/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/restore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/channel-node.h"
#include "libbus1/dbus/channel.h"
#include "libbus1/dbus/driver.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/ids.h"
#include "libbus1/dbus/object.h"
#include "libbus1/dbus/pending.h"
#include "libbus1/dbus/quiet.h"
#include "libbus1/dbus/receive.h"
#include "libbus1/dbus/standing.h"
#include "libbus1/dbus/subscribe.h"
#include "libbus1/dbus/use.h"
#include "libbus1/dbus/wait.h"

#define FIND_GRACE (5000 * NS_PER_MS)
#define FIND_PAUSE_MIN (10 * NS_PER_MS)
#define FIND_PAUSE_MAX (500 * NS_PER_MS)

static void restore_next(struct bus1_dbus *bus);

/* what is lost */

static void lost_free(struct bus1_dbus_lost *lost) {
        free((char *)lost->what);
        free((char *)lost->path);
        free((char *)lost->error);
}

void restore_forget(struct reconnect *reconnect) {
        while (reconnect->n_lost > 0)
                lost_free(&reconnect->lost[--reconnect->n_lost]);
        free(reconnect->lost);
        reconnect->lost = NULL;
        reconnect->incomplete = false;
}

static void forget_if(struct bus1_dbus *bus,
                      bool (*is_so)(struct bus1_dbus *bus, const struct bus1_dbus_lost *lost)) {
        struct reconnect *reconnect = bus->reconnect;
        size_t n = 0;

        for (size_t i = 0; i < reconnect->n_lost; i++)
                if (is_so(bus, &reconnect->lost[i]))
                        lost_free(&reconnect->lost[i]);
                else
                        reconnect->lost[n++] = reconnect->lost[i];
        reconnect->n_lost = n;
}

/* Is the program going to ask for it again when it joins the next time? */
static bool is_asked_again(struct bus1_dbus *bus, const struct bus1_dbus_lost *lost) {
        return lost->kind == BUS1_DBUS_LOST_MATCH || lost->kind == BUS1_DBUS_LOST_OBJECT ||
               (lost->kind == BUS1_DBUS_LOST_NAME && !lost->error);
}

void restore_forget_tried(struct bus1_dbus *bus) {
        forget_if(bus, is_asked_again);
}

/* Is it a name for which the program waits no more? */
static bool is_released_name(struct bus1_dbus *bus, const struct bus1_dbus_lost *lost) {
        return lost->kind == BUS1_DBUS_LOST_NAME && !lost->error &&
               !standing_has_name(bus, lost->what);
}

void restore_forget_released(struct bus1_dbus *bus) {
        forget_if(bus, is_released_name);
}

static void lose(struct bus1_dbus *bus, enum bus1_dbus_lost_kind kind, const char *what,
                 const char *path, uint64_t handle, const char *error) {
        struct reconnect *reconnect = bus->reconnect;
        struct bus1_dbus_lost *grown;
        struct bus1_dbus_lost lost = {
                .kind = kind,
                .what = strdup(what),
                .path = path ? strdup(path) : NULL,
                .handle = handle,
                .error = error ? strdup(error) : NULL,
        };

        grown = realloc(reconnect->lost, (reconnect->n_lost + 1) * sizeof(*grown));
        if (grown)
                reconnect->lost = grown;
        if (!grown || !lost.what || (path && !lost.path) || (error && !lost.error)) {
                lost_free(&lost);
                reconnect->incomplete = true;
                return;
        }
        reconnect->lost[reconnect->n_lost++] = lost;
}

/* leaving */

static void leave_node(struct bus1_dbus *bus, struct node *node) {
        struct bus1_dbus_subscription *subscription = node->data;
        struct bus1_dbus_object *object = node->data;

        switch (node->kind) {
        case NODE_HOME:
        case NODE_NAME:
                node_end(bus, node->id);
                break;
        case NODE_SUBSCRIPTION:
                if (subscription->is_direct)
                        break; /* the same is true of objects of other programs */
                subscription->node = BUS1_INVALID;
                node_end(bus, node->id);
                break;
        case NODE_OBJECT:
                /* What others hold of an object of this program needs no bus. */
                if (node->id == object->published)
                        object->published = BUS1_INVALID;
                else if (!node->trusted && !node_is_channel(node))
                        break;
                node_end(bus, node->id);
                break;
        case NODE_REPLY:
        case NODE_CONTROL:
                break; /* they end with their call or channel */
        }
}

void restore_leave(struct bus1_dbus *bus) {
        struct channel *channel, *next_channel;
        struct node *node, *next_node;

        HASH_ITER(hh, bus->channels, channel, next_channel) {
                if (channel->released)
                        channel_free(channel);
                else
                        channel_lose(channel);
        }
        HASH_ITER(hh, bus->nodes, node, next_node) {
                leave_node(bus, node);
        }
}

void restore_peer_lost(struct bus1_dbus *bus) {
        struct bus1_dbus_object *object;
        struct watch *watch, *next;

        if (bus->reconnect->peer_is_lost)
                return;
        bus->reconnect->peer_is_lost = true;
        /* Without memory a watch does not fire, as when the bus goes for good. */
        HASH_ITER(hh, bus->watches, watch, next) {
                if (!channel_find(bus, watch->handle))
                        (void)incoming_add_notification(bus, BUS1_MESSAGE_TYPE_NODE_RELEASE,
                                                        watch->handle);
        }
        DL_FOREACH(bus->objects, object) {
                if (object->node == BUS1_INVALID)
                        continue;
                if (object->handle == BUS1_INVALID) {
                        (void)incoming_add_notification(bus, BUS1_MESSAGE_TYPE_HANDLE_RELEASE,
                                                        object->node);
                } else {
                        node_remove(bus, object->node);
                        object->node = BUS1_INVALID;
                }
        }
}

void restore_peer_new(struct bus1_dbus *bus) {
        struct bus1_dbus_object *object;
        uint64_t handle;

        bus->reconnect->peer_is_lost = false;
        DL_FOREACH(bus->objects, object) {
                if (object->handle == BUS1_INVALID)
                        continue;
                if (node_new(bus, NODE_OBJECT, object, false, &object->node, &handle) < 0) {
                        object->node = object->handle = BUS1_INVALID;
                } else if (ids_set_alias(bus, object->handle, handle) < 0) {
                        handle_release(bus, handle);
                        node_end(bus, object->node);
                        object->node = object->handle = BUS1_INVALID;
                }
        }
}

/* The session has ended, although the library has not received this yet. */
static void gone_again(struct bus1_dbus *bus) {
        bus->gone = true;
        bus->due = 0; /* dispatch begins anew */
}

/* calls of the bus, one after the other */

static int answered(struct bus1_dbus_message *reply, void *userdata);

/*
 * Ask the bus for something. If kind_of_node is not -1, a new node goes with the call. Takes over
 * the reference of message, which can be NULL: there was no memory. On failure, the thing is lost,
 * unless the result is -ENOTCONN: then the bus has gone again, and nothing is known yet.
 */
static int ask(struct bus1_dbus *bus, enum bus1_dbus_lost_kind kind, const void *item,
               const char *what, DBusMessage *message, int kind_of_node, void *data,
               const uint64_t *handle) {
        struct bus1_transfer created[] = {QUIET_REPLY, QUIET_NODE};
        CLEANUP(dbus_message_unrefp) DBusMessage *m = message;
        struct reconnect *reconnect = bus->reconnect;
        bool has_node = kind_of_node >= 0;
        char name[ERROR_NAME_MAX];
        struct quiet_call call = {
                .to = BUS1_DBUS_BUS,
                .message = m,
                .created = created,
                .n_created = has_node ? 2 : 1,
                .handles = handle,
                .n_handles = handle ? 1 : 0,
                .fn = answered,
                .userdata = bus,
        };
        int r;

        bus->being_restored = item;
        reconnect->kind = kind;
        r = m ? quiet_call(bus, &call, &reconnect->call) : -ENOMEM;
        reconnect->node = created[1].id;
        if (r >= 0 && has_node) {
                r = node_add(bus, reconnect->node, (enum node_kind)kind_of_node, data, true);
                if (r < 0) {
                        pending_cancel(bus, reconnect->call);
                        reconnect->call = NULL;
                }
        }
        if (r >= 0)
                return r;
        bus->being_restored = NULL;
        if (reconnect->node != BUS1_INVALID)
                use_release(bus, reconnect->node);
        reconnect->node = BUS1_INVALID;
        if (r == -ENOTCONN)
                gone_again(bus);
        else
                lose(bus, kind, what, NULL, BUS1_INVALID, error_name_from_errno(r, name));
        return r;
}

/*
 * Does the rule name a connection? Unique names of the former bus are not those of this one: the
 * rule would match what a stranger sends.
 */
static bool rule_is_personal(const char *rule) {
        return strstr(rule, "=':") || strstr(rule, "=:");
}

static bool is_personal(struct bus1_dbus *bus, const char *rule) {
        if (!rule_is_personal(rule))
                return false;
        lose(bus, BUS1_DBUS_LOST_MATCH, rule, NULL, BUS1_INVALID, DBUS_ERROR_NAME_HAS_NO_OWNER);
        return true;
}

static void restore_subscription(struct bus1_dbus *bus, struct bus1_dbus_subscription *s) {
        s->joined = bus->n_joins;
        if (is_personal(bus, s->rule))
                return;
        ask(bus, BUS1_DBUS_LOST_MATCH, s, s->rule,
            driver_message_new(BRIDGE_INTERFACE, "Subscribe", DBUS_TYPE_STRING, &s->rule,
                               DBUS_TYPE_INVALID),
            NODE_SUBSCRIPTION, s, NULL);
        s->node = bus->reconnect->node;
}

static void restore_match(struct bus1_dbus *bus, struct standing *s) {
        s->joined = bus->n_joins;
        if (!is_personal(bus, s->text))
                ask(bus, BUS1_DBUS_LOST_MATCH, s, s->text,
                    driver_message_new(BUS_NAME, "AddMatch", DBUS_TYPE_STRING, &s->text,
                                       DBUS_TYPE_INVALID),
                    -1, NULL, NULL);
}

static void restore_object(struct bus1_dbus *bus, struct bus1_dbus_object *object) {
        object->joined = bus->n_joins;
        ask(bus, BUS1_DBUS_LOST_OBJECT, object, object->path,
            driver_message_new(BRIDGE_INTERFACE, "PublishObject", DBUS_TYPE_OBJECT_PATH,
                               &object->path, DBUS_TYPE_INVALID),
            NODE_OBJECT, object, NULL);
        object->published = bus->reconnect->node;
}

/* The bus does not know the path any more. */
static void export_lost(struct bus1_dbus *bus, struct standing *s) {
        struct bus1_dbus_object *object = s->object;

        if (object && object->exported && strcmp(object->exported, s->text) == 0) {
                free(object->exported);
                object->exported = NULL;
        }
        standing_free(bus, s);
}

/* An export is a published path that the bus has chosen. So it can have the same path again. */
static void restore_export(struct bus1_dbus *bus, struct standing *s) {
        int r;

        s->joined = bus->n_joins;
        r = ask(bus, BUS1_DBUS_LOST_EXPORT, s, s->text,
                driver_message_new(BRIDGE_INTERFACE, "PublishObject", DBUS_TYPE_OBJECT_PATH,
                                   &s->text, DBUS_TYPE_INVALID),
                s->object ? NODE_OBJECT : -1, s->object, s->object ? NULL : &s->handle);
        if (r < 0 && r != -ENOTCONN)
                export_lost(bus, s);
}

static void restore_name(struct bus1_dbus *bus, struct standing *s) {
        int r;

        s->joined = bus->n_joins;
        r = ask(bus, BUS1_DBUS_LOST_NAME, s, s->text,
                driver_message_new(s->published ? BRIDGE_INTERFACE : BUS_NAME,
                                   s->published ? "Publish" : "RequestName", DBUS_TYPE_STRING,
                                   &s->text, DBUS_TYPE_UINT32, &s->flags, DBUS_TYPE_INVALID),
                s->published ? NODE_NAME : -1, NULL, NULL);
        if (r < 0 && r != -ENOTCONN)
                standing_free(bus, s);
}

/* The program has to leave this bus, and to try again. */
static void restore_fail(struct bus1_dbus *bus) {
        bus->reconnect->state = RECONNECT_FAILED;
        bus->due = 0;
        wait_arm(bus);
}

/* The program has released the name after the bus was asked for it. */
static void restore_release(struct bus1_dbus *bus, struct standing *s) {
        int r;

        r = ask(bus, BUS1_DBUS_LOST_NAME, s, s->text,
                driver_message_new(BUS_NAME, "ReleaseName", DBUS_TYPE_STRING, &s->text,
                                   DBUS_TYPE_INVALID),
                -1, NULL, NULL);
        bus->reconnect->releases = r >= 0;
        if (r >= 0 || r == -ENOTCONN)
                return;
        /* The name cannot be given back, but the next bus will not be asked for it. */
        standing_free(bus, s);
        restore_fail(bus);
}

/* answers */

static const char *item_text(enum bus1_dbus_lost_kind kind, const struct bus1_dbus *bus) {
        const void *item = bus->being_restored;
        const struct bus1_dbus_subscription *s;

        if (kind == BUS1_DBUS_LOST_OBJECT)
                return ((const struct bus1_dbus_object *)item)->path;
        if (kind == BUS1_DBUS_LOST_MATCH)
                DL_FOREACH(bus->subscriptions, s) {
                        if (s == item)
                                return s->rule;
                }
        return ((const struct standing *)item)->text;
}

/* Did the program release it while the bus was asked? */
static bool is_released(const struct reconnect *reconnect, const void *item) {
        return reconnect->kind == BUS1_DBUS_LOST_NAME && ((const struct standing *)item)->released;
}

/* The bus does not give the thing. Its node has to end. */
static void refused(struct bus1_dbus *bus, uint64_t node, const char *error) {
        struct reconnect *reconnect = bus->reconnect;
        void *item = (void *)bus->being_restored;

        if (!is_released(reconnect, item))
                lose(bus, reconnect->kind, item_text(reconnect->kind, bus), NULL, BUS1_INVALID,
                     error);
        if (node != BUS1_INVALID) {
                if (reconnect->kind == BUS1_DBUS_LOST_MATCH)
                        ((struct bus1_dbus_subscription *)item)->node = BUS1_INVALID;
                if (reconnect->kind == BUS1_DBUS_LOST_OBJECT)
                        ((struct bus1_dbus_object *)item)->published = BUS1_INVALID;
                node_end(bus, node);
        }
        /* The program knows that it has lost the name or export. Next time it is as it is now. */
        if (reconnect->kind == BUS1_DBUS_LOST_NAME)
                standing_free(bus, item);
        else if (reconnect->kind == BUS1_DBUS_LOST_EXPORT)
                export_lost(bus, item);
}

static const char *error_of_reply(struct bus1_dbus_message *reply) {
        if (!reply)
                return DBUS_ERROR_NO_REPLY;
        return message_is(reply->message, DBUS_MESSAGE_TYPE_ERROR)
                       ? dbus_message_get_error_name(reply->message)
                       : NULL;
}

/* RequestName or Publish has succeeded: what does the bus say about the name? */
static void name_answered(struct bus1_dbus *bus, uint64_t node, struct bus1_dbus_message *reply) {
        const struct standing *s = bus->being_restored;
        uint32_t result;

        if (!dbus_message_get_args(reply->message, NULL, DBUS_TYPE_UINT32, &result,
                                   DBUS_TYPE_INVALID))
                refused(bus, node, DBUS_ERROR_INVALID_SIGNATURE);
        else if (result == DBUS_REQUEST_NAME_REPLY_EXISTS)
                refused(bus, node, DBUS_ERROR_FILE_EXISTS);
        else if (result == DBUS_REQUEST_NAME_REPLY_IN_QUEUE && !s->released)
                lose(bus, BUS1_DBUS_LOST_NAME, s->text, NULL, BUS1_INVALID, NULL);
}

static int answered(struct bus1_dbus_message *reply, void *userdata) {
        struct bus1_dbus *bus = userdata;
        struct reconnect *reconnect = bus->reconnect;
        const char *error = error_of_reply(reply);
        bool releases = reconnect->releases;

        reconnect->call = NULL;
        reconnect->releases = false;
        if (bus->gone)
                return 0; /* all is restored when the program joins the next time */
        if (!reply) {
                restore_fail(bus); /* a bus that does not answer may be a better one next time */
                return 0;
        }
        if (!bus->being_restored) {
                /* The program has freed it. A name may have no structure that says so. */
                if (reconnect->kind == BUS1_DBUS_LOST_NAME && reconnect->node != BUS1_INVALID)
                        node_end(bus, reconnect->node);
        } else if (releases) {
                standing_free(bus, (void *)bus->being_restored);
        } else if (error) {
                refused(bus, reconnect->node, error);
        } else if (reconnect->kind == BUS1_DBUS_LOST_NAME) {
                name_answered(bus, reconnect->node, reply);
        }
        bus->being_restored = NULL;
        reconnect->node = BUS1_INVALID;
        restore_next(bus);
        return 0;
}

/* the order of restoration */

static bool restore_subscriptions(struct bus1_dbus *bus) {
        struct bus1_dbus_subscription *s;

        DL_FOREACH(bus->subscriptions, s) {
                if (!s->rule || s->joined == bus->n_joins)
                        continue;
                restore_subscription(bus, s);
                return true;
        }
        return false;
}

static bool restore_objects(struct bus1_dbus *bus) {
        struct bus1_dbus_object *object;

        DL_FOREACH(bus->objects, object) {
                if (!object->publishes || object->joined == bus->n_joins)
                        continue;
                restore_object(bus, object);
                return true;
        }
        return false;
}

/* A handle that is not found yet cannot be exported yet. */
static bool is_waiting(struct bus1_dbus *bus, const struct standing *s) {
        const struct channel *c = channel_find(bus, s->handle);

        return s->kind == STANDING_EXPORT && c && c->is_lost;
}

static bool restore_standing(struct bus1_dbus *bus, enum standing_kind kind) {
        struct standing *s;

        DL_FOREACH(bus->standing, s) {
                if (s->kind != kind || s->joined == bus->n_joins || is_waiting(bus, s))
                        continue;
                if (kind == STANDING_MATCH)
                        restore_match(bus, s);
                else if (kind == STANDING_EXPORT)
                        restore_export(bus, s);
                else
                        restore_name(bus, s);
                return true;
        }
        return false;
}

static bool restore_releases(struct bus1_dbus *bus) {
        struct standing *s, *next;

        DL_FOREACH_SAFE(bus->standing, s, next) {
                if (!s->released)
                        continue;
                if (s->joined == bus->n_joins) {
                        restore_release(bus, s);
                        return true;
                }
                standing_free(bus, s); /* it was about a former bus */
        }
        return false;
}

/* Others can find the program now. */
static void restored_names(struct bus1_dbus *bus) {
        struct reconnect *reconnect = bus->reconnect;

        bus->restoring = false;
        reconnect->state = RECONNECT_FINDING;
        reconnect->find_at = 0;
        reconnect->find_until = now_ns() + FIND_GRACE;
        reconnect->find_pause = FIND_PAUSE_MIN;
}

static void restore_next(struct bus1_dbus *bus) {
        struct reconnect *reconnect = bus->reconnect;

        while (!bus->gone && !reconnect->call && reconnect->state == RECONNECT_RESTORING) {
                if (!restore_subscriptions(bus) && !restore_standing(bus, STANDING_MATCH) &&
                    !restore_objects(bus) && !restore_standing(bus, STANDING_EXPORT) &&
                    !restore_releases(bus) && !restore_standing(bus, STANDING_NAME))
                        restored_names(bus);
        }
        if (reconnect->state == RECONNECT_FINDING)
                bus->due = 0;
        wait_arm(bus);
}

/* Hello */

static int hello_answered(struct bus1_dbus_message *reply, void *userdata) {
        struct bus1_dbus *bus = userdata;
        struct reconnect *reconnect = bus->reconnect;
        const char *name;
        char *copy = NULL;

        reconnect->call = NULL;
        if (bus->gone)
                return 0;
        if (reply && !error_of_reply(reply) &&
            dbus_message_get_args(reply->message, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID))
                copy = strdup(name);
        if (!copy) {
                restore_fail(bus);
                return 0;
        }
        /* The program may have been in the bus, but not have been told: keep the name it knows. */
        if (reconnect->former_name)
                free(bus->unique_name);
        else
                reconnect->former_name = bus->unique_name;
        bus->unique_name = copy;
        restore_next(bus);
        return 0;
}

void restore_begin(struct bus1_dbus *bus) {
        struct bus1_transfer created[] = {QUIET_REPLY, QUIET_NODE};
        CLEANUP(dbus_message_unrefp) DBusMessage *m = NULL;
        struct reconnect *reconnect = bus->reconnect;
        struct quiet_call call = {
                .to = BUS1_DBUS_BUS,
                .created = created,
                .n_created = 2,
                .fn = hello_answered,
                .userdata = bus,
        };

        reconnect->state = RECONNECT_RESTORING;
        reconnect->node = BUS1_INVALID;
        /* the limits are those of the former bus; this one tells its own */
        bus->max_message_size = bus->max_message_unix_fds = INT64_MAX;
        m = wire_hello(BUS_NAME, BUS_PATH, ++bus->serial);
        call.message = m;
        if (!m || quiet_call(bus, &call, &reconnect->call) < 0) {
                restore_fail(bus);
        } else if (node_add(bus, created[1].id, NODE_HOME, NULL, true) < 0) {
                use_release(bus, created[1].id); /* that also ends the session */
                restore_fail(bus);
        }
}

/* look-ups */

/* The handle cannot be found again: it has ended, for the program as for its watch. */
static void give_up(struct bus1_dbus *bus, struct channel *c, const char *error) {
        struct watch *watch;
        uint64_t handle = c->handle;

        lose(bus, BUS1_DBUS_LOST_HANDLE, c->name, c->path, handle, error);
        channel_free(c);
        subscriptions_lost(bus, handle);
        HASH_FIND(hh, bus->watches, &handle, sizeof(handle), watch);
        if (watch && incoming_add_notification(bus, BUS1_MESSAGE_TYPE_NODE_RELEASE, handle) < 0)
                bus->reconnect->incomplete = true;
}

static bool may_come_later(const char *error) {
        return strcmp(error, DBUS_ERROR_NAME_HAS_NO_OWNER) == 0 ||
               strcmp(error, DBUS_ERROR_SERVICE_UNKNOWN) == 0;
}

static int found(struct bus1_dbus_message *reply, void *userdata) {
        struct channel *c = userdata;
        struct bus1_dbus *bus = c->bus;
        const char *error = error_of_reply(reply);
        uint64_t handle = BUS1_INVALID;
        dbus_uint64_t number;

        c->asking = NULL;
        if (bus->gone)
                return 0;
        if (!error)
                handle = bus1_dbus_message_take_handle(reply, 0);
        if (handle != BUS1_INVALID &&
            dbus_message_get_args(reply->message, NULL, DBUS_TYPE_UINT64, &number,
                                  DBUS_TYPE_INVALID) &&
            ids_set_alias(bus, c->handle, handle) >= 0) {
                channel_found(c, number);
                subscriptions_found(bus, c->handle);
        } else if (handle != BUS1_INVALID) {
                handle_release(bus, handle);
                give_up(bus, c, DBUS_ERROR_NO_MEMORY);
        } else if (error && may_come_later(error) && !c->find_started) {
                return 0; /* restore_find() looks it up again when it is due */
        } else {
                /* without an error: the handle has ended on its way */
                give_up(bus, c, error ?: DBUS_ERROR_NAME_HAS_NO_OWNER);
        }
        /* whether this was the last one is seen when restore_find() is due */
        bus->due = 0;
        wait_arm(bus);
        return 0;
}

static void find(struct bus1_dbus *bus, struct channel *c, bool may_start) {
        CLEANUP(dbus_message_unrefp) DBusMessage *m = NULL;
        struct bus1_transfer created = QUIET_REPLY;
        char name[ERROR_NAME_MAX];
        int r = -ENOMEM;

        /* A unique name of the former bus is that of a stranger by now, or will be. */
        if (*c->name == ':') {
                give_up(bus, c, DBUS_ERROR_NAME_HAS_NO_OWNER);
                return;
        }
        m = driver_lookup_new(c->name, c->path, 0);
        if (m) {
                c->find_started = may_start;
                dbus_message_set_auto_start(m, may_start);
                r = quiet_call(
                        bus, &(struct quiet_call){BUS1_DBUS_BUS, m, &created, 1, NULL, 0, found, c},
                        &c->asking);
        }
        if (r == -ENOTCONN)
                gone_again(bus);
        else if (r < 0)
                give_up(bus, c, error_name_from_errno(r, name));
}

void restore_find(struct bus1_dbus *bus) {
        struct reconnect *reconnect = bus->reconnect;
        uint64_t now = now_ns();
        struct channel *c, *next;
        bool is_missing = false;

        if (now >= reconnect->find_at) {
                HASH_ITER(hh, bus->channels, c, next) {
                        if (c->is_lost && !c->asking)
                                find(bus, c, now >= reconnect->find_until);
                }
                reconnect->find_at = now + reconnect->find_pause;
                if (reconnect->find_pause < FIND_PAUSE_MAX)
                        reconnect->find_pause *= 2;
        }
        HASH_ITER(hh, bus->channels, c, next) {
                is_missing |= c->is_lost;
        }
        if (bus->gone) {
                bus->due = 0;
        } else if (is_missing) {
                bus->due = reconnect->find_at;
        } else if (!reconnect->call && !restore_standing(bus, STANDING_EXPORT)) {
                reconnect->state = RECONNECT_RESTORED;
                bus->due = 0;
        } else {
                /* an answer goes on, if there is going to be one */
                bus->due = reconnect->call ? UINT64_MAX : 0;
        }
        wait_arm(bus);
}
