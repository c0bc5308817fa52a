/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A program that joins again when the bus has gone
 *
 * The bus ends, by itself (SIGTERM) or at once (SIGKILL), and another one starts at the same
 * address: at once, later, or never. Each test ends with a bus and members, which the teardown
 * ends.
 */

#include "test/interop/members.h"

#include <bus1/dbus-async.h>
#include <bus1/dbus-lazy.h>
#include <bus1/dbus-sd-event.h>
#include <bus1/dbus-values.h>
#include <bus1/dbus-vtable.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECOND "org.bus1.Test.Second"

static int64_t now_ms(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* what a program was told */

struct told {
        unsigned n;
        char former_name[64];
        size_t n_lost;
        struct {
                uint32_t kind;
                char what[128];
                char error[128]; /* "": NULL */
                uint64_t handle;
        } lost[16];
        bool stop;
};

static struct told service_told, client_told;

static void tell(struct bus1_dbus *bus, const struct bus1_dbus_reconnected *reconnected,
                 void *userdata) {
        struct told *told = userdata;

        told->n++;
        told->stop = true;
        told->n_lost = reconnected->n_lost;
        ck_assert(!reconnected->incomplete);
        ck_assert_uint_le(told->n_lost, 16);
        snprintf(told->former_name, sizeof(told->former_name), "%s", reconnected->former_name);
        for (size_t i = 0; i < told->n_lost; i++) {
                told->lost[i].kind = reconnected->lost[i].kind;
                told->lost[i].handle = reconnected->lost[i].handle;
                snprintf(told->lost[i].what, sizeof(told->lost[i].what), "%s",
                         reconnected->lost[i].what);
                snprintf(told->lost[i].error, sizeof(told->lost[i].error), "%s",
                         reconnected->lost[i].error ?: "");
        }
}

static void setup(void) {
        members_start("");
        service_told = client_told = (struct told){};
        ck_assert_int_eq(bus1_dbus_set_reconnect(service, tell, &service_told), 0);
        ck_assert_int_eq(bus1_dbus_set_reconnect(client, tell, &client_told), 0);
}

static void restart(int signo) {
        daemon_kill(&bus_daemon, signo);
        ck_assert(daemon_run(&bus_daemon, bridge));
}

static void until_told(unsigned n) {
        UNTIL(service_told.n == n && client_told.n == n);
}

static void expect_lost(const struct told *told, size_t i, uint32_t kind, const char *what,
                        const char *error) {
        ck_assert_uint_gt(told->n_lost, i);
        ck_assert_uint_eq(told->lost[i].kind, kind);
        ck_assert_str_eq(told->lost[i].what, what);
        ck_assert_str_eq(told->lost[i].error, error);
}

static unsigned n_released;

static void count_release(struct bus1_dbus *bus, uint64_t handle, void *userdata) {
        n_released++;
        if (userdata)
                *(uint64_t *)userdata = handle;
}

static int count_message(struct bus1_dbus_message *m, void *userdata) {
        ++*(unsigned *)userdata;
        return 0;
}

static unsigned n_matched;

static int count_matched(struct bus1_dbus_message *m, void *userdata) {
        n_matched += dbus_message_has_member(m->message, "Matched");
        return 0;
}

static void add_match(struct bus1_dbus *bus, const char *method, const char *rule) {
        DBusMessage *m;

        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
                                         method);
        dbus_message_append_args(m, DBUS_TYPE_STRING, &rule, DBUS_TYPE_INVALID);
        ck_assert_int_eq(bus1_dbus_call(bus, BUS1_DBUS_BUS, m, NULL, 0, 10000, NULL, NULL), 0);
        dbus_message_unref(m);
}

/* restoring */

static void expect_all(uint64_t name, uint64_t object, const char *exported, unsigned *n_signals) {
        unsigned n = *n_signals;

        n_matched = 0;
        for (int i = 0; i < 3; i++) {
                expect_text(call(client, name, NULL, PATH, "Where", NULL), PATH);
                expect_text(call(client, object, NULL, "/any", "Where", NULL), PATH);
        }
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
        expect_text(call(client, BUS1_DBUS_BUS, SECOND, PATH, "Where", NULL), PATH);
        expect_text(call(client, BUS1_DBUS_BUS, NAME, exported, "Where", NULL), exported);
        expect_text(call(client, BUS1_DBUS_BUS, NAME, exported, "Who", NULL),
                    bus1_dbus_get_unique_name(client));
        expect_text(call(client, BUS1_DBUS_BUS, SECOND, PATH, "Who", NULL),
                    bus1_dbus_get_unique_name(client));
        emit(client, "Told");
        emit(client, "Matched");
        emit(client, "Forgotten");
        UNTIL(*n_signals > n && n_matched > 0);
        ck_assert_uint_eq(*n_signals, n + 1);
        ck_assert_uint_eq(n_matched, 1);
}

START_TEST(everything_is_restored) {
        struct bus1_dbus_object *other, *object;
        char before[2][64], *unused, *exported, *other_path;
        uint64_t name, by_path, handle, again;
        int fd = bus1_dbus_get_fd(service);
        unsigned n_signals = 0;

        n_released = 0;
        publish();
        ck_assert_int_eq(bus1_dbus_request_name(service, SECOND,
                                                DBUS_NAME_FLAG_ALLOW_REPLACEMENT |
                                                        DBUS_NAME_FLAG_DO_NOT_QUEUE,
                                                NULL, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_object_new(service, "/other", member_interfaces, NULL, &other),
                         0);
        ck_assert_int_eq(bus1_dbus_object_publish(other, NULL), 0);
        ck_assert_int_eq(bus1_dbus_object_new(service, NULL, member_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        ck_assert_int_eq(bus1_dbus_export(service, handle, &unused, &exported, NULL), 0);
        free(unused);
        ck_assert_int_eq(bus1_dbus_subscribe(service, "member='Told'", count_message, &n_signals,
                                             NULL, NULL),
                         0);
        bus1_dbus_set_signal_handler(service, count_matched, NULL);
        add_match(service, "AddMatch", "member='Matched'");
        add_match(service, "AddMatch", "member='Forgotten'");
        add_match(service, "RemoveMatch", "member='Forgotten'");
        name = look_up(client, NAME, NULL);
        by_path = look_up(client, NAME, PATH);
        ck_assert(name != BUS1_INVALID && by_path != BUS1_INVALID);
        bus1_dbus_watch(client, name, count_release, NULL);
        bus1_dbus_watch(client, by_path, count_release, NULL);
        expect_all(name, by_path, exported, &n_signals);
        for (unsigned round = 1; round <= 3; round++) {
                snprintf(before[0], 64, "%s", bus1_dbus_get_unique_name(service));
                snprintf(before[1], 64, "%s", bus1_dbus_get_unique_name(client));
                restart(_i ? SIGKILL : SIGTERM);
                until_told(round);
                ck_assert_uint_eq(service_told.n_lost, 0);
                ck_assert_uint_eq(client_told.n_lost, 0);
                ck_assert_str_eq(service_told.former_name, before[0]);
                ck_assert_str_eq(client_told.former_name, before[1]);
                ck_assert_int_eq(bus1_dbus_get_fd(service), fd);
                expect_all(name, by_path, exported, &n_signals);
                expect_text(call(client, BUS1_DBUS_BUS, NAME, "/other", "Where", NULL), "/other");
                ck_assert_int_eq(bus1_dbus_object_get_handle(object, &again), 0);
                ck_assert_uint_eq(again, handle);
        }
        ck_assert_uint_eq(n_released, 0);
        /* The watches and the channels are as true as before. */
        bus1_dbus_release_name(service, NAME, NULL, NULL);
        UNTIL(n_released == 2);
        /* A new export does not take the path of the old one. */
        ck_assert_int_eq(bus1_dbus_export(service, handle, &unused, &other_path, NULL), 0);
        ck_assert_str_ne(other_path, exported);
        free(unused);
        free(other_path);
        free(exported);
}
END_TEST

/* what was asked for without waiting, or with a slot */

static unsigned n_done;

static void count_name(struct bus1_dbus *bus, uint32_t result, const DBusError *error,
                       void *userdata) {
        ck_assert_ptr_null(error);
        ck_assert_uint_eq(result, DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER);
        n_done++;
}

static void note_handle(struct bus1_dbus *bus, uint64_t handle, const DBusError *error,
                        void *userdata) {
        ck_assert_ptr_null(error);
        *(uint64_t *)userdata = handle;
        n_done++;
}

static char watched[1024];

static void note_appeared(struct bus1_dbus *bus, const char *name, const char *owner,
                          void *userdata) {
        size_t n = strlen(watched);

        snprintf(watched + n, sizeof(watched) - n, "+%s ", owner);
}

static void note_vanished(struct bus1_dbus *bus, const char *name, void *userdata) {
        size_t n = strlen(watched);

        snprintf(watched + n, sizeof(watched) - n, "- ");
}

/* objects with vtables */

#define THINGS "/org/bus1/Test/things"

/* who has called, as far as the library knows: "uid pid", or "nobody" */
static int run_whose(struct bus1_dbus_message *m, void *userdata) {
        struct bus1_dbus_credentials c;
        char buffer[64] = "nobody";
        const char *text = buffer;

        if (bus1_dbus_message_get_credentials(m, &c) == 0)
                snprintf(buffer, sizeof(buffer), "%u %u", c.uid, c.pid);
        return bus1_dbus_reply_args(m, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
}

static const struct bus1_dbus_vtable thing_vtable[] = {
        BUS1_DBUS_VTABLE_START(0),
        BUS1_DBUS_METHOD("Whose", "", "s", run_whose, BUS1_DBUS_VTABLE_UNPRIVILEGED),
        BUS1_DBUS_VTABLE_END,
};

static struct bus1_dbus_object *add_thing(const char *path) {
        struct bus1_dbus_object *object;

        ck_assert_int_eq(bus1_dbus_object_new(service, path, NULL, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_add_interface(object, NAME, thing_vtable, NULL), 0);
        return object;
}

static unsigned count_things(void) {
        DBusMessageIter iter, objects;
        struct answer answer;
        DBusMessage *m;
        unsigned n = 0;

        m = dbus_message_new_method_call(NAME, THINGS, "org.freedesktop.DBus.ObjectManager",
                                         "GetManagedObjects");
        answer = call_message(client, BUS1_DBUS_BUS, m);
        ck_assert(dbus_message_has_signature(answer.reply, "a{oa{sa{sv}}}"));
        dbus_message_iter_init(answer.reply, &iter);
        dbus_message_iter_recurse(&iter, &objects);
        while (dbus_message_iter_get_arg_type(&objects) != DBUS_TYPE_INVALID) {
                n++;
                dbus_message_iter_next(&objects);
        }
        dbus_message_unref(answer.reply);
        return n;
}

/* The program has the flags of Hello again, so that it knows callers by their credentials. */
START_TEST(objects_with_vtables_go_on) {
        struct bus1_dbus_object *things, *other;
        char self[64], path[64];
        unsigned n_added = 0;
        uint64_t handle;

        bus1_dbus_set_lazy_messages(service, true);
        bus1_dbus_set_lazy_messages(client, true);
        snprintf(self, sizeof(self), "%u %u", getuid(), (unsigned)getpid());
        ck_assert_int_eq(bus1_dbus_object_new(service, THINGS, NULL, NULL, &things), 0);
        ck_assert_int_eq(bus1_dbus_object_add_manager(things), 0);
        ck_assert_int_eq(bus1_dbus_object_publish(add_thing(THINGS "/one"), NULL), 0);
        ck_assert_int_eq(bus1_dbus_object_publish(add_thing(THINGS "/two"), NULL), 0);
        publish();
        ck_assert_int_eq(bus1_dbus_subscribe(client, "member='InterfacesAdded'", count_message,
                                             &n_added, NULL, NULL),
                         0);
        /* a rule of a call without a DBusMessage */
        ck_assert_int_eq(bus1_dbus_call_method(client, BUS1_DBUS_BUS, DBUS_SERVICE_DBUS,
                                               DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS, "AddMatch",
                                               NULL, NULL, "s", "member='Matched'"),
                         0);
        bus1_dbus_set_signal_handler(client, count_matched, NULL);
        handle = look_up(client, NAME, THINGS "/one");
        for (unsigned round = 0; round < 3; round++) {
                n_matched = 0;
                emit(service, "Matched");
                UNTIL(n_matched == 1);
                for (int i = 0; i < 100; i++)
                        expect_text(call(client, handle, NULL, "/", "Whose", NULL), self);
                expect_text(call(client, BUS1_DBUS_BUS, bus1_dbus_get_unique_name(service),
                                 THINGS "/two", "Whose", NULL),
                            self);
                snprintf(path, sizeof(path), THINGS "/here%u", round);
                n_added = 0;
                other = add_thing(path);
                UNTIL(n_added == 1);
                ck_assert_uint_eq(count_things(), 3 + round);
                /* What is added while there is no bus is there afterwards, and is not announced. */
                daemon_kill(&bus_daemon, round % 2 ? SIGTERM : SIGKILL);
                for (int i = 0; i < 20; i++)
                        turn();
                bus1_dbus_object_free(other);
                snprintf(path, sizeof(path), THINGS "/away%u", round);
                add_thing(path);
                for (int i = 0; i < 20; i++)
                        turn();
                ck_assert(daemon_run(&bus_daemon, bridge));
                until_told(round + 1);
                ck_assert_uint_eq(service_told.n_lost, 0);
                ck_assert_uint_eq(client_told.n_lost, 0);
                ck_assert_uint_eq(count_things(), 3 + round);
                ck_assert_uint_eq(n_added, 1);
        }
}
END_TEST

static unsigned n_of_handle, n_errors_of_handle;

static int count_of_handle(struct bus1_dbus_message *m, void *userdata) {
        if (dbus_message_get_type(m->message) == DBUS_MESSAGE_TYPE_ERROR) {
                ck_assert(dbus_message_is_error(m->message, DBUS_ERROR_UNKNOWN_OBJECT));
                n_errors_of_handle++;
        } else {
                n_of_handle++;
        }
        return 0;
}

START_TEST(slots_are_restored) {
        struct bus1_dbus_slot *slots[4] = {};
        char expected[256];
        unsigned n_freed = 0, n_matched_here = 0;
        uint64_t handle = BUS1_INVALID;

        n_done = n_of_handle = n_errors_of_handle = 0;
        watched[0] = 0;
        ck_assert_int_eq(bus1_dbus_publish_async(service, NULL, NAME, 0, count_name, NULL), 0);
        ck_assert_int_eq(bus1_dbus_request_name_async(service, NULL, SECOND, 0, count_name, NULL),
                         0);
        UNTIL(n_done == 2);
        ck_assert_int_eq(bus1_dbus_lookup_async(client, NULL, NAME, PATH, 0, note_handle, &handle),
                         0);
        UNTIL(n_done == 3);
        ck_assert_int_eq(bus1_dbus_watch_name(client, &slots[0], NAME, note_appeared, note_vanished,
                                              NULL, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_add_match(client, &slots[1], "member='Told'", count_message,
                                             &n_matched_here, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_add_match(client, &slots[2], "member='Told'", count_message,
                                             &n_freed, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_subscribe_handle(client, &slots[3], handle, NULL, "Told",
                                                    count_of_handle, NULL, NULL),
                         0);
        snprintf(expected, sizeof(expected), "+%s ", bus1_dbus_get_unique_name(service));
        UNTIL(strcmp(watched, expected) == 0);
        slots[2] = bus1_dbus_slot_free(slots[2]);
        for (unsigned round = 1; round <= 3; round++) {
                watched[0] = 0;
                restart(round & 1 ? SIGKILL : SIGTERM);
                until_told(round);
                ck_assert_uint_eq(service_told.n_lost, 0);
                ck_assert_uint_eq(client_told.n_lost, 0);
                emit(service, "Told");
                UNTIL(n_matched_here == round && n_of_handle == round);
                expect_text(call(client, handle, NULL, "/any", "Where", NULL), PATH);
                expect_text(call(client, BUS1_DBUS_BUS, SECOND, PATH, "Where", NULL), PATH);
                snprintf(expected, sizeof(expected), "- +%s ", bus1_dbus_get_unique_name(service));
                UNTIL(strcmp(watched, expected) == 0);
        }
        ck_assert_uint_eq(n_freed, 0);
        ck_assert_uint_eq(n_errors_of_handle, 0);
        /* As before, the end of the owner ends the subscription by its handle. */
        bus1_dbus_release_name(service, NAME, NULL, NULL);
        UNTIL(n_errors_of_handle == 1);
        /* A name that was given back is not requested any more. */
        restart(SIGKILL);
        until_told(4);
        expect_error(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL),
                     DBUS_ERROR_SERVICE_UNKNOWN);
        expect_text(call(client, BUS1_DBUS_BUS, SECOND, PATH, "Where", NULL), PATH);
        for (size_t i = 0; i < 4; i++)
                bus1_dbus_slot_free(slots[i]);
}
END_TEST

/* The owner does not come back: a watch of its name and a subscription by its handle hear of it. */
START_TEST(slots_hear_of_a_lost_owner) {
        struct bus1_dbus_slot *slots[2];
        uint64_t handle;

        n_of_handle = n_errors_of_handle = 0;
        watched[0] = 0;
        publish();
        handle = look_up(client, NAME, PATH);
        ck_assert_int_eq(bus1_dbus_watch_name(client, &slots[0], NAME, note_appeared, note_vanished,
                                              NULL, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_subscribe_handle(client, &slots[1], handle, NULL, NULL,
                                                    count_of_handle, NULL, NULL),
                         0);
        UNTIL(*watched);
        watched[0] = 0;
        bus1_dbus_release_name(service, NAME, NULL, NULL);
        UNTIL(n_errors_of_handle == 1 && strcmp(watched, "- ") == 0);
        bus1_dbus_slot_free(slots[1]);

        publish();
        handle = look_up(client, NAME, PATH);
        ck_assert_int_eq(bus1_dbus_subscribe_handle(client, &slots[1], handle, NULL, NULL,
                                                    count_of_handle, NULL, NULL),
                         0);
        UNTIL(strlen(watched) > 2);
        watched[0] = 0;
        daemon_kill(&bus_daemon, SIGKILL);
        bus1_dbus_set_reconnect_timeout(service, 0);
        while (bus1_dbus_dispatch(service) >= 0)
                ;
        service_told.n = 1;
        ck_assert(daemon_run(&bus_daemon, bridge));
        UNTIL(strcmp(watched, "- ") == 0);
        UNTIL(client_told.n == 1 && n_errors_of_handle == 2);
        expect_lost(&client_told, 0, BUS1_DBUS_LOST_HANDLE, NAME, DBUS_ERROR_NAME_HAS_NO_OWNER);
        bus1_dbus_slot_free(slots[0]);
        bus1_dbus_slot_free(slots[1]);
}
END_TEST

/* calls and messages of before */

START_TEST(no_call_is_answered_under_the_new_identity) {
        struct answer answer = {}, other = {};
        DBusMessage *m;

        publish();
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Keep");
        bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 60000, answered, &answer, NULL);
        dbus_message_unref(m);
        UNTIL(kept);
        /* This one waits in the queue of the service. */
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Who");
        bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 60000, answered, &other, NULL);
        dbus_message_unref(m);
        usleep(100000);
        restart(SIGKILL);
        UNTIL(answer.done && other.done);
        expect_error(answer, DBUS_ERROR_DISCONNECTED);
        expect_error(other, DBUS_ERROR_DISCONNECTED);
        answer.done = other.done = false;
        until_told(1);
        ck_assert_int_eq(bus1_dbus_reply_args(kept, DBUS_TYPE_INVALID), 0);
        ck_assert_int_eq(bus1_dbus_reply_args(kept, DBUS_TYPE_INVALID), -EALREADY);
        bus1_dbus_message_unref(kept);
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
        ck_assert(!answer.done && !other.done);
}
END_TEST

START_TEST(nothing_is_sent_before_all_is_there) {
        DBusMessage *m = dbus_message_new_signal(PATH, NAME, "Signal");
        DBusError error = DBUS_ERROR_INIT;
        uint64_t handle;
        int n = 0;

        publish();
        handle = look_up(client, NAME, NULL);
        daemon_kill(&bus_daemon, SIGKILL);
        for (int i = 0; i < 100; i++)
                turn();
        ck_assert_int_eq(bus1_dbus_emit(service, m), -ENOTCONN);
        ck_assert_int_eq(bus1_dbus_request_name(service, SECOND, 0, NULL, &error), -ENOTCONN);
        ck_assert(dbus_error_has_name(&error, DBUS_ERROR_DISCONNECTED));
        dbus_error_free(&error);
        dbus_message_unref(m);
        m = dbus_message_new_method_call(NULL, PATH, NAME, "Where");
        ck_assert_int_eq(bus1_dbus_call(client, handle, m, NULL, 0, 1000, NULL, &error), -ENOTCONN);
        ck_assert(dbus_error_has_name(&error, DBUS_ERROR_DISCONNECTED));
        dbus_error_free(&error);
        ck_assert(daemon_run(&bus_daemon, bridge));
        /* While the service restores what it had, nobody can call it by its name. */
        while (!service_told.n) {
                ck_assert_int_ge(bus1_dbus_dispatch(service), 0);
                n++;
        }
        ck_assert_int_lt(n, 1000000);
        UNTIL(client_told.n == 1);
        dbus_message_unref(m);
        expect_text(call(client, handle, NULL, PATH, "Where", NULL), PATH);
}
END_TEST

/* the bus is another one */

/* A client that leaves has its names for a moment. owner NULL: wait until there is none. */
static void until_owner(const char *name, struct bus1_dbus *owner) {
        const char *unique_name;
        struct answer answer;
        bool is_so = false;
        DBusMessage *m;

        while (!is_so) {
                m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                                 DBUS_INTERFACE_DBUS, "GetNameOwner");
                dbus_message_append_args(m, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID);
                answer = call_message(client, BUS1_DBUS_BUS, m);
                if (dbus_message_get_type(answer.reply) == DBUS_MESSAGE_TYPE_ERROR)
                        is_so = !owner;
                else
                        is_so = dbus_message_get_args(answer.reply, NULL, DBUS_TYPE_STRING,
                                                      &unique_name, DBUS_TYPE_INVALID) &&
                                owner && strcmp(unique_name, bus1_dbus_get_unique_name(owner)) == 0;
                dbus_message_unref(answer.reply);
        }
}

START_TEST(name_was_taken_meanwhile) {
        uint32_t flags = _i ? DBUS_NAME_FLAG_DO_NOT_QUEUE : 0;

        ck_assert_int_eq(bus1_dbus_request_name(service, NAME, flags, NULL, NULL), 0);
        ck_assert_int_eq(bus1_dbus_publish(service, SECOND, flags, NULL, NULL), 0);
        restart(SIGKILL);
        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        ck_assert_int_eq(bus1_dbus_object_new(third, "/third", member_interfaces, NULL, NULL), 0);
        ck_assert_int_eq(bus1_dbus_request_name(third, NAME, 0, NULL, NULL), 0);
        ck_assert_int_eq(bus1_dbus_request_name(third, SECOND, 0, NULL, NULL), 0);
        until_told(1);
        ck_assert_uint_eq(service_told.n_lost, 2);
        expect_lost(&service_told, 0, BUS1_DBUS_LOST_NAME, NAME, _i ? DBUS_ERROR_FILE_EXISTS : "");
        expect_lost(&service_told, 1, BUS1_DBUS_LOST_NAME, SECOND,
                    _i ? DBUS_ERROR_FILE_EXISTS : "");
        expect_text(call(client, BUS1_DBUS_BUS, NAME, "/third", "Where", NULL), "/third");
        third = bus1_dbus_free(third);
        if (_i) {
                until_owner(NAME, NULL);
                expect_error(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL),
                             DBUS_ERROR_SERVICE_UNKNOWN);
                /* The program knows that it has lost the names, and nothing takes them back. */
                restart(SIGTERM);
                until_told(2);
                ck_assert_uint_eq(service_told.n_lost, 0);
                expect_error(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL),
                             DBUS_ERROR_SERVICE_UNKNOWN);
        } else {
                until_owner(NAME, service);
                until_owner(SECOND, service);
                expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
                expect_text(call(client, BUS1_DBUS_BUS, SECOND, PATH, "Where", NULL), PATH);
        }
}
END_TEST

static bool has_owner(const char *name) {
        struct answer answer;
        dbus_bool_t result;
        DBusMessage *m;

        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
                                         "NameHasOwner");
        dbus_message_append_args(m, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID);
        answer = call_message(client, BUS1_DBUS_BUS, m);
        ck_assert(dbus_message_get_args(answer.reply, NULL, DBUS_TYPE_BOOLEAN, &result,
                                        DBUS_TYPE_INVALID));
        dbus_message_unref(answer.reply);
        return result;
}

/* A call that learns itself that the bus has gone fails with ECONNRESET. */
static bool has_gone(int r) {
        return r == -ENOTCONN || r == -ECONNRESET;
}

/* The program gives its names back after so many steps of the way to the next bus. */
START_TEST(name_is_released_on_the_way) {
        bool is_taken = _i & 1, waits = _i & 2;
        int n_steps = _i >> 2, r;

        publish();
        ck_assert_int_eq(bus1_dbus_request_name(service, SECOND, 0, NULL, NULL), 0);
        restart(SIGKILL);
        if (is_taken) {
                ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
                ck_assert_int_eq(bus1_dbus_request_name(third, NAME, 0, NULL, NULL), 0);
        }
        for (int i = 0; i < n_steps; i++) {
                bus1_dbus_wait(service, 1000);
                ck_assert_int_ge(bus1_dbus_dispatch(service), 0);
        }
        if (service_told.n == 0) {
                r = bus1_dbus_release_name(service, NAME, NULL, NULL);
                ck_assert(r == 0 || has_gone(r));
                r = waits ? bus1_dbus_release_name(service, SECOND, NULL, NULL)
                          : bus1_dbus_release_name_async(service, NULL, SECOND, NULL, NULL);
                ck_assert(r == 0 || has_gone(r));
                until_told(1);
                ck_assert_uint_eq(service_told.n_lost, 0);
        } else { /* all was over before */
                ck_assert_int_eq(bus1_dbus_release_name(service, NAME, NULL, NULL), 0);
                ck_assert_int_eq(bus1_dbus_release_name(service, SECOND, NULL, NULL), 0);
                until_told(1);
        }
        if (is_taken) {
                third = bus1_dbus_free(third);
                until_owner(NAME, NULL);
        }
        ck_assert(!has_owner(NAME));
        ck_assert(!has_owner(SECOND));
        restart(SIGTERM);
        until_told(2);
        ck_assert(!has_owner(NAME));
        ck_assert(!has_owner(SECOND));
        /* nothing is left of it that would keep the names from being requested */
        publish();
        restart(SIGTERM);
        until_told(3);
        ck_assert(has_owner(NAME));
}
END_TEST

START_TEST(policy_refuses_now) {
        uint64_t handle;

        n_released = 0;
        publish();
        handle = look_up(client, NAME, NULL);
        bus1_dbus_watch(client, handle, count_release, NULL);
        ck_assert(daemon_configure(&bus_daemon, "<deny own=\"" NAME "\"/>"));
        restart(SIGKILL);
        UNTIL(service_told.n == 1);
        ck_assert_uint_eq(service_told.n_lost, 1);
        expect_lost(&service_told, 0, BUS1_DBUS_LOST_NAME, NAME, DBUS_ERROR_ACCESS_DENIED);
        UNTIL(client_told.n == 1);
        ck_assert_uint_eq(client_told.n_lost, 1);
        expect_lost(&client_told, 0, BUS1_DBUS_LOST_HANDLE, NAME, DBUS_ERROR_NAME_HAS_NO_OWNER);
        ck_assert_uint_eq(client_told.lost[0].handle, handle);
        UNTIL(n_released == 1);
}
END_TEST

/* The owner does not come back. Its unique name may be that of somebody else by now. */
START_TEST(handle_of_a_lost_owner_ends) {
        uint64_t handles[3], released[3] = {};
        int64_t start;
        DBusMessage *m;

        n_released = 0;
        publish();
        handles[0] = look_up(client, NAME, NULL);
        handles[1] = look_up(client, NAME, PATH);
        handles[2] = look_up(client, bus1_dbus_get_unique_name(service), PATH);
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(bus1_dbus_watch(client, handles[i], count_release, &released[i]),
                                 0);
        restart(SIGTERM);
        service = bus1_dbus_free(service);
        ck_assert_int_eq(bus1_dbus_open(&service, bus_daemon.address, NULL), 0);
        ck_assert_int_eq(bus1_dbus_object_new(service, PATH, member_interfaces, NULL, NULL), 0);
        start = now_ms();
        UNTIL(client_told.n == 1);
        ck_assert(now_ms() - start < 20000);
        ck_assert_uint_eq(client_told.n_lost, 3);
        for (int i = 0; i < 3; i++)
                ck_assert_uint_eq(client_told.lost[i].kind, BUS1_DBUS_LOST_HANDLE);
        UNTIL(n_released == 3);
        for (int i = 0; i < 3; i++)
                ck_assert_uint_eq(released[i], handles[i]);
        m = dbus_message_new_method_call(NULL, PATH, NAME, "Where");
        ck_assert_int_eq(bus1_dbus_call(client, handles[0], m, NULL, 0, 1000, NULL, NULL),
                         -EBADRQC);
        dbus_message_unref(m);
        /* The owner is there later: a new look-up finds it. */
        publish();
        expect_text(call(client, look_up(client, NAME, NULL), NULL, PATH, "Where", NULL), PATH);
}
END_TEST

/* An owner that needs some time is found. */
START_TEST(handle_of_a_late_owner_is_found) {
        uint64_t handle;

        n_released = 0;
        publish();
        handle = look_up(client, NAME, PATH);
        bus1_dbus_watch(client, handle, count_release, NULL);
        restart(SIGKILL);
        for (int64_t start = now_ms(); now_ms() - start < 700;) {
                bus1_dbus_wait(client, 50);
                ck_assert_int_ge(bus1_dbus_dispatch(client), 0);
        }
        ck_assert_uint_eq(client_told.n, 0);
        until_told(1);
        ck_assert_uint_eq(client_told.n_lost, 0);
        expect_text(call(client, handle, NULL, "/any", "Where", NULL), PATH);
        ck_assert_uint_eq(n_released, 0);
}
END_TEST

START_TEST(rules_about_connections_are_not_restored) {
        char rule[128];
        unsigned n = 0;

        snprintf(rule, sizeof(rule), "sender='%s'", bus1_dbus_get_unique_name(service));
        ck_assert_int_eq(bus1_dbus_subscribe(client, rule, count_message, &n, NULL, NULL), 0);
        emit(service, "One");
        UNTIL(n == 1);
        restart(SIGKILL);
        until_told(1);
        ck_assert_uint_eq(client_told.n_lost, 1);
        expect_lost(&client_told, 0, BUS1_DBUS_LOST_MATCH, rule, DBUS_ERROR_NAME_HAS_NO_OWNER);
        emit(service, "Two");
        request();
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
        ck_assert_uint_eq(n, 1);
}
END_TEST

static void bus_path(char *path, size_t n) {
        snprintf(path, n, "%s/bus", bus_daemon.directory);
}

/* Take the place of the bus: listen at its address. */
static int usurp(void) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        int fd;

        bus_path(sa.sun_path, sizeof(sa.sun_path));
        unlink(sa.sun_path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
        ck_assert_int_eq(listen(fd, 1), 0);
        return fd;
}

/* All addresses of a list are tried again, each time. */
START_TEST(address_is_a_list) {
        struct told third_told = {};
        char address[1024];

        snprintf(address, sizeof(address), "unix:path=/nonexistent;tcp:host=localhost,port=1;%s",
                 bus_daemon.address);
        ck_assert_int_eq(bus1_dbus_open(&third, address, NULL), 0);
        ck_assert_int_eq(bus1_dbus_set_reconnect(third, tell, &third_told), 0);
        ck_assert_int_eq(bus1_dbus_object_new(third, PATH, member_interfaces, NULL, NULL), 0);
        ck_assert_int_eq(bus1_dbus_publish(third, NAME, 0, NULL, NULL), 0);
        restart(SIGKILL);
        UNTIL(third_told.n == 1);
        until_told(1);
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
}
END_TEST

/* Answer the handshake of each client like a bus that does not know bus1. */
static void *serve_legacy(void *userdata) {
        static const char answers[] = "OK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n"
                                      "ERROR\r\nERROR\r\n";
        int *listen_fd = userdata, fd;
        char line[64];

        for (;;) {
                fd = accept4(*listen_fd, NULL, NULL, SOCK_CLOEXEC);
                if (fd < 0)
                        return NULL;
                if (write(fd, answers, strlen(answers)) > 0)
                        while (read(fd, line, sizeof(line)) > 0)
                                ;
                close(fd);
        }
}

START_TEST(another_bus_is_not_joined) {
        pthread_t thread;
        char path[96];
        int fd;

        publish();
        daemon_kill(&bus_daemon, SIGKILL);
        fd = usurp();
        ck_assert_int_eq(pthread_create(&thread, NULL, serve_legacy, &fd), 0);
        for (int64_t start = now_ms(); now_ms() - start < 500;)
                turn();
        ck_assert_uint_eq(service_told.n, 0);
        shutdown(fd, SHUT_RDWR);
        pthread_join(thread, NULL);
        close(fd);
        bus_path(path, sizeof(path));
        unlink(path);
        ck_assert(daemon_run(&bus_daemon, bridge));
        until_told(1);
        ck_assert_uint_eq(service_told.n_lost, 0);
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
}
END_TEST

/* A bus that accepts nobody, or that does not answer, does not stop the program. */
START_TEST(silent_bus_stops_nobody) {
        char path[96];
        int64_t before;
        int fd;

        publish();
        daemon_kill(&bus_daemon, SIGKILL);
        fd = usurp();
        for (int64_t start = now_ms(); now_ms() - start < 1000;) {
                before = now_ms();
                bus1_dbus_dispatch(service);
                bus1_dbus_dispatch(client);
                ck_assert_int_lt(now_ms() - before, 200);
                usleep(1000);
        }
        close(fd);
        bus_path(path, sizeof(path));
        unlink(path);
        ck_assert(daemon_run(&bus_daemon, bridge));
        until_told(1);
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
}
END_TEST

/* the bus stays away */

static void count_end(struct bus1_dbus *bus, void *userdata) {
        ++*(unsigned *)userdata;
}

/* _i: 0: within the time that the program has set; 1: the program changes its mind */
START_TEST(library_gives_up) {
        struct pollfd p = {.fd = bus1_dbus_get_fd(client), .events = POLLIN};
        int64_t start = now_ms();
        unsigned n_ends = 0;

        bus1_dbus_set_end_handler(client, count_end, &n_ends);
        ck_assert_int_eq(bus1_dbus_set_reconnect_timeout(client, _i ? 60000 : 300), 0);
        daemon_kill(&bus_daemon, SIGKILL);
        if (_i) {
                while (now_ms() - start < 300) {
                        bus1_dbus_wait(client, 10);
                        ck_assert_int_ge(bus1_dbus_dispatch(client), 0);
                }
                ck_assert_int_eq(bus1_dbus_set_reconnect(client, NULL, NULL), 0);
        }
        ck_assert_int_eq(bus1_dbus_run(client, NULL), -ECONNRESET);
        ck_assert(now_ms() - start >= 300 && now_ms() - start < 5000);
        ck_assert_uint_eq(n_ends, 1);
        ck_assert_uint_eq(client_told.n, 0);
        ck_assert_int_eq(poll(&p, 1, 100), 0);
        ck_assert_int_eq(bus1_dbus_dispatch(client), -ECONNRESET);
        ck_assert_int_eq(bus1_dbus_set_reconnect(client, tell, NULL), -ENOTCONN);
        ck_assert_uint_eq(n_ends, 1);
        ck_assert(daemon_run(&bus_daemon, bridge));
        UNTIL(service_told.n == 1);
}
END_TEST

/* The pauses grow: the program wakes up now and then only. */
START_TEST(waiting_costs_little) {
        unsigned n = 0;

        daemon_kill(&bus_daemon, SIGKILL);
        for (int64_t start = now_ms(); now_ms() - start < 2000; n++) {
                ck_assert_int_ge(bus1_dbus_wait(client, 100), 0);
                ck_assert_int_ge(bus1_dbus_dispatch(client), 0);
        }
        ck_assert_uint_lt(n, 60);
        ck_assert(daemon_run(&bus_daemon, bridge));
        until_told(1);
}
END_TEST

/* loops */

START_TEST(blocking_call_fails_and_run_goes_on) {
        DBusMessage *m;
        pid_t pid;

        publish();
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Where");
        pid = fork();
        if (pid == 0) {
                usleep(200000);
                kill(bus_daemon.pid, SIGKILL);
                _exit(0);
        }
        /* The service is not dispatched, so it does not answer. */
        ck_assert_int_eq(bus1_dbus_call(client, BUS1_DBUS_BUS, m, NULL, 0, 20000, NULL, NULL),
                         -ECONNRESET);
        dbus_message_unref(m);
        daemon_kill(&bus_daemon, SIGKILL);
        ck_assert(daemon_run(&bus_daemon, bridge));
        ck_assert_int_eq(bus1_dbus_run(client, &client_told.stop), 0);
        ck_assert_int_eq(bus1_dbus_run(service, &service_told.stop), 0);
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
        waitpid(pid, NULL, 0);
}
END_TEST

static void tell_and_exit(struct bus1_dbus *bus, const struct bus1_dbus_reconnected *reconnected,
                          void *event) {
        sd_event_exit(event, 7);
}

START_TEST(loop_of_sd_event_goes_on) {
        sd_event_source *source;
        sd_event *event;

        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_eq(bus1_dbus_attach_event(client, event, 0, &source), 0);
        ck_assert_int_eq(bus1_dbus_set_reconnect(client, tell_and_exit, event), 0);
        restart(SIGKILL);
        ck_assert_int_eq(sd_event_loop(event), 7);
        sd_event_source_unref(source);
        sd_event_unref(event);
        UNTIL(service_told.n == 1);
}
END_TEST

/* A plain loop that dispatches only when the descriptor is readable. */
START_TEST(plain_loop_goes_on) {
        struct pollfd p[] = {
                {.fd = bus1_dbus_get_fd(service), .events = POLLIN},
                {.fd = bus1_dbus_get_fd(client), .events = POLLIN},
        };
        uint64_t handle;

        publish();
        handle = look_up(client, NAME, NULL);
        for (unsigned round = 1; round <= 5; round++) {
                restart(SIGKILL);
                while (service_told.n < round || client_told.n < round) {
                        ck_assert_int_gt(poll(p, 2, 10000), 0);
                        if (p[0].revents)
                                ck_assert_int_ge(bus1_dbus_dispatch(service), 0);
                        if (p[1].revents)
                                ck_assert_int_ge(bus1_dbus_dispatch(client), 0);
                }
                expect_text(call(client, handle, NULL, PATH, "Where", NULL), PATH);
        }
}
END_TEST

static void free_bus(struct bus1_dbus *bus, const struct bus1_dbus_reconnected *reconnected,
                     void *userdata) {
        bus1_dbus_free(bus);
}

START_TEST(bus_is_freed_when_it_is_back) {
        ck_assert_int_eq(bus1_dbus_set_reconnect(client, free_bus, NULL), 0);
        restart(SIGKILL);
        ck_assert_int_eq(bus1_dbus_run(client, NULL), -ESHUTDOWN);
        client = NULL;
        UNTIL(service_told.n == 1);
}
END_TEST

/* _i: in which state the program frees it: soon after the end, or after more and more steps */
START_TEST(bus_is_freed_on_the_way) {
        unsigned n = 0;

        ck_assert_int_eq(bus1_dbus_subscribe(client, "member='One'", count_message, &n, NULL, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_publish(client, SECOND, 0, NULL, NULL), 0);
        publish();
        look_up(client, NAME, NULL);
        restart(SIGKILL);
        for (int i = 0; i < _i && client_told.n == 0; i++) {
                bus1_dbus_wait(client, 10);
                ck_assert_int_ge(bus1_dbus_dispatch(client), 0);
        }
        client = bus1_dbus_free(client);
        UNTIL(service_told.n == 1);
}
END_TEST

START_TEST(child_leaves_the_parent_alone) {
        int status;
        pid_t pid;

        publish();
        daemon_kill(&bus_daemon, SIGKILL);
        for (int i = 0; i < 20; i++)
                turn();
        pid = fork();
        if (pid == 0) {
                bool ok = bus1_dbus_dispatch(client) == -ECHILD &&
                          bus1_dbus_run(client, NULL) == -ECHILD &&
                          bus1_dbus_set_reconnect(client, tell, NULL) == -ECHILD;

                bus1_dbus_free(client);
                bus1_dbus_free(service);
                _exit(ok ? 0 : 1);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        ck_assert(daemon_run(&bus_daemon, bridge));
        until_told(1);
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
}
END_TEST

START_TEST(without_a_bus_there_is_nothing_to_join) {
        struct bus1_dbus *bus;
        struct rogue rogue;

        ck_assert(rogue_join(&rogue, bus_daemon.address));
        ck_assert_int_eq(bus1_dbus_new_from_client(&bus, rogue.client), 0);
        ck_assert_int_eq(bus1_dbus_set_reconnect(bus, tell, NULL), -EOPNOTSUPP);
        ck_assert_int_eq(bus1_dbus_set_reconnect(NULL, tell, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_set_reconnect_timeout(bus, 1), -EINVAL);
        ck_assert_int_eq(bus1_dbus_set_reconnect_timeout(client, -1), -EINVAL);
        bus1_dbus_free(bus);
        close(rogue.socket_fd);
}
END_TEST

/* objects without a path */

static struct bus1_dbus_object *counter;
static unsigned n_unreferenced;

static void count_unreferenced(struct bus1_dbus_object *object, void *userdata) {
        n_unreferenced++;
        counter = bus1_dbus_object_free(object);
}

static int run_give(struct bus1_dbus_message *m, void *userdata) {
        DBusMessage *reply = dbus_message_new_method_return(m->message);
        uint64_t handle;

        ck_assert_int_eq(bus1_dbus_object_new(m->bus, NULL, member_interfaces, NULL, &counter), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(counter, &handle), 0);
        ck_assert_int_eq(bus1_dbus_reply(m, reply, &handle, 1), 0);
        dbus_message_unref(reply);
        ck_assert_int_eq(bus1_dbus_object_set_unreferenced(counter, count_unreferenced), 0);
        return 0;
}

/*
 * On the device, what programs hold of each other needs no bus. A hosted core ends with its bus:
 * then both sides are told.
 */
START_TEST(handles_between_programs) {
        const struct bus1_dbus_method methods[] = {{"Give", "", "", run_give, NULL}, {}};
        const struct bus1_dbus_interface interfaces[] = {{.name = NAME, .methods = methods}, {}};
        bool on_device = bus1_client_get_peer_fd(bus1_dbus_get_client(client)) >= 0;
        struct answer answer;
        DBusMessage *m;

        n_released = n_unreferenced = 0;
        publish();
        ck_assert_int_eq(bus1_dbus_object_new(service, "/give", interfaces, NULL, NULL), 0);
        answer = call(client, BUS1_DBUS_BUS, NAME, "/give", "Give", NULL);
        dbus_message_unref(answer.reply);
        ck_assert(answer.handle != BUS1_INVALID);
        ck_assert_int_eq(bus1_dbus_watch(client, answer.handle, count_release, NULL), 0);
        expect_text(call(client, answer.handle, NULL, "/", "Where", NULL), "/");
        for (unsigned round = 1; round <= 2; round++) {
                restart(SIGKILL);
                until_told(round);
                if (!on_device)
                        break;
                ck_assert_uint_eq(n_released, 0);
                ck_assert_uint_eq(n_unreferenced, 0);
                expect_text(call(client, answer.handle, NULL, "/", "Where", NULL), "/");
        }
        if (on_device)
                bus1_dbus_release(client, answer.handle);
        UNTIL(n_unreferenced == 1 && n_released == (on_device ? 0 : 1));
        /* A number of before means nothing to the new peer. */
        m = dbus_message_new_method_call(NULL, "/", NAME, "Where");
        for (uint64_t i = 1; !on_device && i < 200; i++)
                ck_assert_int_eq(bus1_dbus_call(client, i, m, NULL, 0, 100, NULL, NULL), -EBADRQC);
        dbus_message_unref(m);
}
END_TEST

/* load */

static unsigned n_sent, n_answered, n_good;

static int count_answer(struct bus1_dbus_message *reply, void *userdata) {
        n_answered++;
        n_good += dbus_message_get_type(reply->message) == DBUS_MESSAGE_TYPE_METHOD_RETURN;
        ++*(unsigned char *)userdata;
        return 0;
}

/* Twenty times the bus ends in the middle of calls. Each call has exactly one answer. */
START_TEST(restarts_under_load) {
        static unsigned char answers[1000000];
        uint64_t handles[3] = {BUS1_DBUS_BUS};
        unsigned n_before;
        DBusMessage *m;

        n_sent = n_answered = n_good = n_released = 0;
        memset(answers, 0, sizeof(answers));
        publish();
        handles[1] = look_up(client, NAME, NULL);
        handles[2] = look_up(client, NAME, PATH);
        bus1_dbus_watch(client, handles[1], count_release, NULL);
        bus1_dbus_watch(client, handles[2], count_release, NULL);
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Where");
        for (unsigned round = 1; round <= 20; round++) {
                for (unsigned i = 0; i < 100 * (round % 5); i++) {
                        bus1_dbus_dispatch(service);
                        bus1_dbus_dispatch(client);
                }
                daemon_kill(&bus_daemon, round % 2 ? SIGKILL : SIGTERM);
                for (int i = 0; i < 300; i++) {
                        if (i == 100)
                                ck_assert(daemon_run(&bus_daemon, bridge));
                        dbus_message_set_serial(m, 0);
                        if (n_sent < sizeof(answers) &&
                            bus1_dbus_call_async(client, handles[i % 3], m, NULL, 0, 60000,
                                                 count_answer, &answers[n_sent], NULL) == 0)
                                n_sent++;
                        bus1_dbus_dispatch(service);
                        bus1_dbus_dispatch(client);
                }
                until_told(round);
                UNTIL(n_answered == n_sent);
                ck_assert_uint_eq(service_told.n_lost, 0);
                ck_assert_uint_eq(client_told.n_lost, 0);
                n_before = n_good;
                for (int i = 0; i < 300; i++) {
                        dbus_message_set_serial(m, 0);
                        ck_assert_int_eq(bus1_dbus_call_async(client, handles[i % 3], m, NULL, 0,
                                                              60000, count_answer, &answers[n_sent],
                                                              NULL),
                                         0);
                        n_sent++;
                        if (i == 200)
                                UNTIL(n_answered == n_sent);
                }
                ck_assert_uint_ge(n_good, n_before + 201);
        }
        UNTIL(n_answered == n_sent);
        for (unsigned i = 0; i < n_sent; i++)
                ck_assert_uint_eq(answers[i], 1);
        ck_assert_uint_eq(n_released, 0);
        dbus_message_unref(m);
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("reconnect");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, setup, members_teardown);
        tcase_set_timeout(tcase, 120);
        tcase_add_loop_test(tcase, everything_is_restored, 0, 2);
        tcase_add_test(tcase, objects_with_vtables_go_on);
        tcase_add_test(tcase, slots_are_restored);
        tcase_add_test(tcase, slots_hear_of_a_lost_owner);
        tcase_add_test(tcase, no_call_is_answered_under_the_new_identity);
        tcase_add_test(tcase, nothing_is_sent_before_all_is_there);
        tcase_add_loop_test(tcase, name_was_taken_meanwhile, 0, 2);
        tcase_add_loop_test(tcase, name_is_released_on_the_way, 0, 4 * 8);
        tcase_add_test(tcase, policy_refuses_now);
        tcase_add_test(tcase, handle_of_a_lost_owner_ends);
        tcase_add_test(tcase, handle_of_a_late_owner_is_found);
        tcase_add_test(tcase, rules_about_connections_are_not_restored);
        tcase_add_test(tcase, address_is_a_list);
        tcase_add_test(tcase, another_bus_is_not_joined);
        tcase_add_test(tcase, silent_bus_stops_nobody);
        tcase_add_loop_test(tcase, library_gives_up, 0, 2);
        tcase_add_test(tcase, waiting_costs_little);
        tcase_add_test(tcase, blocking_call_fails_and_run_goes_on);
        tcase_add_test(tcase, loop_of_sd_event_goes_on);
        tcase_add_test(tcase, plain_loop_goes_on);
        tcase_add_test(tcase, bus_is_freed_when_it_is_back);
        tcase_add_loop_test(tcase, bus_is_freed_on_the_way, 0, 16);
        tcase_add_test(tcase, child_leaves_the_parent_alone);
        tcase_add_test(tcase, without_a_bus_there_is_nothing_to_join);
        tcase_add_test(tcase, handles_between_programs);
        tcase_add_test(tcase, restarts_under_load);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
