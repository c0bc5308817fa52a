/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A membership is used by the process that joined, and by one thread at a time */

#include "test/interop/members.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>

/* What a child does with its parent's memberships. Returns the line of the first fault, or 0. */
#define CHECK(condition)                 \
        do {                             \
                if (!(condition))        \
                        return __LINE__; \
        } while (0)

static int use_as_child(uint64_t handle) {
        struct bus1_dbus_object *object;
        DBusError error = DBUS_ERROR_INIT;
        DBusMessage *m, *signal;
        uint64_t id;

        m = dbus_message_new_method_call(NAME, PATH, NAME, "Where");
        signal = dbus_message_new_signal(PATH, NAME, "Signal");
        CHECK(bus1_dbus_call(client, BUS1_DBUS_BUS, m, NULL, 0, 1000, NULL, &error) == -ECHILD);
        CHECK(dbus_error_is_set(&error));
        dbus_error_free(&error);
        CHECK(bus1_dbus_call(client, handle, m, NULL, 0, 1000, NULL, NULL) == -ECHILD);
        CHECK(bus1_dbus_call_async(client, handle, m, NULL, 0, 1000, answered, NULL, &id) ==
              -ECHILD);
        CHECK(bus1_dbus_send(client, handle, m, NULL, 0) == -ECHILD);
        CHECK(bus1_dbus_emit(service, signal) == -ECHILD);
        CHECK(bus1_dbus_reply_args(kept, DBUS_TYPE_INVALID) == -ECHILD);
        CHECK(bus1_dbus_request_name(client, "org.bus1.Other", 0, NULL, NULL) == -ECHILD);
        CHECK(bus1_dbus_publish(client, "org.bus1.Other", 0, NULL, NULL) == -ECHILD);
        CHECK(bus1_dbus_lookup(client, NAME, 0, &id, NULL) == -ECHILD);
        CHECK(bus1_dbus_subscribe(client, "", answered, NULL, NULL, NULL) == -ECHILD);
        CHECK(bus1_dbus_dispatch(client) == -ECHILD);
        CHECK(bus1_dbus_wait(client, 0) == -ECHILD);
        CHECK(bus1_dbus_run(client, NULL) == -ECHILD);
        CHECK(bus1_dbus_object_new(client, NULL, member_interfaces, NULL, &object) == 0);
        CHECK(bus1_dbus_object_get_handle(object, &id) == -ECHILD);
        /* All this is memory of the child. */
        bus1_dbus_release(client, handle);
        kept = bus1_dbus_message_unref(kept);
        dbus_message_unref(m);
        dbus_message_unref(signal);
        client = bus1_dbus_free(client);
        service = bus1_dbus_free(service);
        /* A child may join for itself. */
        CHECK(bus1_dbus_open(&client, bus_daemon.address, NULL) == 0);
        CHECK(bus1_dbus_request_name(client, "org.bus1.Other", 0, NULL, NULL) == 0);
        client = bus1_dbus_free(client);
        return 0;
}

START_TEST(child_does_not_speak_as_its_parent) {
        struct answer answer = {};
        uint64_t handle;
        DBusMessage *m;
        int status;
        pid_t pid;

        publish();
        handle = look_up(client, NAME, NULL);
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Keep");
        ck_assert_int_eq(bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, answered,
                                              &answer, NULL),
                         0);
        dbus_message_unref(m);
        UNTIL(kept);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0)
                _exit(use_as_child(handle) & 0xff);
        /* Meanwhile the parent goes on. */
        for (int i = 0; i < 100; i++)
                expect_text(call(client, handle, NULL, PATH, "Where", NULL), PATH);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
        ck_assert_int_eq(bus1_dbus_reply_args(kept, DBUS_TYPE_INVALID), 0);
        kept = bus1_dbus_message_unref(kept);
        UNTIL(answer.done);
        ck_assert_int_eq(dbus_message_get_type(answer.reply), DBUS_MESSAGE_TYPE_METHOD_RETURN);
        dbus_message_unref(answer.reply);
        expect_text(call(client, handle, NULL, PATH, "Where", NULL), PATH);
}
END_TEST

#ifndef NDEBUG

static void *block(void *userdata) {
        DBusMessage *m = dbus_message_new_method_call(NAME, PATH, NAME, "Where");

        /* The service is not dispatched, so this takes its time. */
        *(int *)userdata = bus1_dbus_call(client, BUS1_DBUS_BUS, m, NULL, 0, 500, NULL, NULL);
        dbus_message_unref(m);
        return NULL;
}

START_TEST(second_thread_is_refused) {
        DBusMessage *signal = dbus_message_new_signal(PATH, NAME, "Signal");
        pthread_t thread;
        int result, r;

        request();
        ck_assert_int_eq(pthread_create(&thread, NULL, block, &result), 0);
        /* Whichever thread comes second is refused. It may be the other one. */
        do {
                usleep(10000);
                r = bus1_dbus_dispatch(client);
        } while (r >= 0 && pthread_tryjoin_np(thread, NULL) != 0);
        if (r == -EBUSY) {
                ck_assert_int_eq(bus1_dbus_emit(client, signal), -EBUSY);
                ck_assert_int_eq(pthread_join(thread, NULL), 0);
                ck_assert_int_eq(result, -ETIMEDOUT);
        } else {
                ck_assert_int_eq(result, -EBUSY);
        }
        ck_assert_int_eq(bus1_dbus_emit(client, signal), 0);
        dbus_message_unref(signal);
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
}
END_TEST

#endif

static Suite *make_suite(void) {
        Suite *suite = suite_create("use");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, members_setup, members_teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, child_does_not_speak_as_its_parent);
#ifndef NDEBUG
        tcase_add_test(tcase, second_thread_is_refused);
#endif
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
