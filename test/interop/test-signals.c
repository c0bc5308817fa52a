/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Signals of the objects behind handles
 *
 * The handles are from look-ups of this member or of another one, or those of objects that have no
 * path. Owners, subscribers and objects end, subscribers do not receive, and owners are hostile.
 */

#include "test/interop/async.h"

#include <bus1/dbus-values.h>
#include <bus1/dbus-vtable.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* an object of the service without a path, and the handle that the client has */
static struct bus1_dbus_object *object;
static uint64_t object_handle;

static struct bus1_dbus_object *give_object(void) {
        struct bus1_dbus_object *o;
        uint64_t handle;

        ck_assert_int_eq(bus1_dbus_object_new(service, NULL, member_interfaces, NULL, &o), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(o, &handle), 0);
        object_handle = give(service, client, handle);
        return o;
}

static void setup(void) {
        members_setup();
        got_reset();
        heard[0] = 0;
        publish();
        object = give_object();
}

static void teardown(void) {
        if (!client)
                ck_assert_int_eq(bus1_dbus_open(&client, bus_daemon.address, NULL), 0);
        members_teardown();
}

static void subscribe_handle(struct bus1_dbus *bus, uint64_t handle, const char *interface,
                             const char *member, struct bus1_dbus_slot **slot) {
        got_reset();
        ck_assert_int_eq(bus1_dbus_subscribe_handle_async(bus, slot, handle, interface, member,
                                                          hear, done, &got),
                         0);
        UNTIL(got.n > 0);
}

static void emit_object(struct bus1_dbus_object *o, const char *interface, const char *member) {
        ck_assert_int_eq(bus1_dbus_object_emit(o, interface, member, DBUS_TYPE_INVALID), 0);
}

START_TEST(signals_of_a_looked_up_object) {
        struct bus1_dbus_object *other;
        struct bus1_dbus_slot *slot;
        struct owner a;
        uint64_t handle;
        DBusMessage *m;

        /* native: of the service; else of a D-Bus program */
        ck_assert_int_eq(bus1_dbus_object_new(service, OTHER_PATH, member_interfaces, NULL, &other),
                         0);
        owner_open(&a, false);
        owner_request(&a, OTHER, 0);
        handle = look_up(client, _i & 1 ? NAME : OTHER, PATH);
        if (_i & 2) {
                subscribe_handle(client, handle, NAME, "Beep", &slot);
                ck_assert_str_eq(got.error, "");
        } else {
                got_reset();
                ck_assert_int_eq(bus1_dbus_subscribe_handle(client, &slot, handle, NAME, "Beep",
                                                            hear, &got, NULL),
                                 0);
        }
        bus1_dbus_release(client, handle); /* the subscription has its own */
        for (int i = 0; i < 3; i++) {
                m = dbus_message_new_signal(i == 1 ? OTHER_PATH : PATH, NAME,
                                            i == 2 ? "Click" : "Beep");
                ck_assert_int_eq(bus1_dbus_emit(service, m), 0);
                ck_assert(kind_legacy.emit(a.legacy, m));
                dbus_message_unref(m);
        }
        ck_assert(dbus_bus_name_has_owner(a.legacy, OTHER, NULL)); /* what it sent has passed */
        expect_heard("Beep ");
        ck_assert(heard_sender);
        /* the owner goes, and so does the subscription; a new owner is not heard */
        if (_i & 1) {
                ck_assert_int_eq(bus1_dbus_release_name(service, NAME, NULL, NULL), 0);
                owner_request(&a, NAME, 0);
        } else {
                owner_release(&a, OTHER);
                ck_assert_int_eq(bus1_dbus_request_name(service, OTHER, 0, NULL, NULL), 0);
        }
        m = dbus_message_new_signal(PATH, NAME, "Beep");
        ck_assert_int_eq(bus1_dbus_emit(service, m), 0);
        ck_assert(kind_legacy.emit(a.legacy, m));
        dbus_message_unref(m);
        ck_assert(dbus_bus_name_has_owner(a.legacy, DBUS_SERVICE_DBUS, NULL));
        expect_heard("!UnknownObject ");
        bus1_dbus_slot_free(slot);
        expect_heard("");
        owner_close(&a);
}
END_TEST

START_TEST(signals_of_a_looked_up_name) {
        struct bus1_dbus_object *other;
        struct bus1_dbus_slot *slot;
        uint64_t handle;

        ck_assert_int_eq(bus1_dbus_object_new(service, OTHER_PATH, member_interfaces, NULL, &other),
                         0);
        handle = look_up(client, NAME, NULL);
        ck_assert_int_eq(
                bus1_dbus_subscribe_handle(client, &slot, handle, NULL, NULL, hear, &got, NULL), 0);
        emit(service, "Beep");
        emit_object(other, OTHER, "Click");
        emit(client, "Tick");
        expect_heard("Beep Click ");
        bus1_dbus_slot_free(slot);
        emit(service, "Beep");
        expect_heard("");
        /* the handle is as good as before */
        expect_text(call(client, handle, NULL, PATH, "Where", NULL), PATH);
}
END_TEST

START_TEST(signals_of_an_object_without_a_path) {
        struct bus1_dbus_slot *all, *some;

        subscribe_handle(client, object_handle, NULL, NULL, &all);
        ck_assert_str_eq(got.error, "");
        subscribe_handle(client, object_handle, NAME, "Beep", &some);
        ck_assert_str_eq(got.error, "");
        bus1_dbus_release(client, object_handle);
        emit_object(object, NAME, "Beep");
        expect_heard("Beep Beep ");
        ck_assert(!heard_sender);
        emit_object(object, NAME, "Click");
        emit_object(object, OTHER, "Beep");
        expect_heard("Click Beep ");
        /* signals of others are not heard */
        emit(service, "Beep");
        expect_heard("");
        bus1_dbus_slot_free(all);
        settle();
        emit_object(object, NAME, "Click");
        emit_object(object, NAME, "Beep");
        expect_heard("Beep ");
        emit_object(object, NAME, "Beep");
        bus1_dbus_object_free(object);
        expect_heard("Beep !UnknownObject ");
        bus1_dbus_slot_free(some);
}
END_TEST

START_TEST(subscription_of_an_object_ends_in_its_function) {
        struct bus1_dbus_slot *slot;

        /* at a signal or at the end; the slot or the bus is freed, or nobody has the slot */
        subscribe_handle(client, object_handle, NULL, NULL, _i & 4 ? NULL : &slot);
        ck_assert_str_eq(got.error, "");
        got.free_slot = _i & 6 ? NULL : &slot;
        got.free_bus = _i & 2;
        if (_i & 1)
                emit_object(object, NAME, "Beep");
        else
                bus1_dbus_object_free(object);
        if (_i & 2)
                UNTIL(!client);
        expect_heard(_i & 1 ? "Beep " : "!UnknownObject ");
        got.free_slot = NULL;
        if ((_i & 1) && !(_i & 6)) {
                emit_object(object, NAME, "Beep");
                expect_heard("");
        }
}
END_TEST

/* Who hears of what: by the handle of an object, and by a match rule */

static char broadcast[256];

static int hear_broadcast(struct bus1_dbus_message *m, void *userdata) {
        size_t n = strlen(broadcast);

        snprintf(broadcast + n, sizeof(broadcast) - n, "%s ", dbus_message_get_member(m->message));
        return 0;
}

static const struct bus1_dbus_vtable value_vtable[] = {
        BUS1_DBUS_VTABLE_START(0),
        BUS1_DBUS_SIGNAL("Beep", "u", 0),
        BUS1_DBUS_WRITABLE_PROPERTY("Value", "u", NULL, NULL, 0,
                                    BUS1_DBUS_VTABLE_UNPRIVILEGED |
                                            BUS1_DBUS_VTABLE_PROPERTY_EMITS_CHANGE),
        BUS1_DBUS_VTABLE_END,
};

static int set_value(uint32_t value) {
        DBusMessage *m =
                dbus_message_new_method_call(NAME, "/value", DBUS_INTERFACE_PROPERTIES, "Set");
        DBusMessageIter iter;
        struct answer answer;
        int type;

        dbus_message_iter_init_append(m, &iter);
        ck_assert_int_eq(bus1_dbus_append(&iter, "ssv", NAME, "Value", "u", value), 0);
        answer = call_message(client, BUS1_DBUS_BUS, m);
        type = dbus_message_get_type(answer.reply);
        dbus_message_unref(answer.reply);
        return type == DBUS_MESSAGE_TYPE_METHOD_RETURN ? 0 : -EIO;
}

static void expect_both(int r, const char *by_handle, const char *by_rule) {
        ck_assert_int_eq(r, 0);
        expect_heard(by_handle);
        ck_assert_str_eq(broadcast, by_rule);
        broadcast[0] = 0;
}

START_TEST(signals_reach_those_that_the_pages_name) {
        char *names[] = {(char *)"Value", NULL};
        struct bus1_dbus_object *o, *manager;
        struct bus1_dbus_slot *slot;
        uint32_t value = 1;
        uint64_t handle;

        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        ck_assert_int_eq(bus1_dbus_object_new(service, "/value", NULL, NULL, &o), 0);
        ck_assert_int_eq(bus1_dbus_object_add_interface(o, NAME, value_vtable, &value), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(o, &handle), 0);
        subscribe_handle(client, give(service, client, handle), NULL, NULL, &slot);
        ck_assert_str_eq(got.error, "");
        ck_assert_int_eq(bus1_dbus_match_signal(third, NULL, NAME, NULL, NULL, NULL, hear_broadcast,
                                                NULL, NULL),
                         0);
        /* signals of the object */
        expect_both(
                bus1_dbus_object_emit(o, NAME, "Beep", DBUS_TYPE_UINT32, &value, DBUS_TYPE_INVALID),
                "Beep ", "Beep ");
        expect_both(bus1_dbus_object_emit_values(o, NAME, "Beep", "u", 7U), "Beep ", "Beep ");
        expect_both(bus1_dbus_object_emit_changed(o, NAME, "Value"), "PropertiesChanged ",
                    "PropertiesChanged ");
        expect_both(bus1_dbus_object_emit_properties_changed(o, NAME, "Value", NULL),
                    "PropertiesChanged ", "PropertiesChanged ");
        expect_both(bus1_dbus_object_emit_properties_changed_strv(o, NAME, names),
                    "PropertiesChanged ", "PropertiesChanged ");
        expect_both(bus1_dbus_emit_properties_changed(service, "/value", NAME, "Value", NULL),
                    "PropertiesChanged ", "PropertiesChanged ");
        expect_both(bus1_dbus_emit_properties_changed_strv(service, "/value", NAME, names),
                    "PropertiesChanged ", "PropertiesChanged ");
        expect_both(set_value(5), "PropertiesChanged ", "PropertiesChanged ");
        ck_assert_uint_eq(value, 5);
        /* signals of the program, also if they have the path of the object */
        expect_both(bus1_dbus_emit_signal(service, "/value", NAME, "Beep", "u", 7U), "", "Beep ");
        ck_assert_int_eq(bus1_dbus_object_new(service, "/", NULL, NULL, &manager), 0);
        ck_assert_int_eq(bus1_dbus_object_add_manager(manager), 0);
        settle();
        broadcast[0] = 0;
        expect_both(bus1_dbus_emit_object_added(service, "/value"), "", "InterfacesAdded ");
        expect_both(bus1_dbus_emit_object_removed(service, "/value"), "", "InterfacesRemoved ");
        bus1_dbus_slot_free(slot);
}
END_TEST

static int get_number(struct bus1_dbus_object *o, DBusMessageIter *value, void *userdata) {
        int32_t number = 1;

        return dbus_message_iter_append_basic(value, DBUS_TYPE_INT32, &number) ? 0 : -ENOMEM;
}

static const struct bus1_dbus_property properties[] = {{"Number", "i", get_number, NULL}, {}};
static const struct bus1_dbus_interface property_interfaces[] = {
        {.name = NAME, .properties = properties},
        {},
};

/* Who leaves the bus does not announce the end of each of its objects. */
START_TEST(objects_end_with_their_bus_without_a_signal) {
        struct bus1_dbus_object *manager, *o;

        ck_assert_int_eq(bus1_dbus_match_signal(client, NULL, bus1_dbus_get_unique_name(service),
                                                NULL, NULL, NULL, hear, &got, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_object_new(service, "/", NULL, NULL, &manager), 0);
        ck_assert_int_eq(bus1_dbus_object_add_manager(manager), 0);
        for (int i = 0; i < 3; i++) {
                char path[] = {'/', (char)('a' + i), 0};

                ck_assert_int_eq(bus1_dbus_object_new(service, path, property_interfaces, NULL, &o),
                                 0);
        }
        settle();
        heard[0] = 0;
        bus1_dbus_object_free(o);
        expect_heard("InterfacesRemoved ");
        service = bus1_dbus_free(service);
        expect_heard("");
}
END_TEST

/* Who is no member of a bus can serve and subscribe, too. */
START_TEST(no_bus_is_needed) {
        struct rogue outsiders[2];
        struct bus1_dbus *buses[2];
        struct bus1_dbus_object *o;
        struct bus1_dbus_slot *slot;
        uint64_t handle;

        for (int i = 0; i < 2; i++) {
                ck_assert(rogue_join(&outsiders[i], bus_daemon.address));
                ck_assert_int_eq(bus1_dbus_new_from_client(&buses[i], outsiders[i].client), 0);
        }
        ck_assert_int_eq(bus1_dbus_object_new(buses[0], PATH, property_interfaces, NULL, &o), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(o, &handle), 0);
        handle = give(buses[0], buses[1], handle);
        got_reset();
        ck_assert_int_eq(bus1_dbus_subscribe_handle_async(buses[1], &slot, handle, NULL, NULL, hear,
                                                          done, &got),
                         0);
        while (got.n == 0) {
                bus1_dbus_dispatch(buses[0]);
                bus1_dbus_dispatch(buses[1]);
        }
        ck_assert_str_eq(got.error, "");
        emit_object(o, NAME, "Beep");
        ck_assert_int_eq(bus1_dbus_object_emit_changed(o, NAME, "Number"), 0);
        while (bus1_dbus_wait(buses[1], 100) > 0)
                bus1_dbus_dispatch(buses[1]);
        expect_heard("Beep PropertiesChanged ");
        bus1_dbus_object_free(o);
        while (bus1_dbus_wait(buses[1], 100) > 0)
                bus1_dbus_dispatch(buses[1]);
        expect_heard("!UnknownObject ");
        for (int i = 0; i < 2; i++) {
                bus1_dbus_free(buses[i]);
                close(outsiders[i].socket_fd);
        }
}
END_TEST

/* A handle from a look-up of another member: the signals come through the bus. */
START_TEST(signals_of_a_handle_of_another_look_up) {
        struct bus1_dbus_slot *slot;
        struct owner a;
        uint64_t handle;

        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        handle = give(client, third, look_up(client, NAME, PATH));
        subscribe_handle(third, handle, NAME, "Beep", &slot);
        ck_assert_str_eq(got.error, "");
        emit(service, "Beep");
        emit(service, "Click");
        emit(client, "Beep");
        expect_heard("Beep ");
        ck_assert(heard_sender);
        ck_assert_int_eq(bus1_dbus_release_name(service, NAME, NULL, NULL), 0);
        expect_heard("!UnknownObject ");
        bus1_dbus_slot_free(slot);
        /* A D-Bus program does not know the interface, and cannot get the handle. */
        owner_open(&a, false);
        owner_request(&a, OTHER, 0);
        handle = give(client, third, look_up(client, OTHER, PATH));
        subscribe_handle(third, handle, NAME, "Beep", &slot);
        ck_assert_str_eq(got.error, DBUS_ERROR_NOT_SUPPORTED);
        bus1_dbus_slot_free(slot);
        owner_close(&a);
}
END_TEST

static char *export_name, *export_path;

static void export_handle(struct bus1_dbus *bus, uint64_t handle) {
        ck_assert_int_eq(bus1_dbus_export(bus, handle, &export_name, &export_path, NULL), 0);
}

static void export_object(struct bus1_dbus_object *o) {
        uint64_t handle;

        ck_assert_int_eq(bus1_dbus_object_get_handle(o, &handle), 0);
        export_handle(service, handle);
}

static void export_forget(void) {
        free(export_name);
        free(export_path);
}

/* The path of an export is a way to the object like any other: the policy holds, monitors see. */
START_TEST(signals_of_an_exported_object) {
        struct bus1_dbus_slot *by_path, *by_handle;
        uint64_t handle;

        export_object(object);
        expect_text(call(client, BUS1_DBUS_BUS, export_name, export_path, "Who", NULL),
                    bus1_dbus_get_unique_name(client));
        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        handle = give(client, third, look_up(client, export_name, export_path));
        subscribe_handle(third, handle, NAME, "Beep", &by_path);
        ck_assert_str_eq(got.error, "");
        emit_object(object, NAME, "Beep");
        expect_heard("Beep ");
        ck_assert(heard_sender);
        bus1_dbus_slot_free(by_path);
        /* who has the handle needs no bus, as before */
        subscribe_handle(client, object_handle, NAME, "Beep", &by_handle);
        ck_assert_str_eq(got.error, "");
        emit_object(object, NAME, "Beep");
        expect_heard("Beep ");
        ck_assert(!heard_sender);
        expect_text(call(client, object_handle, NULL, PATH, "Who", NULL), "nobody");
        bus1_dbus_slot_free(by_handle);
        export_forget();
}
END_TEST

/* The program that subscribes has looked up the path of the export itself. */
START_TEST(signals_of_a_looked_up_export) {
        struct bus1_dbus_object *o = object;
        struct bus1_dbus_slot *slot;

        /* the object has a path of its own, too */
        if (_i)
                ck_assert_int_eq(
                        bus1_dbus_object_new(service, OTHER_PATH, member_interfaces, NULL, &o), 0);
        export_object(o);
        subscribe_handle(client, look_up(client, NAME, export_path), NAME, "Beep", &slot);
        ck_assert_str_eq(got.error, "");
        emit_object(o, NAME, "Beep");
        emit_object(o, NAME, "Click");
        emit(service, "Beep");
        expect_heard("Beep ");
        ck_assert(heard_sender);
        ck_assert_int_eq(bus1_dbus_release_name(service, NAME, NULL, NULL), 0);
        expect_heard("!UnknownObject ");
        bus1_dbus_slot_free(slot);
        export_forget();
}
END_TEST

/* A member exports a handle that it was given. The signals are those of another member. */
START_TEST(signals_of_an_export_of_another_member) {
        struct bus1_dbus_slot *slot;

        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        export_handle(client, _i ? look_up(client, NAME, PATH) : object_handle);
        subscribe_handle(third, look_up(third, export_name, export_path), NAME, "Beep", &slot);
        ck_assert_str_eq(got.error, "");
        if (_i)
                emit(service, "Beep");
        else
                emit_object(object, NAME, "Beep");
        expect_heard("Beep ");
        bus1_dbus_slot_free(slot);
        export_forget();
}
END_TEST

static char heard_path[256];

static int hear_path(struct bus1_dbus_message *m, void *userdata) {
        snprintf(heard_path, sizeof(heard_path), "%s", dbus_message_get_path(m->message));
        return hear(m, userdata);
}

/*
 * Who does not hold the handle does not hear of an object without a path, unless it is exported:
 * then the path of the export is where everybody finds it.
 */
START_TEST(broadcasts_of_an_object_without_a_path) {
        struct bus1_dbus_object *with_number;
        char *first;

        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        ck_assert_int_eq(bus1_dbus_subscribe(third, "type='signal'", hear_path, &got, NULL, NULL),
                         0);
        heard_path[0] = 0;
        emit_object(object, NAME, "Beep");
        ck_assert_int_eq(bus1_dbus_object_emit_values(object, NAME, "Beep", "u", 1), 0);
        ck_assert_int_eq(
                bus1_dbus_object_new(service, NULL, property_interfaces, NULL, &with_number), 0);
        ck_assert_int_eq(bus1_dbus_object_emit_changed(with_number, NAME, "Number"), 0);
        expect_heard("");
        /* it also emits before anybody can have the handle */
        bus1_dbus_object_free(with_number);
        export_object(object);
        emit_object(object, NAME, "Beep");
        expect_heard("Beep ");
        ck_assert_str_eq(heard_path, export_path);
        ck_assert(heard_sender);
        first = export_path;
        free(export_name);
        export_object(object);
        emit_object(object, NAME, "Beep");
        expect_heard("Beep Beep ");
        ck_assert_str_eq(heard_path, export_path);
        ck_assert_str_ne(first, export_path);
        free(first);
        export_forget();
}
END_TEST

/* A D-Bus program listens where it calls. */
START_TEST(signals_of_an_export_for_a_rule) {
        struct bus1_dbus_slot *slot;

        export_object(object);
        ck_assert_int_eq(bus1_dbus_match_signal(client, &slot, export_name, export_path, NAME,
                                                "Beep", hear, &got, NULL),
                         0);
        emit_object(object, NAME, "Beep");
        emit(service, "Beep");
        expect_heard("Beep ");
        bus1_dbus_slot_free(slot);
        export_forget();
}
END_TEST

/* Nobody exports from such a path but a native program. */
START_TEST(signals_of_no_export) {
        struct bus1_dbus_slot *slot;
        struct owner a;

        owner_open(&a, false);
        owner_request(&a, OTHER, 0);
        subscribe_handle(client, look_up(client, OTHER, "/org/bus1/exported/1"), NAME, "Beep",
                         &slot);
        ck_assert_str_eq(got.error, DBUS_ERROR_NOT_SUPPORTED);
        bus1_dbus_slot_free(slot);
        subscribe_handle(client, look_up(client, NAME, "/org/bus1/exported/1"), NAME, "Beep",
                         &slot);
        ck_assert_str_eq(got.error, DBUS_ERROR_UNKNOWN_OBJECT);
        bus1_dbus_slot_free(slot);
        owner_close(&a);
}
END_TEST

static unsigned n_unreferenced;

static void count_unreferenced(struct bus1_dbus_object *o, void *userdata) {
        n_unreferenced++;
}

/* Everybody can call an exported object, so it is not over when the last handle is. */
START_TEST(exported_object_stays) {
        n_unreferenced = 0;
        export_object(object);
        ck_assert_int_eq(bus1_dbus_object_set_unreferenced(object, count_unreferenced), 0);
        bus1_dbus_release(client, object_handle);
        settle();
        expect_text(call(client, BUS1_DBUS_BUS, export_name, export_path, "Where", NULL),
                    export_path);
        ck_assert_uint_eq(n_unreferenced, 0);
        bus1_dbus_object_free(object);
        settle();
        expect_error(call(client, BUS1_DBUS_BUS, export_name, export_path, "Where", NULL),
                     DBUS_ERROR_UNKNOWN_OBJECT);
        export_forget();
}
END_TEST

static void *serve(void *stop) {
        bus1_dbus_run(service, stop);
        return NULL;
}

static int run_stop(struct bus1_dbus_message *m, void *userdata) {
        *(bool *)userdata = true;
        return bus1_dbus_reply_args(m, DBUS_TYPE_INVALID);
}

static const struct bus1_dbus_method stop_methods[] = {{"Stop", "", "", run_stop, NULL}, {}};
static const struct bus1_dbus_interface stop_interfaces[] = {
        {.name = NAME, .methods = stop_methods},
        {},
};

START_TEST(subscribing_waits_for_the_object) {
        DBusError error = DBUS_ERROR_INIT;
        struct bus1_dbus_slot *slot;
        bool stop = false;
        pthread_t thread;
        DBusMessage *m;

        ck_assert_int_eq(bus1_dbus_object_new(service, "/stop", stop_interfaces, &stop, NULL), 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, serve, &stop), 0);
        ck_assert_int_eq(bus1_dbus_subscribe_handle(client, &slot, object_handle, NULL, NULL, hear,
                                                    &got, &error),
                         0);
        m = dbus_message_new_method_call(NAME, "/stop", NAME, "Stop");
        ck_assert_int_eq(bus1_dbus_call(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, NULL, NULL), 0);
        dbus_message_unref(m);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        emit_object(object, NAME, "Beep");
        expect_heard("Beep ");
        bus1_dbus_slot_free(slot);
        bus1_dbus_object_free(object);
        ck_assert_int_lt(bus1_dbus_subscribe_handle(client, &slot, object_handle, NULL, NULL, hear,
                                                    &got, &error),
                         0);
        ck_assert(dbus_error_is_set(&error));
        dbus_error_free(&error);
}
END_TEST

START_TEST(subscriptions_of_a_process_are_limited) {
        struct bus1_dbus_slot *slots[65];
        struct bus1_dbus_object *other;
        uint64_t handle = object_handle;

        for (int i = 0; i < 64; i++) {
                subscribe_handle(client, handle, NULL, NULL, &slots[i]);
                ck_assert_str_eq(got.error, "");
        }
        subscribe_handle(client, handle, NULL, NULL, &slots[64]);
        ck_assert_str_eq(got.error, DBUS_ERROR_LIMITS_EXCEEDED);
        bus1_dbus_slot_free(slots[64]);
        /* another object has its own limit */
        other = give_object();
        subscribe_handle(client, object_handle, NULL, NULL, &slots[64]);
        ck_assert_str_eq(got.error, "");
        bus1_dbus_slot_free(slots[64]);
        /* one ends, and there is room again */
        bus1_dbus_slot_free(slots[0]);
        settle();
        subscribe_handle(client, handle, NULL, NULL, &slots[0]);
        ck_assert_str_eq(got.error, "");
        emit_object(object, NAME, "B");
        settle();
        ck_assert_uint_eq(strlen(heard), 128);
        heard[0] = 0;
        /* all end with their member */
        client = bus1_dbus_free(client);
        settle();
        emit_object(object, NAME, "B");
        bus1_dbus_object_free(other);
        bus1_dbus_object_free(object);
}
END_TEST

/* Objects after objects give no more than a share of what the owner serves. */
START_TEST(subscriptions_of_a_process_are_limited_on_all_objects) {
        struct bus1_dbus_slot *first, *slot;
        struct bus1_dbus_object *last = object;

        for (int i = 0; i < 16; i++) {
                if (i > 0)
                        last = give_object();
                for (int k = 0; k < 64; k++) {
                        subscribe_handle(client, object_handle, NULL, NULL,
                                         i == 0 && k == 0 ? &first : &slot);
                        ck_assert_str_eq(got.error, "");
                }
        }
        last = give_object();
        subscribe_handle(client, object_handle, NULL, NULL, &slot);
        ck_assert_str_eq(got.error, DBUS_ERROR_LIMITS_EXCEEDED);
        bus1_dbus_slot_free(slot);
        /* one of any object ends, and there is room again */
        bus1_dbus_slot_free(first);
        settle();
        subscribe_handle(client, object_handle, NULL, NULL, &slot);
        ck_assert_str_eq(got.error, "");
        emit_object(last, NAME, "Beep");
        expect_heard("Beep ");
}
END_TEST

static int get_files(struct bus1_dbus_object *o, DBusMessageIter *value, void *userdata) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        DBusMessageIter array;
        bool ok;

        ok = dbus_message_iter_open_container(value, DBUS_TYPE_ARRAY, "h", &array);
        for (int i = 0; i < 200; i++)
                ok = ok && dbus_message_iter_append_basic(&array, DBUS_TYPE_UNIX_FD, &fd);
        ok = ok && dbus_message_iter_close_container(value, &array);
        close(fd);
        return ok ? 0 : -ENOMEM;
}

static const struct bus1_dbus_property many_files[] = {{"Files", "ah", get_files, NULL}, {}};
static const struct bus1_dbus_interface file_interfaces[] = {
        {.name = NAME, .properties = many_files},
        {},
};

static unsigned n_slow, n_slow_ends;

static int hear_slowly(struct bus1_dbus_message *m, void *userdata) {
        if (dbus_message_get_type(m->message) != DBUS_MESSAGE_TYPE_ERROR) {
                ck_assert_uint_eq(n_slow_ends, 0);
                n_slow++;
                return 0;
        }
        ck_assert_str_eq(dbus_message_get_error_name(m->message), DBUS_ERROR_LIMITS_EXCEEDED);
        n_slow_ends++;
        return 0;
}

/*
 * A subscriber that does not receive gets what its quota allows, in order, and then hears that it
 * has missed something. The quota of descriptors is used up first.
 */
START_TEST(slow_subscriber_is_told) {
        struct bus1_dbus_slot *slot;
        uint64_t handle;

        bus1_dbus_object_free(object);
        ck_assert_int_eq(bus1_dbus_object_new(service, NULL, file_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        object_handle = give(service, client, handle);
        got_reset();
        ck_assert_int_eq(bus1_dbus_subscribe_handle_async(client, &slot, object_handle, NULL, NULL,
                                                          hear_slowly, done, &got),
                         0);
        UNTIL(got.n > 0);
        /* what goes to the bus may fail, too: all have the same quota here */
        for (int i = 0; i < 300; i++)
                (void)bus1_dbus_object_emit_changed(object, NAME, "Files");
        UNTIL(n_slow_ends > 0);
        ck_assert_uint_gt(n_slow, 0);
        ck_assert_uint_lt(n_slow, 300);
        settle();
        ck_assert_uint_eq(n_slow_ends, 1);
        bus1_dbus_slot_free(slot);
        /* and it can subscribe again */
        subscribe_handle(client, object_handle, NULL, NULL, &slot);
        ck_assert_str_eq(got.error, "");
        emit_object(object, NAME, "Beep");
        expect_heard("Beep ");
        bus1_dbus_slot_free(slot);
}
END_TEST

/* An owner that is no friend. It answers by itself, and has the handle of the subscriber's node. */

static struct bus1_received *receive(struct rogue *rogue) {
        struct bus1_received *received;
        int r;

        for (int i = 0; i < 10000; i++) {
                r = bus1_client_recv_alloc(rogue->client, &received);
                if (r != -EAGAIN)
                        break;
                usleep(1000);
        }
        ck_assert_int_eq(r, 0);
        return received;
}

/* Send a message, and unreference it. */
static void send_as(struct rogue *rogue, uint64_t to, DBusMessage *m) {
        char *data;
        int n;

        dbus_message_set_serial(m, 1);
        ck_assert(dbus_message_marshal(m, &data, &n));
        dbus_message_unref(m);
        ck_assert_int_eq(rogue_send(rogue, to, data, (size_t)n, NULL, 0, NULL, 0), 0);
        dbus_free(data);
}

/* Give the client the handle of a node of the rogue, and let it subscribe. */
static struct bus1_received *rogue_is_asked(struct rogue *rogue, struct bus1_dbus_slot **slot) {
        struct bus1_transfer src, dst;
        struct bus1_received *received;
        uint64_t node, handle;

        ck_assert(rogue_join(rogue, bus_daemon.address));
        ck_assert_int_eq(bus1_client_create_node(rogue->client, 0, &node, &handle), 0);
        src = (struct bus1_transfer){.id = handle};
        ck_assert_int_eq(
                bus1_client_transfer(rogue->client, bus1_dbus_get_client(client), 1, &src, &dst),
                0);
        got_reset();
        ck_assert_int_eq(bus1_dbus_subscribe_handle_async(client, slot, dst.id, NAME, "Beep", hear,
                                                          done, &got),
                         0);
        received = receive(rogue);
        ck_assert_uint_eq(received->n_transfers, 2);
        return received;
}

static void rogue_answer(struct rogue *rogue, struct bus1_received *received, const char *name,
                         const char *path) {
        DBusMessage *m = dbus_message_new(DBUS_MESSAGE_TYPE_METHOD_RETURN);

        dbus_message_set_reply_serial(m, 1);
        if (path)
                dbus_message_append_args(m, DBUS_TYPE_STRING, &name, DBUS_TYPE_OBJECT_PATH, &path,
                                         DBUS_TYPE_INVALID);
        send_as(rogue, received->transfers[0].id, m);
}

START_TEST(owner_sends_what_nobody_wants) {
        struct bus1_dbus_slot *slot;
        struct bus1_received *received;
        struct rogue rogue;
        DBusMessage *m;
        uint64_t to;

        received = rogue_is_asked(&rogue, &slot);
        to = received->transfers[1].id;
        rogue_answer(&rogue, received, "", "/");
        UNTIL(got.n > 0);
        ck_assert_str_eq(got.error, "");
        send_as(&rogue, to, dbus_message_new_method_call(NULL, "/", NAME, "Beep"));
        send_as(&rogue, to, dbus_message_new_signal("/", OTHER, "Beep"));
        send_as(&rogue, to, dbus_message_new_signal("/", NAME, "Click"));
        m = dbus_message_new(DBUS_MESSAGE_TYPE_ERROR);
        dbus_message_set_error_name(m, DBUS_ERROR_UNKNOWN_OBJECT);
        dbus_message_set_reply_serial(m, 1);
        send_as(&rogue, to, m);
        ck_assert_int_eq(rogue_send(&rogue, to, "nonsense", 8, NULL, 0, NULL, 0), 0);
        m = dbus_message_new_signal("/", NAME, "Beep");
        dbus_message_set_sender(m, DBUS_SERVICE_DBUS);
        send_as(&rogue, to, m);
        expect_heard("Beep ");
        ck_assert(!heard_sender);
        /* it drops the handle, while the object lives */
        bus1_client_release_one(rogue.client, to);
        expect_heard("!LimitsExceeded ");
        bus1_received_free(received);
        bus1_dbus_slot_free(slot);
        rogue_leave(&rogue);
}
END_TEST

static int hear_noise(struct bus1_dbus_message *m, void *userdata) {
        return 0;
}

/*
 * The owner ends the object, and the notification of this comes after so much else that it is not
 * received yet when the subscription ends.
 */
START_TEST(end_of_the_object_comes_late) {
        struct bus1_dbus_slot *slot;
        struct bus1_received *received;
        struct rogue rogue;
        uint64_t to;

        received = rogue_is_asked(&rogue, &slot);
        to = received->transfers[1].id;
        rogue_answer(&rogue, received, "", "/");
        UNTIL(got.n > 0);
        ck_assert_str_eq(got.error, "");
        ck_assert_int_eq(
                bus1_dbus_subscribe(client, "member='Noise'", hear_noise, NULL, NULL, NULL), 0);
        bus1_client_release_one(rogue.client, to);
        for (int i = 0; i < 500; i++)
                emit(service, "Noise");
        ping(service);
        bus1_client_release_one(rogue.client, received->metadata.metadata.id);
        UNTIL(heard[0]);
        expect_heard("!UnknownObject ");
        bus1_received_free(received);
        bus1_dbus_slot_free(slot);
        rogue_leave(&rogue);
}
END_TEST

START_TEST(owner_answers_nonsense) {
        static const char *const answers[][2] = {
                {NULL, NULL},
                {"x',eavesdrop='true", "/"},
                {"no name", "/"},
        };
        struct bus1_dbus_slot *slot;
        struct bus1_received *received;
        struct rogue rogue;

        received = rogue_is_asked(&rogue, &slot);
        rogue_answer(&rogue, received, answers[_i][0], answers[_i][1]);
        UNTIL(got.n > 0);
        ck_assert_str_eq(got.error, DBUS_ERROR_INCONSISTENT_MESSAGE);
        emit(service, "Beep");
        expect_heard("");
        bus1_received_free(received);
        bus1_dbus_slot_free(slot);
        rogue_leave(&rogue);
        settle();
        ck_assert_uint_eq(got.n, 1);
}
END_TEST

/* The owner dies, before or after its answer. */
START_TEST(owner_dies) {
        struct bus1_dbus_slot *slot;
        struct bus1_received *received;
        struct rogue rogue;

        received = rogue_is_asked(&rogue, &slot);
        if (_i) {
                rogue_answer(&rogue, received, "", "/");
                UNTIL(got.n > 0);
                ck_assert_str_eq(got.error, "");
        }
        bus1_received_free(received);
        rogue_leave(&rogue);
        if (_i) {
                UNTIL(heard[0]);
                expect_heard("!UnknownObject ");
        } else {
                UNTIL(got.n > 0);
                ck_assert_str_ne(got.error, "");
                expect_heard("");
        }
        bus1_dbus_slot_free(slot);
        settle();
        ck_assert_uint_eq(got.n, 1);
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("signals");
        TCase *tcase = tcase_create("by name");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, signals_of_a_looked_up_object, 0, 4);
        tcase_add_test(tcase, signals_of_a_looked_up_name);
        tcase_add_test(tcase, signals_of_a_handle_of_another_look_up);
        tcase_add_test(tcase, signals_of_an_exported_object);
        tcase_add_loop_test(tcase, signals_of_a_looked_up_export, 0, 2);
        tcase_add_loop_test(tcase, signals_of_an_export_of_another_member, 0, 2);
        tcase_add_test(tcase, signals_of_no_export);
        tcase_add_test(tcase, broadcasts_of_an_object_without_a_path);
        tcase_add_test(tcase, signals_of_an_export_for_a_rule);
        tcase_add_test(tcase, exported_object_stays);
        suite_add_tcase(suite, tcase);

        tcase = tcase_create("direct");
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 120);
        tcase_add_test(tcase, signals_of_an_object_without_a_path);
        tcase_add_loop_test(tcase, subscription_of_an_object_ends_in_its_function, 0, 8);
        tcase_add_test(tcase, objects_end_with_their_bus_without_a_signal);
        tcase_add_test(tcase, signals_reach_those_that_the_pages_name);
        tcase_add_test(tcase, no_bus_is_needed);
        tcase_add_test(tcase, subscribing_waits_for_the_object);
        tcase_add_test(tcase, subscriptions_of_a_process_are_limited);
        tcase_add_test(tcase, subscriptions_of_a_process_are_limited_on_all_objects);
        tcase_add_test(tcase, slow_subscriber_is_told);
        suite_add_tcase(suite, tcase);

        tcase = tcase_create("hostile owners");
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, owner_sends_what_nobody_wants);
        tcase_add_test(tcase, end_of_the_object_comes_late);
        tcase_add_loop_test(tcase, owner_answers_nonsense, 0, 3);
        tcase_add_loop_test(tcase, owner_dies, 0, 2);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
