/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A call through a looked-up handle has the same effect on both ways: through the bus, and directly
 *
 * Each test is a row, or several, of the table "Both ways compared" in
 * doc/programming/native-programs.md, and runs once for each way. Where the table says that there
 * is a difference, the test shows it.
 */

#include "test/interop/members.h"

#include <bus1/dbus-values.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define FDS_MAX 16
#define SIZE_MAX_OF_BUS 200000
#define REPLIES_MAX 8

#define RULES(size, more)                                            \
        "</policy><limit name=\"max_message_size\">" size "</limit>" \
        "<limit name=\"max_message_unix_fds\">16</limit>"            \
        "<limit name=\"max_replies_per_connection\">8</limit>" more "<policy context=\"default\">"

enum {
        ROUTED,
        DIRECT,
        N_WAYS,
};

static uint64_t handle;

/* what Take has received: numbers, in order */
static uint32_t numbers[1024];
static unsigned n_numbers;

static int run_take(struct bus1_dbus_message *m, void *userdata) {
        uint32_t number = 0;

        dbus_message_get_args(m->message, NULL, DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID);
        ck_assert_uint_lt(n_numbers, 1024);
        numbers[n_numbers++] = number;
        return bus1_dbus_reply_args(m, DBUS_TYPE_INVALID);
}

static struct bus1_dbus_message *held[REPLIES_MAX + 1];
static size_t n_held;

static int run_hold(struct bus1_dbus_message *m, void *userdata) {
        ck_assert_uint_le(n_held, REPLIES_MAX);
        held[n_held++] = bus1_dbus_message_ref(m);
        return 0;
}

static const struct bus1_dbus_method take_methods[] = {
        {"Take", NULL, "", run_take, NULL},
        {"Hold", NULL, "", run_hold, NULL},
        {},
};

static const struct bus1_dbus_interface take_interfaces[] = {
        {.name = NAME, .methods = take_methods},
        {},
};

static void setup(void) {
        members_start(RULES("200000", ""));
        n_numbers = 0;
        ck_assert_int_eq(bus1_dbus_object_new(service, "/take", take_interfaces, NULL, NULL), 0);
}

static void teardown(void) {
        kept = bus1_dbus_message_unref(kept);
        members_teardown();
}

static DBusMessage *message(const char *member) {
        return dbus_message_new_method_call(NULL, PATH, NAME, member);
}

/* What comes through the bus has its credentials. */
static bool is_direct(const struct bus1_dbus_message *m) {
        return m->credentials.pid == (uint32_t)getpid();
}

/* Call Keep, and wait until the service has the call. Takes over the reference to m. */
static void keep(uint64_t to, DBusMessage *m, int timeout_ms, struct answer *answer) {
        kept = bus1_dbus_message_unref(kept);
        *answer = (struct answer){.handle = BUS1_INVALID};
        ck_assert_int_eq(
                bus1_dbus_call_async(client, to, m, NULL, 0, timeout_ms, answered, answer, NULL),
                0);
        dbus_message_unref(m);
        UNTIL(kept);
}

/* Answer the call that was kept. */
static void finish(struct answer *answer) {
        ck_assert_int_eq(bus1_dbus_reply_args(kept, DBUS_TYPE_INVALID), 0);
        kept = bus1_dbus_message_unref(kept);
        UNTIL(answer->done);
        ck_assert_int_eq(dbus_message_get_type(answer->reply), DBUS_MESSAGE_TYPE_METHOD_RETURN);
        dbus_message_unref(answer->reply);
}

static void go(uint64_t to, int way) {
        struct answer answer;
        bool direct;
        int n = 0;

        do {
                keep(to, message("Keep"), 10000, &answer);
                direct = is_direct(kept);
                finish(&answer);
                ck_assert_int_lt(n++, 200);
        } while (direct != (way == DIRECT));
}

/* From now on, calls through the handle take this way. */
static void begin(int way) {
        /* the bus makes a channel only to an owner that has published something */
        if (way == DIRECT)
                publish();
        else
                request();
        handle = look_up(client, NAME, NULL);
        go(handle, way);
}

static void expect_way(int way) {
        struct answer answer;

        keep(handle, message("Keep"), 10000, &answer);
        ck_assert_int_eq(is_direct(kept), way == DIRECT);
        finish(&answer);
}

static void append_bytes(DBusMessage *m, int n) {
        static const uint8_t bytes[600000];
        const uint8_t *data = bytes;

        dbus_message_append_args(m, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE, &data, n, DBUS_TYPE_INVALID);
}

static void append_fds(DBusMessage *m, int n) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        for (int i = 0; i < n; i++)
                dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_INVALID);
        close(fd);
}

/*
 * 0: one descriptor too many; 1: too many bytes, which fit into the buffer into which the bus
 * receives (260 KiB); 2: too many bytes, which do not
 */
#define N_TOO_MUCH 3

static DBusMessage *with_too_much(DBusMessage *m, int what) {
        if (what == 0)
                append_fds(m, FDS_MAX + 1);
        else
                append_bytes(m, what == 1 ? SIZE_MAX_OF_BUS : 600000);
        return m;
}

static const char *limit_of(int what) {
        return what == 0 ? "max_message_unix_fds" : "max_message_size";
}

/* Check the name and text of the error. */
static void expect_limit(struct answer answer, int what) {
        const char *text = "";

        ck_assert(dbus_message_get_args(answer.reply, NULL, DBUS_TYPE_STRING, &text,
                                        DBUS_TYPE_INVALID));
        ck_assert_ptr_nonnull(strstr(text, limit_of(what)));
        expect_error(answer, DBUS_ERROR_LIMITS_EXCEEDED);
}

static void reload(const char *rules) {
        DBusMessage *m;

        ck_assert(daemon_configure(&bus_daemon, rules));
        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
                                         "ReloadConfig");
        ck_assert_int_eq(bus1_dbus_call(service, BUS1_DBUS_BUS, m, NULL, 0, 10000, NULL, NULL), 0);
        dbus_message_unref(m);
}

/* When this returns, the bus has handled what the client has sent before. */
static void ping_bus(void) {
        DBusMessage *m;

        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_PEER,
                                         "Ping");
        ck_assert_int_eq(bus1_dbus_call(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, NULL, NULL), 0);
        dbus_message_unref(m);
}

/* results and errors */

START_TEST(results_and_errors) {
        begin(_i);
        expect_text(call(client, handle, NULL, PATH, "Where", NULL), PATH);
        expect_error(call(client, handle, NULL, PATH, "Refuse", NULL), DBUS_ERROR_ACCESS_DENIED);
        expect_error(call(client, handle, NULL, PATH, "Ignore", NULL), DBUS_ERROR_NO_REPLY);
        expect_error(call(client, handle, NULL, PATH, "Nothing", NULL), DBUS_ERROR_UNKNOWN_METHOD);
        expect_error(call(client, handle, NULL, "/nowhere", "Where", NULL),
                     DBUS_ERROR_UNKNOWN_OBJECT);
        expect_way(_i);
}
END_TEST

START_TEST(results_of_blocking_calls) {
        DBusError error = DBUS_ERROR_INIT;
        DBusMessage *m;

        begin(_i % N_WAYS);
        /* nobody dispatches the service, so only the bus or the library can answer */
        m = with_too_much(message("Where"), _i / N_WAYS);
        ck_assert_int_eq(bus1_dbus_call(client, handle, m, NULL, 0, 10000, NULL, &error),
                         -EREMOTEIO);
        ck_assert_str_eq(error.name, DBUS_ERROR_LIMITS_EXCEEDED);
        dbus_error_free(&error);
        dbus_message_unref(m);
        m = message("Where");
        ck_assert_int_eq(bus1_dbus_call(client, handle, m, NULL, 0, 50, NULL, &error), -ETIMEDOUT);
        ck_assert_str_eq(error.name, DBUS_ERROR_TIMEOUT);
        dbus_error_free(&error);
        dbus_message_unref(m);
}
END_TEST

/* sizes and descriptors */

START_TEST(calls_that_are_too_large) {
        int way = _i % N_WAYS, what = _i / N_WAYS;

        begin(way);
        for (int i = 0; i < 3; i++) {
                expect_limit(call_message(client, handle, with_too_much(message("Ignore"), what)),
                             what);
                expect_way(way);
        }
}
END_TEST

START_TEST(calls_that_are_just_not_too_large) {
        DBusMessage *m;

        begin(_i);
        m = dbus_message_new_method_call(NULL, "/take", NAME, "Take");
        append_fds(m, FDS_MAX);
        append_bytes(m, SIZE_MAX_OF_BUS - 400);
        dbus_message_unref(call_message(client, handle, m).reply);
        ck_assert_uint_eq(n_numbers, 1);
        expect_way(_i);
}
END_TEST

START_TEST(messages_without_reply_that_are_too_large) {
        int way = _i % N_WAYS, what = _i / N_WAYS;
        DBusMessage *m;

        begin(way);
        m = with_too_much(message("Keep"), what);
        ck_assert_int_eq(bus1_dbus_send(client, handle, m, NULL, 0), 0);
        dbus_message_unref(m);
        expect_text(call(client, handle, NULL, PATH, "Where", NULL), PATH);
        ck_assert_ptr_null(kept);
        expect_way(way);
}
END_TEST

START_TEST(replies_that_are_too_large) {
        int way = _i % N_WAYS, what = _i / N_WAYS;
        struct answer answer;
        DBusMessage *m;

        begin(way);
        keep(handle, message("Keep"), 10000, &answer);
        m = with_too_much(dbus_message_new_method_return(kept->message), what);
        ck_assert_int_eq(bus1_dbus_reply(kept, m, NULL, 0), 0);
        ck_assert_int_eq(bus1_dbus_reply(kept, m, NULL, 0), -EALREADY);
        dbus_message_unref(m);
        UNTIL(answer.done);
        expect_limit(answer, what);
        expect_way(way);
}
END_TEST

/* The first call goes to the bus at once, so the new limits apply to it, even if it is not new. */
START_TEST(limits_that_change) {
        struct answer answer;
        DBusMessage *m;

        begin(_i);
        reload(RULES("400000", ""));
        for (int i = 0; i < 2; i++) {
                m = dbus_message_new_method_call(NULL, "/take", NAME, "Take");
                append_bytes(m, 300000);
                answer = call_message(client, handle, m);
                ck_assert_int_eq(dbus_message_get_type(answer.reply),
                                 DBUS_MESSAGE_TYPE_METHOD_RETURN);
                dbus_message_unref(answer.reply);
                go(handle, _i);
        }
        /* the reply to a call that was accepted before */
        keep(handle, message("Keep"), 10000, &answer);
        ck_assert_int_eq(is_direct(kept), _i == DIRECT);
        reload(RULES("100000", ""));
        turn();
        m = dbus_message_new_method_return(kept->message);
        append_bytes(m, 150000);
        ck_assert_int_eq(bus1_dbus_reply(kept, m, NULL, 0), 0);
        dbus_message_unref(m);
        UNTIL(answer.done);
        expect_limit(answer, 1);
        for (int i = 0; i < 2; i++) {
                m = message("Ignore");
                append_bytes(m, 150000);
                expect_limit(call_message(client, handle, m), 1);
                go(handle, _i);
        }
}
END_TEST

/* what a message carries */

START_TEST(flags) {
        struct answer answer;
        DBusMessage *m;

        begin(_i);
        for (int i = 0; i < 4; i++) {
                m = message("Keep");
                dbus_message_set_auto_start(m, i & 1);
                dbus_message_set_allow_interactive_authorization(m, i & 2 ? TRUE : FALSE);
                keep(handle, m, 10000, &answer);
                ck_assert_int_eq(is_direct(kept), _i == DIRECT);
                ck_assert_int_eq(dbus_message_get_auto_start(kept->message), i & 1);
                ck_assert_int_eq(dbus_message_get_allow_interactive_authorization(kept->message),
                                 i >> 1);
                ck_assert(!dbus_message_get_no_reply(kept->message));
                ck_assert(bus1_dbus_message_takes_handles(kept));
                finish(&answer);
        }
        m = message("Keep");
        ck_assert_int_eq(bus1_dbus_send(client, handle, m, NULL, 0), 0);
        dbus_message_unref(m);
        UNTIL(kept);
        ck_assert_int_eq(is_direct(kept), _i == DIRECT);
        ck_assert(dbus_message_get_no_reply(kept->message));
        /* an answer that nobody wants is dropped */
        ck_assert_int_eq(bus1_dbus_reply_args(kept, DBUS_TYPE_INVALID), 0);
        kept = bus1_dbus_message_unref(kept);
        expect_way(_i);
}
END_TEST

START_TEST(descriptors_and_handles) {
        struct bus1_dbus_object *object;
        struct answer answer = {};
        uint64_t own;
        DBusMessage *m;
        int fd = -1;

        begin(_i);
        ck_assert_int_eq(bus1_dbus_object_new(client, NULL, member_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &own), 0);
        m = message("Keep");
        ck_assert_int_eq(
                bus1_dbus_call_async(client, handle, m, &own, 1, 10000, answered, &answer, NULL),
                0);
        dbus_message_unref(m);
        UNTIL(kept);
        ck_assert_int_eq(is_direct(kept), _i == DIRECT);
        ck_assert_uint_eq(kept->n_handles, 1);
        own = kept->handles[0];
        expect_text(call(service, own, NULL, PATH, "Who", NULL), "nobody");
        m = dbus_message_new_method_return(kept->message);
        append_fds(m, 2);
        ck_assert_int_eq(bus1_dbus_reply(kept, m, &own, 1), 0);
        dbus_message_unref(m);
        UNTIL(answer.done);
        ck_assert_uint_ne(answer.handle, BUS1_INVALID);
        ck_assert(dbus_message_get_args(answer.reply, NULL, DBUS_TYPE_UNIX_FD, &fd,
                                        DBUS_TYPE_INVALID));
        ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
        close(fd);
        dbus_message_unref(answer.reply);
}
END_TEST

START_TEST(order) {
        DBusMessage *m;

        begin(_i);
        for (uint32_t i = 0; i < 500; i++) {
                m = dbus_message_new_method_call(NULL, "/take", NAME, "Take");
                dbus_message_append_args(m, DBUS_TYPE_UINT32, &i, DBUS_TYPE_INVALID);
                ck_assert_int_eq(bus1_dbus_send(client, handle, m, NULL, 0), 0);
                dbus_message_unref(m);
                if (i % 50 > 0)
                        continue;
                /* what exceeds a limit takes another way, and must not change the order */
                m = with_too_much(message("Keep"), (int)(i / 50) % N_TOO_MUCH);
                ck_assert_int_eq(bus1_dbus_send(client, handle, m, NULL, 0), 0);
                dbus_message_unref(m);
        }
        UNTIL(n_numbers == 500);
        for (uint32_t i = 0; i < 500; i++)
                ck_assert_uint_eq(numbers[i], i);
        ck_assert_ptr_null(kept);
}
END_TEST

START_TEST(names_and_paths) {
        struct answer answer;
        uint64_t object;
        DBusMessage *m;

        begin(_i);
        keep(handle, message("Keep"), 10000, &answer);
        ck_assert_str_eq(dbus_message_get_sender(kept->message), bus1_dbus_get_unique_name(client));
        /* The bus writes the name that was looked up. The library leaves what the program wrote. */
        if (_i == ROUTED)
                ck_assert_str_eq(dbus_message_get_destination(kept->message), NAME);
        else
                ck_assert_ptr_null(dbus_message_get_destination(kept->message));
        finish(&answer);
        object = look_up(client, NAME, PATH);
        go(object, _i);
        m = dbus_message_new_method_call(NULL, "/take", NAME, "Keep");
        keep(object, m, 10000, &answer);
        ck_assert_int_eq(is_direct(kept), _i == DIRECT);
        ck_assert_str_eq(dbus_message_get_path(kept->message), PATH);
        finish(&answer);
        /* a reply has no SENDER */
        answer = call(client, handle, NULL, PATH, "Where", NULL);
        ck_assert_ptr_null(dbus_message_get_sender(answer.reply));
        dbus_message_unref(answer.reply);
}
END_TEST

/* The bus numbers the messages of a member anew. The caller does not see this. */
START_TEST(serials) {
        struct answer answer;
        DBusMessage *m;

        begin(_i);
        m = message("Keep");
        dbus_message_set_serial(m, 0x12345678);
        kept = bus1_dbus_message_unref(kept);
        answer = (struct answer){};
        ck_assert_int_eq(
                bus1_dbus_call_async(client, handle, m, NULL, 0, 10000, answered, &answer, NULL),
                0);
        UNTIL(kept);
        ck_assert_int_eq(dbus_message_get_serial(kept->message) == 0x12345678, _i == DIRECT);
        bus1_dbus_reply_args(kept, DBUS_TYPE_INVALID);
        UNTIL(answer.done);
        ck_assert_uint_eq(dbus_message_get_reply_serial(answer.reply), 0x12345678);
        dbus_message_unref(answer.reply);
        dbus_message_unref(m);
}
END_TEST

START_TEST(credentials) {
        struct bus1_dbus_credentials c = {};
        struct answer answer;

        begin(_i);
        keep(handle, message("Keep"), 10000, &answer);
        ck_assert_int_eq(bus1_dbus_message_get_credentials(kept, &c), 0);
        ck_assert_uint_eq(c.uid, getuid());
        ck_assert_uint_eq(c.gid, getgid());
        ck_assert_uint_eq(c.pid, (uint32_t)getpid());
        /* those of the message are of the process that sent it on bus1 */
        ck_assert_uint_eq(kept->credentials.pid,
                          (uint32_t)(_i == DIRECT ? getpid() : bus_daemon.pid));
        finish(&answer);
}
END_TEST

/* time and numbers */

START_TEST(time_outs) {
        struct answer answer;

        begin(_i);
        keep(handle, message("Keep"), 50, &answer);
        UNTIL(answer.done);
        expect_error(answer, DBUS_ERROR_TIMEOUT);
        /* the reply comes too late */
        ck_assert_int_eq(bus1_dbus_reply_args(kept, DBUS_TYPE_INVALID), 0);
        expect_way(_i);
}
END_TEST

/* The bus limits how long it waits for replies itself. */
START_TEST(reply_timeout_of_the_bus) {
        struct answer answer;

        reload(RULES("200000", "<limit name=\"reply_timeout\">2000</limit>"));
        begin(_i);
        keep(handle, message("Keep"), _i == DIRECT ? 4000 : 20000, &answer);
        UNTIL(answer.done);
        expect_error(answer, _i == DIRECT ? DBUS_ERROR_TIMEOUT : DBUS_ERROR_NO_REPLY);
}
END_TEST

/* The bus limits what it keeps itself. The library limits what it keeps, see native-protocol.md. */
START_TEST(pending_calls) {
        struct answer answers[REPLIES_MAX + 1] = {};
        unsigned n_refused = 0;

        begin(_i);
        for (size_t i = 0; i <= REPLIES_MAX; i++) {
                DBusMessage *m = dbus_message_new_method_call(NULL, "/take", NAME, "Hold");

                ck_assert_int_eq(bus1_dbus_call_async(client, handle, m, NULL, 0, 3000, answered,
                                                      &answers[i], NULL),
                                 0);
                dbus_message_unref(m);
        }
        for (size_t i = 0; i <= REPLIES_MAX; i++) {
                UNTIL(answers[i].done);
                n_refused += dbus_message_is_error(answers[i].reply, DBUS_ERROR_LIMITS_EXCEEDED);
                dbus_message_unref(answers[i].reply);
        }
        ck_assert_uint_eq(n_refused, _i == ROUTED);
        while (n_held > 0)
                bus1_dbus_message_unref(held[--n_held]);
}
END_TEST

/* limits of bus1, statistics */

static uint64_t n_fds_of_service(void) {
        struct bus1_cmd_query query = {};

        ck_assert_int_eq(bus1_client_query(bus1_dbus_get_client(service), &query), 0);
        return query.n_fds;
}

/* Send the service what it does not receive, until nothing more goes into its queue. */
static void fill_queue(int n_fds) {
        DBusMessage *m = dbus_message_new_method_call(NAME, "/take", NAME, "Take");
        uint64_t n, before;

        append_fds(m, n_fds);
        n = n_fds_of_service();
        do {
                before = n;
                ck_assert_int_eq(bus1_dbus_send(client, BUS1_DBUS_BUS, m, NULL, 0), 0);
                ping_bus();
                n = n_fds_of_service();
        } while (n > before);
        dbus_message_unref(m);
}

START_TEST(queue_of_the_owner_is_full) {
        DBusError error = DBUS_ERROR_INIT;
        struct answer answer;
        DBusMessage *m;

        begin(_i);
        fill_queue(FDS_MAX);
        fill_queue(1);
        m = dbus_message_new_method_call(NULL, "/take", NAME, "Take");
        append_fds(m, 1);
        ck_assert_int_eq(bus1_dbus_call(client, handle, m, NULL, 0, 10000, NULL, &error),
                         _i == DIRECT ? -EDQUOT : -EREMOTEIO);
        ck_assert_str_eq(error.name, DBUS_ERROR_LIMITS_EXCEEDED);
        dbus_error_free(&error);
        /* the bus has answered, although the owner has not received anything */
        ck_assert_uint_eq(n_numbers, 0);
        while (bus1_dbus_dispatch(service) > 0)
                ;
        ck_assert_uint_gt(n_numbers, 0);
        answer = call_message(client, handle, m);
        ck_assert_int_eq(dbus_message_get_type(answer.reply), DBUS_MESSAGE_TYPE_METHOD_RETURN);
        dbus_message_unref(answer.reply);
        expect_way(_i);
}
END_TEST

/* A number that the bus has about the client. */
static uint32_t statistic(const char *key) {
        const char *name = bus1_dbus_get_unique_name(client);
        struct bus1_dbus_message *reply;
        DBusMessageIter iter;
        uint32_t value;

        ck_assert_int_eq(bus1_dbus_call_method(service, BUS1_DBUS_BUS, DBUS_SERVICE_DBUS,
                                               DBUS_PATH_DBUS, "org.freedesktop.DBus.Debug.Stats",
                                               "GetConnectionStats", NULL, &reply, "s", name),
                         0);
        ck_assert(dbus_message_iter_init(reply->message, &iter));
        ck_assert_int_eq(bus1_dbus_read_entry(&iter, key, "u", &value), 1);
        bus1_dbus_message_unref(reply);
        return value;
}

START_TEST(statistics) {
        struct answer answer;
        DBusMessage *m;

        begin(_i);
        m = dbus_message_new_method_call(NULL, "/take", NAME, "Take");
        append_bytes(m, 100000);
        answer = call_message(client, handle, m);
        ck_assert_int_eq(dbus_message_get_type(answer.reply), DBUS_MESSAGE_TYPE_METHOD_RETURN);
        dbus_message_unref(answer.reply);
        ck_assert_int_eq(statistic("PeakIncomingBytes") >= 100000, _i == ROUTED);
        expect_way(_i);
}
END_TEST

/* policy, monitors, ends */

START_TEST(policy) {
        begin(_i);
        reload(RULES("200000", "") "<deny send_interface='" NAME "'/>");
        expect_error(call(client, handle, NULL, PATH, "Where", NULL), DBUS_ERROR_ACCESS_DENIED);
        reload(RULES("200000", ""));
        expect_text(call(client, handle, NULL, PATH, "Where", NULL), PATH);
        go(handle, _i);
}
END_TEST

static unsigned n_calls_seen, n_replies_seen;

static int see(struct bus1_dbus_message *m, void *userdata) {
        int type = dbus_message_get_type(m->message);
        const char *sender = dbus_message_get_sender(m->message);

        n_calls_seen += dbus_message_has_interface(m->message, NAME);
        n_replies_seen += type == DBUS_MESSAGE_TYPE_METHOD_RETURN && sender &&
                          strcmp(sender, bus1_dbus_get_unique_name(service)) == 0;
        return 0;
}

START_TEST(monitors) {
        struct answer answer;
        const char **rules = NULL;
        uint32_t none = 0;
        DBusMessage *m;

        begin(_i);
        keep(handle, message("Keep"), 10000, &answer);
        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        bus1_dbus_set_signal_handler(third, see, NULL);
        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                         "org.freedesktop.DBus.Monitoring", "BecomeMonitor");
        dbus_message_append_args(m, DBUS_TYPE_ARRAY, DBUS_TYPE_STRING, &rules, 0, DBUS_TYPE_UINT32,
                                 &none, DBUS_TYPE_INVALID);
        n_calls_seen = n_replies_seen = 0;
        ck_assert_int_eq(bus1_dbus_call(third, BUS1_DBUS_BUS, m, NULL, 0, 10000, NULL, NULL), 0);
        dbus_message_unref(m);
        /* of a call before BecomeMonitor, it sees the reply, or, if the call was direct, nothing */
        finish(&answer);
        for (unsigned i = 0; i < 3; i++)
                expect_text(call(client, handle, NULL, PATH, "Where", NULL), PATH);
        UNTIL(n_calls_seen == 3 && n_replies_seen >= 3);
        for (int i = 0; i < 100; i++)
                turn();
        ck_assert_uint_eq(n_calls_seen, 3);
        ck_assert_uint_eq(n_replies_seen, _i == DIRECT ? 3 : 4);
}
END_TEST

START_TEST(owner_leaves) {
        DBusError error = DBUS_ERROR_INIT;
        struct answer answer;
        DBusMessage *m;

        begin(_i);
        keep(handle, message("Keep"), 10000, &answer);
        kept = bus1_dbus_message_unref(kept);
        UNTIL(answer.done);
        expect_error(answer, DBUS_ERROR_NO_REPLY);
        keep(handle, message("Keep"), 10000, &answer);
        service = bus1_dbus_free(service);
        UNTIL(answer.done);
        expect_error(answer, DBUS_ERROR_NO_REPLY);
        kept = bus1_dbus_message_unref(kept);
        answer = (struct answer){};
        for (int i = 0; i < 100; i++)
                turn();
        m = message("Where");
        ck_assert_int_eq(bus1_dbus_call(client, handle, m, NULL, 0, 10000, NULL, &error), -EBADRQC);
        ck_assert_str_eq(error.name, DBUS_ERROR_NAME_HAS_NO_OWNER);
        dbus_error_free(&error);
        dbus_message_unref(m);
}
END_TEST

/* a security module */

static const char *fake_apparmor;

static void setup_apparmor(void) {
        ck_assert_int_eq(setenv("LD_PRELOAD", fake_apparmor, 1), 0);
        setup();
        unsetenv("LD_PRELOAD");
}

static bool has_feature(const char *feature) {
        struct bus1_dbus_message *reply;
        DBusMessageIter iter, value;
        bool is_there = false;
        char **features;

        ck_assert_int_eq(bus1_dbus_call_method(client, BUS1_DBUS_BUS, DBUS_SERVICE_DBUS,
                                               DBUS_PATH_DBUS, DBUS_INTERFACE_PROPERTIES, "Get",
                                               NULL, &reply, "ss", DBUS_INTERFACE_DBUS, "Features"),
                         0);
        ck_assert(dbus_message_iter_init(reply->message, &iter));
        ck_assert_int_eq(bus1_dbus_read_container(&iter, 'v', "as", &value), 0);
        ck_assert_int_eq(bus1_dbus_read_strv(&value, &features), 0);
        for (char **f = features; *f; f++)
                is_there |= strcmp(*f, feature) == 0;
        free(features);
        bus1_dbus_message_unref(reply);
        return is_there;
}

/* The bus has to see each message. */
START_TEST(apparmor_keeps_calls_on_the_bus) {
        ck_assert(has_feature("AppArmor"));
        publish();
        handle = look_up(client, NAME, NULL);
        for (int i = 0; i < 200; i++)
                expect_way(ROUTED);
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("ways");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, results_and_errors, 0, N_WAYS);
        tcase_add_loop_test(tcase, results_of_blocking_calls, 0, N_WAYS * N_TOO_MUCH);
        tcase_add_loop_test(tcase, calls_that_are_too_large, 0, N_WAYS * N_TOO_MUCH);
        tcase_add_loop_test(tcase, calls_that_are_just_not_too_large, 0, N_WAYS);
        tcase_add_loop_test(tcase, messages_without_reply_that_are_too_large, 0,
                            N_WAYS * N_TOO_MUCH);
        tcase_add_loop_test(tcase, replies_that_are_too_large, 0, N_WAYS * N_TOO_MUCH);
        tcase_add_loop_test(tcase, limits_that_change, 0, N_WAYS);
        tcase_add_loop_test(tcase, flags, 0, N_WAYS);
        tcase_add_loop_test(tcase, descriptors_and_handles, 0, N_WAYS);
        tcase_add_loop_test(tcase, order, 0, N_WAYS);
        tcase_add_loop_test(tcase, names_and_paths, 0, N_WAYS);
        tcase_add_loop_test(tcase, serials, 0, N_WAYS);
        tcase_add_loop_test(tcase, credentials, 0, N_WAYS);
        tcase_add_loop_test(tcase, time_outs, 0, N_WAYS);
        tcase_add_loop_test(tcase, reply_timeout_of_the_bus, 0, N_WAYS);
        tcase_add_loop_test(tcase, pending_calls, 0, N_WAYS);
        tcase_add_loop_test(tcase, queue_of_the_owner_is_full, 0, N_WAYS);
        tcase_add_loop_test(tcase, statistics, 0, N_WAYS);
        tcase_add_loop_test(tcase, policy, 0, N_WAYS);
        tcase_add_loop_test(tcase, monitors, 0, N_WAYS);
        tcase_add_loop_test(tcase, owner_leaves, 0, N_WAYS);
        suite_add_tcase(suite, tcase);

        if (!fake_apparmor)
                return suite;
        tcase = tcase_create("AppArmor");
        tcase_add_checked_fixture(tcase, setup_apparmor, teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, apparmor_keeps_calls_on_the_bus);
        suite_add_tcase(suite, tcase);
        return suite;
}

/* test-ways BUS1-BRIDGE [what makes the bus believe that there is AppArmor] */
int main(int argc, char **argv) {
        fake_apparmor = argc > 2 ? argv[2] : NULL;
        return run_suite(make_suite(), argc, argv);
}
