/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/restore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/channel.h"
#include "libbus1/dbus/driver.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/object.h"
#include "libbus1/dbus/pending.h"
#include "libbus1/dbus/quiet.h"
#include "libbus1/dbus/standing.h"
#include "libbus1/dbus/subscribe.h"
#include "libbus1/dbus/use.h"
#include "libbus1/dbus/wait.h"

#define FIND_GRACE (5000 * NS_PER_MS)
#define FIND_PAUSE_MIN (10 * NS_PER_MS)

static void restore_next(struct bus1_dbus *bus);

void restore_gone_again(struct bus1_dbus *bus) {
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
                restore_gone_again(bus);
        else
                lost_add(&bus->reconnect->lost, kind, what, NULL, BUS1_INVALID,
                         error_name_from_errno(r, name));
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
        lost_add(&bus->reconnect->lost, BUS1_DBUS_LOST_MATCH, rule, NULL, BUS1_INVALID,
                 DBUS_ERROR_NAME_HAS_NO_OWNER);
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
                lost_add(&bus->reconnect->lost, reconnect->kind, item_text(reconnect->kind, bus),
                         NULL, BUS1_INVALID, error);
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

const char *restore_error(struct bus1_dbus_message *reply) {
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
                lost_add(&bus->reconnect->lost, BUS1_DBUS_LOST_NAME, s->text, NULL, BUS1_INVALID,
                         NULL);
}

static int answered(struct bus1_dbus_message *reply, void *userdata) {
        struct bus1_dbus *bus = userdata;
        struct reconnect *reconnect = bus->reconnect;
        const char *error = restore_error(reply);
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

bool restore_standing(struct bus1_dbus *bus, enum standing_kind kind) {
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
        if (reply && !restore_error(reply) &&
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
