/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls without waiting, see async.h. */

#include "test/interop/async.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct got got;

void got_reset(void) {
        got = (struct got){.handle = BUS1_INVALID};
}

void got_note(const DBusError *error) {
        got.n++;
        snprintf(got.error, sizeof(got.error), "%s", error ? error->name : "");
        if (error)
                ck_assert(error->message && *error->message);
        if (got.free_slot && *got.free_slot)
                *got.free_slot = bus1_dbus_slot_free(*got.free_slot);
        if (got.free_bus)
                client = bus1_dbus_free(client);
}

void done(struct bus1_dbus *bus, const DBusError *error, void *userdata) {
        ck_assert_ptr_eq(userdata, &got);
        got_note(error);
}

/* signals: their members, and the names of errors */

char heard[4096];
bool heard_sender;

int hear(struct bus1_dbus_message *m, void *userdata) {
        size_t n = strlen(heard);

        heard_sender = dbus_message_get_sender(m->message) != NULL;
        ck_assert_ptr_eq(userdata, &got);
        if (dbus_message_get_type(m->message) == DBUS_MESSAGE_TYPE_ERROR) {
                ck_assert(m->node == BUS1_INVALID);
                snprintf(heard + n, sizeof(heard) - n, "!%s ",
                         strrchr(dbus_message_get_error_name(m->message), '.') + 1);
        } else {
                snprintf(heard + n, sizeof(heard) - n, "%s ", dbus_message_get_member(m->message));
        }
        if (got.free_slot)
                *got.free_slot = bus1_dbus_slot_free(*got.free_slot);
        if (got.free_bus)
                client = bus1_dbus_free(client);
        return 0;
}

void expect_heard(const char *expected) {
        settle();
        ck_assert_str_eq(heard, expected);
        heard[0] = 0;
}

/* When a call returns, the bus has answered all earlier calls of this member. */
void ping(struct bus1_dbus *bus) {
        DBusMessage *m;

        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_PEER,
                                         "Ping");
        ck_assert_int_eq(bus1_dbus_call(bus, BUS1_DBUS_BUS, m, NULL, 0, 10000, NULL, NULL), 0);
        dbus_message_unref(m);
}

/* Dispatch all that has happened until now. */
void settle(void) {
        for (int i = 0; i < 2; i++) {
                if (client)
                        ping(client);
                if (service)
                        ping(service);
                if (third)
                        ping(third);
                while ((client && bus1_dbus_dispatch(client) > 0) ||
                       (service && bus1_dbus_dispatch(service) > 0) ||
                       (third && bus1_dbus_dispatch(third) > 0))
                        ;
        }
}

/* Copy a handle from one member to another, as a message would. */
uint64_t give(struct bus1_dbus *from, struct bus1_dbus *to, uint64_t handle) {
        struct bus1_transfer src = {.id = handle}, dst;

        ck_assert_int_eq(bus1_client_transfer(bus1_dbus_get_client(from), bus1_dbus_get_client(to),
                                              1, &src, &dst),
                         0);
        return dst.id;
}

/* owners */

void owner_open(struct owner *owner, bool native) {
        *owner = (struct owner){};
        if (native) {
                ck_assert_int_eq(bus1_dbus_open(&owner->native, bus_daemon.address, NULL), 0);
                strcpy(owner->name, bus1_dbus_get_unique_name(owner->native));
        } else {
                owner->legacy = kind_legacy.open(bus_daemon.address);
                strcpy(owner->name, dbus_bus_get_unique_name(owner->legacy));
        }
}

void owner_request(struct owner *owner, const char *name, uint32_t flags) {
        if (owner->native)
                ck_assert_int_eq(bus1_dbus_publish(owner->native, name, flags, NULL, NULL), 0);
        else
                ck_assert_int_ge(dbus_bus_request_name(owner->legacy, name, flags, NULL), 0);
}

void owner_release(struct owner *owner, const char *name) {
        if (owner->native)
                ck_assert_int_eq(bus1_dbus_release_name(owner->native, name, NULL, NULL), 0);
        else
                ck_assert_int_ge(dbus_bus_release_name(owner->legacy, name, NULL), 0);
}

void owner_close(struct owner *owner) {
        if (owner->native)
                bus1_dbus_free(owner->native);
        if (owner->legacy)
                kind_legacy.close(owner->legacy);
        *owner = (struct owner){};
}
