/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A client and a service on libdbus, in two connections of one process: names, a call and its
 * reply, an error, a signal, a descriptor, NoReply. Prints TAP.
 */

#include <dbus/dbus.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "com.example.LibDBus"
#define PATH "/com/example/Object"
#define INTERFACE "com.example.Interface"

static unsigned n_tests, n_failed;

static void result(bool good, const char *name) {
        n_tests++;
        n_failed += !good;
        printf("%s %u - %s\n", good ? "ok" : "not ok", n_tests, name);
}

static DBusConnection *connect_bus(void) {
        DBusError error = DBUS_ERROR_INIT;
        DBusConnection *c = dbus_bus_get_private(DBUS_BUS_SESSION, &error);

        if (!c) {
                printf("Bail out! %s: %s\n", error.name, error.message);
                exit(1);
        }
        dbus_connection_set_exit_on_disconnect(c, false);
        return c;
}

/* Wait for the next message from a client, or error from the bus. Returns NULL if none comes. */
static DBusMessage *next(DBusConnection *c) {
        for (int i = 0; i < 200; i++) {
                DBusMessage *m;

                dbus_connection_read_write(c, 100);
                while ((m = dbus_connection_pop_message(c))) {
                        if (!dbus_message_has_sender(m, DBUS_SERVICE_DBUS) ||
                            dbus_message_get_type(m) == DBUS_MESSAGE_TYPE_ERROR)
                                return m;
                        dbus_message_unref(m);
                }
        }
        return NULL;
}

static uint32_t call(DBusConnection *c, const char *member, int fd) {
        DBusMessage *m = dbus_message_new_method_call(NAME, PATH, INTERFACE, member);
        const char *text = "text";
        uint32_t serial;

        dbus_message_append_args(m, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
        if (fd >= 0)
                dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_INVALID);
        dbus_connection_send(c, m, &serial);
        dbus_connection_flush(c);
        dbus_message_unref(m);
        return serial;
}

static void send_and_unref(DBusConnection *c, DBusMessage *m) {
        dbus_connection_send(c, m, NULL);
        dbus_connection_flush(c);
        dbus_message_unref(m);
}

static void test_call(DBusConnection *client, DBusConnection *service) {
        uint32_t serial = call(client, "Echo", -1);
        DBusMessage *m = next(service), *reply;
        const char *text = NULL;

        result(m && dbus_message_is_method_call(m, INTERFACE, "Echo") &&
                       dbus_message_has_sender(m, dbus_bus_get_unique_name(client)),
               "call_arrives_with_the_sender");
        reply = dbus_message_new_method_return(m);
        dbus_message_get_args(m, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
        dbus_message_append_args(reply, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
        send_and_unref(service, reply);
        reply = next(client);
        result(reply && dbus_message_get_reply_serial(reply) == serial &&
                       dbus_message_has_signature(reply, "s"),
               "reply_arrives");
        dbus_message_unref(m);
        dbus_message_unref(reply);
}

static void test_error(DBusConnection *client, DBusConnection *service) {
        uint32_t serial = call(client, "Fail", -1);
        DBusMessage *m = next(service), *reply;

        send_and_unref(service, dbus_message_new_error(m, "com.example.Error.Failure", "text"));
        reply = next(client);
        result(reply && dbus_message_get_reply_serial(reply) == serial &&
                       dbus_message_is_error(reply, "com.example.Error.Failure"),
               "error_arrives");
        dbus_message_unref(m);
        dbus_message_unref(reply);
}

static void test_signal(DBusConnection *client, DBusConnection *service) {
        DBusError error = DBUS_ERROR_INIT;
        DBusMessage *m;

        /* because of the error argument, libdbus waits for the answer of the bus */
        dbus_bus_add_match(client, "type='signal',sender='" NAME "',member='Happened'", &error);
        send_and_unref(service, dbus_message_new_signal(PATH, INTERFACE, "NotThis"));
        send_and_unref(service, dbus_message_new_signal(PATH, INTERFACE, "Happened"));
        m = next(client);
        result(m && dbus_message_is_signal(m, INTERFACE, "Happened"),
               "signal_arrives_when_it_matches");
        dbus_message_unref(m);
}

static void test_fd(DBusConnection *client, DBusConnection *service) {
        char content[5] = "";
        const char *text;
        DBusMessage *m;
        int pipes[2], fd = -1;

        if (pipe(pipes) < 0 || write(pipes[1], "data", 4) != 4)
                exit(1);
        call(client, "TakeFd", pipes[0]);
        m = next(service);
        result(m &&
                       dbus_message_get_args(m, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_UNIX_FD,
                                             &fd, DBUS_TYPE_INVALID) &&
                       read(fd, content, 4) == 4 && strcmp(content, "data") == 0,
               "descriptor_arrives");
        send_and_unref(service, dbus_message_new_method_return(m));
        dbus_message_unref(m);
        dbus_message_unref(next(client));
        close(fd);
        close(pipes[0]);
        close(pipes[1]);
}

static void test_no_reply(DBusConnection *client, DBusConnection *service) {
        uint32_t serial = call(client, "Never", -1);
        DBusMessage *m = next(service);

        dbus_message_unref(m);
        dbus_connection_close(service);
        m = next(client);
        result(m && dbus_message_is_error(m, DBUS_ERROR_NO_REPLY) &&
                       dbus_message_get_reply_serial(m) == serial,
               "vanished_service_gives_no_reply");
        dbus_message_unref(m);
        result(!dbus_bus_name_has_owner(client, NAME, NULL), "its_name_is_gone");
}

int main(void) {
        DBusConnection *client = connect_bus(), *service = connect_bus();
        DBusError error = DBUS_ERROR_INIT;
        unsigned long uid = 0;

        result(dbus_bus_request_name(service, NAME, 0, &error) ==
                       DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER,
               "name_is_owned");
        result(dbus_bus_request_name(client, NAME, 0, &error) == DBUS_REQUEST_NAME_REPLY_IN_QUEUE &&
                       dbus_bus_release_name(client, NAME, &error) ==
                               DBUS_RELEASE_NAME_REPLY_RELEASED,
               "second_owner_queues");
        result(dbus_bus_name_has_owner(client, NAME, &error), "name_has_owner");
        uid = dbus_bus_get_unix_user(client, NAME, &error);
        result(uid == getuid(), "uid_of_the_owner");
        test_call(client, service);
        test_error(client, service);
        test_signal(client, service);
        test_fd(client, service);
        test_no_reply(client, service);
        dbus_connection_unref(service);
        dbus_connection_close(client);
        dbus_connection_unref(client);
        dbus_shutdown();
        printf("1..%u\n", n_tests);
        return n_failed > 0;
}
