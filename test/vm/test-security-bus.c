/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Security modules can refuse what the bus sends to native clients, and descriptors that it gets
 *
 *      test-security-bus BRIDGE
 *
 * A legacy client calls a native service, and emits a signal for which the service has a match
 * rule. While a security module refuses all messages of bus1, the caller gets an error and the
 * service gets nothing. The bus goes on, and afterwards the service gets messages again.
 *
 * While a security module refuses all files, a message with a descriptor that a native client sends
 * to the bus is dropped, and a call gets AccessDenied. Its session and all others go on.
 */

#include "base/cleanup.h"
#include "refuse.h"
#include "test/interop/interop.h"
#include <bus1/dbus.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "org.bus1.Test"
#define PATH "/org/bus1/Test"

static struct bus1_dbus *service;
static DBusConnection *legacy;
static int n_signals;

bool failed(const char *file, int line, const char *what) {
        fprintf(stderr, "%s:%d: %s\n", file, line, what);
        return false;
}

static int run_ping(struct bus1_dbus_message *m, void *userdata) {
        return bus1_dbus_reply_args(m, DBUS_TYPE_INVALID);
}

static const struct bus1_dbus_method methods[] = {{"Ping", "", "", run_ping, NULL}, {}};
static const struct bus1_dbus_interface interfaces[] = {{.name = NAME, .methods = methods}, {}};

static int count_signal(struct bus1_dbus_message *m, void *userdata) {
        n_signals++;
        return 0;
}

/* Call the service. *ret_error is the name of the error, which the caller frees, or NULL. */
static bool call_service(char **ret_error) {
        DBusPendingCall *pending;
        DBusMessage *m;

        m = dbus_message_new_method_call(NAME, PATH, NAME, "Ping");
        EXPECT(dbus_connection_send_with_reply(legacy, m, &pending, 10000));
        dbus_message_unref(m);
        while (!dbus_pending_call_get_completed(pending)) {
                EXPECT(dbus_connection_read_write_dispatch(legacy, 10));
                EXPECT(bus1_dbus_dispatch(service) >= 0);
        }
        m = dbus_pending_call_steal_reply(pending);
        dbus_pending_call_unref(pending);
        *ret_error = dbus_message_get_type(m) == DBUS_MESSAGE_TYPE_ERROR
                             ? strdup(dbus_message_get_error_name(m))
                             : NULL;
        dbus_message_unref(m);
        return true;
}

/* Emit a signal, wait until the bus has routed it, and dispatch the service. */
static bool emit_signal(void) {
        DBusMessage *m;

        m = dbus_message_new_signal(PATH, NAME, "Changed");
        EXPECT(dbus_connection_send(legacy, m, NULL));
        dbus_message_unref(m);
        EXPECT(dbus_bus_name_has_owner(legacy, NAME, NULL));
        while (bus1_dbus_dispatch(service) > 0)
                ;
        return true;
}

/*
 * Check that a call fails with the expected error (NULL: succeeds), and that an emitted signal
 * reaches the service expected_signals times.
 */
static bool expect_outcome(const char *expected, int expected_signals) {
        int n = n_signals;
        char *error;

        EXPECT(call_service(&error));
        EXPECT(expected ? error && strcmp(error, expected) == 0 : !error);
        free(error);
        EXPECT(emit_signal());
        EXPECT(n_signals == n + expected_signals);
        return true;
}

/* Check that a signal and a call with a refused descriptor and n bytes cost only themselves. */
static bool send_refused_file(const char *address, size_t n) {
        CLEANUP_FREE uint8_t *bytes = calloc(n, 1);
        int fd = STDERR_FILENO, link, r;
        DBusMessage *m;
        struct bus1_dbus *sender;
        DBusError error;

        dbus_error_init(&error);
        EXPECT(bytes && bus1_dbus_open(&sender, address, NULL) == 0);
        link = refuse("bpf_lsm_file_receive");
        m = dbus_message_new_signal(PATH, NAME, "Changed");
        EXPECT(dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE,
                                        &bytes, (int)n, DBUS_TYPE_INVALID));
        EXPECT(bus1_dbus_emit(sender, m) == 0);
        dbus_message_unref(m);
        /* the bus answers this call itself, so that the service need not run */
        m = dbus_message_new_method_call("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                         "org.freedesktop.DBus.Peer", "Ping");
        EXPECT(dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE,
                                        &bytes, (int)n, DBUS_TYPE_INVALID));
        r = bus1_dbus_call(sender, BUS1_DBUS_BUS, m, NULL, 0, -1, NULL, &error);
        EXPECT(r < 0 && dbus_error_has_name(&error, DBUS_ERROR_ACCESS_DENIED));
        dbus_error_free(&error);
        dbus_message_unref(m);
        close(link);
        EXPECT(bus1_dbus_request_name(sender, "org.bus1.Sender", 0, NULL, NULL) == 0);
        bus1_dbus_free(sender);
        return true;
}

static bool run(const char *bridge) {
        struct daemon daemon = {};
        int link;

        EXPECT(daemon_start(&daemon, bridge, ""));
        EXPECT(bus1_dbus_open(&service, daemon.address, NULL) == 0);
        EXPECT(bus1_dbus_object_new(service, PATH, interfaces, NULL, NULL) == 0);
        EXPECT(bus1_dbus_publish(service, NAME, 0, NULL, NULL) == 0);
        EXPECT(bus1_dbus_subscribe(service, "member='Changed'", count_signal, NULL, NULL, NULL) ==
               0);
        legacy = dbus_connection_open_private(daemon.address, NULL);
        EXPECT(legacy && dbus_bus_register(legacy, NULL));
        dbus_connection_set_exit_on_disconnect(legacy, FALSE);

        EXPECT(expect_outcome(NULL, 1));
        link = refuse("bpf_lsm_binder_transaction");
        EXPECT(expect_outcome(DBUS_ERROR_ACCESS_DENIED, 0));
        close(link);
        EXPECT(expect_outcome(NULL, 1));

        EXPECT(send_refused_file(daemon.address, 1));
        EXPECT(expect_outcome(NULL, 1));
        EXPECT(send_refused_file(daemon.address, 1000000));
        EXPECT(expect_outcome(NULL, 1));

        dbus_connection_close(legacy);
        dbus_connection_unref(legacy);
        bus1_dbus_free(service);
        EXPECT(daemon_stop(&daemon));
        printf("messages of the bus, and files for it, were refused\n");
        return true;
}

int main(int argc, char **argv) {
        return argc == 2 && run(argv[1]) ? EXIT_SUCCESS : EXIT_FAILURE;
}
