/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A native client
 *
 *     example-client legacy            call a D-Bus service that does not know bus1, and send it a
 *                                      descriptor
 *     example-client greet WHO         call the native service through the handle of its name
 *     example-client watch N INTERFACE print N signals of an interface
 */

#include <bus1/dbus.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int fail(const char *what, int r, DBusError *error) {
        fprintf(stderr, "client: %s: %s\n", what,
                dbus_error_is_set(error) ? error->message : strerror(-r));
        dbus_error_free(error);
        return r;
}

static int client_legacy(struct bus1_dbus *bus, DBusError *error) {
        const char *a = "bus1 ", *b = "and D-Bus", *joined;
        struct bus1_dbus_message *reply;
        dbus_uint64_t size;
        DBusMessage *m;
        int fd, r;

        /* Call by name, as every D-Bus program does: the bus routes by the DESTINATION. */
        m = dbus_message_new_method_call("org.bus1.Legacy", "/org/bus1/Legacy", "org.bus1.Legacy",
                                         "Join");
        dbus_message_append_args(m, DBUS_TYPE_STRING, &a, DBUS_TYPE_STRING, &b, DBUS_TYPE_INVALID);
        r = bus1_dbus_call(bus, BUS1_DBUS_BUS, m, NULL, 0, BUS1_DBUS_TIMEOUT_DEFAULT, &reply,
                           error);
        dbus_message_unref(m);
        if (r < 0)
                return fail("Join", r, error);
        dbus_message_get_args(reply->message, NULL, DBUS_TYPE_STRING, &joined, DBUS_TYPE_INVALID);
        printf("client: Join returned \"%s\"\n", joined);
        bus1_dbus_message_unref(reply);

        fd = memfd_create("example", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, 4711) < 0)
                return fail("memfd", -errno, error);
        m = dbus_message_new_method_call("org.bus1.Legacy", "/org/bus1/Legacy", "org.bus1.Legacy",
                                         "Size");
        dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_INVALID);
        close(fd);
        r = bus1_dbus_call(bus, BUS1_DBUS_BUS, m, NULL, 0, BUS1_DBUS_TIMEOUT_DEFAULT, &reply,
                           error);
        dbus_message_unref(m);
        if (r < 0)
                return fail("Size", r, error);
        dbus_message_get_args(reply->message, NULL, DBUS_TYPE_UINT64, &size, DBUS_TYPE_INVALID);
        printf("client: Size returned %llu\n", (unsigned long long)size);
        bus1_dbus_message_unref(reply);
        return 0;
}

static int client_greet(struct bus1_dbus *bus, const char *who, DBusError *error) {
        struct bus1_dbus_message *reply;
        const char *greeting;
        uint64_t service;
        DBusMessage *m;
        int r;

        /*
         * Call through a handle: if the bus gives a direct channel, the messages go directly from
         * one native program to the other.
         */
        r = bus1_dbus_lookup(bus, "org.bus1.Example", 0, &service, error);
        if (r < 0)
                return fail("Lookup", r, error);
        m = dbus_message_new_method_call(NULL, "/org/bus1/Example", "org.bus1.Example", "Greet");
        dbus_message_append_args(m, DBUS_TYPE_STRING, &who, DBUS_TYPE_INVALID);
        r = bus1_dbus_call(bus, service, m, NULL, 0, BUS1_DBUS_TIMEOUT_DEFAULT, &reply, error);
        dbus_message_unref(m);
        bus1_dbus_release(bus, service);
        if (r < 0)
                return fail("Greet", r, error);
        dbus_message_get_args(reply->message, NULL, DBUS_TYPE_STRING, &greeting, DBUS_TYPE_INVALID);
        printf("client: %s\n", greeting);
        bus1_dbus_message_unref(reply);
        return 0;
}

/* signals */

static int watch_signal(struct bus1_dbus_message *signal, void *userdata) {
        const char *text = "";

        dbus_message_get_args(signal->message, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
        printf("client: %s said %s \"%s\"\n", dbus_message_get_interface(signal->message),
               dbus_message_get_member(signal->message), text);
        (*(int *)userdata)--;
        return 0;
}

static int client_watch(struct bus1_dbus *bus, int n, const char *interface, DBusError *error) {
        char rule[300];
        int r;

        snprintf(rule, sizeof(rule), "type='signal',interface='%s'", interface);
        r = bus1_dbus_subscribe(bus, rule, watch_signal, &n, NULL, error);
        if (r < 0)
                return fail("Subscribe", r, error);
        printf("client: watching\n");
        while (n > 0 && r >= 0) {
                r = bus1_dbus_dispatch(bus);
                if (r == 0)
                        r = bus1_dbus_wait(bus, -1);
        }
        return r < 0 ? fail("Watching", r, error) : 0;
}

int main(int argc, char **argv) {
        const char *what = argc > 1 ? argv[1] : "";
        DBusError error = DBUS_ERROR_INIT;
        struct bus1_dbus *bus;
        int r;

        setvbuf(stdout, NULL, _IOLBF, 0);
        r = bus1_dbus_open_session(&bus, &error);
        if (r < 0) {
                fail("No bus", r, &error);
                return EXIT_FAILURE;
        }
        if (strcmp(what, "legacy") == 0)
                r = client_legacy(bus, &error);
        else if (strcmp(what, "greet") == 0 && argc > 2)
                r = client_greet(bus, argv[2], &error);
        else if (strcmp(what, "watch") == 0 && argc > 3)
                r = client_watch(bus, atoi(argv[2]), argv[3], &error);
        else {
                fprintf(stderr, "Usage: %s legacy | greet WHO | watch N INTERFACE\n", argv[0]);
                r = -EINVAL;
        }
        bus1_dbus_free(bus);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
