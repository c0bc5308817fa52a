/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Errors: which D-Bus error stands for which number, and that the way of a call makes no difference
 *
 * Each call is made through the bus and through a handle of the callee, which may have ended.
 */

#include "test/interop/async.h"

#include <bus1/dbus-values.h>
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
}
END_TEST

/* handles that have ended */

static unsigned n_ended;

static void count_end(struct bus1_dbus *bus, uint64_t handle, void *userdata) {
        n_ended++;
}

/* All ways to call, blocking or not, fail alike. */
static void expect_ended(struct bus1_dbus *bus, uint64_t handle, const char *name) {
        DBusError error = DBUS_ERROR_INIT;
        DBusMessage *m;

        m = dbus_message_new_method_call(NULL, PATH, NAME, "Where");
        ck_assert_int_eq(bus1_dbus_call(bus, handle, m, NULL, 0, 10000, NULL, &error), -EBADRQC);
        ck_assert_str_eq(error.name, name);
        ck_assert_ptr_nonnull(error.message);
        /* only an owner can leave */
        ck_assert_int_eq(strstr(error.message, "owner") != NULL,
                         strcmp(name, DBUS_ERROR_NAME_HAS_NO_OWNER) == 0);
        dbus_error_free(&error);
        ck_assert_int_eq(bus1_dbus_call_async(bus, handle, m, NULL, 0, 10000, answered, NULL, NULL),
                         -EBADRQC);
        ck_assert_int_eq(bus1_dbus_send(bus, handle, m, NULL, 0), -EBADRQC);
        dbus_message_unref(m);
        ck_assert_int_eq(
                bus1_dbus_call_method(bus, handle, NULL, NULL, NAME, "Where", &error, NULL, NULL),
                -EBADRQC);
        ck_assert_str_eq(error.name, name);
        dbus_error_free(&error);
}

/* The object ends in its own method, and answers nevertheless. */
static int run_end(struct bus1_dbus_message *m, void *userdata) {
        struct bus1_dbus_object **object = userdata;

        *object = bus1_dbus_object_free(*object);
        return bus1_dbus_reply_args(m, DBUS_TYPE_INVALID);
}

static const struct bus1_dbus_method end_methods[] = {{"End", "", "", run_end, NULL}, {}};
static const struct bus1_dbus_interface end_interfaces[] = {
        {.name = NAME, .methods = end_methods},
        {},
};

static void expect_reply(struct answer answer) {
        ck_assert_int_eq(dbus_message_get_type(answer.reply), DBUS_MESSAGE_TYPE_METHOD_RETURN);
        dbus_message_unref(answer.reply);
}

START_TEST(object_has_gone) {
        const char *path = _i & 1 ? "/end" : NULL;
        struct bus1_dbus_object *object;
        uint64_t handle;

        publish();
        ck_assert_int_eq(bus1_dbus_object_new(service, path, end_interfaces, &object, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        handle = give(service, client, handle);
        n_ended = 0;
        ck_assert_int_eq(bus1_dbus_watch(client, handle, count_end, NULL), 0);
        if (_i & 2) {
                service = bus1_dbus_free(service);
        } else {
                expect_reply(call(client, path ? BUS1_DBUS_BUS : handle, path ? NAME : NULL,
                                  path ? path : "/", "End", NULL));
                ck_assert_ptr_null(object);
        }
        UNTIL(n_ended == 1);
        expect_ended(client, handle, DBUS_ERROR_UNKNOWN_OBJECT);
        bus1_dbus_release(client, handle);
        expect_ended(client, handle, DBUS_ERROR_UNKNOWN_OBJECT);
        if (_i & 2)
                ck_assert_int_eq(bus1_dbus_open(&service, bus_daemon.address, NULL), 0);
        else
                expect_error(call(client, BUS1_DBUS_BUS, NAME, "/end", "End", NULL),
                             DBUS_ERROR_UNKNOWN_OBJECT);
}
END_TEST

/* The look-up of an object goes on when the object ends: the owner may make it anew. */
START_TEST(object_of_a_look_up_has_gone) {
        struct bus1_dbus_object *object;
        uint64_t handle;

        if (_i & 1)
                publish();
        else
                request();
        ck_assert_int_eq(bus1_dbus_object_new(service, "/end", end_interfaces, &object, &object),
                         0);
        if (_i & 2)
                ck_assert_int_eq(bus1_dbus_object_publish(object, NULL), 0);
        handle = look_up(client, NAME, "/end");
        for (int i = 0; i < 2; i++) {
                expect_reply(call(client, handle, NULL, "/", "End", NULL));
                for (int k = 0; k < 3; k++)
                        expect_error(call(client, handle, NULL, "/", "End", NULL),
                                     DBUS_ERROR_UNKNOWN_OBJECT);
                ck_assert_int_eq(
                        bus1_dbus_object_new(service, "/end", end_interfaces, &object, &object), 0);
                /* the end of the object has ended its publication */
                if (_i & 2)
                        ck_assert_int_eq(bus1_dbus_object_publish(object, NULL), 0);
        }
}
END_TEST

START_TEST(handle_was_never_there) {
        struct bus1_dbus_object *object;
        uint64_t handle;

        expect_ended(client, 4242, DBUS_ERROR_UNKNOWN_OBJECT);
        ck_assert_int_eq(bus1_dbus_object_new(client, NULL, end_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        bus1_dbus_object_free(object);
        expect_ended(client, handle, DBUS_ERROR_UNKNOWN_OBJECT);
}
END_TEST

/* the owner, native or not, has left, or has only lost the name; the look-up is for all or one */
START_TEST(owner_of_a_look_up_has_gone) {
        uint64_t handle, passed;
        struct owner a;

        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        owner_open(&a, _i & 1);
        owner_request(&a, OTHER, 0);
        handle = look_up(client, OTHER, _i & 2 ? PATH : NULL);
        passed = give(client, third, handle);
        n_ended = 0;
        ck_assert_int_eq(bus1_dbus_watch(client, handle, count_end, NULL), 0);
        ck_assert_int_eq(bus1_dbus_watch(third, passed, count_end, NULL), 0);
        if (_i & 4)
                owner_release(&a, OTHER);
        else
                owner_close(&a);
        UNTIL(n_ended == 2);
        expect_ended(client, handle, DBUS_ERROR_NAME_HAS_NO_OWNER);
        /* who has not looked it up does not know what it stood for */
        expect_ended(third, passed, DBUS_ERROR_UNKNOWN_OBJECT);
        bus1_dbus_release(client, handle);
        expect_ended(client, handle, DBUS_ERROR_UNKNOWN_OBJECT);
        owner_close(&a);
}
END_TEST

/* The memory for such handles has a bound: the first ones are forgotten. */
START_TEST(owners_of_many_look_ups_have_gone) {
        enum { ROUNDS = 5, EACH = 820, FORGOTTEN = ROUNDS * EACH - 4096 };
        static uint64_t handles[ROUNDS][EACH];
        DBusError error = DBUS_ERROR_INIT;
        unsigned n_forgotten = 0;
        DBusMessage *m;

        for (int i = 0; i < ROUNDS; i++) {
                request();
                for (int k = 0; k < EACH; k++)
                        handles[i][k] = look_up(client, NAME, PATH);
                n_ended = 0;
                ck_assert_int_eq(bus1_dbus_watch(client, handles[i][EACH - 1], count_end, NULL), 0);
                ck_assert_int_eq(bus1_dbus_release_name(service, NAME, NULL, NULL), 0);
                UNTIL(n_ended == 1);
                settle();
        }
        m = dbus_message_new_method_call(NULL, PATH, NAME, "Where");
        for (int i = 0; i < ROUNDS * EACH; i++) {
                ck_assert_int_eq(bus1_dbus_call(client, handles[i / EACH][i % EACH], m, NULL, 0,
                                                10000, NULL, &error),
                                 -EBADRQC);
                if (i < EACH && dbus_error_has_name(&error, DBUS_ERROR_UNKNOWN_OBJECT))
                        n_forgotten++;
                else
                        ck_assert_str_eq(error.name, DBUS_ERROR_NAME_HAS_NO_OWNER);
                dbus_error_free(&error);
        }
        dbus_message_unref(m);
        ck_assert_uint_eq(n_forgotten, FORGOTTEN);
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
        tcase_add_loop_test(tcase, object_has_gone, 0, 4);
        tcase_add_loop_test(tcase, object_of_a_look_up_has_gone, 0, 4);
        tcase_add_test(tcase, handle_was_never_there);
        tcase_add_loop_test(tcase, owner_of_a_look_up_has_gone, 0, 8);
        tcase_add_test(tcase, owners_of_many_look_ups_have_gone);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
