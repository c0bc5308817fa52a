/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls and look-ups must end
 *
 * This is about callees that do not answer, a bus that ends during a call, look-ups of a name whose
 * owner does not answer the bus, and messages that the bus would send to itself for ever.
 */

#include "test/interop/members.h"

#include <bus1/dbus-sd-event.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* waiting */

START_TEST(blocking_call_ends_in_time) {
        DBusError error = DBUS_ERROR_INIT;
        int64_t start = now_ms();
        DBusMessage *m;

        request();
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Where");
        /* The service is not dispatched during the call. */
        ck_assert_int_eq(bus1_dbus_call(client, BUS1_DBUS_BUS, m, NULL, 0, 300, NULL, &error),
                         -ETIMEDOUT);
        ck_assert(now_ms() - start >= 300 && now_ms() - start < 3000);
        dbus_error_free(&error);
        ck_assert_int_eq(bus1_dbus_call(client, BUS1_DBUS_BUS, m, NULL, 0, 0, NULL, &error),
                         -ETIMEDOUT);
        ck_assert(dbus_error_has_name(&error, DBUS_ERROR_TIMEOUT));
        dbus_error_free(&error);
        dbus_message_unref(m);
        /* Late answers do no harm. */
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
}
END_TEST

/* Send a signal to the bus after 200 ms, from another process. */
static void end_later(int signo) {
        pid_t pid = fork();

        if (pid == 0) {
                usleep(200000);
                kill(bus_daemon.pid, signo);
                _exit(0);
        }
}

static void wait_for_end(int signo) {
        bool ended = daemon_stop(&bus_daemon);

        ck_assert(ended == (signo == SIGTERM));
        while (wait(NULL) > 0)
                ;
        /* The teardown needs members and a bus that it can stop. */
        bus1_dbus_free(client);
        bus1_dbus_free(service);
        members_start("");
}

START_TEST(blocking_call_ends_with_the_bus) {
        DBusError error = DBUS_ERROR_INIT;
        int64_t start = now_ms();
        uint64_t handle;
        DBusMessage *m, *signal;

        request();
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Where");
        signal = dbus_message_new_signal(PATH, NAME, "Signal");
        end_later(_i ? SIGKILL : SIGTERM);
        ck_assert_int_eq(bus1_dbus_call(client, BUS1_DBUS_BUS, m, NULL, 0, INT_MAX, NULL, &error),
                         -ECONNRESET);
        dbus_error_free(&error);
        ck_assert(now_ms() - start < 10000);
        /* These functions now fail at once. */
        ck_assert_int_lt(bus1_dbus_call(client, BUS1_DBUS_BUS, m, NULL, 0, INT_MAX, NULL, NULL), 0);
        ck_assert_int_lt(bus1_dbus_lookup(client, NAME, 0, &handle, NULL), 0);
        ck_assert_int_eq(bus1_dbus_emit(client, signal), -ENOTCONN);
        dbus_message_unref(m);
        dbus_message_unref(signal);
        ck_assert_int_eq(bus1_dbus_run(client, NULL), -ECONNRESET);
        wait_for_end(_i ? SIGKILL : SIGTERM);
}
END_TEST

START_TEST(loop_ends_with_the_bus) {
        sd_event_source *source;
        sd_event *event;

        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_eq(bus1_dbus_attach_event(client, event, 0, &source), 0);
        end_later(SIGKILL);
        ck_assert_int_eq(sd_event_loop(event), -ECONNRESET);
        sd_event_source_unref(source);
        sd_event_unref(event);
        wait_for_end(SIGKILL);
}
END_TEST

static void count_end(struct bus1_dbus *bus, void *userdata) {
        ++*(int *)userdata;
}

static void free_at_end(struct bus1_dbus *bus, void *userdata) {
        bus1_dbus_free(bus);
        ++*(int *)userdata;
}

/* A loop that goes on after the end of the bus hears of it once, and does not spin. */
START_TEST(descriptor_is_quiet_after_the_end) {
        struct pollfd p = {.fd = bus1_dbus_get_fd(client), .events = POLLIN};
        int n_ends = 0, n_turns = 0;

        bus1_dbus_set_end_handler(client, count_end, &n_ends);
        bus1_dbus_set_end_handler(service, free_at_end, &n_ends);
        ck_assert(daemon_stop(&bus_daemon));
        while (poll(&p, 1, 200) > 0) {
                (void)bus1_dbus_dispatch(client); /* without a look at the result */
                ck_assert_int_lt(n_turns++, 100);
        }
        ck_assert_int_eq(n_ends, 1);
        ck_assert_int_eq(bus1_dbus_dispatch(client), -ECONNRESET);
        ck_assert_int_eq(bus1_dbus_wait(client, -1), 1);
        ck_assert_int_eq(bus1_dbus_run(client, NULL), -ECONNRESET);
        ck_assert_int_eq(n_ends, 1);
        ck_assert_int_eq(bus1_dbus_run(service, NULL), -ESHUTDOWN);
        ck_assert_int_eq(n_ends, 2);
        bus1_dbus_free(client);
        members_setup(); /* The teardown needs members and a bus that it can stop. */
}
END_TEST

static int exit_with_7(sd_event_source *source, uint64_t usec, void *userdata) {
        return sd_event_exit(sd_event_source_get_event(source), 7);
}

START_TEST(loop_goes_on_after_the_end) {
        sd_event_source *source;
        sd_event *event;
        int n_ends = 0;

        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_eq(bus1_dbus_attach_event(client, event, 0, &source), 0);
        ck_assert_int_ge(sd_event_source_set_exit_on_failure(source, false), 0);
        bus1_dbus_set_end_handler(client, count_end, &n_ends);
        ck_assert_int_ge(sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, 500000, 0,
                                                    exit_with_7, NULL),
                         0);
        end_later(SIGKILL);
        ck_assert_int_eq(sd_event_loop(event), 7);
        ck_assert_int_eq(n_ends, 1);
        sd_event_source_unref(source);
        sd_event_unref(event);
        wait_for_end(SIGKILL);
}
END_TEST

/* Two members look each other up at the same time, as programs that start together do. */

static void *look_back(void *userdata) {
        uint64_t handle;
        int *r = userdata;

        *r = bus1_dbus_lookup(service, "org.bus1.Other", 0, &handle, NULL);
        return NULL;
}

START_TEST(two_look_each_other_up) {
        int64_t start = now_ms();
        pthread_t thread;
        uint64_t handle;
        int r;

        publish();
        ck_assert_int_eq(bus1_dbus_publish(client, "org.bus1.Other", 0, NULL, NULL), 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, look_back, &r), 0);
        ck_assert_int_eq(bus1_dbus_lookup(client, NAME, 0, &handle, NULL), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_eq(r, 0);
        ck_assert(now_ms() - start < 5000);
}
END_TEST

/* If the owner does not answer, a look-up gets the handle of a node of the bus. */
START_TEST(silent_owner_is_looked_up) {
        DBusError error = DBUS_ERROR_INIT;
        uint64_t handle;

        publish();
        ck_assert_int_eq(bus1_dbus_lookup(client, NAME, 0, &handle, &error), 0);
        expect_text(call(client, handle, NULL, PATH, "Who", NULL),
                    bus1_dbus_get_unique_name(client));
}
END_TEST

/* handles that lead back to the bus */

static uint64_t rogue_call(struct rogue *rogue, const char *interface, const char *member,
                           uint64_t handle, bool create, int type, ...) {
        struct bus1_transfer transfers[] = {
                {BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT, BUS1_INVALID},
                {create ? BUS1_TRANSFER_FLAG_CREATE : 0, handle},
        };
        DBusMessage *m;
        va_list args;
        char *data;
        int n;

        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, interface, member);
        va_start(args, type);
        dbus_message_append_args_valist(m, type, args);
        va_end(args);
        dbus_message_set_serial(m, 1);
        ck_assert(dbus_message_marshal(m, &data, &n));
        dbus_message_unref(m);
        ck_assert_int_eq(rogue_send(rogue, rogue->session, data, (size_t)n, transfers, 2, NULL, 0),
                         0);
        dbus_free(data);
        return transfers[1].id;
}

/* The processor time of the bus so far, in clock ticks. */
static unsigned long bus_time(void) {
        unsigned long user = 0, system = 0;
        char path[64];
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/stat", (int)bus_daemon.pid);
        f = fopen(path, "re");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                                &user, &system),
                         2);
        fclose(f);
        return user + system;
}

/* The processor time of the bus within usec microseconds from now, in clock ticks. */
static unsigned long bus_ticks(useconds_t usec) {
        unsigned long before = bus_time();

        usleep(usec);
        return bus_time() - before;
}

/* Wait until the bus is idle. The time until then depends on the machine. */
static void expect_idle(void) {
        int i = 0;

        while (bus_ticks(500000) >= (unsigned long)sysconf(_SC_CLK_TCK) / 20)
                ck_assert_int_lt(i++, 40);
}

/*
 * A rogue names its session node as the receiver of a signal and of calls. This node belongs to the
 * bus, so the bus would deliver these messages to itself again and again.
 */
START_TEST(messages_do_not_go_round_in_the_bus) {
        const char *rule = "member='Round'", *name = "org.bus1.Round";
        uint32_t flags = 0;
        struct rogue rogue;
        DBusMessage *m;

        ck_assert(rogue_join(&rogue, bus_daemon.address));
        rogue_call(&rogue, DBUS_INTERFACE_DBUS, "Hello", BUS1_INVALID, true, DBUS_TYPE_INVALID);
        for (int i = 0; i < 2; i++)
                rogue_call(&rogue, "org.bus1.Bridge1", "Subscribe", rogue.session, false,
                           DBUS_TYPE_STRING, &rule, DBUS_TYPE_INVALID);
        rogue_call(&rogue, "org.bus1.Bridge1", "Publish", rogue.session, false, DBUS_TYPE_STRING,
                   &name, DBUS_TYPE_UINT32, &flags, DBUS_TYPE_INVALID);
        for (int i = 0; i < 100; i++)
                turn();
        emit(service, "Round");
        m = dbus_message_new_method_call(name, PATH, NAME, "Round");
        ck_assert_int_eq(bus1_dbus_send(client, BUS1_DBUS_BUS, m, NULL, 0), 0);
        expect_idle();
        /* A caller that wants a reply gets an error. */
        dbus_message_set_no_reply(m, FALSE);
        expect_error(call_message(client, BUS1_DBUS_BUS, m), DBUS_ERROR_NO_REPLY);
        request();
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
        rogue_leave(&rogue);
}
END_TEST

/* A member exports a handle that leads back to the export. A call of the export must fail. */
START_TEST(exported_reference_to_itself_ends) {
        const char *path = "/org/bus1/exported/1";
        char *name, *exported;
        uint64_t handle;
        DBusMessage *m;

        ck_assert_int_eq(bus1_dbus_lookup_object(client, bus1_dbus_get_unique_name(client), path,
                                                 &handle, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_export(client, handle, &name, &exported, NULL), 0);
        ck_assert_str_eq(exported, path);
        m = dbus_message_new_method_call(name, path, NAME, "Where");
        ck_assert_int_eq(bus1_dbus_send(service, BUS1_DBUS_BUS, m, NULL, 0), 0);
        expect_idle();
        dbus_message_set_no_reply(m, FALSE);
        expect_error(call_message(service, BUS1_DBUS_BUS, m), DBUS_ERROR_LIMITS_EXCEEDED);
        free(name);
        free(exported);
        request();
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
}
END_TEST

/* A member exports a handle. Another member calls the object by the name and path it gets. */
START_TEST(exported_reference_reaches_its_object) {
        char *name, *path;
        uint64_t handle;

        request();
        handle = look_up(client, NAME, PATH);
        ck_assert_int_eq(bus1_dbus_export(client, handle, &name, &path, NULL), 0);
        expect_text(call(service, BUS1_DBUS_BUS, name, path, "Where", NULL), PATH);
        free(name);
        free(path);
}
END_TEST

START_TEST(dropped_call_is_no_reply) {
        publish();
        expect_error(call(client, BUS1_DBUS_BUS, NAME, PATH, "Ignore", NULL), DBUS_ERROR_NO_REPLY);
        expect_error(call(client, look_up(client, NAME, NULL), NULL, PATH, "Ignore", NULL),
                     DBUS_ERROR_NO_REPLY);
}
END_TEST

START_TEST(late_reply_is_dropped) {
        DBusError error = DBUS_ERROR_INIT;
        struct answer answer = {};
        DBusMessage *m;

        publish();
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Keep");
        bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 50, answered, &answer, NULL);
        UNTIL(answer.done);
        expect_error(answer, DBUS_ERROR_TIMEOUT);
        UNTIL(kept);
        ck_assert_int_eq(bus1_dbus_reply_args(kept, DBUS_TYPE_INVALID), 0);
        ck_assert_int_eq(bus1_dbus_reply_args(kept, DBUS_TYPE_INVALID), -EALREADY);
        kept = bus1_dbus_message_unref(kept);
        for (int i = 0; i < 20; i++)
                turn();
        /* The service is not dispatched during the call, so it does not answer. */
        dbus_message_set_serial(m, 0);
        ck_assert_int_eq(bus1_dbus_call(client, BUS1_DBUS_BUS, m, NULL, 0, 50, NULL, &error),
                         -ETIMEDOUT);
        ck_assert(dbus_error_has_name(&error, DBUS_ERROR_TIMEOUT));
        dbus_error_free(&error);
        dbus_message_unref(m);
}
END_TEST

START_TEST(end_of_the_bus_ends_calls) {
        struct answer answer = {};
        DBusMessage *m;

        publish();
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Keep");
        bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, answered, &answer, NULL);
        dbus_message_unref(m);
        UNTIL(kept);
        ck_assert(daemon_stop(&bus_daemon));
        UNTIL(answer.done);
        ck_assert_int_eq(dbus_message_get_type(answer.reply), DBUS_MESSAGE_TYPE_ERROR);
        dbus_message_unref(answer.reply);
        ck_assert_int_eq(bus1_dbus_run(client, NULL), -ECONNRESET);
        ck_assert_int_eq(bus1_dbus_run(service, NULL), -ECONNRESET);
        bus1_dbus_message_unref(kept);
        bus1_dbus_free(client);
        bus1_dbus_free(service);
        members_setup(); /* The teardown needs a bus that it can stop. */
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("ends");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, members_setup, members_teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, blocking_call_ends_in_time);
        tcase_add_loop_test(tcase, blocking_call_ends_with_the_bus, 0, 2);
        tcase_add_test(tcase, loop_ends_with_the_bus);
        tcase_add_test(tcase, loop_goes_on_after_the_end);
        tcase_add_test(tcase, descriptor_is_quiet_after_the_end);
        tcase_add_test(tcase, two_look_each_other_up);
        tcase_add_test(tcase, silent_owner_is_looked_up);
        tcase_add_test(tcase, messages_do_not_go_round_in_the_bus);
        tcase_add_test(tcase, exported_reference_to_itself_ends);
        tcase_add_test(tcase, exported_reference_reaches_its_object);
        tcase_add_test(tcase, dropped_call_is_no_reply);
        tcase_add_test(tcase, late_reply_is_dropped);
        tcase_add_test(tcase, end_of_the_bus_ends_calls);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
