/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The bus executes its program again (SIGUSR2), and native programs notice nothing
 *
 * Each test has something under way when it happens. The last one is a storm: see storm.h.
 */

#include "test/interop/executions.h"
#include "test/interop/members.h"
#include "test/interop/storm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Start a bus whose log tells how often it has executed its program again. */
static void start(void) {
        ck_assert_int_eq(executions_begin(), 0);
        members_start("");
        executions_end();
}

static void stop(void) {
        ck_assert_msg(!executions_refused(), "%s", executions_refused());
        members_teardown();
}

/* Nobody is dispatched meanwhile. */
static void reexecute(void) {
        unsigned n = executions();

        ck_assert_int_eq(kill(bus_daemon.pid, SIGUSR2), 0);
        for (int i = 0; executions() == n; i++) {
                ck_assert_msg(!executions_refused(), "%s", executions_refused());
                ck_assert_msg(i < 20000, "the bus does not execute its program");
                usleep(1000);
        }
}

/* numbered calls */

#define TAKE_MAX 1024

static struct {
        unsigned n;
        uint32_t numbers[TAKE_MAX];
        bool direct[TAKE_MAX];
        size_t n_handles, n_fds;
} taken;

static int run_take(struct bus1_dbus_message *m, void *userdata) {
        uint32_t number;
        int fd = -1;

        ck_assert(dbus_message_get_args(m->message, NULL, DBUS_TYPE_UINT32, &number,
                                        DBUS_TYPE_INVALID));
        ck_assert_uint_lt(taken.n, TAKE_MAX);
        taken.numbers[taken.n] = number;
        /* what comes through the bus has its credentials */
        taken.direct[taken.n++] = m->credentials.pid == (uint32_t)getpid();
        for (size_t i = 0; i < m->n_handles; i++)
                taken.n_handles += m->handles[i] != BUS1_INVALID;
        if (dbus_message_get_args(m->message, NULL, DBUS_TYPE_UINT32, &number, DBUS_TYPE_UNIX_FD,
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

#define NUMBERS "/numbers"

static void start_numbers(void) {
        start();
        memset(&taken, 0, sizeof(taken));
        ck_assert_int_eq(bus1_dbus_object_new(service, NUMBERS, interfaces, NULL, NULL), 0);
}

static unsigned n_open; /* calls that have not been answered */

static int ended(struct bus1_dbus_message *reply, void *userdata) {
        ck_assert_int_eq(dbus_message_get_type(reply->message), DBUS_MESSAGE_TYPE_METHOD_RETURN);
        n_open--;
        return 0;
}

static DBusMessage *take_new(const char *destination, uint32_t number) {
        DBusMessage *m = dbus_message_new_method_call(destination, NUMBERS, NAME, "Take");

        dbus_message_append_args(m, DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID);
        return m;
}

static void send_take(uint64_t to, uint32_t number, const uint64_t *handles, size_t n_handles) {
        DBusMessage *m = take_new(to == BUS1_DBUS_BUS ? NAME : NULL, number);

        ck_assert_int_eq(
                bus1_dbus_call_async(client, to, m, handles, n_handles, 10000, ended, NULL, NULL),
                0);
        dbus_message_unref(m);
        n_open++;
}

static void expect_numbers(unsigned n) {
        UNTIL(taken.n == n && n_open == 0);
        for (unsigned i = 0; i < n; i++)
                ck_assert_uint_eq(taken.numbers[i], i + 1);
}

static uint64_t until_direct(void) {
        uint64_t handle = look_up(client, NAME, NULL);
        unsigned n = 0;

        ck_assert(handle != BUS1_INVALID);
        do {
                ck_assert_msg(n++ < 200, "no call goes directly");
                send_take(handle, 0, NULL, 0);
                UNTIL(n_open == 0);
        } while (!taken.direct[taken.n - 1]);
        memset(&taken, 0, sizeof(taken));
        return handle;
}

static uint64_t object_handle(struct bus1_dbus *bus) {
        struct bus1_dbus_object *object;
        uint64_t handle;

        ck_assert_int_eq(bus1_dbus_object_new(bus, NULL, member_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        return handle;
}

static unsigned n_heard;

static int see(struct bus1_dbus_message *m, void *userdata) {
        if (dbus_message_is_method_call(m->message, NAME, "Take"))
                n_heard++;
        return 0;
}

static bool gone;

static void see_release(struct bus1_dbus *bus, uint64_t handle, void *userdata) {
        gone = true;
}

static void see_unreferenced(struct bus1_dbus_object *object, void *userdata) {
        gone = true;
}

static void watch(uint64_t handle) {
        gone = false;
        ck_assert_int_eq(bus1_dbus_watch(client, handle, see_release, NULL), 0);
}

/* calls */

START_TEST(messages_that_nobody_has_read_arrive_in_order) {
        /* a bus that hosts the core cannot be stopped while others send */
        bool has_device = access("/dev/bus1", F_OK) == 0;

        request();
        if (has_device)
                kill(bus_daemon.pid, SIGSTOP);
        for (uint32_t i = 1; i <= 50; i++)
                send_take(BUS1_DBUS_BUS, i, NULL, 0);
        kill(bus_daemon.pid, SIGCONT);
        reexecute();
        for (uint32_t i = 51; i <= 100; i++)
                send_take(BUS1_DBUS_BUS, i, NULL, 0);
        reexecute();
        expect_numbers(100);
}
END_TEST

START_TEST(handles_and_descriptors_arrive) {
        uint64_t handle = object_handle(client);
        int fds[2];
        DBusMessage *m;

        publish();
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        send_take(BUS1_DBUS_BUS, 1, &handle, 1);
        reexecute();
        m = take_new(NAME, 2);
        dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fds[0], DBUS_TYPE_INVALID);
        ck_assert_int_eq(bus1_dbus_send(client, BUS1_DBUS_BUS, m, NULL, 0), 0);
        dbus_message_unref(m);
        reexecute();
        expect_numbers(2);
        ck_assert_uint_eq(taken.n_handles, 1);
        ck_assert_uint_eq(taken.n_fds, 1);
        close(fds[0]);
        close(fds[1]);
}
END_TEST

static void keep_call(struct answer *answer) {
        DBusMessage *m = dbus_message_new_method_call(NAME, PATH, NAME, "Keep");

        *answer = (struct answer){.handle = BUS1_INVALID};
        ck_assert_int_eq(bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 30000, answered,
                                              answer, NULL),
                         0);
        dbus_message_unref(m);
        UNTIL(kept);
}

START_TEST(pending_call_is_answered) {
        uint32_t number = 7, got;
        struct answer answer;

        publish();
        keep_call(&answer);
        reexecute();
        reexecute();
        ck_assert_int_eq(bus1_dbus_reply_args(kept, DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID),
                         0);
        bus1_dbus_message_unref(kept);
        UNTIL(answer.done);
        ck_assert(dbus_message_get_args(answer.reply, NULL, DBUS_TYPE_UINT32, &got,
                                        DBUS_TYPE_INVALID));
        ck_assert_uint_eq(got, 7);
        dbus_message_unref(answer.reply);
}
END_TEST

START_TEST(pending_call_of_a_legacy_program_is_answered) {
        DBusConnection *c = kind_legacy.open(bus_daemon.address);
        DBusPendingCall *pending;
        DBusMessage *m;

        publish();
        ck_assert_ptr_nonnull(c);
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Keep");
        ck_assert(dbus_connection_send_with_reply(c, m, &pending, 10000));
        dbus_message_unref(m);
        dbus_connection_flush(c);
        UNTIL(kept);
        reexecute();
        ck_assert_int_eq(bus1_dbus_reply_args(kept, DBUS_TYPE_INVALID), 0);
        bus1_dbus_message_unref(kept);
        dbus_pending_call_block(pending);
        m = dbus_pending_call_steal_reply(pending);
        ck_assert_int_eq(dbus_message_get_type(m), DBUS_MESSAGE_TYPE_METHOD_RETURN);
        dbus_message_unref(m);
        dbus_pending_call_unref(pending);
        kind_legacy.close(c);
}
END_TEST

START_TEST(pending_call_ends_with_its_service) {
        struct answer answer;

        publish();
        keep_call(&answer);
        reexecute();
        bus1_dbus_message_unref(kept);
        service = bus1_dbus_free(service);
        UNTIL(answer.done);
        expect_error(answer, DBUS_ERROR_NO_REPLY);
}
END_TEST

START_TEST(program_that_ends_meanwhile_has_left) {
        struct answer answer;

        publish();
        keep_call(&answer);
        bus1_dbus_message_unref(kept);
        kill(bus_daemon.pid, SIGUSR2);
        service = bus1_dbus_free(service);
        UNTIL(answer.done);
        expect_error(answer, DBUS_ERROR_NO_REPLY);
        reexecute();
        ck_assert(look_up(client, NAME, NULL) == BUS1_INVALID);
}
END_TEST

/* handles */

START_TEST(routed_handle_stays) {
        uint64_t handle;

        request(); /* without a node, there is no direct channel */
        handle = look_up(client, NAME, NULL);
        watch(handle);
        send_take(handle, 1, NULL, 0);
        reexecute();
        send_take(handle, 2, NULL, 0);
        reexecute();
        expect_numbers(2);
        ck_assert(!taken.direct[1]);
        ck_assert(!gone);
        ck_assert_int_eq(bus1_dbus_release_name(service, NAME, NULL, NULL), 0);
        UNTIL(gone);
}
END_TEST

START_TEST(handle_of_an_object_stays) {
        uint64_t handle;

        request();
        handle = look_up(client, NAME, PATH);
        reexecute();
        expect_text(call(client, handle, NULL, "/other", "Where", NULL), PATH);
        watch(handle);
        service = bus1_dbus_free(service);
        UNTIL(gone);
}
END_TEST

START_TEST(direct_handle_stays_direct) {
        uint64_t handle;

        publish();
        handle = until_direct();
        watch(handle);
        send_take(handle, 1, NULL, 0);
        reexecute();
        send_take(handle, 2, NULL, 0);
        expect_numbers(2);
        ck_assert(taken.direct[0] && taken.direct[1]);
        ck_assert(!gone);
        /* the bus of now knows of the channel */
        third = bus1_dbus_free(third);
        ck_assert_int_eq(bus1_dbus_release_name(service, NAME, NULL, NULL), 0);
        UNTIL(gone);
}
END_TEST

START_TEST(channel_that_is_being_opened_opens) {
        uint64_t handle;

        publish();
        handle = look_up(client, NAME, NULL);
        ck_assert(handle != BUS1_INVALID);
        send_take(handle, 1, NULL, 0); /* asks for a channel */
        usleep(20000);
        reexecute();
        UNTIL(n_open == 0);
        for (uint32_t i = 2; i <= 4; i++) {
                send_take(handle, i, NULL, 0);
                UNTIL(n_open == 0);
        }
        expect_numbers(4);
        ck_assert(taken.direct[3]);
}
END_TEST

START_TEST(direct_handle_is_routed_for_a_new_monitor) {
        uint64_t handle;

        publish();
        handle = until_direct();
        reexecute();
        third = bus1_dbus_free(third);
        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        ck_assert_int_eq(
                bus1_dbus_subscribe(third, "eavesdrop='true',member='Take'", see, NULL, NULL, NULL),
                0);
        send_take(handle, 1, NULL, 0);
        UNTIL(n_open == 0);
        ck_assert(!taken.direct[0]);
}
END_TEST

START_TEST(passed_handle_stays) {
        struct rogue outsider;
        uint64_t handle;

        request();
        handle = look_up(client, NAME, NULL);
        ck_assert(rogue_join(&outsider, bus_daemon.address));
        handle = hand_to(&outsider, handle);
        ck_assert_int_eq(bus1_dbus_new_from_client(&third, outsider.client), 0);
        reexecute();
        /* a call in the name of the program that looked up */
        expect_text(call(third, handle, NULL, PATH, "Who", NULL),
                    bus1_dbus_get_unique_name(client));
        close(outsider.socket_fd);
}
END_TEST

START_TEST(published_object_and_export_stay) {
        struct bus1_dbus_object *object;
        DBusConnection *c;
        DBusMessage *m, *reply;
        char *name, *path;

        publish();
        ck_assert_int_eq(bus1_dbus_object_new(service, "/object", member_interfaces, NULL, &object),
                         0);
        ck_assert_int_eq(bus1_dbus_object_publish(object, NULL), 0);
        ck_assert_int_eq(bus1_dbus_export(client, object_handle(client), &name, &path, NULL), 0);
        reexecute();
        expect_text(call(client, BUS1_DBUS_BUS, NAME, "/object", "Where", NULL), "/object");
        expect_text(call(service, BUS1_DBUS_BUS, name, path, "Who", NULL),
                    bus1_dbus_get_unique_name(service));
        free(path);
        free(name);
        /* numbers of exports go on */
        ck_assert_int_eq(bus1_dbus_export(client, object_handle(client), &name, &path, NULL), 0);
        ck_assert_str_eq(strrchr(path, '/'), "/2");
        free(path);
        free(name);
        /* the object ends: the bus of now notices it */
        bus1_dbus_object_free(object);
        c = kind_legacy.open(bus_daemon.address);
        ck_assert_ptr_nonnull(c);
        m = dbus_message_new_method_call(NAME, "/object", NAME, "Ignore");
        dbus_message_set_no_reply(m, TRUE);
        ck_assert(dbus_connection_send(c, m, NULL));
        dbus_message_unref(m);
        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
                                         "GetId");
        reply = kind_legacy.call(c, m, NULL);
        ck_assert_ptr_nonnull(reply);
        dbus_message_unref(reply);
        dbus_message_unref(m);
        kind_legacy.close(c);
}
END_TEST

/* signals */

static int hear(struct bus1_dbus_message *m, void *userdata) {
        if (dbus_message_is_signal(m->message, NAME, "Beep"))
                n_heard++;
        return 0;
}

START_TEST(subscriptions_stay) {
        struct bus1_dbus_subscription *s[2];

        n_heard = 0;
        for (int i = 0; i < 2; i++)
                ck_assert_int_eq(bus1_dbus_subscribe(client,
                                                     i ? "type='signal',interface='" NAME "'"
                                                       : "member='Beep'",
                                                     hear, NULL, &s[i], NULL),
                                 0);
        emit(service, "Beep");
        reexecute();
        emit(service, "Beep");
        reexecute();
        UNTIL(n_heard == 4);
        /* a subscription that ends after that has ended */
        bus1_dbus_subscription_free(s[0]);
        expect_text(call(client, BUS1_DBUS_BUS, bus1_dbus_get_unique_name(service), PATH, "Where",
                         NULL),
                    PATH);
        reexecute();
        emit(service, "Beep");
        expect_text(call(client, BUS1_DBUS_BUS, bus1_dbus_get_unique_name(service), PATH, "Where",
                         NULL),
                    PATH);
        ck_assert_uint_eq(n_heard, 5);
}
END_TEST

START_TEST(monitor_stays) {
        const char **rules = NULL;
        uint32_t flags = 0;
        DBusMessage *m;

        request();
        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        /* which the bus forgets when the member becomes a monitor, but not its handle */
        ck_assert_int_eq(bus1_dbus_subscribe(third, "member='Beep'", hear, NULL, NULL, NULL), 0);
        bus1_dbus_set_signal_handler(third, see, NULL);
        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                         "org.freedesktop.DBus.Monitoring", "BecomeMonitor");
        dbus_message_append_args(m, DBUS_TYPE_ARRAY, DBUS_TYPE_STRING, &rules, 0, DBUS_TYPE_UINT32,
                                 &flags, DBUS_TYPE_INVALID);
        ck_assert_int_eq(bus1_dbus_call(third, BUS1_DBUS_BUS, m, NULL, 0, 10000, NULL, NULL), 0);
        dbus_message_unref(m);
        n_heard = 0;
        send_take(BUS1_DBUS_BUS, 1, NULL, 0);
        reexecute();
        send_take(BUS1_DBUS_BUS, 2, NULL, 0);
        reexecute();
        expect_numbers(2);
        UNTIL(n_heard == 2);
}
END_TEST

/* A monitor on a socket that does not read keeps a message with a handle in the bus. */
START_TEST(handle_in_a_message_that_waits_is_released_with_it) {
        char *address = bus_daemon.address;
        DBusConnection *c = kind_legacy.open(address);
        const char **rules = NULL, *big;
        struct bus1_dbus_object *object;
        uint32_t flags = 0, number = 1;
        uint64_t handle;
        DBusMessage *m, *reply;
        char *bytes;

        publish();
        ck_assert_ptr_nonnull(c);
        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                         "org.freedesktop.DBus.Monitoring", "BecomeMonitor");
        dbus_message_append_args(m, DBUS_TYPE_ARRAY, DBUS_TYPE_STRING, &rules, 0, DBUS_TYPE_UINT32,
                                 &flags, DBUS_TYPE_INVALID);
        reply = kind_legacy.call(c, m, NULL);
        ck_assert_ptr_nonnull(reply);
        dbus_message_unref(reply);
        dbus_message_unref(m);

        /* fill the socket, and then send the handle of an object that ends with its last copy */
        bytes = calloc(1, 1000001);
        memset(bytes, 'x', 1000000);
        big = bytes;
        for (int i = 0; i < 3; i++) {
                m = dbus_message_new_signal(PATH, NAME, "Big");
                dbus_message_append_args(m, DBUS_TYPE_STRING, &big, DBUS_TYPE_INVALID);
                ck_assert_int_eq(bus1_dbus_emit(client, m), 0);
                dbus_message_unref(m);
        }
        free(bytes);
        ck_assert_int_eq(bus1_dbus_object_new(client, NULL, member_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        m = take_new(NAME, number);
        ck_assert_int_eq(bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, &handle, 1, 10000, ended,
                                              NULL, NULL),
                         0);
        dbus_message_unref(m);
        n_open++;
        expect_numbers(1);
        gone = false;
        ck_assert_int_eq(bus1_dbus_object_set_unreferenced(object, see_unreferenced), 0);
        reexecute();
        reexecute();
        for (int i = 0; i < 50; i++)
                turn();
        ck_assert(!gone); /* the bus has it */
        kind_legacy.close(c);
        UNTIL(gone);
}
END_TEST

/* sessions */

START_TEST(session_before_hello_stays) {
        struct rogue rogue;

        ck_assert(rogue_join(&rogue, bus_daemon.address));
        reexecute();
        /* an invalid message: the session is there, and ends */
        ck_assert_int_eq(rogue_send(&rogue, rogue.session, "x", 1, NULL, 0, NULL, 0), 0);
        for (int i = 0; i < 5000; i++) {
                char c;

                if (recv(rogue.socket_fd, &c, 1, MSG_DONTWAIT) == 0)
                        break;
                ck_assert_int_lt(i, 4999);
                usleep(1000);
        }
        rogue_leave(&rogue);
        reexecute();
}
END_TEST

START_TEST(new_programs_can_join) {
        reexecute();
        publish();
        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        ck_assert_str_ne(bus1_dbus_get_unique_name(third), bus1_dbus_get_unique_name(client));
        reexecute();
        expect_text(call(third, BUS1_DBUS_BUS, NAME, PATH, "Who", NULL),
                    bus1_dbus_get_unique_name(third));
}
END_TEST

/* The peer of the bus has as many nodes and handles as before: the kernel tells. */
static void read_counts(char *text, size_t n) {
        char path[64], line[256];
        FILE *f;

        text[0] = 0;
        for (int fd = 3; fd < 256; fd++) {
                snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)bus_daemon.pid, fd);
                f = fopen(path, "re");
                if (!f)
                        continue;
                while (fgets(line, sizeof(line), f))
                        if (strncmp(line, "bus1-nodes", 10) == 0 ||
                            strncmp(line, "bus1-handles", 12) == 0)
                                snprintf(text + strlen(text), n - strlen(text), "%s", line);
                fclose(f);
        }
}

START_TEST(peer_of_the_bus_keeps_and_loses_nothing) {
        char empty[256], before[256], after[256];
        uint64_t handles[20];

        if (access("/dev/bus1", F_OK) < 0)
                return;
        publish();
        call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL);
        read_counts(empty, sizeof(empty));
        ck_assert_str_ne(empty, "");
        for (int i = 0; i < 20; i++)
                handles[i] = look_up(client, NAME, i % 2 ? PATH : NULL);
        ck_assert_int_eq(bus1_dbus_subscribe(client, "member='Beep'", hear, NULL, NULL, NULL), 0);
        read_counts(before, sizeof(before));
        ck_assert_str_ne(before, empty);
        reexecute();
        read_counts(after, sizeof(after));
        ck_assert_str_eq(after, before);
        for (int i = 0; i < 20; i++)
                bus1_dbus_release(client, handles[i]);
        client = bus1_dbus_free(client);
        ck_assert_int_eq(bus1_dbus_open(&client, bus_daemon.address, NULL), 0);
        for (int i = 0; i < 1000 && strcmp(after, empty) != 0; i++) {
                usleep(1000);
                read_counts(after, sizeof(after));
        }
        ck_assert_str_eq(after, empty);
}
END_TEST

/* The file of the program has become another one, which cannot take over. */
START_TEST(program_that_refuses_changes_nothing) {
        char directory[] = "/tmp/bus1-reexec-XXXXXX", path[64], command[512];
        const char *const real = bridge;
        uint64_t handle;
        int i;

        ck_assert_ptr_nonnull(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/bus1-bridge", directory);
        snprintf(command, sizeof(command), "cp '%s' %s", real, path);
        ck_assert_int_eq(system(command), 0);
        bridge = path;
        start_numbers();
        publish();
        handle = until_direct();
        watch(handle);
        send_take(BUS1_DBUS_BUS, 1, NULL, 0);
        snprintf(command, sizeof(command), "rm %s; cp /bin/false %s", path, path);
        ck_assert_int_eq(system(command), 0);
        kill(bus_daemon.pid, SIGUSR2);
        for (i = 0; i < 20000 && !executions_refused(); i++)
                usleep(1000);
        ck_assert_ptr_nonnull(executions_refused());
        expect_numbers(1);
        send_take(handle, 2, NULL, 0);
        expect_numbers(2);
        ck_assert(taken.direct[1]);
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Who", NULL),
                    bus1_dbus_get_unique_name(client));
        ck_assert(!gone);
        ck_assert_uint_eq(executions(), 0);
        members_teardown();
        snprintf(command, sizeof(command), "rm -r %s", directory);
        ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(storm) {
        ck_assert_int_eq(storm_main(bridge, 30), EXIT_SUCCESS);
}
END_TEST

int main(int argc, char **argv) {
        Suite *suite = suite_create("reexec");
        TCase *tcase = tcase_create("reexec"), *storms = tcase_create("storm");

        if (argc > 2)
                return storm_main(argv[1], (unsigned)atoi(argv[2]));
        tcase_add_checked_fixture(tcase, start_numbers, stop);
        tcase_set_timeout(tcase, 100);
        tcase_add_test(tcase, messages_that_nobody_has_read_arrive_in_order);
        tcase_add_test(tcase, handles_and_descriptors_arrive);
        tcase_add_test(tcase, pending_call_is_answered);
        tcase_add_test(tcase, pending_call_of_a_legacy_program_is_answered);
        tcase_add_test(tcase, pending_call_ends_with_its_service);
        tcase_add_test(tcase, program_that_ends_meanwhile_has_left);
        tcase_add_test(tcase, routed_handle_stays);
        tcase_add_test(tcase, handle_of_an_object_stays);
        tcase_add_test(tcase, direct_handle_stays_direct);
        tcase_add_test(tcase, channel_that_is_being_opened_opens);
        tcase_add_test(tcase, direct_handle_is_routed_for_a_new_monitor);
        tcase_add_test(tcase, passed_handle_stays);
        tcase_add_test(tcase, published_object_and_export_stay);
        tcase_add_test(tcase, subscriptions_stay);
        tcase_add_test(tcase, monitor_stays);
        tcase_add_test(tcase, handle_in_a_message_that_waits_is_released_with_it);
        tcase_add_test(tcase, session_before_hello_stays);
        tcase_add_test(tcase, new_programs_can_join);
        tcase_add_test(tcase, peer_of_the_bus_keeps_and_loses_nothing);
        suite_add_tcase(suite, tcase);
        tcase_set_timeout(storms, 200);
        tcase_add_test(storms, program_that_refuses_changes_nothing);
        tcase_add_test(storms, storm);
        suite_add_tcase(suite, storms);
        return run_suite(suite, argc, argv);
}
