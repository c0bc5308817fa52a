/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A client of test-reexec-soak.py with libdbus: soak-libdbus NAME */

#include <dbus/dbus.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/integration/soak.h"

static DBusConnection *c;

/* A call that waits for its answer. */
struct waiting {
        size_t peer;
        uint64_t number;
};

static int wait_for(short *ret_events, int *ret_timeout) {
        int fd = -1;

        dbus_connection_get_unix_fd(c, &fd);
        *ret_events = dbus_connection_has_messages_to_send(c) ? POLLIN | POLLOUT : POLLIN;
        *ret_timeout =
                dbus_connection_get_dispatch_status(c) == DBUS_DISPATCH_DATA_REMAINS ? 0 : -1;
        return fd;
}

static void process(void) {
        if (!dbus_connection_read_write(c, 0))
                soak_fail("the connection has ended");
        while (dbus_connection_dispatch(c) == DBUS_DISPATCH_DATA_REMAINS)
                ;
}

static void answered(DBusPendingCall *pending, void *userdata) {
        DBusMessage *m = dbus_pending_call_steal_reply(pending);
        const struct waiting *waiting = userdata;
        dbus_uint64_t number = 0;

        if (!dbus_message_get_args(m, NULL, DBUS_TYPE_UINT64, &number, DBUS_TYPE_INVALID))
                soak_fail("a call has failed: %s", dbus_message_get_error_name(m));
        soak_answered(waiting->peer, waiting->number, number);
        dbus_message_unref(m);
        dbus_pending_call_unref(pending);
}

static void call(const char *destination, size_t peer, uint64_t number, int fd) {
        DBusMessage *m = dbus_message_new_method_call(destination, SOAK_PATH, SOAK_INTERFACE,
                                                      fd < 0 ? "Take" : "TakeFd");
        struct waiting *waiting = malloc(sizeof(*waiting));
        DBusPendingCall *pending = NULL;
        dbus_uint64_t n = number;

        if (!m || !waiting || !dbus_message_append_args(m, DBUS_TYPE_UINT64, &n, DBUS_TYPE_INVALID))
                soak_fail("no memory");
        if (fd >= 0 && !dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_INVALID))
                soak_fail("no memory");
        *waiting = (struct waiting){peer, number};
        if (!dbus_connection_send_with_reply(c, m, &pending, SOAK_TIMEOUT * 1000) || !pending ||
            !dbus_pending_call_set_notify(pending, answered, waiting, free))
                soak_fail("a call cannot be sent");
        dbus_message_unref(m);
}

static void tick(uint64_t number) {
        DBusMessage *m = dbus_message_new_signal(SOAK_PATH, SOAK_INTERFACE, "Tick");
        dbus_uint64_t n = number;

        if (!m || !dbus_message_append_args(m, DBUS_TYPE_UINT64, &n, DBUS_TYPE_INVALID) ||
            !dbus_connection_send(c, m, NULL))
                soak_fail("no memory");
        dbus_message_unref(m);
}

static DBusHandlerResult take(DBusMessage *m) {
        DBusMessage *reply = dbus_message_new_method_return(m);
        dbus_uint64_t number = 0;
        int fd = -1;

        if (!dbus_message_get_args(m, NULL, DBUS_TYPE_UINT64, &number, DBUS_TYPE_INVALID) ||
            (dbus_message_is_method_call(m, SOAK_INTERFACE, "TakeFd") &&
             !dbus_message_get_args(m, NULL, DBUS_TYPE_UINT64, &number, DBUS_TYPE_UNIX_FD, &fd,
                                    DBUS_TYPE_INVALID)))
                soak_fail("a call has other arguments");
        soak_take(dbus_message_get_sender(m), number, fd);
        if (fd >= 0)
                close(fd);
        if (!reply ||
            !dbus_message_append_args(reply, DBUS_TYPE_UINT64, &number, DBUS_TYPE_INVALID) ||
            !dbus_connection_send(c, reply, NULL))
                soak_fail("no memory");
        dbus_message_unref(reply);
        return DBUS_HANDLER_RESULT_HANDLED;
}

static DBusHandlerResult filter(DBusConnection *connection, DBusMessage *m, void *userdata) {
        dbus_uint64_t number = 0;

        if (dbus_message_is_signal(m, DBUS_INTERFACE_LOCAL, "Disconnected"))
                soak_fail("the bus has closed the connection");
        if (dbus_message_is_signal(m, SOAK_INTERFACE, "Tick")) {
                if (!dbus_message_get_args(m, NULL, DBUS_TYPE_UINT64, &number, DBUS_TYPE_INVALID))
                        soak_fail("a tick has other arguments");
                soak_ticked(dbus_message_get_sender(m), number);
                return DBUS_HANDLER_RESULT_HANDLED;
        }
        if (dbus_message_get_type(m) == DBUS_MESSAGE_TYPE_METHOD_CALL &&
            dbus_message_has_interface(m, SOAK_INTERFACE))
                return take(m);
        return DBUS_HANDLER_RESULT_NOT_YET_HANDLED;
}

int main(int argc, char **argv) {
        static const struct soak_library library = {wait_for, process, call, tick};
        DBusError error;

        dbus_error_init(&error);
        c = dbus_bus_get_private(DBUS_BUS_SESSION, &error);
        if (!c || argc != 2)
                soak_fail("soak-libdbus NAME: %s", error.message ? error.message : "usage");
        dbus_connection_set_exit_on_disconnect(c, FALSE);
        if (!dbus_connection_add_filter(c, filter, NULL, NULL))
                soak_fail("no memory");
        dbus_bus_add_match(c, SOAK_RULE, &error);
        if (dbus_error_is_set(&error) ||
            dbus_bus_request_name(c, argv[1], 0, &error) != DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER)
                soak_fail("%s", error.message ? error.message : "the name has an owner");
        soak_run(&library, dbus_bus_get_unique_name(c));
}
