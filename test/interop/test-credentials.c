/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A native member knows the credentials of the sender of a message, without asking the bus
 *
 * The senders are processes of their own, because a process can tell its own ID from that of the
 * bus, but not from that of another member in the same process.
 */

#include "test/interop/members.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define FLAG_INFORM 0x40
#define N_CREDENTIALS 12

static pid_t child;

/* Run this in a process of its own, which stays a member until stop(). */
static void start(void (*run)(void)) {
        child = fork();
        ck_assert_int_ge(child, 0);
        if (child > 0)
                return;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run();
        for (;;)
                pause();
}

static void stop(void) {
        if (child <= 0)
                return;
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        child = 0;
}

static void teardown(void) {
        stop();
        kept = bus1_dbus_message_unref(kept);
        members_teardown();
}

static void expect_credentials(const struct bus1_dbus_message *m, pid_t pid) {
        struct bus1_dbus_credentials c = {};

        ck_assert_int_eq(bus1_dbus_message_get_credentials(m, &c), 0);
        ck_assert_uint_eq(c.uid, getuid());
        ck_assert_uint_eq(c.gid, getgid());
        ck_assert_int_eq((pid_t)c.pid, pid);
}

static void expect_none(const struct bus1_dbus_message *m) {
        struct bus1_dbus_credentials c;

        ck_assert_int_eq(bus1_dbus_message_get_credentials(m, &c), -ENODATA);
}

/* legacy senders */

static DBusConnection *legacy_open(void) {
        DBusConnection *connection = dbus_connection_open_private(bus_daemon.address, NULL);

        if (!connection || !dbus_bus_register(connection, NULL))
                _exit(1);
        return connection;
}

static void legacy_send(DBusMessage *m) {
        DBusConnection *connection = legacy_open();

        if (!m || !dbus_connection_send(connection, m, NULL))
                _exit(1);
        dbus_connection_flush(connection);
}

static const char *object_path;

static void run_call(void) {
        legacy_send(dbus_message_new_method_call(NAME, object_path, NAME, "Keep"));
}

static void run_call_without_reply(void) {
        DBusMessage *m = dbus_message_new_method_call(NAME, object_path, NAME, "Keep");

        dbus_message_set_no_reply(m, TRUE);
        legacy_send(m);
}

static void run_signal(void) {
        legacy_send(dbus_message_new_signal(PATH, NAME, "Said"));
}

static char destination[64];

static void run_unicast_signal(void) {
        DBusMessage *m = dbus_message_new_signal(PATH, NAME, "Said");

        dbus_message_set_destination(m, destination);
        legacy_send(m);
}

/* Calls arrive at the home node, at the node of a name, or at the node of an object. */
START_TEST(of_calls) {
        struct bus1_dbus_object *object;

        if (_i % 3 == 1)
                publish();
        else
                request();
        if (_i % 3 == 2) {
                ck_assert_int_eq(bus1_dbus_object_new(service, PATH "/Other", member_interfaces,
                                                      NULL, &object),
                                 0);
                ck_assert_int_eq(bus1_dbus_object_publish(object, NULL), 0);
        }
        object_path = _i % 3 == 2 ? PATH "/Other" : PATH;
        start(_i < 3 ? run_call : run_call_without_reply);
        UNTIL(kept);
        expect_credentials(kept, child);
        ck_assert_int_eq((pid_t)kept->credentials.pid, bus_daemon.pid);
        /* also when the caller has left, and the message has lost its bus */
        stop();
        service = bus1_dbus_free(service);
        ck_assert_uint_eq(kept->n_handles, 0);
        ck_assert_int_eq(bus1_dbus_message_get_credentials(kept, NULL), -EINVAL);
        ck_assert_int_eq(bus1_dbus_message_get_credentials(kept, &(struct bus1_dbus_credentials){}),
                         0);
}
END_TEST

static struct bus1_dbus_message *said;

static int note_signal(struct bus1_dbus_message *m, void *userdata) {
        if (dbus_message_is_signal(m->message, NAME, "Said") && !said)
                said = bus1_dbus_message_ref(m);
        return 0;
}

/* of a subscription, of AddMatch, and for this member alone */
START_TEST(of_signals) {
        const char *rule = "interface='" NAME "'";
        DBusMessage *m;

        said = NULL;
        strcpy(destination, bus1_dbus_get_unique_name(client));
        if (_i == 0) {
                ck_assert_int_eq(bus1_dbus_subscribe(client, rule, note_signal, NULL, NULL, NULL),
                                 0);
        } else {
                bus1_dbus_set_signal_handler(client, note_signal, NULL);
        }
        if (_i == 1) {
                m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                                 DBUS_INTERFACE_DBUS, "AddMatch");
                dbus_message_append_args(m, DBUS_TYPE_STRING, &rule, DBUS_TYPE_INVALID);
                ck_assert_int_eq(
                        bus1_dbus_call(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, NULL, NULL), 0);
                dbus_message_unref(m);
        }
        start(_i == 2 ? run_unicast_signal : run_signal);
        UNTIL(said);
        expect_credentials(said, child);
        said = bus1_dbus_message_unref(said);
}
END_TEST

static struct bus1_dbus_message *reply;

static int note_reply(struct bus1_dbus_message *m, void *userdata) {
        reply = bus1_dbus_message_ref(m);
        return 0;
}

static void call_and_note(uint64_t to, const char *name, const char *path, const char *interface,
                          const char *member) {
        DBusMessage *m = dbus_message_new_method_call(name, path, interface, member);

        reply = bus1_dbus_message_unref(reply);
        ck_assert_int_eq(
                bus1_dbus_call_async(client, to, m, NULL, 0, 10000, note_reply, NULL, NULL), 0);
        dbus_message_unref(m);
        UNTIL(reply);
}

START_TEST(of_replies) {
        request();
        call_and_note(BUS1_DBUS_BUS, NAME, PATH, NAME, "Where");
        expect_credentials(reply, getpid());
        call_and_note(BUS1_DBUS_BUS, DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
                      "GetId");
        expect_credentials(reply, bus_daemon.pid);
        /* such a reply has no SENDER */
        call_and_note(look_up(client, NAME, NULL), NULL, PATH, NAME, "Where");
        ck_assert_ptr_null(dbus_message_get_sender(reply->message));
        expect_none(reply);
        reply = bus1_dbus_message_unref(reply);
}
END_TEST

/* native senders */

static void run_native(void) {
        struct bus1_dbus *bus;
        uint64_t handle;

        if (bus1_dbus_open(&bus, bus_daemon.address, NULL) < 0)
                _exit(1);
        /* What a member does with its process later changes nothing. */
        if (getuid() == 0 &&
            (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0))
                _exit(1);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (bus1_dbus_lookup(bus, NAME, 0, &handle, NULL) < 0)
                _exit(1);
        for (;;) {
                DBusMessage *m = dbus_message_new_method_call(NULL, PATH, NAME, "Keep");

                if (bus1_dbus_call(bus, handle, m, NULL, 0, 10000, NULL, NULL) < 0)
                        _exit(1);
                dbus_message_unref(m);
        }
}

/* The calls of the child go through the bus first, and then directly. */
START_TEST(of_both_ways) {
        unsigned n_routed = 0, n_direct = 0;

        publish();
        start(run_native);
        for (int i = 0; i < 1000 && (n_routed == 0 || n_direct < 3); i++) {
                UNTIL(kept);
                expect_credentials(kept, child);
                if ((pid_t)kept->credentials.pid == bus_daemon.pid)
                        n_routed++;
                else
                        n_direct++;
                ck_assert_int_eq(bus1_dbus_reply_args(kept, DBUS_TYPE_INVALID), 0);
                kept = bus1_dbus_message_unref(kept);
        }
        ck_assert_uint_gt(n_routed, 0);
        ck_assert_uint_eq(n_direct, 3);
}
END_TEST

/* The bus hands each message on to itself before the service gets it. */
START_TEST(of_calls_that_return_to_the_bus) {
        const char *name = "org.bus1.Alias";
        uint32_t flags = 0;
        uint64_t handle;
        DBusMessage *m;

        request();
        handle = look_up(client, NAME, NULL);
        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, "org.bus1.Bridge1",
                                         "Publish");
        dbus_message_append_args(m, DBUS_TYPE_STRING, &name, DBUS_TYPE_UINT32, &flags,
                                 DBUS_TYPE_INVALID);
        ck_assert_int_eq(bus1_dbus_call(client, BUS1_DBUS_BUS, m, &handle, 1, 10000, NULL, NULL),
                         0);
        dbus_message_unref(m);
        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        expect_text(call(third, BUS1_DBUS_BUS, name, PATH, "Where", NULL), PATH);
        /* the member that did the look-up is the sender */
        expect_text(call(third, BUS1_DBUS_BUS, name, PATH, "Who", NULL),
                    bus1_dbus_get_unique_name(client));
}
END_TEST

/* messages that did not come from the bus, and bytes that claim so */

static size_t marshal(DBusMessage *m, uint8_t *data, uint32_t serial) {
        char *bytes;
        int n;

        dbus_message_set_serial(m, serial);
        ck_assert(dbus_message_marshal(m, &bytes, &n));
        memcpy(data, bytes, (size_t)n);
        dbus_free(bytes);
        dbus_message_unref(m);
        /* credentials of root */
        memset(data + n, 0, N_CREDENTIALS);
        return (size_t)n;
}

START_TEST(forged_ones_are_ignored) {
        struct bus1_dbus_object *object;
        struct bus1_transfer src = {}, dst;
        struct rogue rogue;
        uint8_t data[512];
        uint64_t handle;
        DBusMessage *m;
        size_t n;

        ck_assert(rogue_join(&rogue, bus_daemon.address));
        ck_assert_int_eq(bus1_dbus_object_new(service, NULL, member_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        src.id = handle;
        ck_assert_int_eq(
                bus1_client_transfer(bus1_dbus_get_client(service), rogue.client, 1, &src, &dst),
                0);
        m = dbus_message_new_method_call(NULL, PATH, NAME, "Keep");
        dbus_message_set_sender(m, DBUS_SERVICE_DBUS);
        dbus_message_set_no_reply(m, TRUE);
        n = marshal(m, data, 1);
        for (size_t more = 0; more <= N_CREDENTIALS; more += N_CREDENTIALS) {
                ck_assert_int_eq(rogue_send(&rogue, dst.id, data, n + more, NULL, 0, NULL, 0), 0);
                UNTIL(kept);
                ck_assert_ptr_null(dbus_message_get_sender(kept->message));
                expect_none(kept);
                kept = bus1_dbus_message_unref(kept);
        }
        rogue_leave(&rogue);
}
END_TEST

static void send_hello(struct rogue *rogue, uint8_t flag, size_t more) {
        struct bus1_transfer created[] = {
                {BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT, BUS1_INVALID},
                {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID},
        };
        uint8_t data[512];
        size_t n;

        n = marshal(dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                                 DBUS_INTERFACE_DBUS, "Hello"),
                    data, 1);
        data[2] |= flag;
        ck_assert_int_eq(rogue_send(rogue, rogue->session, data, n + more, created, 2, NULL, 0), 0);
}

/* A session that sends such bytes to the bus has broken the protocol. */
START_TEST(the_bus_takes_none) {
        struct rogue rogue;
        struct pollfd p;

        ck_assert(rogue_join(&rogue, bus_daemon.address));
        send_hello(&rogue, FLAG_INFORM, N_CREDENTIALS);
        p = (struct pollfd){.fd = rogue.socket_fd, .events = POLLIN};
        ck_assert_int_eq(poll(&p, 1, 10000), 1);
        rogue_leave(&rogue);
}
END_TEST

/* The next message of this type to the rogue. It is as long as its header says, and "more". */
static DBusMessage *rogue_receive(struct rogue *rogue, int type, size_t more) {
        struct bus1_received *received;
        DBusMessage *m;
        int r, needed;

        for (int i = 0; i < 10000; i++) {
                r = bus1_client_recv_alloc(rogue->client, &received);
                if (r == -EAGAIN) {
                        usleep(1000);
                        continue;
                }
                ck_assert_int_eq(r, 0);
                m = NULL;
                if (received->type == BUS1_MESSAGE_TYPE_USER) {
                        m = dbus_message_demarshal((char *)received->data, (int)received->n_data,
                                                   NULL);
                        ck_assert_ptr_nonnull(m);
                }
                if (m && dbus_message_get_type(m) == type &&
                    !dbus_message_has_interface(m, DBUS_INTERFACE_DBUS)) {
                        needed = dbus_message_demarshal_bytes_needed((char *)received->data, 16);
                        ck_assert_uint_eq(received->n_data, (size_t)needed + more);
                        bus1_received_free(received);
                        return m;
                }
                if (m)
                        dbus_message_unref(m);
                bus1_received_free(received);
        }
        ck_abort_msg("no message");
        return NULL;
}

/* Only a program that asks for credentials gets longer messages. */
START_TEST(only_who_asks_gets_them) {
        struct rogue rogue;
        const char *name;
        DBusMessage *m;

        ck_assert(rogue_join(&rogue, bus_daemon.address));
        send_hello(&rogue, _i ? FLAG_INFORM : 0, 0);
        m = rogue_receive(&rogue, DBUS_MESSAGE_TYPE_METHOD_RETURN, 0);
        ck_assert(dbus_message_get_args(m, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID));
        strcpy(destination, name);
        dbus_message_unref(m);
        start(run_unicast_signal);
        dbus_message_unref(rogue_receive(&rogue, DBUS_MESSAGE_TYPE_SIGNAL, _i ? N_CREDENTIALS : 0));
        rogue_leave(&rogue);
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("credentials");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, members_setup, teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, of_calls, 0, 6);
        tcase_add_loop_test(tcase, of_signals, 0, 3);
        tcase_add_test(tcase, of_replies);
        tcase_add_test(tcase, of_both_ways);
        tcase_add_test(tcase, of_calls_that_return_to_the_bus);
        tcase_add_test(tcase, forged_ones_are_ignored);
        tcase_add_test(tcase, the_bus_takes_none);
        tcase_add_loop_test(tcase, only_who_asks_gets_them, 0, 2);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
