/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks by native members: those that never read, and those that ask without reading. */

#include <bus1/dbus.h>

#include <stdlib.h>
#include <unistd.h>

#include "test/bench/raw.h"
#include "test/hostile/attack.h"

#define MEMBERS 200 /* of all processes of the attacker together */

/* Returns false when the bus is full. */
static bool come(const struct scene *scene, struct bus1_dbus **ret_bus) {
        return bus1_dbus_open(ret_bus, scene->bus.address, NULL) >= 0;
}

static int ignore(struct bus1_dbus_message *message, void *userdata) {
        return 0;
}

static unsigned set_up(const struct scene *scene) {
        unsigned n = MEMBERS / scene->n_processes;

        raw_raise_fd_limit();
        __atomic_add_fetch(&scene->record->members, n, __ATOMIC_RELEASE);
        __atomic_add_fetch(&scene->record->at_work, 1, __ATOMIC_RELEASE);
        return n;
}

static void enter(const struct scene *scene) {
        __atomic_add_fetch(&scene->record->entered, 1, __ATOMIC_RELEASE);
}

static void unread_signals(const struct scene *scene) {
        for (unsigned i = 0, n = set_up(scene); i < n; i++) {
                struct bus1_dbus *bus;

                if (come(scene, &bus))
                        bus1_dbus_subscribe(bus, "type='signal',interface='" VICTIM_NAME "'",
                                            ignore, NULL, NULL, NULL);
                enter(scene);
        }
        for (;;)
                pause();
}

static void ask_lists(struct bus1_dbus *bus) {
        DBusMessage *m =
                dbus_message_new_method_call("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                             "org.freedesktop.DBus", "ListNames");

        if (!m)
                raw_fail("out of memory");
        for (unsigned i = 0; i < 100; i++)
                if (bus1_dbus_call_async(bus, BUS1_DBUS_BUS, m, NULL, 0, BUS1_DBUS_TIMEOUT_DEFAULT,
                                         ignore, NULL, NULL) < 0)
                        break;
        dbus_message_unref(m);
}

static void unread_lists(const struct scene *scene) {
        unsigned n = set_up(scene);
        struct bus1_dbus **members = calloc(n, sizeof(struct bus1_dbus *));

        if (!members)
                raw_fail("out of memory");
        for (unsigned i = 0; i < n; i++) {
                if (!come(scene, &members[i]))
                        members[i] = NULL;
                enter(scene);
        }
        for (unsigned i = 0;; i = (i + 1) % n)
                if (members[i])
                        ask_lists(members[i]);
}

const struct attack attacks_native[] = {
        {
                .name = "native-unread-signals",
                .what = "200 native members that never read the victim's signals",
                .n_processes = 2,
                .step = VICTIM_SIGNALS,
                .run = unread_signals,
                .memory_mib = 160, /* in queues of bus1, whose limits hold for it */
                .native = true,
        },
        {
                .name = "native-unread-lists",
                .what = "ListNames from 200 native members, answers unread",
                .n_processes = 2,
                .run = unread_lists,
                .native = true,
        },
        {},
};
