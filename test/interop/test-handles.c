/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Looked-up handles stay
 *
 * A handle from a look-up is good as long as its owner has the name. Whether its calls go through a
 * direct channel or through the bus changes meanwhile: monitors and eavesdroppers come and go, and
 * the policy is loaded anew. No call fails because of that, none overtakes another, and a monitor
 * misses none and sees none twice.
 */

#include "test/interop/members.h"

#include <bus1/dbus-vtable.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_TAKEN 4096

/* what the service has received, in order */
static struct {
        unsigned n;
        uint32_t numbers[MAX_TAKEN];
        bool direct[MAX_TAKEN];
        size_t n_handles, n_fds;
} taken;

static int run_take(struct bus1_dbus_message *m, void *userdata) {
        uint32_t number;
        int fd = -1;

        ck_assert(dbus_message_get_args(m->message, NULL, DBUS_TYPE_UINT32, &number,
                                        DBUS_TYPE_INVALID));
        ck_assert_uint_lt(taken.n, MAX_TAKEN);
        taken.numbers[taken.n] = number;
        /* what comes through the bus has its credentials */
        taken.direct[taken.n++] = m->credentials.pid == (uint32_t)getpid();
        for (size_t i = 0; i < m->n_handles; i++)
                taken.n_handles += m->handles[i] != BUS1_INVALID;
        if (dbus_message_contains_unix_fds(m->message) &&
            dbus_message_get_args(m->message, NULL, DBUS_TYPE_UINT32, &number, DBUS_TYPE_UNIX_FD,
                                  &fd, DBUS_TYPE_INVALID)) {
                taken.n_fds += fcntl(fd, F_GETFD) >= 0;
                close(fd);
        }
        return bus1_dbus_reply_args(m, DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID);
}

static const struct bus1_dbus_interface interfaces[] = {
        {
                .name = NAME,
                .methods =
                        (const struct bus1_dbus_method[]){
                                {"Take", NULL, "u", run_take},
                                {},
                        },
        },
        {},
};

static bool gone;
static uint64_t handle;

static void see_release(struct bus1_dbus *bus, uint64_t h, void *userdata) {
        gone = true;
}

static DBusMessage *take_new(uint32_t number) {
        DBusMessage *m = dbus_message_new_method_call(NULL, "/numbers", NAME, "Take");

        dbus_message_append_args(m, DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID);
        return m;
}

static void start(void) {
        members_start("");
        memset(&taken, 0, sizeof(taken));
        gone = false;
        ck_assert_int_eq(bus1_dbus_object_new(service, "/numbers", interfaces, NULL, NULL), 0);
        publish();
        handle = look_up(client, NAME, NULL);
        ck_assert(handle != BUS1_INVALID);
        ck_assert_int_eq(bus1_dbus_watch(client, handle, see_release, NULL), 0);
}

/* Calls that have not been answered. */
static unsigned n_open;
static const char *last_error;

static int ended(struct bus1_dbus_message *reply, void *userdata) {
        static char name[256];

        n_open--;
        last_error = NULL;
        if (dbus_message_get_type(reply->message) == DBUS_MESSAGE_TYPE_ERROR) {
                snprintf(name, sizeof(name), "%s", dbus_message_get_error_name(reply->message));
                last_error = name;
        }
        return 0;
}

static void send_call(uint32_t number, const uint64_t *handles, size_t n_handles, uint64_t *id) {
        DBusMessage *m = take_new(number);

        ck_assert_int_eq(
                bus1_dbus_call_async(client, handle, m, handles, n_handles, 10000, ended, NULL, id),
                0);
        n_open++;
        dbus_message_unref(m);
}

static void send_note(uint32_t number) {
        DBusMessage *m = take_new(number);

        ck_assert_int_eq(bus1_dbus_send(client, handle, m, NULL, 0), 0);
        dbus_message_unref(m);
}

static const char *take(uint32_t number) {
        send_call(number, NULL, 0, NULL);
        UNTIL(n_open == 0);
        return last_error;
}

/* Call until a call goes directly. Returns the number of calls. */
static unsigned until_direct(void) {
        unsigned n = 0;

        do {
                ck_assert_ptr_null(take(0));
                ck_assert_msg(n++ < 200, "no call goes directly");
        } while (!taken.direct[taken.n - 1]);
        memset(&taken, 0, sizeof(taken));
        return n;
}

static void expect_order(unsigned n) {
        ck_assert_uint_eq(taken.n, n);
        for (unsigned i = 0; i < n; i++)
                ck_assert_uint_eq(taken.numbers[i], i + 1);
}

/* numbers that the monitor has seen */
static unsigned n_seen;
static uint32_t seen[MAX_TAKEN];

static int see(struct bus1_dbus_message *m, void *userdata) {
        if (dbus_message_is_method_call(m->message, NAME, "Take") && n_seen < MAX_TAKEN &&
            dbus_message_get_args(m->message, NULL, DBUS_TYPE_UINT32, &seen[n_seen],
                                  DBUS_TYPE_INVALID))
                n_seen++;
        return 0;
}

/* Returns when the bus has answered BecomeMonitor. Nobody else is dispatched meanwhile. */
static struct bus1_dbus *monitor_new(bus1_dbus_message_fn fn, void *userdata) {
        const char **rules = NULL;
        struct bus1_dbus *monitor;
        uint32_t flags = 0;
        DBusMessage *m;

        ck_assert_int_eq(bus1_dbus_open(&monitor, bus_daemon.address, NULL), 0);
        bus1_dbus_set_signal_handler(monitor, fn, userdata);
        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                         "org.freedesktop.DBus.Monitoring", "BecomeMonitor");
        dbus_message_append_args(m, DBUS_TYPE_ARRAY, DBUS_TYPE_STRING, &rules, 0, DBUS_TYPE_UINT32,
                                 &flags, DBUS_TYPE_INVALID);
        ck_assert_int_eq(bus1_dbus_call(monitor, BUS1_DBUS_BUS, m, NULL, 0, 10000, NULL, NULL), 0);
        dbus_message_unref(m);
        n_seen = 0;
        return monitor;
}

static void reload(struct bus1_dbus *member, const char *rules) {
        DBusMessage *m;

        ck_assert(daemon_configure(&bus_daemon, rules));
        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
                                         "ReloadConfig");
        ck_assert_int_eq(bus1_dbus_call(member, BUS1_DBUS_BUS, m, NULL, 0, 10000, NULL, NULL), 0);
        dbus_message_unref(m);
}

/* one member at a time */

START_TEST(calls_go_directly_soon) {
        ck_assert_uint_le(until_direct(), 3);
}
END_TEST

START_TEST(handle_stays_when_somebody_monitors) {
        until_direct();
        third = monitor_new(see, NULL);
        for (uint32_t i = 1; i <= 10; i++)
                ck_assert_ptr_null(take(i));
        UNTIL(n_seen == 10);
        expect_order(10);
        ck_assert(!taken.direct[0]);
        ck_assert(!gone);
        /* without a monitor, the calls go directly again */
        third = bus1_dbus_free(third);
        until_direct();
        ck_assert(!gone);
}
END_TEST

START_TEST(handle_stays_when_somebody_eavesdrops) {
        DBusConnection *c;
        DBusMessage *m = NULL;

        until_direct();
        c = kind_legacy.open(bus_daemon.address);
        ck_assert(c && kind_legacy.subscribe(c, "eavesdrop='true',member='Take'"));
        ck_assert_ptr_null(take(1));
        ck_assert(!taken.direct[0]);
        while (!m || !dbus_message_is_method_call(m, NAME, "Take")) {
                if (m)
                        dbus_message_unref(m);
                ck_assert(dbus_connection_read_write(c, 10000));
                m = dbus_connection_pop_message(c);
        }
        dbus_message_unref(m);
        kind_legacy.close(c);
        until_direct();
        ck_assert(!gone);
}
END_TEST

START_TEST(handle_stays_when_the_policy_forbids_its_calls) {
        until_direct();
        reload(service, "<deny send_interface='" NAME "'/>");
        ck_assert_str_eq(take(1), DBUS_ERROR_ACCESS_DENIED);
        ck_assert_uint_eq(taken.n, 0);
        reload(service, "");
        ck_assert_ptr_null(take(2));
        until_direct();
        ck_assert(!gone);
}
END_TEST

/*
 * What is sent before BecomeMonitor goes directly. What is sent after it does not, although neither
 * the service nor the client has heard of the monitor; the bus has not waited for them. Everything
 * arrives in order.
 */
START_TEST(messages_in_flight_are_sent_again_in_order) {
        uint64_t own, cancelled;
        int fds[2];
        struct bus1_dbus_object *object;
        DBusMessage *m;

        until_direct();
        ck_assert_int_eq(bus1_dbus_object_new(client, NULL, interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &own), 0);
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        send_call(1, NULL, 0, NULL);
        send_note(2);
        third = monitor_new(see, NULL);
        send_note(3);
        send_call(4, &own, 1, NULL);
        send_call(5, NULL, 0, &cancelled);
        bus1_dbus_cancel(client, cancelled);
        n_open--;
        m = take_new(6);
        dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fds[0], DBUS_TYPE_INVALID);
        ck_assert_int_eq(bus1_dbus_send(client, handle, m, NULL, 0), 0);
        dbus_message_unref(m);
        close(fds[0]);
        send_call(7, NULL, 0, &cancelled);
        UNTIL(taken.n == 7 && n_open == 0);
        ck_assert_ptr_null(last_error);
        expect_order(7);
        ck_assert_uint_eq(taken.n_handles, 1);
        ck_assert_uint_eq(taken.n_fds, 1);
        ck_assert(taken.direct[0] && taken.direct[1] && !taken.direct[2] && !taken.direct[6]);
        UNTIL(n_seen == 5);
        for (unsigned i = 0; i < 5; i++)
                ck_assert_uint_eq(seen[i], i + 3);
        close(fds[1]);
}
END_TEST

/*
 * The channel opens while many messages wait in the bus. They must not be overtaken. This needs the
 * device: a bus that hosts the core cannot be stopped while others send.
 */
START_TEST(messages_in_the_bus_are_not_overtaken) {
        uint32_t n = 0;

        if (access("/dev/bus1", F_OK) < 0)
                return;
        send_note(++n); /* asks for a channel */
        usleep(100000);
        kill(bus_daemon.pid, SIGSTOP);
        for (int i = 0; i < 10; i++)
                bus1_dbus_dispatch(service); /* answers the bus */
        while (n < 500)
                send_note(++n);
        kill(bus_daemon.pid, SIGCONT);
        while (n < 1000) {
                bus1_dbus_dispatch(client);
                send_note(++n);
        }
        UNTIL(taken.n == n);
        expect_order(n);
        ck_assert(!taken.direct[0] && taken.direct[n - 1]);
}
END_TEST

/* A call that was sent again is still known by its id. */
START_TEST(call_is_cancelled_after_it_was_sent_again) {
        DBusMessage *m;
        uint64_t id;

        until_direct();
        third = monitor_new(see, NULL);
        m = dbus_message_new_method_call(NULL, PATH, NAME, "Keep");
        ck_assert_int_eq(bus1_dbus_call_async(client, handle, m, NULL, 0, 10000, ended, NULL, &id),
                         0);
        dbus_message_unref(m);
        n_open = 1;
        UNTIL(kept);
        bus1_dbus_cancel(client, id);
        ck_assert_int_eq(bus1_dbus_reply_args(kept, DBUS_TYPE_INVALID), 0);
        bus1_dbus_message_unref(kept);
        for (int i = 0; i < 20; i++)
                turn();
        ck_assert_uint_eq(n_open, 1); /* it has not ended */
}
END_TEST

/* Releasing the handle takes nothing back that was sent through it. */
START_TEST(messages_arrive_although_the_handle_is_released) {
        DBusMessage *m;

        until_direct();
        third = monitor_new(see, NULL);
        for (uint32_t i = 1; i <= 100; i++)
                send_note(i);
        send_call(101, NULL, 0, NULL);
        bus1_dbus_release(client, handle);
        m = take_new(102);
        ck_assert_int_eq(bus1_dbus_send(client, handle, m, NULL, 0), -EBADRQC);
        dbus_message_unref(m);
        UNTIL(taken.n == 101 && n_open == 0);
        ck_assert_ptr_null(last_error);
        expect_order(101);
        UNTIL(n_seen == 101);
}
END_TEST

/* A program that does not receive has no channel, or notices in time that it is closed. */
START_TEST(program_that_only_sends_loses_nothing) {
        until_direct();
        third = monitor_new(see, NULL);
        for (uint32_t i = 1; i <= 300; i++) {
                send_note(i);
                usleep(100);
                bus1_dbus_dispatch(service);
                bus1_dbus_dispatch(third);
        }
        /* the last ones may wait for the program to receive */
        for (int i = 0; i < 1000 && taken.n < 300; i++)
                turn();
        expect_order(300);
        UNTIL(n_seen == 300);
}
END_TEST

static void expect_ended_handle(const char *name) {
        DBusError error = DBUS_ERROR_INIT;
        DBusMessage *m = take_new(1);

        ck_assert_int_lt(bus1_dbus_call(client, handle, m, NULL, 0, 10000, NULL, &error), 0);
        ck_assert_str_eq(error.name, name);
        ck_assert_ptr_nonnull(error.message);
        dbus_error_free(&error);
        dbus_message_unref(m);
}

START_TEST(error_tells_that_the_owner_has_gone) {
        until_direct();
        service = bus1_dbus_free(service);
        UNTIL(gone);
        expect_ended_handle(DBUS_ERROR_NAME_HAS_NO_OWNER);
}
END_TEST

START_TEST(error_tells_that_the_owner_has_lost_the_name) {
        until_direct();
        ck_assert_int_eq(bus1_dbus_release_name(service, NAME, NULL, NULL), 0);
        UNTIL(gone);
        expect_ended_handle(DBUS_ERROR_NAME_HAS_NO_OWNER);
        ck_assert_uint_eq(taken.n, 0);
}
END_TEST

/* The same for a call that has not passed the bus. */
START_TEST(error_of_a_routed_call_tells_that_the_owner_has_gone) {
        third = monitor_new(see, NULL);
        ck_assert_ptr_null(take(0));
        ck_assert_int_eq(bus1_dbus_release_name(service, NAME, NULL, NULL), 0);
        expect_ended_handle(DBUS_ERROR_NAME_HAS_NO_OWNER);
}
END_TEST

START_TEST(error_tells_that_the_session_has_ended) {
        until_direct();
        third = monitor_new(see, NULL);
        ck_assert_ptr_null(take(0));
        ck_assert(daemon_stop(&bus_daemon));
        service = bus1_dbus_free(service);
        expect_ended_handle(DBUS_ERROR_DISCONNECTED);
        ck_assert(daemon_start(&bus_daemon, bridge, ""));
}
END_TEST

START_TEST(passed_handle_does_not_depend_on_the_channel) {
        struct rogue outsider;
        struct answer answer;

        until_direct();
        ck_assert(rogue_join(&outsider, bus_daemon.address));
        handle = hand_to(&outsider, handle);
        ck_assert_int_eq(bus1_dbus_new_from_client(&third, outsider.client), 0);
        expect_text(call(third, handle, NULL, PATH, "Where", NULL), PATH);
        bus1_dbus_free(monitor_new(see, NULL));
        expect_text(call(third, handle, NULL, PATH, "Who", NULL),
                    bus1_dbus_get_unique_name(client));
        ck_assert_int_eq(bus1_dbus_release_name(service, NAME, NULL, NULL), 0);
        answer = call(third, handle, NULL, PATH, "Who", NULL);
        ck_assert_int_eq(dbus_message_get_type(answer.reply), DBUS_MESSAGE_TYPE_ERROR);
        dbus_message_unref(answer.reply);
        close(outsider.socket_fd);
}
END_TEST

/* Call OpenChannel. Returns the handle of the channel, or BUS1_INVALID, and error says why. */
static uint64_t open_channel(struct bus1_dbus *from, uint64_t number, const uint64_t *control,
                             char *error, size_t n_error) {
        struct answer answer = {.handle = BUS1_INVALID};
        DBusMessage *m;

        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, "org.bus1.Bridge1",
                                         "OpenChannel");
        dbus_message_append_args(m, DBUS_TYPE_UINT64, &number, DBUS_TYPE_INVALID);
        ck_assert_int_eq(bus1_dbus_call_async(from, BUS1_DBUS_BUS, m, control, control ? 1 : 0,
                                              10000, answered, &answer, NULL),
                         0);
        dbus_message_unref(m);
        UNTIL(answer.done);
        snprintf(error, n_error, "%s", dbus_message_get_error_name(answer.reply) ?: "");
        dbus_message_unref(answer.reply);
        return answer.handle;
}

START_TEST(lookup_has_one_channel_at_a_time) {
        struct answer answer = {.handle = BUS1_INVALID};
        struct bus1_dbus_object *object;
        uint64_t number, control, other;
        char error[256];

        ck_assert_int_eq(bus1_dbus_object_new(client, NULL, interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &control), 0);
        ck_assert_int_eq(bus1_dbus_object_new(service, NULL, interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &other), 0);
        look_up_begin(client, NAME, NULL, &answer);
        UNTIL(answer.done);
        ck_assert(dbus_message_get_args(answer.reply, NULL, DBUS_TYPE_UINT64, &number,
                                        DBUS_TYPE_INVALID));
        dbus_message_unref(answer.reply);
        ck_assert(open_channel(client, number, NULL, error, 256) == BUS1_INVALID);
        ck_assert_str_eq(error, DBUS_ERROR_INVALID_ARGS);
        ck_assert(open_channel(client, number + 1, &control, error, 256) == BUS1_INVALID);
        ck_assert_str_eq(error, DBUS_ERROR_INVALID_ARGS);
        /* another member cannot use the number */
        ck_assert(open_channel(service, number, &other, error, 256) == BUS1_INVALID);
        ck_assert_str_eq(error, DBUS_ERROR_INVALID_ARGS);

        ck_assert(open_channel(client, number, &control, error, 256) != BUS1_INVALID);
        ck_assert(open_channel(client, number, &control, error, 256) == BUS1_INVALID);
        ck_assert_str_eq(error, DBUS_ERROR_FAILED);
        third = monitor_new(see, NULL);
        ck_assert(open_channel(client, number, &control, error, 256) == BUS1_INVALID);
        ck_assert_str_eq(error, DBUS_ERROR_FAILED);
        third = bus1_dbus_free(third);
        for (int i = 0; i < 100 && error[0]; i++) {
                usleep(1000); /* the bus may not have noticed that the monitor has gone */
                open_channel(client, number, &control, error, 256);
        }
        ck_assert_str_eq(error, "");
        ck_assert_int_eq(bus1_dbus_release_name(service, NAME, NULL, NULL), 0);
        ck_assert(open_channel(client, number, &control, error, 256) == BUS1_INVALID);
        ck_assert_str_eq(error, DBUS_ERROR_INVALID_ARGS);
}
END_TEST

/* Look up NAME, and return the number; *ret_lookup is the handle. */
static uint64_t look_up_number(uint64_t *ret_lookup) {
        struct answer answer = {.handle = BUS1_INVALID};
        dbus_uint64_t number;

        look_up_begin(client, NAME, NULL, &answer);
        UNTIL(answer.done);
        ck_assert(dbus_message_get_args(answer.reply, NULL, DBUS_TYPE_UINT64, &number,
                                        DBUS_TYPE_INVALID));
        dbus_message_unref(answer.reply);
        *ret_lookup = answer.handle;
        return number;
}

static uint64_t control_new(void) {
        struct bus1_dbus_object *object;
        uint64_t control;

        ck_assert_int_eq(bus1_dbus_object_new(client, NULL, interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &control), 0);
        return control;
}

/* A caller that keeps the handle of the channel cannot use it longer than the look-up. */
START_TEST(channel_ends_with_the_lookup) {
        uint64_t number, lookup, direct, control = control_new();
        char error[256];

        for (int i = 0; i < 100; i++) {
                number = look_up_number(&lookup);
                direct = open_channel(client, number, &control, error, 256);
                ck_assert_str_eq(error, "");
                gone = false;
                ck_assert_int_eq(bus1_dbus_watch(client, direct, see_release, NULL), 0);
                bus1_dbus_release(client, lookup);
                UNTIL(gone);
                bus1_dbus_release(client, direct);
        }
}
END_TEST

/* The owner has ended the node before anybody can know that the caller has left. */
START_TEST(channel_ends_before_its_caller_is_seen_to_leave) {
        uint64_t number, lookup, direct, control = control_new();
        struct rogue outsider;
        char error[256], *data;
        DBusMessage *m;
        int n;

        number = look_up_number(&lookup);
        direct = open_channel(client, number, &control, error, 256);
        ck_assert_str_eq(error, "");
        /* another program of the caller has a copy, and stays */
        ck_assert(rogue_join(&outsider, bus_daemon.address));
        direct = hand_to(&outsider, direct);
        client = bus1_dbus_free(client);
        for (int i = 0; i < 1000; i++)
                turn();
        m = take_new(1);
        dbus_message_set_no_reply(m, TRUE);
        dbus_message_set_serial(m, 1);
        ck_assert(dbus_message_marshal(m, &data, &n));
        rogue_send(&outsider, direct, data, (size_t)n, NULL, 0, NULL, 0);
        for (int i = 0; i < 100; i++)
                turn();
        ck_assert_uint_eq(taken.n, 0);
        dbus_free(data);
        dbus_message_unref(m);
        rogue_leave(&outsider);
}
END_TEST

START_TEST(caller_has_few_channels) {
        uint64_t number, lookup, control = control_new();
        char error[256];

        for (int i = 0; i < 64; i++) {
                number = look_up_number(&lookup);
                ck_assert(open_channel(client, number, &control, error, 256) != BUS1_INVALID);
        }
        number = look_up_number(&lookup);
        ck_assert(open_channel(client, number, &control, error, 256) == BUS1_INVALID);
        ck_assert_str_eq(error, DBUS_ERROR_FAILED);
}
END_TEST

START_TEST(object_may_be_freed_while_it_has_a_channel) {
        struct bus1_dbus_object *object;
        uint64_t narrow;

        ck_assert_int_eq(bus1_dbus_object_new(service, "/once", member_interfaces, NULL, &object),
                         0);
        narrow = look_up(client, NAME, "/once");
        for (int i = 0; i < 5; i++)
                expect_text(call(client, narrow, NULL, "/elsewhere", "Where", NULL), "/once");
        bus1_dbus_object_free(object);
        expect_error(call(client, narrow, NULL, "/elsewhere", "Where", NULL),
                     DBUS_ERROR_UNKNOWN_OBJECT);
        ck_assert_int_eq(bus1_dbus_object_new(service, "/once", member_interfaces, NULL, NULL), 0);
        expect_text(call(client, narrow, NULL, "/elsewhere", "Where", NULL), "/once");
}
END_TEST

/* what the next get function does; NULL: nothing */
static void (*in_get)(struct bus1_dbus *bus);
static struct bus1_dbus *monitor;

static int get_by_calling(struct bus1_dbus *bus, const char *path, const char *interface,
                          const char *property, DBusMessageIter *value, void *userdata,
                          DBusError *error) {
        void (*fn)(struct bus1_dbus * bus) = in_get;
        dbus_uint32_t n = 1;

        in_get = NULL;
        if (fn)
                fn(bus);
        return dbus_message_iter_append_basic(value, DBUS_TYPE_UINT32, &n) ? 0 : -ENOMEM;
}

static const struct bus1_dbus_vtable calling_vtable[] = {
        BUS1_DBUS_VTABLE_START(0),
        BUS1_DBUS_PROPERTY("Number", "u", get_by_calling, 0,
                           BUS1_DBUS_VTABLE_PROPERTY_EMITS_CHANGE),
        BUS1_DBUS_VTABLE_END,
};

/* Call the bus, which receives what has come, while the others go on. */
static void call_for_a_while(struct bus1_dbus *bus) {
        struct bus1_dbus *members[] = {service, client, third};
        DBusMessage *m;

        for (int i = 0; i < 50; i++) {
                for (size_t j = 0; j < 3; j++)
                        if (members[j] && members[j] != bus)
                                bus1_dbus_dispatch(members[j]);
                m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                                 DBUS_INTERFACE_PEER, "Ping");
                ck_assert_int_eq(bus1_dbus_call(bus, BUS1_DBUS_BUS, m, NULL, 0, 10000, NULL, NULL),
                                 0);
                dbus_message_unref(m);
                usleep(1000);
        }
}

/* The next thing that the member sends is the announcement of an object with a get function. */
static void announce_next(struct bus1_dbus *bus, void (*fn)(struct bus1_dbus *bus)) {
        struct bus1_dbus_object *object;

        ck_assert_int_eq(bus1_dbus_object_new(bus, "/manager", NULL, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_add_manager(object), 0);
        ck_assert_int_eq(bus1_dbus_object_new(bus, "/manager/object", NULL, NULL, &object), 0);
        in_get = fn;
        ck_assert_int_eq(
                bus1_dbus_object_add_interface(object, "org.bus1.Calling", calling_vtable, NULL),
                0);
}

static void monitor_in_get(struct bus1_dbus *bus) {
        monitor = monitor_new(see, NULL);
        call_for_a_while(bus);
}

/* A get function that calls receives the end of the channel that a message is to take. */
START_TEST(channel_may_close_while_a_get_function_calls) {
        until_direct();
        taken.n = 0;
        announce_next(client, monitor_in_get);
        send_note(1);
        ck_assert_ptr_null(in_get);
        send_call(2, NULL, 0, NULL);
        UNTIL(n_open == 0);
        ck_assert_ptr_null(last_error);
        expect_order(2);
        bus1_dbus_free(monitor);
}
END_TEST

static uint64_t another; /* look-up, of the third member */

static void release_in_get(struct bus1_dbus *bus) {
        bus1_dbus_release(third, another);
        call_for_a_while(bus);
}

/* The owner closes a channel, and only after that it announces an object. */
START_TEST(get_function_may_call_when_a_channel_is_closed) {
        until_direct();
        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        another = look_up(third, NAME, NULL);
        for (uint32_t i = 0; i < 10; i++)
                dbus_message_unref(call_message(third, another, take_new(i)).reply);
        ck_assert(taken.direct[taken.n - 1]);
        announce_next(service, release_in_get);
        bus1_dbus_release(client, handle);
        UNTIL(!in_get);
        handle = look_up(client, NAME, NULL);
        ck_assert_ptr_null(take(0));
}
END_TEST

/* What a caller keeps for an owner that hangs: few descriptors and handles. */
START_TEST(little_is_kept_for_an_owner_that_hangs) {
        uint64_t own[250], control = control_new();
        DBusMessage *m;
        int r = 0;

        until_direct();
        for (size_t i = 0; i < 250; i++)
                own[i] = control;
        m = take_new(1);
        for (unsigned i = 0; i < 5; i++)
                r = bus1_dbus_send(client, handle, m, own, 250);
        ck_assert_int_eq(r, 0);
        ck_assert_int_eq(bus1_dbus_send(client, handle, m, own, 1), -EDQUOT);
        dbus_message_unref(m);
        UNTIL(taken.n == 5);
        memset(&taken, 0, sizeof(taken));

        for (uint32_t i = 1; i <= 65; i++) {
                int fd = 1;

                m = take_new(i);
                dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_INVALID);
                ck_assert_int_eq(
                        bus1_dbus_call_async(client, handle, m, NULL, 0, 10000, ended, NULL, NULL),
                        i <= 64 ? 0 : -EDQUOT);
                n_open += i <= 64;
                dbus_message_unref(m);
        }
        UNTIL(n_open == 0);
        expect_order(64);
        ck_assert_uint_eq(taken.n_fds, 64);
        ck_assert_ptr_null(take(0));
}
END_TEST

/* A program that blocks in a call has lost the name all the same. */
START_TEST(channel_ends_although_the_owner_does_not_dispatch) {
        uint64_t number, lookup, direct, control = control_new();
        char error[256];

        number = look_up_number(&lookup);
        direct = open_channel(client, number, &control, error, 256);
        ck_assert_str_eq(error, "");
        ck_assert_int_eq(bus1_dbus_watch(client, direct, see_release, NULL), 0);
        bus1_dbus_unwatch(client, handle);
        ck_assert_int_eq(bus1_dbus_release_name(service, NAME, NULL, NULL), 0);
        for (int i = 0; i < 1000 && !gone; i++)
                ck_assert_int_ge(bus1_dbus_dispatch(client) ?: bus1_dbus_wait(client, 1), 0);
        ck_assert(gone);
}
END_TEST

/* An owner that hangs cannot keep the released look-ups of its callers. */
START_TEST(released_handle_does_not_wait_for_ever) {
        uint64_t other;
        bool again = false;

        until_direct();
        send_note(1);
        bus1_dbus_release(client, handle);
        while (bus1_dbus_lookup(client, NAME, 0, &other, NULL) >= 0)
                ;
        /* Nobody dispatches the service. Confirm has a deadline of 25 s. */
        for (int i = 0; i < 30 && !again; i++) {
                ck_assert_int_ge(bus1_dbus_wait(client, 1000), 0);
                while (bus1_dbus_dispatch(client) > 0)
                        ;
                again = bus1_dbus_lookup(client, NAME, 0, &other, NULL) >= 0;
        }
        ck_assert(again);
}
END_TEST

/* many members, each a process */

#define CALLERS 2

static unsigned n_calls = 3000; /* of each caller */

/* what the processes know of each other; the service and the callers write, the test reads */
static struct shared {
        struct {
                uint32_t begun;    /* the last message that the caller has begun to send */
                uint32_t received; /* the last one that the service has */
                uint32_t direct;   /* how many of them came directly */
                bool done;
        } callers[CALLERS];
        bool overtaken, failed;
        bool serving;
} * shared;

static int run_count(struct bus1_dbus_message *m, void *userdata) {
        uint32_t caller, number;

        dbus_message_get_args(m->message, NULL, DBUS_TYPE_UINT32, &caller, DBUS_TYPE_UINT32,
                              &number, DBUS_TYPE_INVALID);
        if (number != shared->callers[caller].received + 1) {
                fprintf(stderr, "caller %u: %u follows %u\n", caller, number,
                        shared->callers[caller].received);
                shared->overtaken = true;
        }
        if (m->n_handles != (number % 50 == 0) ||
            (m->n_handles > 0 && m->handles[0] == BUS1_INVALID)) {
                fprintf(stderr, "caller %u: %u has %zu handles\n", caller, number, m->n_handles);
                shared->failed = true;
        }
        if (m->credentials.pid != (uint32_t)bus_daemon.pid)
                __atomic_add_fetch(&shared->callers[caller].direct, 1, __ATOMIC_SEQ_CST);
        __atomic_store_n(&shared->callers[caller].received, number, __ATOMIC_SEQ_CST);
        return bus1_dbus_reply_args(m, DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID);
}

static void serve(void) {
        const struct bus1_dbus_method count[] = {{"Count", NULL, "u", run_count}, {}};
        const struct bus1_dbus_interface counting[] = {{.name = NAME, .methods = count}, {}};
        struct bus1_dbus *bus;

        if (bus1_dbus_open(&bus, bus_daemon.address, NULL) < 0 ||
            bus1_dbus_object_new(bus, "/numbers", counting, NULL, NULL) < 0 ||
            bus1_dbus_publish(bus, NAME, 0, NULL, NULL) < 0)
                return;
        __atomic_store_n(&shared->serving, true, __ATOMIC_SEQ_CST);
        bus1_dbus_run(bus, NULL);
}

static unsigned n_waiting;

static void check_reply(DBusMessage *reply, uint32_t expected) {
        uint32_t number = 0;

        if (dbus_message_get_args(reply, NULL, DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID) &&
            number == expected)
                return;
        fprintf(stderr, "%u was answered with %u, %s\n", expected, number,
                dbus_message_get_error_name(reply));
        shared->failed = true;
}

static int count_ended(struct bus1_dbus_message *reply, void *userdata) {
        n_waiting--;
        check_reply(reply->message, (uint32_t)(uintptr_t)userdata);
        return 0;
}

/* Send one message: a call, an asynchronous call, or a message without a reply. */
static int send_one(struct bus1_dbus *bus, uint64_t to, uint32_t caller, uint32_t number,
                    const uint64_t *own) {
        struct bus1_dbus_message *reply = NULL;
        unsigned kind = (number / 7 + number) % 10;
        size_t n_handles = number % 50 == 0;
        DBusError error = DBUS_ERROR_INIT;
        DBusMessage *m;
        int r;

        m = dbus_message_new_method_call(NULL, "/numbers", NAME, "Count");
        dbus_message_append_args(m, DBUS_TYPE_UINT32, &caller, DBUS_TYPE_UINT32, &number,
                                 DBUS_TYPE_INVALID);
        if (kind < 4) {
                r = bus1_dbus_call(bus, to, m, own, n_handles, -1, &reply, &error);
                if (r < 0)
                        fprintf(stderr, "%u failed: %s: %s\n", number, error.name, error.message);
                else
                        check_reply(reply->message, number);
                dbus_error_free(&error);
                bus1_dbus_message_unref(reply);
        } else if (kind < 7) {
                r = bus1_dbus_call_async(bus, to, m, own, n_handles, -1, count_ended,
                                         (void *)(uintptr_t)number, NULL);
                n_waiting += r >= 0;
        } else {
                r = bus1_dbus_send(bus, to, m, own, n_handles);
        }
        dbus_message_unref(m);
        /* The receiver may be slow. Nothing was sent, so it can be sent later. */
        return r;
}

static void call_many(uint32_t caller) {
        struct bus1_dbus_object *object;
        struct bus1_dbus *bus;
        uint64_t own, to;
        int r = 0;

        if (bus1_dbus_open(&bus, bus_daemon.address, NULL) < 0 ||
            bus1_dbus_object_new(bus, NULL, interfaces, NULL, &object) < 0 ||
            bus1_dbus_object_get_handle(object, &own) < 0 ||
            bus1_dbus_lookup(bus, NAME, 0, &to, NULL) < 0) {
                shared->failed = true;
                return;
        }
        for (uint32_t i = 1; i <= n_calls && r >= 0 && !shared->failed; i++) {
                __atomic_store_n(&shared->callers[caller].begun, i, __ATOMIC_SEQ_CST);
                r = send_one(bus, to, caller, i, &own);
                while (r >= 0 && n_waiting > (i % 100 == 0 ? 0 : 20))
                        r = bus1_dbus_dispatch(bus) ?: bus1_dbus_wait(bus, 10000);
        }
        while (r >= 0 && (n_waiting > 0 || shared->callers[caller].received < n_calls) &&
               !shared->failed)
                r = bus1_dbus_dispatch(bus) ?: bus1_dbus_wait(bus, 10);
        if (r < 0) {
                fprintf(stderr, "caller %u: %s\n", caller, strerror(-r));
                shared->failed = true;
        }
        shared->callers[caller].done = true;
        bus1_dbus_free(bus);
}

static pid_t start_process(void (*run)(uint32_t), uint32_t argument) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid > 0)
                return pid;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(argument);
        _exit(0);
}

static void serve_process(uint32_t unused) {
        serve();
}

/* a monitor: the numbers that it must see, and the last one that it has seen, of each caller */
struct watching {
        uint32_t first[CALLERS], last[CALLERS];
};

static int watch_count(struct bus1_dbus_message *m, void *userdata) {
        struct watching *w = userdata;
        uint32_t caller, number;

        if (!dbus_message_is_method_call(m->message, NAME, "Count"))
                return 0;
        ck_assert(dbus_message_get_args(m->message, NULL, DBUS_TYPE_UINT32, &caller,
                                        DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID));
        /* The first one may be later than the message that was on its way at the beginning. */
        if (w->last[caller] == 0)
                ck_assert_uint_le(number, w->first[caller]);
        else
                ck_assert_uint_eq(number, w->last[caller] + 1);
        w->last[caller] = number;
        return 0;
}

static uint64_t now_ms(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void sleep_ms(int ms) {
        usleep((useconds_t)ms * 1000);
}

/* Has the monitor seen all that the service has received by then? */
static bool has_seen(const struct watching *w, const uint32_t *last) {
        for (int i = 0; i < CALLERS; i++)
                if (last[i] >= w->first[i] && w->last[i] < last[i])
                        return false;
        return true;
}

static void monitor_for_a_while(int ms) {
        struct watching w = {};
        uint32_t last[CALLERS];

        third = monitor_new(watch_count, &w);
        for (int i = 0; i < CALLERS; i++)
                w.first[i] = __atomic_load_n(&shared->callers[i].begun, __ATOMIC_SEQ_CST) + 1;
        for (uint64_t end = now_ms() + (uint64_t)ms; now_ms() < end;)
                ck_assert_int_ge(bus1_dbus_dispatch(third) ?: bus1_dbus_wait(third, 1), 0);
        for (int i = 0; i < CALLERS; i++)
                last[i] = __atomic_load_n(&shared->callers[i].received, __ATOMIC_SEQ_CST);
        /* The bus shows a message to the monitor before it delivers the message. */
        while (!has_seen(&w, last))
                ck_assert_msg(bus1_dbus_dispatch(third) > 0, "the monitor has missed a message");
        third = bus1_dbus_free(third);
}

static void eavesdrop_for_a_while(int ms) {
        DBusConnection *c = kind_legacy.open(bus_daemon.address);

        ck_assert(c && kind_legacy.subscribe(c, "eavesdrop='true',member='Nothing'"));
        sleep_ms(ms);
        kind_legacy.close(c);
}

static void reload_anew(const char *rules) {
        struct bus1_dbus *member;

        ck_assert_int_eq(bus1_dbus_open(&member, bus_daemon.address, NULL), 0);
        reload(member, rules);
        bus1_dbus_free(member);
}

static bool all_done(void) {
        for (int i = 0; i < CALLERS; i++)
                if (!shared->callers[i].done && !shared->failed)
                        return false;
        return true;
}

/* Nobody watches now, and the policy allows all: soon, calls go directly again. */
static void wait_for_channels(void) {
        uint32_t before[CALLERS];
        bool some = false;

        for (int i = 0; i < CALLERS; i++)
                before[i] = __atomic_load_n(&shared->callers[i].direct, __ATOMIC_SEQ_CST);
        for (int ms = 0; !some && !all_done(); ms++) {
                ck_assert_msg(ms < 20000, "no channel opens again");
                some = true;
                for (int i = 0; i < CALLERS; i++)
                        if (!shared->callers[i].done &&
                            __atomic_load_n(&shared->callers[i].direct, __ATOMIC_SEQ_CST) <
                                    before[i] + 20)
                                some = false;
                sleep_ms(1);
        }
}

START_TEST(nothing_fails_or_overtakes_while_others_come_and_go) {
        pid_t pids[CALLERS + 1];
        unsigned round = 0, n_direct = 0;

        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                      0);
        ck_assert(shared != MAP_FAILED);
        ck_assert(daemon_start(&bus_daemon, bridge, ""));
        pids[CALLERS] = start_process(serve_process, 0);
        for (int i = 0; i < 1000 && !shared->serving; i++)
                sleep_ms(10);
        for (uint32_t i = 0; i < CALLERS; i++)
                pids[i] = start_process(call_many, i);
        for (; !all_done(); round++) {
                int ms = (int)(round * 7 % 20);

                wait_for_channels();
                switch (round % 4) {
                case 0:
                        monitor_for_a_while(ms);
                        break;
                case 1:
                        eavesdrop_for_a_while(ms);
                        break;
                case 2: /* without a change */
                        reload_anew("");
                        break;
                case 3: /* nobody sends this, but from now on the bus has to look */
                        reload_anew("<deny send_interface='org.bus1.Nothing'/>");
                        sleep_ms(ms);
                        reload_anew("");
                        break;
                }
        }
        ck_assert(!shared->failed);
        ck_assert(!shared->overtaken);
        for (int i = 0; i < CALLERS; i++) {
                ck_assert_uint_eq(shared->callers[i].received, n_calls);
                n_direct += shared->callers[i].direct;
        }
        fprintf(stderr, "%u rounds, %u of %u messages went directly\n", round, n_direct,
                CALLERS * n_calls);
        /* otherwise this tests little */
        ck_assert_uint_gt(round, 4);
        for (int i = 0; i <= CALLERS; i++) {
                kill(pids[i], SIGKILL);
                waitpid(pids[i], NULL, 0);
        }
        ck_assert(daemon_stop(&bus_daemon));
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("handles");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, start, members_teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, calls_go_directly_soon);
        tcase_add_test(tcase, handle_stays_when_somebody_monitors);
        tcase_add_test(tcase, handle_stays_when_somebody_eavesdrops);
        tcase_add_test(tcase, handle_stays_when_the_policy_forbids_its_calls);
        tcase_add_test(tcase, messages_in_flight_are_sent_again_in_order);
        tcase_add_test(tcase, messages_in_the_bus_are_not_overtaken);
        tcase_add_test(tcase, call_is_cancelled_after_it_was_sent_again);
        tcase_add_test(tcase, messages_arrive_although_the_handle_is_released);
        tcase_add_test(tcase, program_that_only_sends_loses_nothing);
        tcase_add_test(tcase, error_tells_that_the_owner_has_gone);
        tcase_add_test(tcase, error_tells_that_the_owner_has_lost_the_name);
        tcase_add_test(tcase, error_of_a_routed_call_tells_that_the_owner_has_gone);
        tcase_add_test(tcase, error_tells_that_the_session_has_ended);
        tcase_add_test(tcase, passed_handle_does_not_depend_on_the_channel);
        tcase_add_test(tcase, lookup_has_one_channel_at_a_time);
        tcase_add_test(tcase, channel_ends_with_the_lookup);
        tcase_add_test(tcase, channel_ends_before_its_caller_is_seen_to_leave);
        tcase_add_test(tcase, caller_has_few_channels);
        tcase_add_test(tcase, little_is_kept_for_an_owner_that_hangs);
        tcase_add_test(tcase, channel_ends_although_the_owner_does_not_dispatch);
        tcase_add_test(tcase, object_may_be_freed_while_it_has_a_channel);
        tcase_add_test(tcase, channel_may_close_while_a_get_function_calls);
        tcase_add_test(tcase, get_function_may_call_when_a_channel_is_closed);
        suite_add_tcase(suite, tcase);
        tcase = tcase_create("slow");
        tcase_add_checked_fixture(tcase, start, members_teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, released_handle_does_not_wait_for_ever);
        suite_add_tcase(suite, tcase);
        tcase = tcase_create("stress");
        tcase_set_timeout(tcase, 30 + n_calls / 100);
        tcase_add_test(tcase, nothing_fails_or_overtakes_while_others_come_and_go);
        suite_add_tcase(suite, tcase);
        return suite;
}

/* test-handles BUS1-BRIDGE [calls of each caller in the stress test] */
int main(int argc, char **argv) {
        if (argc > 2)
                n_calls = (unsigned)strtoul(argv[2], NULL, 10);
        return run_suite(make_suite(), argc, argv);
}
