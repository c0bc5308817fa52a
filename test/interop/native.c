/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kind native: programs that use libbus1-dbus. Also the exchanges that need handles. */

#include "test/interop/interop.h"

#include <bus1/dbus.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *native_open(const char *address) {
        DBusError error = DBUS_ERROR_INIT;
        struct bus1_dbus *bus;

        if (bus1_dbus_open(&bus, address, &error) < 0) {
                fprintf(stderr, "native: %s\n", error.message);
                dbus_error_free(&error);
                return NULL;
        }
        return bus;
}

/* The messages of INTEROP_INTERFACE that an eavesdropper or a monitor has received. */
static struct overheard {
        void *member; /* NULL: this element is free */
        DBusMessage *messages[256];
        size_t n, read;
} overheard[2];

static struct overheard *overheard_of(void *member) {
        for (size_t i = 0; i < sizeof(overheard) / sizeof(*overheard); i++)
                if (overheard[i].member == member)
                        return &overheard[i];
        return NULL;
}

static void native_close(void *member) {
        struct overheard *o = overheard_of(member);

        if (o) {
                while (o->read < o->n)
                        dbus_message_unref(o->messages[o->read++]);
                *o = (struct overheard){};
        }
        bus1_dbus_free(member);
}

static DBusMessage *take_message(struct bus1_dbus_message *m) {
        DBusMessage *message = dbus_message_ref(m->message);

        bus1_dbus_message_unref(m);
        return message;
}

static DBusMessage *native_call(void *member, DBusMessage *call, DBusError *error) {
        struct bus1_dbus_message *reply;

        if (bus1_dbus_call(member, BUS1_DBUS_BUS, call, NULL, 0, INTEROP_TIMEOUT_MS, &reply,
                           error) < 0)
                return NULL;
        return take_message(reply);
}

static int many_done(struct bus1_dbus_message *reply, void *userdata) {
        *(DBusMessage **)userdata = dbus_message_ref(reply->message);
        return 0;
}

static bool native_call_many(void *member, DBusMessage **calls, DBusMessage **replies, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (bus1_dbus_call_async(member, BUS1_DBUS_BUS, calls[i], NULL, 0,
                                         INTEROP_TIMEOUT_MS, many_done, &replies[i], NULL) < 0)
                        return false;
        for (size_t i = 0; i < n; i++)
                while (!replies[i])
                        if (bus1_dbus_dispatch(member) <= 0 &&
                            bus1_dbus_wait(member, INTEROP_TIMEOUT_MS) <= 0)
                                return false;
        return true;
}

static bool native_emit(void *member, DBusMessage *signal) {
        return bus1_dbus_emit(member, signal) >= 0;
}

static DBusMessage *arrived;

static int signal_arrived(struct bus1_dbus_message *signal, void *userdata) {
        if (!arrived && dbus_message_has_interface(signal->message, INTEROP_INTERFACE))
                arrived = dbus_message_ref(signal->message);
        return 0;
}

static bool native_subscribe(void *member, const char *rule) {
        DBusError error = DBUS_ERROR_INIT;

        if (bus1_dbus_subscribe(member, rule, signal_arrived, NULL, NULL, &error) < 0) {
                fprintf(stderr, "native: %s\n", error.message);
                dbus_error_free(&error);
                return false;
        }
        return true;
}

static DBusMessage *native_wait_signal(void *member) {
        DBusMessage *m;

        while (!arrived)
                if (bus1_dbus_dispatch(member) == 0 &&
                    bus1_dbus_wait(member, INTEROP_TIMEOUT_MS) <= 0)
                        return NULL;
        m = arrived;
        arrived = NULL;
        return m;
}

static int message_overheard(struct bus1_dbus_message *m, void *userdata) {
        struct overheard *o = userdata;

        if (o->n < sizeof(o->messages) / sizeof(*o->messages) &&
            dbus_message_has_interface(m->message, INTEROP_INTERFACE))
                o->messages[o->n++] = dbus_message_ref(m->message);
        return 0;
}

static bool native_overhear(void *member, const char *rule) {
        struct overheard *o = overheard_of(NULL);

        if (!o)
                return false;
        o->member = member;
        if (rule)
                return bus1_dbus_subscribe(member, rule, message_overheard, o, NULL, NULL) >= 0;
        bus1_dbus_set_signal_handler(member, message_overheard, o);
        return true;
}

static DBusMessage *native_wait_overheard(void *member) {
        struct overheard *o = overheard_of(member);

        while (o->read == o->n)
                if (bus1_dbus_dispatch(member) == 0 &&
                    bus1_dbus_wait(member, INTEROP_TIMEOUT_MS) <= 0)
                        return NULL;
        return o->messages[o->read++];
}

/* service */

static int serve_call(struct bus1_dbus_message *call, void *userdata) {
        struct service *service = userdata;
        DBusMessage *reply;
        bool keep;
        int r = 0;

        bus1_dbus_message_ref(call);
        reply = service_handle(service, call->message, call, &keep);
        if (reply) {
                r = bus1_dbus_reply(call, reply, NULL, 0);
                dbus_message_unref(reply);
        }
        if (!keep)
                bus1_dbus_message_unref(call);
        return r;
}

static int serve_signal(struct bus1_dbus_message *signal, void *userdata) {
        service_signal(userdata, signal->message);
        return 0;
}

static const struct bus1_dbus_interface anonymous_interfaces[];

/* Reply with a handle to an object that has no path. */
static int serve_reference(struct bus1_dbus_message *call, void *userdata) {
        struct bus1_dbus_object *object;
        DBusMessage *reply;
        uint64_t handle;
        int r;

        r = bus1_dbus_object_new(call->bus, NULL, anonymous_interfaces, userdata, &object);
        if (r >= 0)
                r = bus1_dbus_object_get_handle(object, &handle);
        if (r < 0)
                return r;
        reply = dbus_message_new_method_return(call->message);
        r = bus1_dbus_reply(call, reply, &handle, 1);
        dbus_message_unref(reply);
        return r;
}

/* Export an object without a path, and reply with the name and path that the bus makes for it. */
static int serve_export(struct bus1_dbus_message *call, void *userdata) {
        struct bus1_dbus_object *object;
        DBusError error = DBUS_ERROR_INIT;
        char *name, *path;
        uint64_t handle;
        int r;

        r = bus1_dbus_object_new(call->bus, NULL, anonymous_interfaces, userdata, &object);
        if (r >= 0)
                r = bus1_dbus_object_get_handle(object, &handle);
        if (r >= 0)
                r = bus1_dbus_export(call->bus, handle, &name, &path, &error);
        if (r < 0) {
                dbus_error_free(&error);
                return r;
        }
        r = bus1_dbus_reply_args(call, DBUS_TYPE_STRING, &name, DBUS_TYPE_OBJECT_PATH, &path,
                                 DBUS_TYPE_INVALID);
        free(name);
        free(path);
        return r;
}

static int serve_anonymous(struct bus1_dbus_message *call, void *userdata) {
        const char *text = "only by reference";

        return bus1_dbus_reply_args(call, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
}

static const struct bus1_dbus_interface anonymous_interfaces[] = {
        {
                .name = INTEROP_INTERFACE ".Anonymous",
                .methods =
                        (const struct bus1_dbus_method[]){
                                {"Who", "", "s", serve_anonymous},
                                {},
                        },
        },
        {},
};

static const struct bus1_dbus_interface interfaces[] = {
        {
                .name = INTEROP_INTERFACE ".Bytes",
                .methods =
                        (const struct bus1_dbus_method[]){
                                {"Echo", "ay", "ay", serve_call},
                                {},
                        },
        },
        {
                .name = INTEROP_INTERFACE,
                .methods =
                        (const struct bus1_dbus_method[]){
                                {"Echo", "s", "s", serve_call},
                                {"Where", "", "s", serve_call},
                                {"Fail", "", "", serve_call},
                                {"Fd", "h", "h", serve_call},
                                {"Emit", "s", "", serve_call},
                                {"LastSignal", "", "s", serve_call},
                                {"LastWhisper", "", "s", serve_call},
                                {"Vanish", "", "", serve_call},
                                {"Together", "", "", serve_call},
                                {"Reference", "", "", serve_reference},
                                {"Export", "", "so", serve_export},
                                {},
                        },
        },
        {},
};

static void native_reply(struct service *service, void *call, DBusMessage *reply) {
        if (reply)
                bus1_dbus_reply(call, reply, NULL, 0);
        else
                bus1_dbus_reply_args(call, DBUS_TYPE_INVALID);
        bus1_dbus_message_unref(call);
}

static void native_serve(void *member, struct service *service) {
        bus1_dbus_set_signal_handler(member, serve_signal, service);
        if (bus1_dbus_object_new(member, INTEROP_PATH, interfaces, service, NULL) < 0 ||
            bus1_dbus_object_new(member, INTEROP_OTHER_PATH, interfaces, service, NULL) < 0 ||
            bus1_dbus_subscribe(member,
                                "type='signal',interface='" INTEROP_INTERFACE "',member='Told'",
                                serve_signal, service, NULL, NULL) < 0 ||
            bus1_dbus_publish(member, INTEROP_NAME, DBUS_NAME_FLAG_DO_NOT_QUEUE, NULL, NULL) < 0)
                return;
        bus1_dbus_run(member, NULL);
}

const struct kind kind_native = {
        .name = "native",
        .native = true,
        .open = native_open,
        .close = native_close,
        .call = native_call,
        .call_many = native_call_many,
        .emit = native_emit,
        .subscribe = native_subscribe,
        .wait_signal = native_wait_signal,
        .overhear = native_overhear,
        .wait_overheard = native_wait_overheard,
        .serve = native_serve,
        .reply = native_reply,
};

/* exchanges of native clients */

static DBusMessage *call_handle(struct bus1_dbus *bus, uint64_t handle, const char *interface,
                                const char *member, DBusError *error) {
        struct bus1_dbus_message *reply = NULL;
        DBusMessage *m;
        int r;

        m = dbus_message_new_method_call(NULL, "/elsewhere", interface, member);
        r = bus1_dbus_call(bus, handle, m, NULL, 0, INTEROP_TIMEOUT_MS, &reply, error);
        dbus_message_unref(m);
        return r < 0 ? NULL : take_message(reply);
}

static bool reply_is(DBusMessage *reply, const char *expected) {
        const char *text;
        bool ok;

        if (!reply)
                return false;
        ok = dbus_message_get_args(reply, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID) &&
             strcmp(text, expected) == 0;
        dbus_message_unref(reply);
        return ok;
}

bool native_exchange_call(struct client *client) {
        const char *text = "through a handle";
        struct bus1_dbus_message *reply;
        DBusMessage *m;
        uint64_t handle;
        int r;

        EXPECT(bus1_dbus_lookup(client->member, INTEROP_NAME, 0, &handle, NULL) >= 0);
        m = dbus_message_new_method_call(NULL, INTEROP_PATH, INTEROP_INTERFACE, "Echo");
        dbus_message_append_args(m, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
        r = bus1_dbus_call(client->member, handle, m, NULL, 0, INTEROP_TIMEOUT_MS, &reply, NULL);
        dbus_message_unref(m);
        EXPECT(r >= 0);
        EXPECT(reply_is(take_message(reply), text));
        bus1_dbus_release(client->member, handle);
        EXPECT(bus1_dbus_lookup(client->member, "org.bus1.Nobody", 0, &handle, NULL) == -EREMOTEIO);
        return true;
}

static int receiver_take(struct bus1_dbus_message *call, void *userdata) {
        *(uint64_t *)userdata = bus1_dbus_message_take_handle(call, 0);
        return bus1_dbus_reply_args(call, DBUS_TYPE_INVALID);
}

static const struct bus1_dbus_interface receiver_interfaces[] = {
        {
                .name = INTEROP_INTERFACE ".Receiver",
                .methods =
                        (const struct bus1_dbus_method[]){
                                {"Take", "", "", receiver_take},
                                {},
                        },
        },
        {},
};

static int pass_done(struct bus1_dbus_message *reply, void *userdata) {
        *(bool *)userdata =
                dbus_message_get_type(reply->message) == DBUS_MESSAGE_TYPE_METHOD_RETURN;
        return 0;
}

/*
 * Pass a handle of the client to a second member, through the bus. Then release it in the client.
 * *ret_handle gets the handle that the second member has received.
 */
static bool pass_on(struct client *client, struct bus1_dbus *second, uint64_t handle,
                    uint64_t *ret_handle) {
        bool passed = false;
        DBusMessage *m;
        int r;

        *ret_handle = BUS1_INVALID;
        EXPECT(bus1_dbus_object_new(second, "/", receiver_interfaces, ret_handle, NULL) >= 0);
        m = dbus_message_new_method_call(bus1_dbus_get_unique_name(second), "/",
                                         INTEROP_INTERFACE ".Receiver", "Take");
        r = bus1_dbus_call_async(client->member, BUS1_DBUS_BUS, m, &handle, 1, INTEROP_TIMEOUT_MS,
                                 pass_done, &passed, NULL);
        dbus_message_unref(m);
        EXPECT(r >= 0);
        bus1_dbus_release(client->member, handle);
        while (*ret_handle == BUS1_INVALID)
                EXPECT(bus1_dbus_dispatch(second) > 0 ||
                       bus1_dbus_wait(second, INTEROP_TIMEOUT_MS) > 0);
        while (!passed)
                EXPECT(bus1_dbus_dispatch(client->member) > 0 ||
                       bus1_dbus_wait(client->member, INTEROP_TIMEOUT_MS) > 0);
        return true;
}

/* A native service has an object without a path, and a member calls it through a passed handle. */
bool native_exchange_reference(struct client *client) {
        struct bus1_dbus *second;
        struct bus1_dbus_message *reply;
        uint64_t handle;
        DBusMessage *m;
        int r;

        m = dbus_message_new_method_call(INTEROP_NAME, INTEROP_PATH, INTEROP_INTERFACE,
                                         "Reference");
        r = bus1_dbus_call(client->member, BUS1_DBUS_BUS, m, NULL, 0, INTEROP_TIMEOUT_MS, &reply,
                           NULL);
        dbus_message_unref(m);
        EXPECT(r >= 0);
        EXPECT(reply->n_handles == 1);
        handle = bus1_dbus_message_take_handle(reply, 0);
        bus1_dbus_message_unref(reply);
        second = native_open(client->address);
        EXPECT(second);
        EXPECT(pass_on(client, second, handle, &handle));
        EXPECT(reply_is(call_handle(second, handle, INTEROP_INTERFACE ".Anonymous", "Who", NULL),
                        "only by reference"));
        bus1_dbus_free(second);
        return true;
}

static void release_seen(struct bus1_dbus *bus, uint64_t handle, void *userdata) {
        *(bool *)userdata = true;
}

/*
 * A member calls one object through a passed handle. Whatever PATH the call has, it is a call of
 * this object.
 */
bool native_exchange_narrowed(struct client *client) {
        DBusError error = DBUS_ERROR_INIT;
        struct bus1_dbus *second;
        uint64_t handle;

        EXPECT(bus1_dbus_lookup_object(client->member, INTEROP_NAME, INTEROP_OTHER_PATH, &handle,
                                       NULL) >= 0);
        second = native_open(client->address);
        EXPECT(second);
        EXPECT(pass_on(client, second, handle, &handle));
        EXPECT(reply_is(call_handle(second, handle, INTEROP_INTERFACE, "Where", &error),
                        INTEROP_OTHER_PATH));
        bus1_dbus_free(second);
        return true;
}

bool native_exchange_vanish(struct client *client) {
        DBusError error = DBUS_ERROR_INIT;
        bool gone = false;
        uint64_t handle;
        DBusMessage *m;
        int r;

        EXPECT(bus1_dbus_lookup(client->member, INTEROP_NAME, 0, &handle, NULL) >= 0);
        EXPECT(bus1_dbus_watch(client->member, handle, release_seen, &gone) >= 0);
        m = dbus_message_new_method_call(NULL, INTEROP_PATH, INTEROP_INTERFACE, "Vanish");
        r = bus1_dbus_call(client->member, handle, m, NULL, 0, INTEROP_TIMEOUT_MS, NULL, &error);
        dbus_message_unref(m);
        EXPECT(r == -ECONNRESET || r == -EREMOTEIO);
        EXPECT(dbus_error_has_name(&error, DBUS_ERROR_NO_REPLY));
        dbus_error_free(&error);
        while (!gone)
                EXPECT(bus1_dbus_dispatch(client->member) > 0 ||
                       bus1_dbus_wait(client->member, INTEROP_TIMEOUT_MS) > 0);
        return true;
}
