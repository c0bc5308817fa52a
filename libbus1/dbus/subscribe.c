/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/subscribe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/driver.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/receive.h"
#include "libbus1/dbus/send.h"

void subscription_clear(struct bus1_dbus_subscription *s) {
        struct bus1_dbus *bus = s->request.slot.bus;

        if (s->node != BUS1_INVALID)
                node_end(bus, s->node);
        handle_release(bus, s->handle);
        s->node = s->handle = BUS1_INVALID;
        free(s->rule);
        s->rule = NULL;
        if (bus->being_restored == s)
                bus->being_restored = NULL;
}

static void subscription_free(struct request *request) {
        struct bus1_dbus_subscription *s = (struct bus1_dbus_subscription *)request;

        subscription_clear(s);
        free(s->interface);
        free(s->member);
        DL_DELETE(request->slot.bus->subscriptions, s);
}

struct bus1_dbus_subscription *subscription_new(struct bus1_dbus *bus, bool is_floating,
                                                bus1_dbus_message_fn fn, void *userdata) {
        struct bus1_dbus_subscription *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        s->node = s->handle = s->lookup = BUS1_INVALID;
        s->fn = fn;
        s->userdata = userdata;
        request_init(&s->request, bus, is_floating, subscription_free);
        DL_APPEND(bus->subscriptions, s);
        return s;
}

/* installing */

static int set_rule(struct bus1_dbus_subscription *s, const char *rule) {
        s->joined = s->request.slot.bus->n_joins;
        s->rule = strdup(rule);
        return s->rule ? 0 : -ENOMEM;
}

int subscription_install(struct bus1_dbus_subscription *s, const char *rule, DBusError *error) {
        if (set_rule(s, rule) < 0)
                return error_from_errno(error, -ENOMEM, "Subscribe");
        return call_bus_with_node(s->request.slot.bus, "Subscribe", NODE_SUBSCRIPTION, s, &s->node,
                                  NULL, error, DBUS_TYPE_STRING, &rule, DBUS_TYPE_INVALID);
}

void subscription_fail(struct bus1_dbus_subscription *s, const DBusError *error) {
        struct bus1_dbus *bus = s->request.slot.bus;
        bus1_dbus_done_fn installed = s->installed;
        void *userdata = s->userdata;

        subscription_clear(s);
        request_finish(&s->request);
        if (installed)
                installed(bus, error, userdata);
}

static void install_answered(struct request *request, struct bus1_dbus_message *answer) {
        struct bus1_dbus_subscription *s = (struct bus1_dbus_subscription *)request;
        DBusError error = DBUS_ERROR_INIT;

        if (request_result(answer, &error) < 0) {
                subscription_fail(s, &error);
                dbus_error_free(&error);
        } else if (s->installed) {
                s->installed(request->slot.bus, NULL, s->userdata);
        }
}

int subscription_install_async(struct bus1_dbus_subscription *s, const char *rule) {
        CLEANUP(dbus_message_unrefp) DBusMessage *m = NULL;
        struct bus1_dbus *bus = s->request.slot.bus;
        uint64_t handle;
        int r;

        m = driver_message_new(BRIDGE_INTERFACE, "Subscribe", DBUS_TYPE_STRING, &rule,
                               DBUS_TYPE_INVALID);
        if (!m || set_rule(s, rule) < 0)
                return -ENOMEM;
        r = node_new(bus, NODE_SUBSCRIPTION, s, true, &s->node, &handle);
        if (r < 0)
                return r;
        r = request_send(&s->request, BUS1_DBUS_BUS, m, &handle, BUS1_DBUS_TIMEOUT_DEFAULT,
                         install_answered);
        /* From here on, only the call has a handle to the node. */
        handle_release(bus, handle);
        return r;
}

/* The result of a function of the program that subscribes with a rule. */
static int subscribe(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot, const char *rule,
                     bus1_dbus_message_fn fn, void *userdata, DBusError *error) {
        struct bus1_dbus_subscription *s;
        int r;

        s = subscription_new(bus, !ret_slot, fn, userdata);
        if (!s)
                return error_from_errno(error, -ENOMEM, "Subscribe");
        r = subscription_install(s, rule, error);
        return slot_result(&s->request.slot, r, ret_slot);
}

static int subscribe_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                           const char *rule, bus1_dbus_message_fn fn, bus1_dbus_done_fn installed,
                           void *userdata) {
        struct bus1_dbus_subscription *s;
        int r;

        s = subscription_new(bus, !ret_slot, fn, userdata);
        if (!s)
                return -ENOMEM;
        s->installed = installed;
        r = subscription_install_async(s, rule);
        return slot_result(&s->request.slot, r, ret_slot);
}

PUBLIC int bus1_dbus_add_match(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                               const char *rule, bus1_dbus_message_fn fn, void *userdata,
                               DBusError *error) {
        if (!bus || !text_is_valid(rule) || !fn)
                return error_from_errno(error, -EINVAL, "Subscribe");
        return subscribe(bus, ret_slot, rule, fn, userdata, error);
}

PUBLIC int bus1_dbus_add_match_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                     const char *rule, bus1_dbus_message_fn fn,
                                     bus1_dbus_done_fn installed, void *userdata) {
        if (!bus || !text_is_valid(rule) || !fn)
                return -EINVAL;
        return subscribe_async(bus, ret_slot, rule, fn, installed, userdata);
}

/* A subscription begins with its slot. */

PUBLIC int bus1_dbus_subscribe(struct bus1_dbus *bus, const char *rule, bus1_dbus_message_fn fn,
                               void *userdata, struct bus1_dbus_subscription **ret_subscription,
                               DBusError *error) {
        struct bus1_dbus_slot *slot;
        int r;

        r = bus1_dbus_add_match(bus, ret_subscription ? &slot : NULL, rule, fn, userdata, error);
        if (r >= 0 && ret_subscription)
                *ret_subscription = (struct bus1_dbus_subscription *)slot;
        return r;
}

PUBLIC struct bus1_dbus_subscription *
bus1_dbus_subscription_free(struct bus1_dbus_subscription *s) {
        if (s)
                bus1_dbus_slot_free(&s->request.slot);
        return NULL;
}

/* rules */

int subscription_rule(const char *sender, const char *path, const char *interface,
                      const char *member, char **ret_rule) {
        char *rule = NULL;
        size_t n_rule;
        bool failed;
        FILE *f;

        /* No character of valid ones means anything in a rule. */
        if ((sender && !dbus_validate_bus_name(sender, NULL)) ||
            (path && !dbus_validate_path(path, NULL)) ||
            (interface && !dbus_validate_interface(interface, NULL)) ||
            (member && !dbus_validate_member(member, NULL)))
                return -EINVAL;
        f = open_memstream(&rule, &n_rule);
        if (!f)
                return -ENOMEM;
        fputs("type='signal'", f);
        if (sender)
                fprintf(f, ",sender='%s'", sender);
        if (path)
                fprintf(f, ",path='%s'", path);
        if (interface)
                fprintf(f, ",interface='%s'", interface);
        if (member)
                fprintf(f, ",member='%s'", member);
        failed = ferror(f);
        if (fclose(f) != 0 || failed || !rule) {
                free(rule);
                return -ENOMEM;
        }
        *ret_rule = rule;
        return 0;
}

PUBLIC int bus1_dbus_match_signal(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                  const char *sender, const char *path, const char *interface,
                                  const char *member, bus1_dbus_message_fn fn, void *userdata,
                                  DBusError *error) {
        CLEANUP_FREE char *rule = NULL;
        int r;

        r = bus && fn ? subscription_rule(sender, path, interface, member, &rule) : -EINVAL;
        if (r < 0)
                return error_from_errno(error, r, "Subscribe");
        return subscribe(bus, ret_slot, rule, fn, userdata, error);
}

PUBLIC int bus1_dbus_match_signal_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                        const char *sender, const char *path, const char *interface,
                                        const char *member, bus1_dbus_message_fn fn,
                                        bus1_dbus_done_fn installed, void *userdata) {
        CLEANUP_FREE char *rule = NULL;
        int r;

        r = bus && fn ? subscription_rule(sender, path, interface, member, &rule) : -EINVAL;
        if (r < 0)
                return r;
        return subscribe_async(bus, ret_slot, rule, fn, installed, userdata);
}

/* what arrives */

/* The owner of an object may send anything to the node. The bus sends what matches the rule. */
static bool is_asked_for(const struct bus1_dbus_subscription *s, DBusMessage *m) {
        if (!s->is_direct)
                return true;
        return message_is(m, DBUS_MESSAGE_TYPE_SIGNAL) &&
               (!s->interface || dbus_message_has_interface(m, s->interface)) &&
               (!s->member || dbus_message_has_member(m, s->member));
}

void subscription_dispatch(struct bus1_dbus_subscription *s, struct bus1_dbus_message *m) {
        if (is_asked_for(s, m->message))
                s->fn(m, s->userdata);
}

void subscription_end(struct bus1_dbus_subscription *s, const char *name, const char *text) {
        struct bus1_dbus *bus = s->request.slot.bus;
        bus1_dbus_message_fn fn = s->fn;
        struct bus1_dbus_message *m = NULL;
        DBusError error = DBUS_ERROR_INIT;
        void *userdata = s->userdata;

        if (s->request.call != BUS1_INVALID) {
                request_cancel(&s->request);
                dbus_set_error_const(&error, name, text);
                subscription_fail(s, &error);
                dbus_error_free(&error);
                return;
        }
        /* Without memory, the subscription stays, and is silent. */
        if (incoming_message_new_error(bus, 1, name, text, &m) < 0)
                return;
        subscription_clear(s);
        request_finish(&s->request);
        fn(m, userdata);
        bus1_dbus_message_unref(m);
}

/* Is the notification that the node of the handle has ended among the messages for dispatch? */
static bool end_is_received(const struct bus1_dbus *bus, uint64_t handle) {
        const struct incoming *i;

        DL_FOREACH(bus->incoming, i) {
                if (i->received->type == BUS1_MESSAGE_TYPE_NODE_RELEASE &&
                    i->received->metadata.metadata.id == handle)
                        return true;
        }
        return false;
}

/* Or does it come after others? How many is limited, because more can come all the time. */
static bool end_waits(struct bus1_dbus *bus, uint64_t handle) {
        const struct incoming *last;

        for (int i = 0; i < 64; i++) {
                last = bus->incoming ? bus->incoming->prev : NULL;
                (void)receive_all(bus);
                if (end_is_received(bus, handle))
                        return true;
                if (!bus->incoming || bus->incoming->prev == last)
                        break;
        }
        return false;
}

void subscription_dropped(struct bus1_dbus_subscription *s) {
        struct bus1_dbus *bus = s->request.slot.bus;

        s->node = BUS1_INVALID;
        /*
         * If the call that passes the handle on has not been answered, its answer says why. If the
         * object has ended, which it does at the same time, the end of the handle says so.
         */
        if (!s->is_direct || s->request.call != BUS1_INVALID || bus->gone ||
            end_waits(bus, s->handle))
                return;
        /* the notification may have been lost for lack of memory */
        if (handle_has_ended(bus, s->handle))
                subscription_end(s, DBUS_ERROR_UNKNOWN_OBJECT, "The object has gone");
        else
                subscription_end(s, DBUS_ERROR_LIMITS_EXCEEDED,
                                 "A signal could not be sent to this program");
}
