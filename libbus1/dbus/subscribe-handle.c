/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Signals of the object behind a handle
 *
 *        handle                            who answers Subscribe     signals come
 *
 *        from a look-up of this program    nobody is asked           by a match rule
 *        the same, of an exported path     as below                  as below
 *        of another look-up                the owner: name, path     by a match rule
 *        of an object                      the owner: "", "/"        directly from the owner
 *
 * An exported path leads to the object of a handle. Only the owner of this object, which can be
 * another member than the one that has exported it, knows from where the signals come.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/channel.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/receive.h"
#include "libbus1/dbus/send.h"
#include "libbus1/dbus/subscribe.h"
#include "libbus1/dbus/subscriber.h"

static void object_gone(struct bus1_dbus *bus, uint64_t handle, void *userdata) {
        /* The end of the bus is told otherwise. */
        if (!bus->gone)
                subscription_end(userdata, DBUS_ERROR_UNKNOWN_OBJECT, "The object has gone");
}

static int watch_copy(struct bus1_dbus_subscription *s, uint64_t handle) {
        struct bus1_dbus *bus = s->request.slot.bus;
        int r;

        r = handle_copy(bus, handle, &s->handle);
        return r < 0 ? r : bus1_dbus_watch(bus, s->handle, object_gone, s);
}

/* The program has joined again. With a hosted core the objects of other programs have gone. */
static void rejoined(struct bus1_dbus_slot *slot) {
        struct bus1_dbus_subscription *s = (struct bus1_dbus_subscription *)slot;

        if (s->is_direct && s->handle != BUS1_INVALID && handle_has_ended(slot->bus, s->handle))
                subscription_end(s, DBUS_ERROR_UNKNOWN_OBJECT, "The object has gone");
}

void subscriptions_found(struct bus1_dbus *bus, uint64_t handle) {
        struct bus1_dbus_subscription *s;

        DL_FOREACH(bus->subscriptions, s) {
                if (s->lookup != handle || s->handle == BUS1_INVALID)
                        continue;
                handle_release(bus, s->handle);
                s->handle = BUS1_INVALID;
                /* without a copy, the subscription does not hear of the end of the object */
                (void)watch_copy(s, handle);
        }
}

void subscriptions_lost(struct bus1_dbus *bus, uint64_t handle) {
        struct bus1_dbus_subscription *s;

        DL_FOREACH(bus->subscriptions, s) {
                if (s->lookup == handle && s->handle != BUS1_INVALID &&
                    bus1_dbus_watch(bus, s->handle, object_gone, s) >= 0)
                        (void)incoming_add_notification(bus, BUS1_MESSAGE_TYPE_NODE_RELEASE,
                                                        s->handle);
        }
}

static char *copy_of(const char *text, bool *failed) {
        char *copy = text ? strdup(text) : NULL;

        *failed |= text && !copy;
        return copy;
}

static int subscription_new_for_handle(struct bus1_dbus *bus, bool is_floating, uint64_t handle,
                                       const char *interface, const char *member,
                                       bus1_dbus_message_fn fn, void *userdata,
                                       struct bus1_dbus_subscription **ret_subscription) {
        struct bus1_dbus_subscription *s;
        bool failed = false;
        int r;

        if (!bus || handle == BUS1_INVALID || !fn ||
            (interface && !dbus_validate_interface(interface, NULL)) ||
            (member && !dbus_validate_member(member, NULL)))
                return -EINVAL;
        s = subscription_new(bus, is_floating, fn, userdata);
        if (!s)
                return -ENOMEM;
        s->interface = copy_of(interface, &failed);
        s->member = copy_of(member, &failed);
        if (channel_find(bus, handle))
                s->lookup = handle;
        s->request.slot.rejoined = rejoined;
        r = failed ? -ENOMEM : watch_copy(s, handle);
        if (r < 0) {
                bus1_dbus_slot_free(&s->request.slot);
                return r;
        }
        *ret_subscription = s;
        return 0;
}

static bool path_is_exported(const char *path) {
        return strncmp(path, EXPORT_PATH, sizeof(EXPORT_PATH) - 1) == 0;
}

/* The rule for a handle from a look-up, or NULL if the owner of the object has to be asked. */
static int rule_of_lookup(const struct bus1_dbus_subscription *s, uint64_t handle,
                          char **ret_rule) {
        struct channel *c = channel_find(s->request.slot.bus, handle);

        if (!c || (c->path && path_is_exported(c->path)))
                return 0;
        return subscription_rule(c->name, c->path, s->interface, s->member, ret_rule);
}

/* Make the node, and the call that passes its handle to the owner of the object. */
static int prepare(struct bus1_dbus_subscription *s, DBusMessage **ret_message,
                   uint64_t *ret_handle) {
        CLEANUP(dbus_message_unrefp) DBusMessage *m = NULL;
        const char *interface = s->interface ?: "", *member = s->member ?: "";
        int r;

        m = dbus_message_new_method_call(NULL, "/", OBJECT_INTERFACE, "Subscribe");
        if (!m || !dbus_message_append_args(m, DBUS_TYPE_STRING, &interface, DBUS_TYPE_STRING,
                                            &member, DBUS_TYPE_INVALID))
                return -ENOMEM;
        r = node_new(s->request.slot.bus, NODE_SUBSCRIPTION, s, false, &s->node, ret_handle);
        if (r < 0)
                return r;
        s->is_direct = true;
        *ret_message = steal_ptr(&m);
        return 0;
}

/*
 * Read the answer of the owner. If it says that the signals come by a match rule, *ret_rule is the
 * rule, else NULL.
 */
static int read_answer(struct bus1_dbus_subscription *s, struct bus1_dbus_message *answer,
                       char **ret_rule, DBusError *error) {
        struct bus1_dbus *bus = s->request.slot.bus;
        const char *name, *path;
        int r;

        *ret_rule = NULL;
        if (!bus1_dbus_message_get_dbus(answer))
                return error_from_errno(error, -ENOMEM, "Subscribe");
        if (!dbus_message_get_args(answer->message, NULL, DBUS_TYPE_STRING, &name,
                                   DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_INVALID))
                return error_from_errno(error, -EBADMSG, "Subscribe");
        if (!*name)
                return 0;
        s->is_direct = false;
        if (s->node != BUS1_INVALID)
                node_end(bus, s->node);
        s->node = BUS1_INVALID;
        r = bus->session != BUS1_INVALID
                    ? subscription_rule(name, path, s->interface, s->member, ret_rule)
                    : -ENOTCONN;
        return r < 0 ? error_from_errno(error, r == -EINVAL ? -EBADMSG : r, "Subscribe") : 0;
}

/* waiting */

static int ask(struct bus1_dbus_subscription *s, uint64_t to, char **ret_rule, DBusError *error) {
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *answer = NULL;
        CLEANUP(dbus_message_unrefp) DBusMessage *m = NULL;
        struct bus1_dbus *bus = s->request.slot.bus;
        uint64_t handle;
        int r;

        r = prepare(s, &m, &handle);
        if (r < 0)
                return error_from_errno(error, r, "Subscribe");
        r = bus1_dbus_call(bus, to, m, &handle, 1, BUS1_DBUS_TIMEOUT_DEFAULT, &answer, error);
        handle_release(bus, handle);
        return r < 0 ? r : read_answer(s, answer, ret_rule, error);
}

PUBLIC int bus1_dbus_subscribe_handle(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                      uint64_t handle, const char *interface, const char *member,
                                      bus1_dbus_message_fn fn, void *userdata, DBusError *error) {
        CLEANUP_FREE char *rule = NULL;
        struct bus1_dbus_subscription *s;
        int r;

        r = subscription_new_for_handle(bus, !ret_slot, handle, interface, member, fn, userdata,
                                        &s);
        if (r < 0)
                return error_from_errno(error, r, "Subscribe");
        r = rule_of_lookup(s, handle, &rule);
        if (r < 0)
                error_from_errno(error, r, "Subscribe");
        else if (!rule)
                r = ask(s, s->handle, &rule, error);
        if (r >= 0 && rule)
                r = subscription_install(s, rule, error);
        return slot_result(&s->request.slot, r, ret_slot);
}

/* not waiting */

static void ask_answered(struct request *request, struct bus1_dbus_message *answer) {
        struct bus1_dbus_subscription *s = (struct bus1_dbus_subscription *)request;
        DBusError error = DBUS_ERROR_INIT;
        CLEANUP_FREE char *rule = NULL;
        int r;

        r = request_result(answer, &error);
        if (r >= 0)
                r = read_answer(s, answer, &rule, &error);
        if (r >= 0 && rule) {
                r = subscription_install_async(s, rule);
                if (r >= 0)
                        return; /* its answer is the result */
                error_from_errno(&error, r, "Subscribe");
        }
        if (r < 0)
                subscription_fail(s, &error);
        else if (s->installed)
                s->installed(request->slot.bus, NULL, s->userdata);
        dbus_error_free(&error);
}

static int ask_async(struct bus1_dbus_subscription *s) {
        CLEANUP(dbus_message_unrefp) DBusMessage *m = NULL;
        uint64_t handle;
        int r;

        r = prepare(s, &m, &handle);
        if (r < 0)
                return r;
        r = request_send(&s->request, s->handle, m, &handle, BUS1_DBUS_TIMEOUT_DEFAULT,
                         ask_answered);
        handle_release(s->request.slot.bus, handle);
        return r;
}

PUBLIC int bus1_dbus_subscribe_handle_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                            uint64_t handle, const char *interface,
                                            const char *member, bus1_dbus_message_fn fn,
                                            bus1_dbus_done_fn installed, void *userdata) {
        CLEANUP_FREE char *rule = NULL;
        struct bus1_dbus_subscription *s;
        int r;

        r = subscription_new_for_handle(bus, !ret_slot, handle, interface, member, fn, userdata,
                                        &s);
        if (r < 0)
                return r;
        s->installed = installed;
        r = rule_of_lookup(s, handle, &rule);
        if (r >= 0)
                r = rule ? subscription_install_async(s, rule) : ask_async(s);
        return slot_result(&s->request.slot, r, ret_slot);
}
