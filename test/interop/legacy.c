/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kind legacy: programs that use libdbus-1 over a socket. */

#include "test/interop/interop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void *legacy_open(const char *address) {
        DBusError error = DBUS_ERROR_INIT;
        DBusConnection *c;

        c = dbus_connection_open_private(address, &error);
        if (!c || !dbus_bus_register(c, &error)) {
                fprintf(stderr, "legacy: %s\n", error.message);
                return NULL;
        }
        dbus_connection_set_exit_on_disconnect(c, FALSE);
        dbus_connection_set_max_message_size(c, 128 * 1024 * 1024);
        dbus_connection_set_max_received_size(c, 256 * 1024 * 1024);
        return c;
}

static void legacy_close(void *member) {
        dbus_connection_close(member);
        dbus_connection_unref(member);
}

static DBusMessage *legacy_call(void *member, DBusMessage *call, DBusError *error) {
        return dbus_connection_send_with_reply_and_block(member, call, INTEROP_TIMEOUT_MS, error);
}

static bool legacy_call_many(void *member, DBusMessage **calls, DBusMessage **replies, size_t n) {
        DBusPendingCall **pending;
        bool ok = true;

        pending = calloc(n, sizeof(*pending));
        for (size_t i = 0; i < n; i++)
                ok = ok && dbus_connection_send_with_reply(member, calls[i], &pending[i],
                                                           INTEROP_TIMEOUT_MS);
        for (size_t i = 0; i < n && ok; i++) {
                dbus_pending_call_block(pending[i]);
                replies[i] = dbus_pending_call_steal_reply(pending[i]);
                dbus_pending_call_unref(pending[i]);
        }
        free(pending);
        return ok;
}

static bool legacy_emit(void *member, DBusMessage *signal) {
        bool ok = dbus_connection_send(member, signal, NULL);

        dbus_connection_flush(member);
        return ok;
}

static bool legacy_subscribe(void *member, const char *rule) {
        DBusError error = DBUS_ERROR_INIT;

        dbus_bus_add_match(member, rule, &error);
        if (dbus_error_is_set(&error)) {
                fprintf(stderr, "legacy: %s\n", error.message);
                dbus_error_free(&error);
                return false;
        }
        return true;
}

static DBusMessage *wait_message(void *member, bool any_type) {
        time_t end = time(NULL) + INTEROP_TIMEOUT_MS / 1000;

        do {
                DBusMessage *m;

                while ((m = dbus_connection_pop_message(member))) {
                        if ((any_type || dbus_message_get_type(m) == DBUS_MESSAGE_TYPE_SIGNAL) &&
                            dbus_message_has_interface(m, INTEROP_INTERFACE))
                                return m;
                        dbus_message_unref(m);
                }
        } while (time(NULL) <= end && dbus_connection_read_write(member, 100));
        return NULL;
}

static DBusMessage *legacy_wait_signal(void *member) {
        return wait_message(member, false);
}

static bool legacy_overhear(void *member, const char *rule) {
        return !rule || legacy_subscribe(member, rule);
}

static DBusMessage *legacy_wait_overheard(void *member) {
        return wait_message(member, true);
}

static void legacy_reply(struct service *service, void *call, DBusMessage *reply) {
        DBusMessage *made = reply ? NULL : dbus_message_new_method_return(call);

        dbus_connection_send(service->member, reply ? reply : made, NULL);
        if (made)
                dbus_message_unref(made);
        dbus_message_unref(call);
}

static void legacy_serve(void *member, struct service *service) {
        legacy_subscribe(member, "type='signal',interface='" INTEROP_INTERFACE "',member='Told'");
        dbus_bus_request_name(member, INTEROP_NAME, DBUS_NAME_FLAG_DO_NOT_QUEUE, NULL);
        /* Pop first: a call may have been read together with the reply to RequestName. */
        do {
                DBusMessage *m;

                while ((m = dbus_connection_pop_message(member))) {
                        DBusMessage *reply;
                        bool keep = false;

                        if (dbus_message_get_type(m) == DBUS_MESSAGE_TYPE_SIGNAL)
                                service_signal(service, m);
                        if (dbus_message_get_type(m) == DBUS_MESSAGE_TYPE_METHOD_CALL) {
                                reply = service_handle(service, m, m, &keep);
                                if (reply) {
                                        dbus_connection_send(member, reply, NULL);
                                        dbus_message_unref(reply);
                                }
                        }
                        if (!keep)
                                dbus_message_unref(m);
                }
        } while (dbus_connection_read_write(member, -1));
}

const struct kind kind_legacy = {
        .name = "legacy",
        .open = legacy_open,
        .close = legacy_close,
        .call = legacy_call,
        .call_many = legacy_call_many,
        .emit = legacy_emit,
        .subscribe = legacy_subscribe,
        .wait_signal = legacy_wait_signal,
        .overhear = legacy_overhear,
        .wait_overheard = legacy_wait_overheard,
        .serve = legacy_serve,
        .reply = legacy_reply,
};
