/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A native service
 *
 * It publishes org.bus1.Example with one object, the room, which any D-Bus client can introspect
 * and call:
 *
 * - Greeting, a property that can be read and set;
 * - Greeted, a signal, which the method Greet emits;
 * - Describe, a method that takes a descriptor and returns one;
 * - NewCounter, a method that returns a reference: the handle of a counter without name and path.
 *   Only a program that holds a handle of the counter can call it. The counter ends when the last
 *   handle is released;
 * - Quit, a method that ends the service.
 *
 * To run it on any bus1-bridge:  DBUS_SESSION_BUS_ADDRESS=... ./example-service
 */

#include <bus1/dbus.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NAME "org.bus1.Example"
#define PATH "/org/bus1/Example"

struct room {
        struct bus1_dbus_object *object;
        char greeting[64];
        bool stop;
};

/* counters: objects that have no path, and can be called only through their handles */

struct counter {
        struct bus1_dbus_object *object;
        uint32_t value;
};

static int counter_add(struct bus1_dbus_message *call, void *userdata) {
        struct counter *counter = userdata;
        uint32_t n;

        /* This cannot fail, because the library has checked the signature. */
        dbus_message_get_args(call->message, NULL, DBUS_TYPE_UINT32, &n, DBUS_TYPE_INVALID);
        counter->value += n;
        return bus1_dbus_reply_args(call, DBUS_TYPE_UINT32, &counter->value, DBUS_TYPE_INVALID);
}

static const struct bus1_dbus_method counter_methods[] = {
        {"Add", "u", "u", counter_add, "amount value"},
        {},
};

static const struct bus1_dbus_interface counter_interfaces[] = {
        {.name = NAME ".Counter", .methods = counter_methods},
        {},
};

static void counter_unreferenced(struct bus1_dbus_object *object, void *userdata) {
        printf("service: nobody holds the counter any more, it ends at %u\n",
               ((struct counter *)userdata)->value);
        bus1_dbus_object_free(object);
        free(userdata);
}

static int room_new_counter(struct bus1_dbus_message *call, void *userdata) {
        struct counter *counter;
        DBusMessage *reply;
        uint64_t handle;
        int r;

        counter = calloc(1, sizeof(*counter));
        if (!counter)
                return -ENOMEM;
        r = bus1_dbus_object_new(call->bus, NULL, counter_interfaces, counter, &counter->object);
        if (r < 0) {
                free(counter);
                return r;
        }
        r = bus1_dbus_object_get_handle(counter->object, &handle);
        if (r >= 0) {
                /* The handle travels beside the message. */
                reply = dbus_message_new_method_return(call->message);
                r = reply ? bus1_dbus_reply(call, reply, &handle, 1) : -ENOMEM;
                if (reply)
                        dbus_message_unref(reply);
        }
        if (r < 0) {
                bus1_dbus_object_free(counter->object);
                free(counter);
                return r;
        }
        return bus1_dbus_object_set_unreferenced(counter->object, counter_unreferenced);
}

/* the room */

static int room_get_greeting(struct bus1_dbus_object *object, DBusMessageIter *value,
                             void *userdata) {
        const char *greeting = ((struct room *)userdata)->greeting;

        return dbus_message_iter_append_basic(value, DBUS_TYPE_STRING, &greeting) ? 0 : -ENOMEM;
}

static int room_set_greeting(struct bus1_dbus_object *object, DBusMessageIter *value,
                             void *userdata) {
        struct room *room = userdata;
        const char *greeting;

        dbus_message_iter_get_basic(value, &greeting);
        if (strlen(greeting) >= sizeof(room->greeting))
                return -EMSGSIZE; /* becomes org.freedesktop.DBus.Error.LimitsExceeded */
        strcpy(room->greeting, greeting);
        return bus1_dbus_object_emit_changed(object, NAME, "Greeting");
}

static int room_greet(struct bus1_dbus_message *call, void *userdata) {
        struct room *room = userdata;
        char text[256], *reply = text;
        const char *who;
        int r;

        dbus_message_get_args(call->message, NULL, DBUS_TYPE_STRING, &who, DBUS_TYPE_INVALID);
        if (!*who)
                return bus1_dbus_reply_error(call, NAME ".Error.Nobody",
                                             "There is nobody to greet");
        /* Refuse a long name instead of cutting the text, which could split a character. */
        if (snprintf(text, sizeof(text), "%s, %s!", room->greeting, who) >= (int)sizeof(text))
                return -EMSGSIZE;
        r = bus1_dbus_object_emit(room->object, NAME, "Greeted", DBUS_TYPE_STRING, &who,
                                  DBUS_TYPE_INVALID);
        if (r < 0)
                return r;
        return bus1_dbus_reply_args(call, DBUS_TYPE_STRING, &reply, DBUS_TYPE_INVALID);
}

/* Take the descriptor of a file, and return the descriptor of a new file: a text with the size. */
static int room_describe(struct bus1_dbus_message *call, void *userdata) {
        int in, out, r;
        off_t size;

        dbus_message_get_args(call->message, NULL, DBUS_TYPE_UNIX_FD, &in, DBUS_TYPE_INVALID);
        size = lseek(in, 0, SEEK_END);
        close(in);
        out = memfd_create("description", MFD_CLOEXEC);
        if (out < 0)
                return -errno;
        dprintf(out, "a file of %lld bytes\n", (long long)size);
        r = bus1_dbus_reply_args(call, DBUS_TYPE_UNIX_FD, &out, DBUS_TYPE_INVALID);
        close(out);
        return r;
}

static int room_quit(struct bus1_dbus_message *call, void *userdata) {
        ((struct room *)userdata)->stop = true;
        return bus1_dbus_reply_args(call, DBUS_TYPE_INVALID);
}

static const struct bus1_dbus_method room_methods[] = {
        {"Greet", "s", "s", room_greet, "who greeting"},
        {"Describe", "h", "h", room_describe, "file description"},
        {"NewCounter", "", "", room_new_counter, NULL},
        {"Quit", "", "", room_quit, NULL},
        {},
};

static const struct bus1_dbus_property room_properties[] = {
        {"Greeting", "s", room_get_greeting, room_set_greeting},
        {},
};

static const struct bus1_dbus_signal room_signals[] = {
        {"Greeted", "s", "who"},
        {},
};

static const struct bus1_dbus_interface room_interfaces[] = {
        {
                .name = NAME,
                .methods = room_methods,
                .properties = room_properties,
                .signals = room_signals,
        },
        {},
};

int main(void) {
        struct room room = {.greeting = "Hello"};
        DBusError error = DBUS_ERROR_INIT;
        struct bus1_dbus *bus;
        int r;

        setvbuf(stdout, NULL, _IOLBF, 0);
        r = bus1_dbus_open_session(&bus, &error);
        if (r < 0) {
                fprintf(stderr, "service: %s\n", error.message);
                return EXIT_FAILURE;
        }
        r = bus1_dbus_object_new(bus, PATH, room_interfaces, &room, &room.object);
        if (r >= 0)
                r = bus1_dbus_publish(bus, NAME, DBUS_NAME_FLAG_DO_NOT_QUEUE, NULL, &error);
        if (r < 0) {
                fprintf(stderr, "service: %s\n", error.message ? error.message : strerror(-r));
                return EXIT_FAILURE;
        }
        printf("service: %s is %s\n", bus1_dbus_get_unique_name(bus), NAME);
        r = bus1_dbus_run(bus, &room.stop);
        bus1_dbus_free(bus);
        return r < 0 && r != -ECONNRESET ? EXIT_FAILURE : EXIT_SUCCESS;
}
