/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls that do not wait, and their slots
 *
 * Each function is called, and its slot is freed in every state: before the answer of the bus has
 * arrived, when it waits for dispatch, in the function of the program, and later.
 */

#include "test/interop/async.h"
#include "test/interop/scarce.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void found(struct bus1_dbus *bus, uint64_t handle, const DBusError *error, void *userdata) {
        ck_assert((handle == BUS1_INVALID) == (error != NULL));
        ck_assert_ptr_eq(userdata, &got);
        got.handle = handle;
        got_note(error);
}

static void named(struct bus1_dbus *bus, uint32_t result, const DBusError *error, void *userdata) {
        ck_assert((result == 0) == (error != NULL));
        ck_assert_ptr_eq(userdata, &got);
        got.result = result;
        got_note(error);
}

/* all calls with a slot, made by the client */

enum { LOOKUP, LOOKUP_OBJECT, REQUEST, RELEASE, PUBLISH, MATCH, SIGNAL, WATCH, HANDLE, N_CALLS };

static uint64_t object_handle;
static unsigned n_told;

static void appeared(struct bus1_dbus *bus, const char *name, const char *owner, void *userdata) {
        n_told++;
        got_note(NULL);
}

static void vanished(struct bus1_dbus *bus, const char *name, void *userdata) {
        n_told++;
        got_note(NULL);
}

static int begin(int call, struct bus1_dbus_slot **slot) {
        switch (call) {
        case LOOKUP:
                return bus1_dbus_lookup_async(client, slot, NAME, NULL, 0, found, &got);
        case LOOKUP_OBJECT:
                return bus1_dbus_lookup_async(client, slot, NAME, PATH, 0, found, &got);
        case REQUEST:
                return bus1_dbus_request_name_async(client, slot, OTHER, 0, named, &got);
        case RELEASE:
                return bus1_dbus_release_name_async(client, slot, OTHER, named, &got);
        case PUBLISH:
                return bus1_dbus_publish_async(client, slot, OTHER, 0, named, &got);
        case MATCH:
                return bus1_dbus_add_match_async(client, slot, "member='Beep'", hear, done, &got);
        case SIGNAL:
                return bus1_dbus_match_signal_async(client, slot, NULL, PATH, NAME, "Beep", hear,
                                                    done, &got);
        case WATCH:
                return bus1_dbus_watch_name_async(client, slot, NAME, appeared, vanished, done,
                                                  &got);
        case HANDLE:
                return bus1_dbus_subscribe_handle_async(client, slot, object_handle, NULL, NULL,
                                                        hear, done, &got);
        }
        return -EINVAL;
}

/* The client gets the handle of an object of the service that has no path. */
static struct bus1_dbus_object *give_object(void) {
        struct bus1_dbus_object *object;
        uint64_t handle;

        ck_assert_int_eq(bus1_dbus_object_new(service, NULL, member_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        object_handle = give(service, client, handle);
        return object;
}

static void setup(void) {
        members_setup();
        got_reset();
        heard[0] = 0;
        n_told = 0;
        publish();
        give_object();
}

static void teardown(void) {
        if (!client)
                ck_assert_int_eq(bus1_dbus_open(&client, bus_daemon.address, NULL), 0);
        members_teardown();
}

/* The client is well, and can begin the same again. */
static void expect_well(int call) {
        struct bus1_dbus_slot *slot = NULL;

        got_reset();
        ck_assert_int_eq(begin(call, &slot), 0);
        ck_assert_ptr_eq(bus1_dbus_slot_get_bus(slot), client);
        UNTIL(got.n > 0);
        settle();
        ck_assert_uint_eq(got.n, 1);
        ck_assert_str_eq(got.error, "");
        ck_assert_ptr_null(bus1_dbus_slot_free(slot));
        expect_text(call_message(client, got.handle != BUS1_INVALID ? got.handle : BUS1_DBUS_BUS,
                                 dbus_message_new_method_call(NAME, PATH, NAME, "Where")),
                    PATH);
}

START_TEST(slot_is_freed_at_once) {
        struct bus1_dbus_slot *slot = NULL;

        ck_assert_int_eq(begin(_i, &slot), 0);
        ck_assert_ptr_null(bus1_dbus_slot_free(slot));
        settle();
        ck_assert_uint_eq(got.n, 0);
        expect_well(_i);
}
END_TEST

START_TEST(slot_is_freed_when_the_answer_waits) {
        struct bus1_dbus_slot *slot = NULL;

        ck_assert_int_eq(begin(_i, &slot), 0);
        for (int i = 0; i < 3; i++) {
                /* a blocking call receives, and leaves the rest for dispatch */
                ping(client);
                while (bus1_dbus_dispatch(service) > 0)
                        ;
        }
        ck_assert_uint_eq(got.n, 0);
        bus1_dbus_slot_free(slot);
        settle();
        ck_assert_uint_eq(got.n, 0);
        expect_well(_i);
}
END_TEST

START_TEST(slot_is_freed_in_the_function) {
        struct bus1_dbus_slot *slot = NULL;

        got.free_slot = &slot;
        ck_assert_int_eq(begin(_i, &slot), 0);
        UNTIL(got.n > 0);
        ck_assert_ptr_null(slot);
        settle();
        ck_assert_uint_eq(got.n, 1);
        expect_well(_i);
}
END_TEST

START_TEST(slot_is_freed_later) {
        struct bus1_dbus_slot *slot = NULL;

        ck_assert_int_eq(begin(_i, &slot), 0);
        UNTIL(got.n > 0);
        settle();
        bus1_dbus_slot_free(slot);
        settle();
        ck_assert_uint_eq(got.n, 1);
        expect_well(_i);
}
END_TEST

START_TEST(slot_is_freed_with_the_bus) {
        struct bus1_dbus_slot *slot = NULL;

        ck_assert_int_eq(begin(_i, &slot), 0);
        if (_i % 2)
                ping(client);
        client = bus1_dbus_free(client);
        settle();
        ck_assert_uint_eq(got.n, 0);
}
END_TEST

START_TEST(bus_is_freed_in_the_function) {
        struct bus1_dbus_slot *slot = NULL;

        got.free_bus = true;
        /* with and without a slot that the program could free */
        ck_assert_int_eq(begin(_i / 2, _i % 2 ? &slot : NULL), 0);
        UNTIL(!client);
        settle();
        ck_assert_uint_eq(got.n, 1);
}
END_TEST

START_TEST(nobody_wants_the_slot) {
        ck_assert_int_eq(begin(_i, NULL), 0);
        UNTIL(got.n > 0);
        settle();
        ck_assert_uint_eq(got.n, 1);
        expect_well(_i);
}
END_TEST

/* The bus goes while the answer is on its way. */
START_TEST(bus_ends_before_the_answer) {
        struct bus1_dbus_slot *slot = NULL;

        ck_assert_int_eq(begin(_i, &slot), 0);
        kill(bus_daemon.pid, SIGKILL);
        ck_assert(!daemon_stop(&bus_daemon));
        while (bus1_dbus_dispatch(client) >= 0)
                bus1_dbus_wait(client, 1000);
        /* on the device, the answer may be there; and a name without a bus has no owner */
        if (access("/dev/bus1", F_OK) != 0)
                ck_assert_str_eq(got.error, DBUS_ERROR_DISCONNECTED);
        if (_i == WATCH)
                ck_assert_uint_ge(got.n, 1);
        else
                ck_assert_uint_eq(got.n, 1);
        bus1_dbus_slot_free(slot);
        bus1_dbus_free(client);
        bus1_dbus_free(service);
        members_start("");
}
END_TEST

/* A session may have 4096 handles from look-ups. */
START_TEST(handles_of_cancelled_look_ups_are_released) {
        struct bus1_dbus_slot *slots[100];

        for (int i = 0; i < 4200; i += 100) {
                for (int j = 0; j < 100; j++)
                        ck_assert_int_eq(begin(j % 2 ? LOOKUP : LOOKUP_OBJECT, &slots[j]), 0);
                /* some answers have arrived, and some have not */
                if (i % 200)
                        ping(client);
                for (int j = 0; j < 100; j++)
                        bus1_dbus_slot_free(slots[j]);
                if (i % 1000 == 0)
                        settle();
        }
        settle();
        ck_assert_uint_eq(got.n, 0);
        expect_well(LOOKUP);
}
END_TEST

#ifdef MEMORY_CAN_FAIL

START_TEST(memory_runs_out) {
        unsigned n_failed = 0;

        for (unsigned long n = 1;; n++) {
                struct bus1_dbus_slot *slot = NULL;
                bool failed;
                int r;

                got_reset();
                fail_at = n;
                r = begin(_i, &slot);
                failed = fail_at == 0;
                fail_at = 0;
                if (!failed)
                        ck_assert_int_eq(r, 0);
                else if (r < 0)
                        ck_assert_int_eq(r, -ENOMEM);
                ck_assert((r < 0) == (slot == NULL));
                settle();
                ck_assert_uint_eq(got.n, r < 0 ? 0 : 1);
                n_failed += r < 0;
                bus1_dbus_slot_free(slot);
                if (!failed)
                        break;
        }
        ck_assert_uint_gt(n_failed, 2);
        expect_well(_i);
}
END_TEST

#endif

/* The errors are those of the blocking functions. */
START_TEST(errors_are_the_same) {
        DBusError error = DBUS_ERROR_INIT;
        struct bus1_dbus_slot *slot;
        uint64_t handle;

        ck_assert_int_eq(bus1_dbus_lookup(client, "org.bus1.Nobody", 0, &handle, &error),
                         -EREMOTEIO);
        ck_assert_int_eq(
                bus1_dbus_lookup_async(client, NULL, "org.bus1.Nobody", NULL, 0, found, &got), 0);
        UNTIL(got.n == 1);
        ck_assert_str_eq(got.error, error.name);
        dbus_error_free(&error);

        ck_assert_int_eq(bus1_dbus_request_name(client, ":1.1", 0, NULL, &error), -EREMOTEIO);
        ck_assert_int_eq(bus1_dbus_request_name_async(client, NULL, ":1.1", 0, named, &got), 0);
        UNTIL(got.n == 2);
        ck_assert_str_eq(got.error, error.name);
        dbus_error_free(&error);

        ck_assert_int_eq(bus1_dbus_publish(client, ":1.1", 0, NULL, &error), -EREMOTEIO);
        ck_assert_int_eq(bus1_dbus_publish_async(client, NULL, ":1.1", 0, named, &got), 0);
        UNTIL(got.n == 3);
        ck_assert_str_eq(got.error, error.name);
        dbus_error_free(&error);

        ck_assert_int_eq(bus1_dbus_add_match(client, &slot, "member=Beep,", hear, &got, NULL), 0);
        bus1_dbus_slot_free(slot);
        ck_assert_int_eq(bus1_dbus_add_match(client, &slot, "nonsense", hear, &got, &error),
                         -EREMOTEIO);
        ck_assert_int_eq(bus1_dbus_add_match_async(client, NULL, "nonsense", hear, done, &got), 0);
        UNTIL(got.n == 4);
        ck_assert_str_eq(got.error, error.name);
        dbus_error_free(&error);

        /* a name that is taken */
        for (int i = 0; i < 2; i++) {
                uint32_t flags = DBUS_NAME_FLAG_DO_NOT_QUEUE;

                got_reset();
                ck_assert_int_eq((i ? bus1_dbus_publish
                                    : bus1_dbus_request_name)(client, NAME, flags, NULL, &error),
                                 -EEXIST);
                ck_assert_int_eq((i ? bus1_dbus_publish_async : bus1_dbus_request_name_async)(
                                         client, NULL, NAME, flags, named, &got),
                                 0);
                UNTIL(got.n == 1);
                ck_assert_str_eq(got.error, error.name);
                ck_assert_str_eq(got.error, DBUS_ERROR_FILE_EXISTS);
                ck_assert_uint_eq(got.result, 0);
                dbus_error_free(&error);
                ck_assert_int_eq((i ? bus1_dbus_publish_async : bus1_dbus_request_name_async)(
                                         client, NULL, NAME, 0, named, &got),
                                 0);
                UNTIL(got.n == 2);
                ck_assert_str_eq(got.error, "");
                ck_assert_uint_eq(got.result, DBUS_REQUEST_NAME_REPLY_IN_QUEUE);
                ck_assert_int_eq(bus1_dbus_release_name(client, NAME, NULL, NULL), 0);
        }
        got.n = 4;

        /* wrong arguments */
        ck_assert_int_eq(bus1_dbus_lookup_async(client, NULL, NULL, NULL, 0, found, &got), -EINVAL);
        ck_assert_int_eq(bus1_dbus_lookup_async(client, NULL, NAME, "x", 0, found, &got), -EINVAL);
        ck_assert_int_eq(bus1_dbus_lookup_async(client, NULL, NAME, NULL, 0, NULL, &got), -EINVAL);
        ck_assert_int_eq(
                bus1_dbus_match_signal(client, NULL, "'", NULL, NULL, NULL, hear, &got, NULL),
                -EINVAL);
        ck_assert_int_eq(
                bus1_dbus_match_signal(client, NULL, NULL, NULL, "a',b='", NULL, hear, &got, NULL),
                -EINVAL);
        ck_assert_int_eq(bus1_dbus_watch_name(client, NULL, "x',y='", appeared, NULL, &got, &error),
                         -EINVAL);
        ck_assert(dbus_error_is_set(&error));
        dbus_error_free(&error);
        ck_assert_int_eq(
                bus1_dbus_subscribe_handle(client, NULL, 12345678, NULL, NULL, hear, &got, &error),
                -EBADRQC);
        ck_assert(dbus_error_is_set(&error));
        dbus_error_free(&error);
        ck_assert_int_eq(bus1_dbus_subscribe_handle(client, NULL, object_handle, "bad", NULL, hear,
                                                    &got, NULL),
                         -EINVAL);
        settle();
        ck_assert_uint_eq(got.n, 4);
}
END_TEST

START_TEST(names_are_requested_and_published) {
        uint64_t handle;

        ck_assert_int_eq(bus1_dbus_request_name_async(client, NULL, OTHER, 0, named, &got), 0);
        UNTIL(got.n == 1);
        ck_assert_uint_eq(got.result, DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER);
        ck_assert_int_eq(bus1_dbus_publish_async(client, NULL, OTHER, 0, named, &got), 0);
        UNTIL(got.n == 2);
        ck_assert_uint_eq(got.result, DBUS_REQUEST_NAME_REPLY_ALREADY_OWNER);
        ck_assert_int_eq(bus1_dbus_object_new(client, OTHER_PATH, member_interfaces, NULL, NULL),
                         0);
        handle = look_up(service, OTHER, NULL);
        expect_text(call(service, handle, NULL, OTHER_PATH, "Where", NULL), OTHER_PATH);
        ck_assert_int_eq(bus1_dbus_release_name_async(client, NULL, OTHER, named, &got), 0);
        UNTIL(got.n == 3);
        ck_assert_uint_eq(got.result, DBUS_RELEASE_NAME_REPLY_RELEASED);
        ck_assert_int_eq(bus1_dbus_release_name_async(client, NULL, OTHER, NULL, NULL), 0);
        /* a name that was published in vain, or not at all, is served as others are */
        for (int i = 0; i < 2; i++) {
                struct bus1_dbus_slot *slot;

                ck_assert_int_eq(begin(PUBLISH, &slot), 0);
                if (i)
                        ping(client);
                bus1_dbus_slot_free(slot);
                settle();
                expect_text(call(service, BUS1_DBUS_BUS, OTHER, OTHER_PATH, "Where", NULL),
                            OTHER_PATH);
                ck_assert_int_eq(bus1_dbus_release_name(client, OTHER, NULL, NULL), 0);
        }
}
END_TEST

/* matches */

START_TEST(signals_match) {
        struct bus1_dbus_slot *slots[4];

        ck_assert_int_eq(bus1_dbus_add_match(client, &slots[0], "member='Beep'", hear, &got, NULL),
                         0);
        emit(service, "Beep");
        emit(service, "Click");
        expect_heard("Beep ");
        bus1_dbus_slot_free(slots[0]);
        emit(service, "Beep");
        expect_heard("");

        ck_assert_int_eq(
                bus1_dbus_match_signal(client, &slots[0], NAME, NULL, NULL, NULL, hear, &got, NULL),
                0);
        ck_assert_int_eq(bus1_dbus_match_signal(client, &slots[1], NULL, PATH, NULL, "Click", hear,
                                                &got, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_match_signal(client, &slots[2], NULL, NULL, OTHER, NULL, hear,
                                                &got, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_match_signal_async(client, &slots[3], NULL, OTHER_PATH, NULL,
                                                      NULL, hear, NULL, &got),
                         0);
        settle();
        emit(service, "Beep");
        expect_heard("Beep ");
        emit(service, "Click");
        expect_heard("Click Click ");
        emit(client, "Beep");
        expect_heard("");
        for (int i = 0; i < 4; i++)
                bus1_dbus_slot_free(slots[i]);
        emit(service, "Click");
        expect_heard("");
}
END_TEST

START_TEST(subscription_ends_in_its_function) {
        struct bus1_dbus_slot *slot;

        ck_assert_int_eq(bus1_dbus_add_match(client, &slot, "member='Beep'", hear, &got, NULL), 0);
        emit(service, "Beep");
        emit(service, "Beep");
        got.free_slot = &slot;
        expect_heard("Beep ");
        got.free_slot = NULL;
        ck_assert_int_eq(bus1_dbus_add_match(client, NULL, "member='Beep'", hear, &got, NULL), 0);
        emit(service, "Beep");
        emit(service, "Beep");
        got.free_bus = true;
        UNTIL(!client);
        ck_assert_str_eq(heard, "Beep ");
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("async");
        TCase *tcase = tcase_create("slots");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, slot_is_freed_at_once, 0, N_CALLS);
        tcase_add_loop_test(tcase, slot_is_freed_when_the_answer_waits, 0, N_CALLS);
        tcase_add_loop_test(tcase, slot_is_freed_in_the_function, 0, N_CALLS);
        tcase_add_loop_test(tcase, slot_is_freed_later, 0, N_CALLS);
        tcase_add_loop_test(tcase, slot_is_freed_with_the_bus, 0, N_CALLS);
        tcase_add_loop_test(tcase, bus_is_freed_in_the_function, 0, 2 * N_CALLS);
        tcase_add_loop_test(tcase, nobody_wants_the_slot, 0, N_CALLS);
        tcase_add_loop_test(tcase, bus_ends_before_the_answer, 0, N_CALLS);
        tcase_add_test(tcase, handles_of_cancelled_look_ups_are_released);
#ifdef MEMORY_CAN_FAIL
        tcase_add_loop_test(tcase, memory_runs_out, 0, N_CALLS);
#endif
        suite_add_tcase(suite, tcase);

        tcase = tcase_create("calls");
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, errors_are_the_same);
        tcase_add_test(tcase, names_are_requested_and_published);
        tcase_add_test(tcase, signals_match);
        tcase_add_test(tcase, subscription_ends_in_its_function);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
