// SPDX-License-Identifier: LGPL-2.1-or-later

/*
 * A program in C++ uses the public headers: all of them, their macros and inline functions
 *
 * Two members in one process: a service with vtables and a client. meson.build makes every warning
 * an error here, also those of -Wpedantic.
 */

#include <bus1/bus1.h>
#include <bus1/dbus-async.h>
#include <bus1/dbus-lazy.h>
#include <bus1/dbus-sd-event.h>
#include <bus1/dbus-values.h>
#include <bus1/dbus-vtable.h>
#include <bus1/dbus.h>
#include <bus1/hosted.h>
#include <bus1/transport.h>
#include <linux/bus1-2016.h>
#ifdef HAVE_GLIB
#include <bus1/dbus-glib.h>
#endif

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>

extern "C" {
#include "test/interop/interop.h"
}

#define CHECK(x)                                                                     \
        do {                                                                         \
                if (!(x)) {                                                          \
                        std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
                        std::exit(EXIT_FAILURE);                                     \
                }                                                                    \
        } while (0)

namespace {

const char NAME[] = "org.bus1.Test";
const char PATH[] = "/org/bus1/Test";

struct bus1_dbus *server, *caller;

/* Dispatch both members until it is so. */
void until(const std::function<bool()> &is_so) {
        for (int i = 0; !is_so(); i++) {
                CHECK(i < 10000);
                if (bus1_dbus_dispatch(server) <= 0 && bus1_dbus_dispatch(caller) <= 0)
                        bus1_dbus_wait(caller, 1);
        }
}

/* the service */

struct Lamp {
        struct bus1_dbus_object *object;
        uint32_t brightness;
        int on;
        char *label;
        unsigned n_blinks;
};

int lamp_blink(struct bus1_dbus_message *call, void *userdata) {
        auto *lamp = static_cast<Lamp *>(userdata);
        uint32_t times;
        const char *why;
        int r;

        r = bus1_dbus_message_read(call, "us", &times, &why);
        if (r < 0)
                return r;
        if (times == 0)
                return bus1_dbus_fail(call, DBUS_ERROR_INVALID_ARGS, "%s needs a number", why);
        lamp->n_blinks += times;
        r = bus1_dbus_object_emit_values(lamp->object, NAME, "Blinked", "u", times);
        return r < 0 ? r : bus1_dbus_reply_values(call, "ub", lamp->n_blinks, 1);
}

int lamp_get_power(struct bus1_dbus *, const char *, const char *, const char *,
                   DBusMessageIter *value, void *userdata, DBusError *) {
        return bus1_dbus_append(value, "d", static_cast<Lamp *>(userdata)->brightness * 0.5);
}

int lamp_set_power(struct bus1_dbus *, const char *, const char *, const char *,
                   DBusMessageIter *value, void *userdata, DBusError *) {
        double power;
        int r = bus1_dbus_read(value, "d", &power);

        if (r >= 0)
                static_cast<Lamp *>(userdata)->brightness = static_cast<uint32_t>(power * 2);
        return r;
}

int lamp_where(struct bus1_dbus_message *call, void *) {
        return bus1_dbus_reply_values(call, "s", PATH);
}

/* each macro once, or more */
const struct bus1_dbus_vtable lamp_vtable[] = {
        BUS1_DBUS_VTABLE_START(BUS1_DBUS_VTABLE_CAPABILITY(21)),
        BUS1_DBUS_DOC("A lamp"),
        BUS1_DBUS_METHOD_WITH_ARGS("Blink", BUS1_DBUS_ARGS("u", times, "s", why),
                                   BUS1_DBUS_RESULT("u", total, "b", done), lamp_blink,
                                   BUS1_DBUS_VTABLE_UNPRIVILEGED),
        BUS1_DBUS_METHOD_WITH_ARGS("Nothing", BUS1_DBUS_NO_ARGS, BUS1_DBUS_NO_RESULT, nullptr,
                                   BUS1_DBUS_VTABLE_UNPRIVILEGED),
        BUS1_DBUS_METHOD_WITH_NAMES("Where", "", "", "s", BUS1_DBUS_PARAM(path), lamp_where,
                                    BUS1_DBUS_VTABLE_UNPRIVILEGED),
        BUS1_DBUS_METHOD("Where2", "", "s", lamp_where,
                         BUS1_DBUS_VTABLE_UNPRIVILEGED | BUS1_DBUS_VTABLE_DEPRECATED),
        BUS1_DBUS_METHOD_WITH_OFFSET("Where3", "", "s", lamp_where, offsetof(Lamp, on),
                                     BUS1_DBUS_VTABLE_HIDDEN | BUS1_DBUS_VTABLE_CAPABILITY(1)),
        BUS1_DBUS_PROPERTY("On", "b", nullptr, offsetof(Lamp, on),
                           BUS1_DBUS_VTABLE_PROPERTY_EMITS_CHANGE),
        BUS1_DBUS_WRITABLE_PROPERTY("Label", "s", nullptr, nullptr, offsetof(Lamp, label),
                                    BUS1_DBUS_VTABLE_UNPRIVILEGED |
                                            BUS1_DBUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
        BUS1_DBUS_WRITABLE_PROPERTY("Power", "d", lamp_get_power, lamp_set_power, 0,
                                    BUS1_DBUS_VTABLE_UNPRIVILEGED),
        BUS1_DBUS_SIGNAL_WITH_ARGS("Blinked", BUS1_DBUS_ARGS("u", times), 0),
        BUS1_DBUS_SIGNAL_WITH_NAMES("Broken", "s", BUS1_DBUS_PARAM(why), 0),
        BUS1_DBUS_SIGNAL("Off", "", 0),
        BUS1_DBUS_VTABLE_END,
};

/* the client */

int keep_reply(struct bus1_dbus_message *reply, void *userdata) {
        *static_cast<struct bus1_dbus_message **>(userdata) = bus1_dbus_message_ref(reply);
        return 0;
}

/* Call a method of the lamp without arguments, or one that has them. */
template <typename... Values>
struct bus1_dbus_message *call(const char *interface, const char *member, const char *types,
                               Values... values) {
        struct bus1_dbus_message *reply = nullptr;
        struct bus1_dbus_slot *slot;

        CHECK(bus1_dbus_call_method_async(caller, &slot, BUS1_DBUS_BUS, NAME, PATH, interface,
                                          member, keep_reply, &reply, types, values...) >= 0);
        CHECK(bus1_dbus_slot_get_bus(slot) == caller);
        until([&] { return reply != nullptr; });
        CHECK(!bus1_dbus_slot_free(slot));
        return reply;
}

bool is_error(struct bus1_dbus_message *reply, const char *name) {
        bool is_so = dbus_message_is_error(bus1_dbus_message_get_dbus(reply), name);

        bus1_dbus_message_unref(reply);
        return is_so;
}

unsigned n_blinked;

int blinked(struct bus1_dbus_message *signal, void *userdata) {
        uint32_t times;

        CHECK(bus1_dbus_message_read(signal, "u", &times) >= 0);
        *static_cast<unsigned *>(userdata) += times;
        return 0;
}

void test_methods(Lamp &lamp) {
        struct bus1_dbus_message *reply;
        struct bus1_dbus_slot *slot;
        uint32_t total = 0;
        const char *text;
        int done = 0;

        CHECK(bus1_dbus_match_signal(caller, &slot, NAME, PATH, NAME, "Blinked", blinked,
                                     &n_blinked, nullptr) >= 0);
        reply = call(NAME, "Blink", "us", 3U, "test");
        CHECK(bus1_dbus_message_read(reply, "ub", &total, &done) >= 0);
        CHECK(total == 3 && done && lamp.n_blinks == 3);
        bus1_dbus_message_unref(reply);
        until([] { return n_blinked == 3; });
        CHECK(!bus1_dbus_slot_free(slot));
        CHECK(is_error(call(NAME, "Blink", "us", 0U, "test"), DBUS_ERROR_INVALID_ARGS));
        CHECK(is_error(call(NAME, "Blink", "u", 0U), DBUS_ERROR_INVALID_ARGS));
        bus1_dbus_message_unref(call(NAME, "Nothing", nullptr));
        for (const char *member : {"Where", "Where2", "Where3"}) {
                reply = call(NAME, member, nullptr);
                CHECK(bus1_dbus_message_read(reply, "s", &text) >= 0);
                CHECK(std::string(text) == PATH);
                bus1_dbus_message_unref(reply);
        }
}

void test_properties(Lamp &lamp) {
        struct bus1_dbus_message *reply;
        double power;
        int on = 0;

        reply = call(DBUS_INTERFACE_PROPERTIES, "Get", "ss", NAME, "On");
        CHECK(bus1_dbus_message_read(reply, "v", "b", &on) >= 0);
        CHECK(on == 1);
        bus1_dbus_message_unref(reply);
        bus1_dbus_message_unref(
                call(DBUS_INTERFACE_PROPERTIES, "Set", "ssv", NAME, "Power", "d", 21.0));
        CHECK(lamp.brightness == 42);
        reply = call(DBUS_INTERFACE_PROPERTIES, "Get", "ss", NAME, "Power");
        CHECK(bus1_dbus_message_read(reply, "v", "d", &power) >= 0);
        CHECK(power > 20.9 && power < 21.1);
        bus1_dbus_message_unref(reply);
        bus1_dbus_message_unref(
                call(DBUS_INTERFACE_PROPERTIES, "Set", "ssv", NAME, "Label", "s", "kitchen"));
        CHECK(std::string(lamp.label) == "kitchen");
}

void test_introspection() {
        struct bus1_dbus_message *reply =
                call(DBUS_INTERFACE_INTROSPECTABLE, "Introspect", nullptr);
        const char *text;
        std::string xml;

        CHECK(bus1_dbus_message_read(reply, "s", &text) >= 0);
        xml = text;
        bus1_dbus_message_unref(reply);
        for (const char *what :
             {"name=\"times\"", "name=\"why\"", "name=\"total\"", "name=\"done\"", "A lamp"})
                CHECK(xml.find(what) != std::string::npos);
        CHECK(xml.find("Where3") == std::string::npos);
}

void test_handles(Lamp &lamp) {
        struct bus1_transfer from = {}, to = {};
        struct bus1_cmd_query query = {};
        uint64_t handle;

        CHECK(bus1_dbus_object_get_handle(lamp.object, &handle) >= 0);
        from.id = handle;
        CHECK(bus1_client_transfer(bus1_dbus_get_client(server), bus1_dbus_get_client(caller), 1,
                                   &from, &to) >= 0);
        CHECK(bus1_client_query(bus1_dbus_get_client(caller), &query) >= 0);
        CHECK(bus1_client_release_one(bus1_dbus_get_client(caller), to.id) >= 0);
        CHECK(to.id != BUS1_INVALID);
}

void test_event() {
        sd_event_source *source = nullptr;
        sd_event *event = nullptr;

        CHECK(sd_event_new(&event) >= 0);
        CHECK(bus1_dbus_attach_event(caller, event, SD_EVENT_PRIORITY_NORMAL, &source) >= 0);
        CHECK(bus1_dbus_attach_event(server, event, SD_EVENT_PRIORITY_NORMAL, nullptr) >= 0);
        sd_event_source_unref(source);
        sd_event_unref(event);
#ifdef HAVE_GLIB
        GSource *glib = bus1_dbus_glib_source_new(caller);

        CHECK(glib);
        g_source_unref(glib);
#endif
}

#define CLEANUP(function) __attribute__((cleanup(function)))

void count_free(struct bus1_dbus *, void *userdata) {
        ++*static_cast<unsigned *>(userdata);
}

int ignore(struct bus1_dbus_message *, void *) {
        return 0;
}

/* The functions for variables that own something, or nothing */
void test_cleanup(const char *address) {
        unsigned n_freed = 0;

        for (bool full : {false, true}) {
                CLEANUP(bus1_dbus_freep) struct bus1_dbus *bus = nullptr;
                CLEANUP(bus1_dbus_object_freep) struct bus1_dbus_object *object = nullptr;
                CLEANUP(bus1_dbus_subscription_freep)
                struct bus1_dbus_subscription *subscription = nullptr;
                CLEANUP(bus1_dbus_slot_freep) struct bus1_dbus_slot *slot = nullptr;
                CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *reply = nullptr;

                if (!full)
                        continue;
                CHECK(bus1_dbus_open(&bus, address, nullptr) >= 0);
                CHECK(bus1_dbus_add_free_handler(bus, nullptr, count_free, &n_freed) >= 0);
                /* it would be called, if its slot was freed after the bus, or not at all */
                CHECK(bus1_dbus_add_free_handler(bus, &slot, count_free, &n_freed) >= 0);
                CHECK(bus1_dbus_object_new(bus, PATH, nullptr, nullptr, &object) >= 0);
                CHECK(bus1_dbus_subscribe(bus, "member='Told'", ignore, nullptr, &subscription,
                                          nullptr) >= 0);
                CHECK(bus1_dbus_call_method(bus, BUS1_DBUS_BUS, DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                            DBUS_INTERFACE_DBUS, "GetId", nullptr, &reply,
                                            nullptr) >= 0);
        }
        CHECK(n_freed == 1);
}

void test_domain() {
        CLEANUP(bus1_domain_freep) struct bus1_domain *domain = nullptr;
        CLEANUP(bus1_client_freep) struct bus1_client *peer = nullptr;
        CLEANUP(bus1_received_freep) struct bus1_received *received = nullptr;
        uint64_t node, handle;

        CHECK(bus1_domain_new(&domain) >= 0);
        CHECK(bus1_domain_client_new(domain, &peer) >= 0);
        CHECK(bus1_client_create_node(peer, 0, &node, &handle) >= 0);
        CHECK(bus1_client_release_one(peer, handle) >= 0);
        CHECK(bus1_client_recv_alloc(peer, &received) >= 0);
        CHECK(received->type == BUS1_MESSAGE_TYPE_HANDLE_RELEASE);
        CHECK(sizeof(struct bus1_2016_peer_reset) > 0 && sizeof(struct bus1_transport) > 0);
}

} // namespace

int main(int argc, char **argv) {
        struct daemon bus;
        Lamp lamp = {};

        CHECK(daemon_start(&bus, argc > 1 ? argv[1] : "bus1-bridge", ""));
        CHECK(bus1_dbus_open(&server, bus.address, nullptr) >= 0);
        CHECK(bus1_dbus_open(&caller, bus.address, nullptr) >= 0);
        lamp.on = 1;
        CHECK(bus1_dbus_object_new(server, PATH, nullptr, nullptr, &lamp.object) >= 0);
        CHECK(bus1_dbus_object_add_interface(lamp.object, NAME, lamp_vtable, &lamp) >= 0);
        CHECK(bus1_dbus_publish(server, NAME, 0, nullptr, nullptr) >= 0);
        for (bool lazy : {false, true}) {
                lamp.n_blinks = n_blinked = 0;
                bus1_dbus_set_lazy_messages(server, lazy);
                test_methods(lamp);
                test_properties(lamp);
        }
        test_introspection();
        test_handles(lamp);
        test_event();
        test_cleanup(bus.address);
        test_domain();
        CHECK(!bus1_dbus_free(caller));
        CHECK(!bus1_dbus_free(server));
        std::free(lamp.label);
        CHECK(daemon_stop(&bus));
        return EXIT_SUCCESS;
}
