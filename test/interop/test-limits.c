/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A message that exceeds a limit of the bus costs that message, and nobody its membership
 *
 * The callee is in the middle of a turn when it has sent too much, and the caller may have sent the
 * message on behalf of another program. So both stay members.
 */

#include "test/interop/members.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define FDS_MAX 16 /* the limit that the bus has if its configuration names none */
#define SIZE_MAX_OF_BUS 200000

static void setup(void) {
        members_start("</policy><limit name=\"max_message_size\">200000</limit>"
                      "<limit name=\"max_message_unix_fds\">16</limit>"
                      "<policy context=\"default\">");
}

static void append_fds(DBusMessage *m, int n) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        for (int i = 0; i < n; i++)
                dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_INVALID);
        close(fd);
}

static void append_bytes(DBusMessage *m, int n) {
        static const uint8_t bytes[600000];
        const uint8_t *data = bytes;

        dbus_message_append_args(m, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE, &data, n, DBUS_TYPE_INVALID);
}

/*
 * 0: one descriptor too many; 1: too many bytes, which fit into the buffer into which the bus
 * receives (260 KiB); 2: too many bytes, which do not
 */
static void append_too_much(DBusMessage *m, int what) {
        if (what == 0)
                append_fds(m, FDS_MAX + 1);
        else
                append_bytes(m, what == 1 ? SIZE_MAX_OF_BUS : 600000);
}

static void expect_members(void) {
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
}

START_TEST(calls_are_refused) {
        DBusMessage *m;

        request();
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Ignore");
        append_too_much(m, _i);
        expect_error(call_message(client, BUS1_DBUS_BUS, m), DBUS_ERROR_LIMITS_EXCEEDED);
        expect_members();
}
END_TEST

START_TEST(calls_through_a_handle_are_refused) {
        uint64_t handle;
        DBusMessage *m;

        request();
        handle = look_up(client, NAME, NULL);
        m = dbus_message_new_method_call(NULL, PATH, NAME, "Ignore");
        append_too_much(m, _i);
        expect_error(call_message(client, handle, m), DBUS_ERROR_LIMITS_EXCEEDED);
        expect_text(call(client, handle, NULL, PATH, "Where", NULL), PATH);
}
END_TEST

START_TEST(messages_without_reply_are_dropped) {
        DBusMessage *m;

        request();
        m = dbus_message_new_signal(PATH, NAME, "Much");
        append_too_much(m, _i);
        ck_assert_int_eq(bus1_dbus_emit(client, m), 0);
        dbus_message_unref(m);
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Ignore");
        append_too_much(m, _i);
        ck_assert_int_eq(bus1_dbus_send(client, BUS1_DBUS_BUS, m, NULL, 0), 0);
        dbus_message_unref(m);
        expect_members();
}
END_TEST

START_TEST(replies_are_refused) {
        struct answer answer = {};
        DBusMessage *m;

        request();
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Keep");
        ck_assert_int_eq(bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, answered,
                                              &answer, NULL),
                         0);
        dbus_message_unref(m);
        UNTIL(kept);
        m = dbus_message_new_method_return(kept->message);
        append_too_much(m, _i);
        ck_assert_int_eq(bus1_dbus_reply(kept, m, NULL, 0), 0);
        dbus_message_unref(m);
        kept = bus1_dbus_message_unref(kept);
        UNTIL(answer.done);
        expect_error(answer, DBUS_ERROR_LIMITS_EXCEEDED);
        expect_members();
}
END_TEST

/* A monitor may send nothing, and so is not told either that it was too much. */
START_TEST(monitor_is_dropped) {
        const char **rules = NULL;
        dbus_uint32_t flags = 0;
        struct answer answer;
        DBusMessage *m;

        request();
        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                         DBUS_INTERFACE_MONITORING, "BecomeMonitor");
        dbus_message_append_args(m, DBUS_TYPE_ARRAY, DBUS_TYPE_STRING, &rules, 0, DBUS_TYPE_UINT32,
                                 &flags, DBUS_TYPE_INVALID);
        answer = call_message(client, BUS1_DBUS_BUS, m);
        ck_assert_int_eq(dbus_message_get_type(answer.reply), DBUS_MESSAGE_TYPE_METHOD_RETURN);
        dbus_message_unref(answer.reply);
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Ignore");
        append_too_much(m, _i);
        ck_assert_int_lt(bus1_dbus_call(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, NULL, NULL), 0);
        dbus_message_unref(m);
        ck_assert_int_eq(bus1_dbus_run(client, NULL), -ECONNRESET);
}
END_TEST

START_TEST(as_much_as_the_limit_passes) {
        DBusMessage *m;

        request();
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Refuse");
        append_fds(m, FDS_MAX);
        append_bytes(m, SIZE_MAX_OF_BUS - 1000);
        expect_error(call_message(client, BUS1_DBUS_BUS, m), DBUS_ERROR_INVALID_ARGS);
}
END_TEST

START_TEST(limits_can_be_asked_for) {
        DBusError error = DBUS_ERROR_INIT;
        int64_t value;

        ck_assert_int_eq(bus1_dbus_get_limit(client, "max_message_unix_fds", &value, &error), 0);
        ck_assert_int_eq(value, FDS_MAX);
        ck_assert_int_eq(bus1_dbus_get_limit(client, "max_message_size", &value, &error), 0);
        ck_assert_int_eq(value, SIZE_MAX_OF_BUS);
        ck_assert_int_eq(bus1_dbus_get_limit(client, "max_unicorns", &value, &error), -ENOENT);
        ck_assert(dbus_error_has_name(&error, DBUS_ERROR_INVALID_ARGS));
        ck_assert_ptr_nonnull(strstr(error.message, "max_unicorns"));
        dbus_error_free(&error);
}
END_TEST

/* Answers of the bus that a member does not read, in a core that the bus hosts */

#define N_CALLS 4000

static unsigned n_answers, n_refused, n_dropped;
static size_t n_bytes;

static int count_answer(struct bus1_dbus_message *reply, void *userdata) {
        const char *text;

        n_answers++;
        if (dbus_message_is_error(reply->message, DBUS_ERROR_LIMITS_EXCEEDED))
                n_refused++;
        else if (dbus_message_is_error(reply->message, DBUS_ERROR_NO_REPLY))
                n_dropped++;
        else if (dbus_message_get_args(reply->message, NULL, DBUS_TYPE_STRING, &text,
                                       DBUS_TYPE_INVALID))
                n_bytes += strlen(text);
        return 0;
}

START_TEST(unread_answers_are_limited) {
        int64_t limit;
        DBusMessage *m;

        if (bus1_client_get_peer_fd(bus1_dbus_get_client(client)) >= 0)
                return; /* what a member has not read is in the kernel */
        n_answers = n_refused = n_dropped = 0;
        n_bytes = 0;
        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                         DBUS_INTERFACE_INTROSPECTABLE, "Introspect");
        for (int i = 0; i < N_CALLS; i++)
                ck_assert_int_eq(bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 60000,
                                                      count_answer, NULL, NULL),
                                 0);
        dbus_message_unref(m);
        /* The bus has answered all of them when it answers, and refuses, the same user again. */
        ck_assert_int_eq(bus1_dbus_get_limit(service, "max_message_size", &limit, NULL),
                         -EREMOTEIO);
        UNTIL(n_answers == N_CALLS);
        ck_assert_uint_gt(n_bytes, 7U * 1024 * 1024);
        ck_assert_uint_lt(n_bytes, 9U * 1024 * 1024);
        ck_assert_uint_gt(n_refused, 0);
        ck_assert_uint_eq(n_dropped, 0);
        /* It has read them. */
        request();
        expect_members();
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("limits");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, setup, members_teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, calls_are_refused, 0, 3);
        tcase_add_loop_test(tcase, calls_through_a_handle_are_refused, 0, 3);
        tcase_add_loop_test(tcase, messages_without_reply_are_dropped, 0, 3);
        tcase_add_loop_test(tcase, replies_are_refused, 0, 3);
        tcase_add_loop_test(tcase, monitor_is_dropped, 0, 3);
        tcase_add_test(tcase, as_much_as_the_limit_passes);
        tcase_add_test(tcase, limits_can_be_asked_for);
        tcase_add_test(tcase, unread_answers_are_limited);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
