/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * References: one native program hands an object without name or path to another
 *
 *     example-reference keep         take a counter from another program; the method Use adds to it
 *     example-reference hand-over    get a counter from the service and hand it to the keeper
 */

#include <bus1/dbus.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEPER "org.bus1.Example.Keeper"

static int fail(const char *what, int r, DBusError *error) {
        fprintf(stderr, "reference: %s: %s\n", what,
                dbus_error_is_set(error) ? error->message : strerror(-r));
        dbus_error_free(error);
        return r;
}

static int keeper_take(struct bus1_dbus_message *call, void *userdata) {
        uint64_t *counter = userdata;

        bus1_dbus_release(call->bus, *counter);
        *counter = bus1_dbus_message_take_handle(call, 0);
        printf("keeper: got a reference to an object without name or path\n");
        return bus1_dbus_reply_args(call, DBUS_TYPE_INVALID);
}

static int keeper_use(struct bus1_dbus_message *call, void *userdata) {
        uint64_t *counter = userdata;
        struct bus1_dbus_message *reply;
        uint32_t n, value;
        DBusMessage *m;
        int r;

        dbus_message_get_args(call->message, NULL, DBUS_TYPE_UINT32, &n, DBUS_TYPE_INVALID);
        m = dbus_message_new_method_call(NULL, "/", "org.bus1.Example.Counter", "Add");
        dbus_message_append_args(m, DBUS_TYPE_UINT32, &n, DBUS_TYPE_INVALID);
        r = bus1_dbus_call(call->bus, *counter, m, NULL, 0, 5000, &reply, NULL);
        dbus_message_unref(m);
        if (r < 0)
                return r;
        dbus_message_get_args(reply->message, NULL, DBUS_TYPE_UINT32, &value, DBUS_TYPE_INVALID);
        bus1_dbus_message_unref(reply);
        return bus1_dbus_reply_args(call, DBUS_TYPE_UINT32, &value, DBUS_TYPE_INVALID);
}

static const struct bus1_dbus_method keeper_methods[] = {
        {"Take", "", "", keeper_take, NULL},
        {"Use", "u", "u", keeper_use, "amount value"},
        {},
};

static const struct bus1_dbus_interface keeper_interfaces[] = {
        {.name = KEEPER, .methods = keeper_methods},
        {},
};

static int keep(struct bus1_dbus *bus, DBusError *error) {
        uint64_t counter = BUS1_INVALID;
        int r;

        r = bus1_dbus_object_new(bus, "/", keeper_interfaces, &counter, NULL);
        if (r >= 0)
                r = bus1_dbus_publish(bus, KEEPER, DBUS_NAME_FLAG_DO_NOT_QUEUE, NULL, error);
        if (r < 0)
                return fail("Publish", r, error);
        printf("keeper: waiting\n");
        r = bus1_dbus_run(bus, NULL);
        return r == -ECONNRESET ? 0 : r;
}

static int hand_over(struct bus1_dbus *bus, DBusError *error) {
        struct bus1_dbus_message *reply;
        DBusMessage *m;
        int r;

        m = dbus_message_new_method_call("org.bus1.Example", "/org/bus1/Example",
                                         "org.bus1.Example", "NewCounter");
        r = bus1_dbus_call(bus, BUS1_DBUS_BUS, m, NULL, 0, BUS1_DBUS_TIMEOUT_DEFAULT, &reply,
                           error);
        dbus_message_unref(m);
        if (r < 0)
                return fail("NewCounter", r, error);
        m = dbus_message_new_method_call(KEEPER, "/", KEEPER, "Take");
        r = bus1_dbus_call(bus, BUS1_DBUS_BUS, m, reply->handles, 1, BUS1_DBUS_TIMEOUT_DEFAULT,
                           NULL, error);
        dbus_message_unref(m);
        bus1_dbus_message_unref(reply); /* releases the handle in the reply, too */
        if (r < 0)
                return fail("Take", r, error);
        printf("reference: handed the counter to the keeper\n");
        return 0;
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
        if (strcmp(what, "keep") == 0)
                r = keep(bus, &error);
        else if (strcmp(what, "hand-over") == 0)
                r = hand_over(bus, &error);
        else {
                fprintf(stderr, "Usage: %s keep|hand-over\n", argv[0]);
                r = -EINVAL;
        }
        bus1_dbus_free(bus);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
