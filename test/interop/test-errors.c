/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Errors: which D-Bus error stands for which number, and that the way of a call makes no difference
 *
 * Each call is made through the bus and through a handle of the callee.
 */

#include "test/interop/members.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <systemd/sd-bus.h>

static int run_fail(struct bus1_dbus_message *m, void *userdata) {
        int32_t number;

        dbus_message_get_args(m->message, NULL, DBUS_TYPE_INT32, &number, DBUS_TYPE_INVALID);
        return -number;
}

static const struct bus1_dbus_method methods[] = {{"Fail", "i", "", run_fail, NULL}, {}};
static const struct bus1_dbus_interface interfaces[] = {{.name = NAME, .methods = methods}, {}};

static DBusMessage *new_fail(const char *destination, int32_t number) {
        DBusMessage *m = dbus_message_new_method_call(destination, "/fail", NAME, "Fail");

        dbus_message_append_args(m, DBUS_TYPE_INT32, &number, DBUS_TYPE_INVALID);
        return m;
}

/* Those for which sd-bus has no error of D-Bus, and the library has. */
static const struct {
        int number;
        const char *name;
} more[] = {
        {EDOM, DBUS_ERROR_INVALID_ARGS},
        {EBADRQC, DBUS_ERROR_UNKNOWN_OBJECT},
        {EBADR, DBUS_ERROR_UNKNOWN_METHOD},
        {EROFS, DBUS_ERROR_PROPERTY_READ_ONLY},
        {EHOSTUNREACH, DBUS_ERROR_SERVICE_UNKNOWN},
        {ENXIO, DBUS_ERROR_NAME_HAS_NO_OWNER},
        {ESHUTDOWN, DBUS_ERROR_DISCONNECTED},
        {ENOTCONN, DBUS_ERROR_DISCONNECTED},
        {ECHILD, DBUS_ERROR_DISCONNECTED},
        {EDQUOT, DBUS_ERROR_LIMITS_EXCEEDED},
        {ETOOMANYREFS, DBUS_ERROR_LIMITS_EXCEEDED},
        {EMSGSIZE, DBUS_ERROR_LIMITS_EXCEEDED},
        {EMFILE, DBUS_ERROR_LIMITS_EXCEEDED},
        {ENFILE, DBUS_ERROR_LIMITS_EXCEEDED},
        {EPROTONOSUPPORT, DBUS_ERROR_NOT_SUPPORTED},
        {EREMCHG, DBUS_ERROR_BAD_ADDRESS},
        {EHOSTDOWN, DBUS_ERROR_NO_SERVER},
        {ECONNREFUSED, DBUS_ERROR_NO_SERVER},
        {ENONET, DBUS_ERROR_NO_NETWORK},
};

static const char *expected_name(int number, sd_bus_error *error) {
        for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++)
                if (more[i].number == number)
                        return more[i].name;
        sd_bus_error_set_errno(error, number);
        return error->name;
}

START_TEST(each_number_has_its_error) {
        uint64_t handle = BUS1_DBUS_BUS;
        struct bus1_dbus_object *object;
        int n_numbers = 0;

        ck_assert_int_eq(bus1_dbus_object_new(service, "/fail", interfaces, NULL, &object), 0);
        publish();
        if (_i)
                handle = look_up(client, NAME, NULL);
        for (int number = 1; number < 200; number++) {
                sd_bus_error error = SD_BUS_ERROR_NULL;

                if (!strerrorname_np(number))
                        continue;
                expect_error(call_message(client, handle, new_fail(_i ? NULL : NAME, number)),
                             expected_name(number, &error));
                sd_bus_error_free(&error);
                n_numbers++;
        }
        ck_assert_int_gt(n_numbers, 120);
}
END_TEST

/* blocking calls, whose callee runs in a thread of its own */

static pthread_t thread;
static bool stop;

static void *serve(void *userdata) {
        ck_assert_int_eq(bus1_dbus_run(service, &stop), 0);
        return NULL;
}

static void serve_begin(void) {
        publish();
        stop = false;
        ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
}

static int run_stop(struct bus1_dbus_message *m, void *userdata) {
        stop = true;
        return bus1_dbus_reply_args(m, DBUS_TYPE_INVALID);
}

static const struct bus1_dbus_method stop_methods[] = {{"Stop", "", "", run_stop, NULL}, {}};
static const struct bus1_dbus_interface stop_interfaces[] = {
        {.name = NAME, .methods = stop_methods},
        {},
};

static int call_blocking(uint64_t to, const char *path, const char *member, DBusError *error) {
        DBusMessage *m;
        int r;

        m = dbus_message_new_method_call(to == BUS1_DBUS_BUS ? NAME : NULL, path, NAME, member);
        r = bus1_dbus_call(client, to, m, NULL, 0, 10000, NULL, error);
        dbus_message_unref(m);
        return r;
}

static void expect_failure(uint64_t to, const char *member, int result, const char *name) {
        DBusError error = DBUS_ERROR_INIT;

        ck_assert_int_eq(call_blocking(to, PATH, member, &error), result);
        ck_assert_str_eq(error.name, name);
        dbus_error_free(&error);
}

START_TEST(results_do_not_depend_on_the_way) {
        uint64_t handles[2] = {BUS1_DBUS_BUS};

        ck_assert_int_eq(bus1_dbus_object_new(service, "/stop", stop_interfaces, NULL, NULL), 0);
        serve_begin();
        ck_assert_int_eq(bus1_dbus_lookup(client, NAME, 0, &handles[1], NULL), 0);
        for (int i = 0; i < 2; i++) {
                expect_failure(handles[i], "Ignore", -EREMOTEIO, DBUS_ERROR_NO_REPLY);
                expect_failure(handles[i], "Refuse", -EREMOTEIO, DBUS_ERROR_ACCESS_DENIED);
                expect_failure(handles[i], "Nothing", -EREMOTEIO, DBUS_ERROR_UNKNOWN_METHOD);
        }
        ck_assert_int_eq(call_blocking(BUS1_DBUS_BUS, "/stop", "Stop", NULL), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        expect_failure(UINT64_C(0x123450), "Where", -EBADRQC, DBUS_ERROR_NAME_HAS_NO_OWNER);
}
END_TEST

START_TEST(results_after_the_end_of_the_bus) {
        uint64_t handle;
        DBusMessage *m;

        publish();
        handle = look_up(client, NAME, NULL);
        ck_assert(daemon_stop(&bus_daemon));
        m = dbus_message_new_signal(PATH, NAME, "Signal");
        /*
         * Nothing has been received yet. If the bus hosted the core, the send finds out. On the
         * device, a message to a node that has ended is dropped, and receiving finds out.
         */
        if (bus1_client_get_peer_fd(bus1_dbus_get_client(client)) < 0) {
                ck_assert_int_eq(bus1_dbus_emit(client, m), -ENOTCONN);
                expect_failure(BUS1_DBUS_BUS, "Where", -ENOTCONN, DBUS_ERROR_DISCONNECTED);
                expect_failure(handle, "Where", -ENOTCONN, DBUS_ERROR_DISCONNECTED);
        }
        ck_assert_int_eq(bus1_dbus_run(client, NULL), -ECONNRESET);
        ck_assert_int_eq(bus1_dbus_emit(client, m), -ENOTCONN);
        dbus_message_unref(m);
        expect_failure(BUS1_DBUS_BUS, "Where", -ENOTCONN, DBUS_ERROR_DISCONNECTED);
        expect_failure(handle, "Where", -ENOTCONN, DBUS_ERROR_DISCONNECTED);
        bus1_dbus_free(client);
        bus1_dbus_free(service);
        members_setup(); /* The teardown needs a bus that it can stop. */
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("errors");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, members_setup, members_teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, each_number_has_its_error, 0, 2);
        tcase_add_test(tcase, results_do_not_depend_on_the_way);
        tcase_add_test(tcase, results_after_the_end_of_the_bus);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
