/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a program sends before it leaves
 *
 * The bus handles all that a program has sent before it ends or leaves, in order, and only then the
 * program leaves the bus, whichever library it uses. A program that has left cannot keep its
 * session by what others send in its name.
 */

#include "test/interop/members.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define LEGACY_NAME "org.bus1.Legacy"
#define N_SIGNALS 1000
#define N_CALLS 200 /* to each receiver */
#define CALL_EACH (N_SIGNALS / N_CALLS)
#define N_ROUNDS 6
#define N_FEW_ROUNDS 2 /* of what fails in the first one, or takes long */
#define N_SENDERS 8    /* at once, at most */

static const char signal_rule[] = "type='signal',interface='" NAME "'";
static const char owner_rule[] = "type='signal',sender='org.freedesktop.DBus',"
                                 "member='NameOwnerChanged'";

/* receivers */

struct sender {
        char name[32];
        unsigned n_signals, n_calls;
        uint32_t next; /* the least number that the next message may have */
        bool has_left;
};

static struct receiver {
        struct sender senders[N_SENDERS];
        size_t n_left;
} native, legacy;

static DBusConnection *connection;

static struct sender *sender_of(struct receiver *receiver, const char *name, bool add) {
        for (size_t i = 0; i < N_SENDERS; i++) {
                struct sender *sender = &receiver->senders[i];

                if (!sender->name[0] && add)
                        strncpy(sender->name, name, sizeof(sender->name) - 1);
                if (strcmp(sender->name, name) == 0)
                        return sender;
        }
        return NULL;
}

static void note(struct receiver *receiver, DBusMessage *m) {
        const char *name, *old_owner, *new_owner;
        struct sender *sender;
        uint32_t number;

        if (dbus_message_is_signal(m, DBUS_INTERFACE_DBUS, "NameOwnerChanged")) {
                ck_assert(dbus_message_get_args(m, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_STRING,
                                                &old_owner, DBUS_TYPE_STRING, &new_owner,
                                                DBUS_TYPE_INVALID));
                sender = name[0] == ':' && !new_owner[0] ? sender_of(receiver, name, false) : NULL;
                if (!sender)
                        return;
                ck_assert_uint_eq(sender->n_signals, N_SIGNALS);
                ck_assert_uint_eq(sender->n_calls, N_CALLS);
                ck_assert(!sender->has_left);
                sender->has_left = true;
                receiver->n_left++;
                return;
        }
        if (!dbus_message_has_interface(m, NAME))
                return;
        ck_assert(dbus_message_get_args(m, NULL, DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID));
        sender = sender_of(receiver, dbus_message_get_sender(m), true);
        ck_assert_ptr_nonnull(sender);
        ck_assert(!sender->has_left);
        ck_assert_uint_ge(number, sender->next);
        sender->next = number + 1;
        if (dbus_message_get_type(m) == DBUS_MESSAGE_TYPE_SIGNAL)
                sender->n_signals++;
        else
                sender->n_calls++;
}

static int note_native(struct bus1_dbus_message *m, void *userdata) {
        note(&native, m->message);
        return 0;
}

static DBusHandlerResult note_legacy(DBusConnection *c, DBusMessage *m, void *userdata) {
        note(&legacy, m);
        return DBUS_HANDLER_RESULT_HANDLED;
}

static const struct bus1_dbus_method methods[] = {{"Count", "u", "", note_native, NULL}, {}};
static const struct bus1_dbus_interface interfaces[] = {{.name = NAME, .methods = methods}, {}};

static void setup(void) {
        DBusError error = DBUS_ERROR_INIT;

        ck_assert(daemon_start(&bus_daemon, bridge, ""));
        ck_assert_int_eq(bus1_dbus_open(&service, bus_daemon.address, NULL), 0);
        ck_assert_int_eq(bus1_dbus_object_new(service, PATH, interfaces, NULL, NULL), 0);
        ck_assert_int_eq(bus1_dbus_subscribe(service, signal_rule, note_native, NULL, NULL, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_subscribe(service, owner_rule, note_native, NULL, NULL, NULL),
                         0);
        request();
        connection = dbus_connection_open_private(bus_daemon.address, &error);
        ck_assert_ptr_nonnull(connection);
        dbus_connection_set_exit_on_disconnect(connection, FALSE);
        ck_assert(dbus_bus_register(connection, &error));
        ck_assert(dbus_connection_add_filter(connection, note_legacy, NULL, NULL));
        dbus_bus_add_match(connection, signal_rule, &error);
        dbus_bus_add_match(connection, owner_rule, &error);
        ck_assert_int_eq(dbus_bus_request_name(connection, LEGACY_NAME, 0, &error),
                         DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER);
        ck_assert(!dbus_error_is_set(&error));
}

static void teardown(void) {
        dbus_connection_close(connection);
        dbus_connection_unref(connection);
        members_teardown();
}

/* Receive until n senders have left, and everybody knows. */
static void receive(size_t n) {
        for (int i = 0; native.n_left < n || legacy.n_left < n; i++) {
                bool idle;

                ck_assert_msg(i < 1000000, "native %zu, legacy %zu of %zu have left", native.n_left,
                              legacy.n_left, n);
                idle = bus1_dbus_dispatch(service) <= 0;
                dbus_connection_read_write(connection, 0);
                while (dbus_connection_dispatch(connection) == DBUS_DISPATCH_DATA_REMAINS)
                        idle = false;
                if (idle)
                        usleep(100);
        }
        native = legacy = (struct receiver){};
}

/* senders */

/* How a program leaves. */
enum way {
        FREES,  /* bus1_dbus_free() */
        EXITS,  /* without a farewell */
        LEGACY, /* a legacy program exits */
        N_WAYS,
};

static DBusMessage *numbered(const char *destination, uint32_t number) {
        DBusMessage *m;

        if (destination) {
                m = dbus_message_new_method_call(destination, PATH, NAME, "Count");
                dbus_message_set_no_reply(m, number / (2 * CALL_EACH) % 2 == 0);
        } else {
                m = dbus_message_new_signal(PATH, NAME, "Counted");
        }
        dbus_message_append_args(m, DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID);
        return m;
}

/*
 * Send signals and calls. Every second call wants a reply, for which nobody waits. send() takes
 * over the message. Returns whether that worked.
 */
static bool send_all(bool (*send)(void *member, DBusMessage *m), void *member) {
        bool ok = true;

        for (uint32_t i = 0; i < N_SIGNALS && ok; i++) {
                ok = send(member, numbered(NULL, 2 * i));
                if (i % CALL_EACH == 0)
                        ok = ok && send(member, numbered(NAME, 2 * i + 1)) &&
                             send(member, numbered(LEGACY_NAME, 2 * i + 1));
        }
        return ok;
}

static int ignore(struct bus1_dbus_message *reply, void *userdata) {
        return 0;
}

static bool send_native(void *member, DBusMessage *m) {
        int r;

        if (dbus_message_get_type(m) == DBUS_MESSAGE_TYPE_SIGNAL)
                r = bus1_dbus_emit(member, m);
        else if (dbus_message_get_no_reply(m))
                r = bus1_dbus_send(member, BUS1_DBUS_BUS, m, NULL, 0);
        else
                r = bus1_dbus_call_async(member, BUS1_DBUS_BUS, m, NULL, 0, 10000, ignore, NULL,
                                         NULL);
        dbus_message_unref(m);
        if (r < 0)
                fprintf(stderr, "sending: %s\n", strerror(-r));
        return r == 0;
}

static bool send_legacy(void *member, DBusMessage *m) {
        DBusPendingCall *pending = NULL;
        bool ok;

        if (dbus_message_get_type(m) == DBUS_MESSAGE_TYPE_SIGNAL || dbus_message_get_no_reply(m))
                ok = dbus_connection_send(member, m, NULL);
        else
                ok = dbus_connection_send_with_reply(member, m, &pending, 10000) && pending;
        if (pending)
                dbus_pending_call_unref(pending);
        dbus_message_unref(m);
        return ok;
}

/* Join, say so, wait for the word, send, and leave. Never returns. */
static void run_sender(enum way way, int ready_fd, int go_fd) {
        struct bus1_dbus *bus = NULL;
        DBusConnection *c = NULL;
        bool ok;
        char byte = 0;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (way == LEGACY)
                ok = (c = dbus_connection_open_private(bus_daemon.address, NULL)) &&
                     dbus_bus_register(c, NULL);
        else
                ok = bus1_dbus_open(&bus, bus_daemon.address, NULL) == 0;
        ok = ok && write(ready_fd, &byte, 1) == 1 && read(go_fd, &byte, 1) == 0;
        if (ok && way == LEGACY) {
                ok = send_all(send_legacy, c);
                dbus_connection_flush(c);
        } else if (ok) {
                ok = send_all(send_native, bus);
        }
        if (way == FREES)
                bus1_dbus_free(bus);
        _exit(ok ? 0 : 1);
}

struct crowd {
        pid_t pids[N_SENDERS];
        size_t n;
        int go_fd; /* closing it is the word */
};

/* Start n programs that have joined. */
static struct crowd crowd_start(enum way way, size_t n) {
        struct crowd crowd = {.n = n};
        int ready[2], go[2];
        char byte;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        ck_assert_int_eq(pipe2(go, O_CLOEXEC), 0);
        for (size_t i = 0; i < n; i++) {
                crowd.pids[i] = fork();
                ck_assert_int_ge(crowd.pids[i], 0);
                if (crowd.pids[i] == 0) {
                        close(go[1]);
                        run_sender(way, ready[1], go[0]);
                }
        }
        for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        close(ready[1]);
        close(go[0]);
        crowd.go_fd = go[1];
        return crowd;
}

static void crowd_wait(struct crowd *crowd) {
        for (size_t i = 0; i < crowd->n; i++) {
                int status;

                ck_assert_int_eq(waitpid(crowd->pids[i], &status, 0), crowd->pids[i]);
                ck_assert_int_eq(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
        }
}

static bool has_device(void) {
        return access("/dev/bus1", R_OK | W_OK) == 0;
}

/* the tests */

START_TEST(all_that_was_sent_arrives_before_the_sender_leaves) {
        for (int i = 0; i < N_ROUNDS; i++) {
                struct crowd crowd = crowd_start(_i, 1);

                close(crowd.go_fd);
                receive(1);
                crowd_wait(&crowd);
        }
}
END_TEST

START_TEST(all_that_a_crowd_has_sent_arrives_before_it_leaves) {
        for (int i = 0; i < N_FEW_ROUNDS; i++) {
                struct crowd crowd = crowd_start(_i, N_SENDERS);

                close(crowd.go_fd);
                receive(N_SENDERS);
                crowd_wait(&crowd);
        }
}
END_TEST

/* The bus learns of everything at once. On a hosted core, nobody can send while the bus stands. */
START_TEST(bus_that_was_busy_handles_all_that_was_sent) {
        if (!has_device())
                return;
        for (int i = 0; i < N_FEW_ROUNDS; i++) {
                struct crowd crowd = crowd_start(_i, 1);

                kill(bus_daemon.pid, SIGSTOP);
                close(crowd.go_fd);
                crowd_wait(&crowd);
                kill(bus_daemon.pid, SIGCONT);
                receive(1);
        }
}
END_TEST

/* Join, send many signals, own the name, and leave at once. Returns whether all worked. */
static bool own_and_leave(void) {
        DBusMessage *m = dbus_message_new_signal(PATH, "org.bus1.Unheard", "Signal");
        struct bus1_dbus *bus;
        uint32_t result = 0;
        bool ok;

        ok = bus1_dbus_open(&bus, bus_daemon.address, NULL) == 0 &&
             bus1_dbus_request_name(bus, "org.bus1.Next", DBUS_NAME_FLAG_DO_NOT_QUEUE, &result,
                                    NULL) == 0;
        if (!ok)
                fprintf(stderr, "result %u\n", (unsigned)result);
        for (int i = 0; i < N_SIGNALS && ok; i++)
                ok = bus1_dbus_emit(bus, m) == 0;
        dbus_message_unref(m);
        return ok;
}

/* A program that is started again gets its name, however much the one before has sent. */
START_TEST(name_is_free_for_the_next_program) {
        for (int i = 0; i < 2 * N_ROUNDS; i++) {
                int status;
                pid_t pid;

                pid = fork();
                ck_assert_int_ge(pid, 0);
                if (pid == 0)
                        _exit(own_and_leave() ? 0 : 1);
                ck_assert_int_eq(waitpid(pid, &status, 0), pid);
                ck_assert_int_eq(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
        }
}
END_TEST

/* Whoever has seen a program end that had sent nothing finds its name free, also over a socket. */
START_TEST(name_is_free_at_once_if_nothing_was_sent) {
        for (int i = 0; i < 2 * N_ROUNDS; i++) {
                int fds[2];
                pid_t pid;
                char byte;

                ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
                pid = fork();
                ck_assert_int_ge(pid, 0);
                if (pid == 0) {
                        struct bus1_dbus *bus;

                        if (bus1_dbus_open(&bus, bus_daemon.address, NULL) == 0 &&
                            bus1_dbus_request_name(bus, "org.bus1.Next", 0, NULL, NULL) == 0 &&
                            write(fds[1], "", 1) == 1)
                                pause();
                        _exit(1);
                }
                ck_assert_int_eq(read(fds[0], &byte, 1), 1);
                ck_assert(dbus_bus_name_has_owner(connection, "org.bus1.Next", NULL));
                kill(pid, SIGKILL);
                ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
                ck_assert(!dbus_bus_name_has_owner(connection, "org.bus1.Next", NULL));
                close(fds[0]);
                close(fds[1]);
        }
}
END_TEST

/* a program that has left goes on sending */

static struct rogue rogue;
static atomic_bool stop;

/* Call Hello, and do not wait for the answer. */
static void say_hello(void) {
        struct bus1_transfer transfers[] = {
                {BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT, BUS1_INVALID},
                {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID},
        };
        DBusMessage *m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                                      DBUS_INTERFACE_DBUS, "Hello");
        char *data;
        int n;

        dbus_message_set_serial(m, 1);
        ck_assert(dbus_message_marshal(m, &data, &n));
        ck_assert_int_eq(rogue_send(&rogue, rogue.session, data, (size_t)n, transfers, 2, NULL, 0),
                         0);
        dbus_free(data);
        dbus_message_unref(m);
}

/* An empty signal, over and over, until the session has ended or the test is over. */
static void *send_on(void *userdata) {
        DBusMessage *m = dbus_message_new_signal(PATH, NAME, "Flood");
        char *data;
        int n;

        dbus_message_set_serial(m, 1);
        if (dbus_message_marshal(m, &data, &n)) {
                while (!atomic_load(&stop))
                        if (rogue_send(&rogue, rogue.session, data, (size_t)n, NULL, 0, NULL, 0) <
                            0)
                                usleep(10); /* the queue of the bus is full, or the node has gone */
                dbus_free(data);
        }
        dbus_message_unref(m);
        return NULL;
}

static int64_t count_connections(void) {
        DBusMessage *m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                                      DBUS_INTERFACE_DBUS, "ListNames");
        DBusMessage *reply = dbus_connection_send_with_reply_and_block(connection, m, 10000, NULL);
        int64_t n = 0;
        char **names;
        int n_names;

        ck_assert_ptr_nonnull(reply);
        ck_assert(dbus_message_get_args(reply, NULL, DBUS_TYPE_ARRAY, DBUS_TYPE_STRING, &names,
                                        &n_names, DBUS_TYPE_INVALID));
        for (int i = 0; i < n_names; i++)
                n += names[i][0] == ':';
        dbus_free_string_array(names);
        dbus_message_unref(reply);
        dbus_message_unref(m);
        return n;
}

/* Only what was sent before the end of the anchor counts, so the session ends. */
START_TEST(session_ends_while_others_send_in_its_name) {
        int64_t before;
        pthread_t thread;

        dbus_bus_remove_match(connection, signal_rule, NULL);
        before = count_connections();
        for (int i = 0; i < N_FEW_ROUNDS; i++) {
                int turns = 0;

                ck_assert(rogue_join(&rogue, bus_daemon.address));
                say_hello();
                while (count_connections() == before)
                        ck_assert_int_lt(turns++, 5000);
                atomic_store(&stop, false);
                ck_assert_int_eq(pthread_create(&thread, NULL, send_on, NULL), 0);
                usleep(20000);
                ck_assert_int_eq(shutdown(rogue.socket_fd, SHUT_WR), 0);
                while (count_connections() > before) {
                        ck_assert_int_lt(turns++, 5000);
                        usleep(1000);
                }
                atomic_store(&stop, true);
                ck_assert_int_eq(pthread_join(thread, NULL), 0);
                rogue_leave(&rogue);
        }
}
END_TEST

int main(int argc, char **argv) {
        Suite *suite = suite_create("leave");
        TCase *tcase = tcase_create("leave");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 120);
        tcase_add_loop_test(tcase, all_that_was_sent_arrives_before_the_sender_leaves, 0, N_WAYS);
        tcase_add_loop_test(tcase, all_that_a_crowd_has_sent_arrives_before_it_leaves, 0, N_WAYS);
        tcase_add_loop_test(tcase, bus_that_was_busy_handles_all_that_was_sent, 0, N_WAYS - 1);
        tcase_add_test(tcase, name_is_free_for_the_next_program);
        tcase_add_test(tcase, name_is_free_at_once_if_nothing_was_sent);
        tcase_add_test(tcase, session_ends_while_others_send_in_its_name);
        suite_add_tcase(suite, tcase);
        return run_suite(suite, argc, argv);
}
