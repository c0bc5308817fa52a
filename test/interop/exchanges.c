/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The client's side of the exchanges. */

#include "test/interop/interop.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static DBusMessage *new_call(const char *member) {
        return dbus_message_new_method_call(INTEROP_NAME, INTEROP_PATH, INTEROP_INTERFACE, member);
}

static DBusMessage *call(struct client *client, DBusMessage *m, DBusError *error) {
        DBusMessage *reply;

        reply = client->kind->call(client->member, m, error);
        dbus_message_unref(m);
        return reply;
}

static bool call_for_text(struct client *client, DBusMessage *m, const char *expected) {
        DBusError error = DBUS_ERROR_INIT;
        DBusMessage *reply;
        const char *text;

        reply = call(client, m, &error);
        if (!reply)
                failed(error.name, 0, error.message);
        EXPECT(reply);
        EXPECT(dbus_message_get_args(reply, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID));
        EXPECT(strcmp(text, expected) == 0);
        dbus_message_unref(reply);
        return true;
}

static bool exchange_call(struct client *client) {
        const char *text = "to and fro";
        DBusMessage *m;

        m = new_call("Echo");
        dbus_message_append_args(m, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
        EXPECT(call_for_text(client, m, text));
        return client->kind->native ? native_exchange_call(client) : true;
}

static bool exchange_error(struct client *client) {
        DBusError error = DBUS_ERROR_INIT;

        EXPECT(!call(client, new_call("Fail"), &error));
        if (!dbus_error_has_name(&error, INTEROP_ERROR))
                failed(error.name, 0, error.message);
        EXPECT(dbus_error_has_name(&error, INTEROP_ERROR));
        EXPECT(strcmp(error.message, "as you asked") == 0);
        dbus_error_free(&error);
        EXPECT(!call(client, new_call("NoSuchMethod"), &error));
        EXPECT(dbus_error_has_name(&error, DBUS_ERROR_UNKNOWN_METHOD));
        dbus_error_free(&error);
        return true;
}

static bool exchange_signal(struct client *client) {
        const char *said = "something", *told = "else", *text;
        DBusMessage *m, *reply;

        EXPECT(client->kind->subscribe(client->member, "type='signal',interface='" INTEROP_INTERFACE
                                                       "',member='Said'"));
        m = new_call("Emit");
        dbus_message_append_args(m, DBUS_TYPE_STRING, &said, DBUS_TYPE_INVALID);
        reply = call(client, m, NULL);
        EXPECT(reply);
        dbus_message_unref(reply);
        m = client->kind->wait_signal(client->member);
        EXPECT(m);
        EXPECT(dbus_message_has_member(m, "Said") && dbus_message_get_sender(m));
        EXPECT(dbus_message_get_args(m, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID));
        EXPECT(strcmp(text, said) == 0);
        dbus_message_unref(m);

        /* Now the client emits a signal, and then calls. The bus keeps the order of the two. */
        m = dbus_message_new_signal(INTEROP_PATH, INTEROP_INTERFACE, "Told");
        dbus_message_append_args(m, DBUS_TYPE_STRING, &told, DBUS_TYPE_INVALID);
        EXPECT(client->kind->emit(client->member, m));
        dbus_message_unref(m);
        return call_for_text(client, new_call("LastSignal"), told);
}

static bool exchange_fd(struct client *client) {
        DBusMessage *m, *reply;
        char text[8] = {};
        int fd;

        fd = memfd_create("interop", MFD_CLOEXEC);
        EXPECT(fd >= 0 && write(fd, "abcde", 5) == 5);
        m = new_call("Fd");
        dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_INVALID);
        close(fd);
        reply = call(client, m, NULL);
        EXPECT(reply);
        EXPECT(dbus_message_get_args(reply, NULL, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_INVALID));
        EXPECT(pread(fd, text, sizeof(text), 0) == 5 && memcmp(text, "edcba", 5) == 0);
        close(fd);
        dbus_message_unref(reply);
        return true;
}

/* Call an object by a reference. Native clients use a handle, other clients a name and a path. */
static bool exchange_handle(struct client *client) {
        DBusError error = DBUS_ERROR_INIT;
        const char *name, *path;
        DBusMessage *m, *reply;

        if (client->kind->native)
                return (!client->service_kind->native || native_exchange_reference(client)) &&
                       native_exchange_narrowed(client);
        if (!client->service_kind->native) {
                m = dbus_message_new_method_call(INTEROP_NAME, INTEROP_OTHER_PATH,
                                                 INTEROP_INTERFACE, "Where");
                return call_for_text(client, m, INTEROP_OTHER_PATH);
        }

        /* A client that is not native cannot get a handle: its call ends with an error. */
        EXPECT(!call(client, new_call("Reference"), &error));
        EXPECT(dbus_error_has_name(&error, DBUS_ERROR_NO_REPLY) ||
               dbus_error_has_name(&error, DBUS_ERROR_NOT_SUPPORTED));
        dbus_error_free(&error);

        reply = call(client, new_call("Export"), NULL);
        EXPECT(reply);
        EXPECT(dbus_message_get_args(reply, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_OBJECT_PATH,
                                     &path, DBUS_TYPE_INVALID));
        m = dbus_message_new_method_call(name, path, INTEROP_INTERFACE ".Anonymous", "Who");
        dbus_message_unref(reply);
        return call_for_text(client, m, "only by reference");
}

static bool exchange_vanish(struct client *client) {
        DBusError error = DBUS_ERROR_INIT;

        if (client->kind->native)
                return native_exchange_vanish(client);
        EXPECT(!call(client, new_call("Vanish"), &error));
        EXPECT(dbus_error_has_name(&error, DBUS_ERROR_NO_REPLY));
        dbus_error_free(&error);
        return true;
}

static bool exchange_big(struct client *client) {
        DBusError error = DBUS_ERROR_INIT;
        DBusMessage *m, *reply;
        uint8_t *bytes, *back;
        int n;

        bytes = malloc(INTEROP_BIG);
        EXPECT(bytes);
        for (size_t i = 0; i < INTEROP_BIG; i++)
                bytes[i] = (uint8_t)(i * 31 >> 8);
        m = dbus_message_new_method_call(INTEROP_NAME, INTEROP_PATH,
                                         client->service_kind->native ? INTEROP_INTERFACE ".Bytes"
                                                                      : INTEROP_INTERFACE,
                                         "Echo");
        n = INTEROP_BIG;
        dbus_message_append_args(m, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE, &bytes, n, DBUS_TYPE_INVALID);
        reply = call(client, m, &error);
        if (!reply)
                failed(error.name, 0, error.message);
        EXPECT(reply);
        EXPECT(dbus_message_get_args(reply, NULL, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE, &back, &n,
                                     DBUS_TYPE_INVALID));
        EXPECT(n == INTEROP_BIG && memcmp(back, bytes, INTEROP_BIG) == 0);
        dbus_message_unref(reply);
        free(bytes);
        return true;
}

/* The service answers only when it has got all INTEROP_MANY calls. */
static bool exchange_concurrent(struct client *client) {
        DBusMessage *calls[INTEROP_MANY], *replies[INTEROP_MANY] = {};

        for (size_t i = 0; i < INTEROP_MANY; i++)
                calls[i] = new_call("Together");
        EXPECT(client->kind->call_many(client->member, calls, replies, INTEROP_MANY));
        for (size_t i = 0; i < INTEROP_MANY; i++) {
                EXPECT(replies[i]);
                EXPECT(dbus_message_get_type(replies[i]) == DBUS_MESSAGE_TYPE_METHOD_RETURN);
                EXPECT(dbus_message_get_reply_serial(replies[i]) ==
                       dbus_message_get_serial(calls[i]));
                dbus_message_unref(replies[i]);
                dbus_message_unref(calls[i]);
        }
        return true;
}

const struct exchange exchanges[] = {
        {"call", exchange_call}, {"error", exchange_error},           {"signal", exchange_signal},
        {"fd", exchange_fd},     {"handle", exchange_handle},         {"vanish", exchange_vanish},
        {"big", exchange_big},   {"concurrent", exchange_concurrent}, {},
};
