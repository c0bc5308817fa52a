/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Activation with a native member as the caller, and as the service that is started. */

#include "test/interop/members.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void path_of(char path[128], const char *name) {
        snprintf(path, 128, "%s/services%s%s", bus_daemon.directory, name[0] ? "/" : "", name);
}

/*
 * Any client may request a name whose service is being started. Here, the member "service" does so,
 * not the started program.
 */
static void setup(void) {
        char path[128];
        FILE *f;

        members_start("");
        path_of(path, "");
        ck_assert_int_eq(mkdir(path, 0700), 0);
        path_of(path, "one.service");
        f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        fputs("[D-BUS Service]\nName=" NAME "\nExec=/bin/true\n", f);
        fclose(f);
        path_of(path, "two.service");
        f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        fputs("[D-BUS Service]\nName=org.bus1.Fails\nExec=/bin/false\n", f);
        fclose(f);
}

static void teardown(void) {
        char path[128];

        path_of(path, "one.service");
        unlink(path);
        path_of(path, "two.service");
        unlink(path);
        path_of(path, "");
        rmdir(path);
        members_teardown();
}

static void begin(struct bus1_dbus *from, const char *name, const char *member, uint64_t *handle,
                  struct answer *answer) {
        DBusMessage *m = dbus_message_new_method_call(name, PATH, NAME, member);

        *answer = (struct answer){.handle = BUS1_INVALID};
        ck_assert_int_eq(bus1_dbus_call_async(from, BUS1_DBUS_BUS, m, handle, handle ? 1 : 0, 10000,
                                              answered, answer, NULL),
                         0);
        dbus_message_unref(m);
}

/*
 * Wait until the bus has received everything that the member has sent to it. Only after that, the
 * bus answers GetId.
 */
static void settle(struct bus1_dbus *member) {
        struct answer answer = {};
        DBusMessage *m;

        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
                                         "GetId");
        bus1_dbus_call_async(member, BUS1_DBUS_BUS, m, NULL, 0, 10000, answered, &answer, NULL);
        dbus_message_unref(m);
        UNTIL(answer.done);
        dbus_message_unref(answer.reply);
}

START_TEST(calls_wait_for_a_native_owner) {
        struct answer first, second;

        begin(client, NAME, "Who", NULL, &first);
        begin(client, NAME, "Where", NULL, &second);
        settle(client);
        ck_assert(!first.done);
        publish();
        UNTIL(first.done && second.done);
        expect_text(first, bus1_dbus_get_unique_name(client));
        expect_text(second, PATH);
}
END_TEST

START_TEST(calls_wait_for_an_owner) {
        struct answer answer;

        begin(client, NAME, "Who", NULL, &answer);
        settle(client);
        request();
        UNTIL(answer.done);
        expect_text(answer, bus1_dbus_get_unique_name(client));
}
END_TEST

START_TEST(handles_wait_with_their_message) {
        struct bus1_dbus_object *object;
        struct answer answer;
        uint64_t handle;

        ck_assert_int_eq(bus1_dbus_object_new(client, NULL, member_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        begin(client, NAME, "Keep", &handle, &answer);
        settle(client);
        publish();
        UNTIL(kept);
        ck_assert_uint_eq(kept->n_handles, 1);
        ck_assert_int_eq(bus1_dbus_reply_args(kept, DBUS_TYPE_INVALID), 0);
        kept = bus1_dbus_message_unref(kept);
        UNTIL(answer.done);
        dbus_message_unref(answer.reply);
}
END_TEST

START_TEST(failures_are_told) {
        struct answer answer;

        begin(client, "org.bus1.Fails", "Who", NULL, &answer);
        UNTIL(answer.done);
        expect_error(answer, "org.freedesktop.DBus.Error.Spawn.ChildExited");
        answer = (struct answer){.handle = BUS1_INVALID};
        look_up_begin(client, "org.bus1.Fails", NULL, &answer);
        UNTIL(answer.done);
        ck_assert(answer.handle == BUS1_INVALID);
        expect_error(answer, "org.freedesktop.DBus.Error.Spawn.ChildExited");
}
END_TEST

static void check_look_ups(void (*own)(void)) {
        struct answer name = {.handle = BUS1_INVALID}, object = {.handle = BUS1_INVALID};

        look_up_begin(client, NAME, NULL, &name);
        look_up_begin(client, NAME, PATH, &object);
        settle(client);
        ck_assert(!name.done && !object.done);
        own();
        UNTIL(name.done && object.done);
        dbus_message_unref(name.reply);
        dbus_message_unref(object.reply);
        expect_text(call(client, name.handle, NULL, PATH, "Who", NULL),
                    bus1_dbus_get_unique_name(client));
        expect_text(call(client, object.handle, NULL, PATH, "Where", NULL), PATH);
}

START_TEST(look_ups_wait_for_a_native_owner) {
        check_look_ups(publish);
}
END_TEST

START_TEST(look_ups_wait_for_an_owner) {
        check_look_ups(request);
}
END_TEST

START_TEST(look_ups_need_not_start_anything) {
        struct answer answer = {.handle = BUS1_INVALID};
        const char *name = NAME;
        uint32_t flags = 0;
        DBusMessage *m;

        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, "org.bus1.Bridge1",
                                         "Lookup");
        dbus_message_append_args(m, DBUS_TYPE_STRING, &name, DBUS_TYPE_UINT32, &flags,
                                 DBUS_TYPE_INVALID);
        dbus_message_set_auto_start(m, FALSE);
        bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, answered, &answer, NULL);
        dbus_message_unref(m);
        UNTIL(answer.done);
        expect_error(answer, DBUS_ERROR_NAME_HAS_NO_OWNER);
}
END_TEST

START_TEST(what_a_member_left_behind_is_dropped) {
        struct answer answer = {.handle = BUS1_INVALID};

        begin(client, NAME, "Keep", NULL, &answer);
        look_up_begin(client, NAME, NULL, &answer);
        settle(client);
        client = bus1_dbus_free(client);
        settle(service);
        publish();
        settle(service);
        ck_assert_ptr_null(kept);
}
END_TEST

/* The bus ends while it holds a message with a handle. A sanitizer would report a leak. */
START_TEST(bus_ends_while_something_waits) {
        struct answer answer = {.handle = BUS1_INVALID};
        struct bus1_dbus_object *object;
        uint64_t handle;
        siginfo_t info;

        ck_assert_int_eq(bus1_dbus_object_new(client, NULL, member_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        begin(client, NAME, "Keep", &handle, &answer);
        look_up_begin(client, NAME, PATH, &answer);
        settle(client);
        ck_assert_int_eq(kill(bus_daemon.pid, SIGTERM), 0);
        /* Leave the status for members_teardown(). */
        ck_assert_int_eq(waitid(P_PID, (id_t)bus_daemon.pid, &info, WEXITED | WNOWAIT), 0);
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("activation");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, calls_wait_for_a_native_owner);
        tcase_add_test(tcase, calls_wait_for_an_owner);
        tcase_add_test(tcase, handles_wait_with_their_message);
        tcase_add_test(tcase, failures_are_told);
        tcase_add_test(tcase, look_ups_wait_for_a_native_owner);
        tcase_add_test(tcase, look_ups_wait_for_an_owner);
        tcase_add_test(tcase, look_ups_need_not_start_anything);
        tcase_add_test(tcase, what_a_member_left_behind_is_dropped);
        tcase_add_test(tcase, bus_ends_while_something_waits);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
