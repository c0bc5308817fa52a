/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Guarantees for native members
 *
 * Among other things, this is about handles to names and objects, policy rules, the ends of names
 * and objects, monitors, eavesdroppers, and descriptors in messages.
 */

#include "test/interop/members.h"

#include <bus1/dbus-sd-event.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void setup_rules(void) {
        members_start("<deny send_interface='" NAME
                      "' send_member='Who'/><deny own='org.bus1.Denied'/>");
}

/* callers */

START_TEST(direct_call_names_its_caller) {
        uint64_t handle;

        publish();
        handle = look_up(client, NAME, NULL);
        expect_text(call(client, handle, NULL, PATH, "Who", NULL),
                    bus1_dbus_get_unique_name(client));
}
END_TEST

START_TEST(routed_call_names_its_caller) {
        uint64_t handle;

        request();
        handle = look_up(client, NAME, NULL);
        expect_text(call(client, handle, NULL, PATH, "Who", NULL),
                    bus1_dbus_get_unique_name(client));
}
END_TEST

START_TEST(forged_sender_is_replaced) {
        struct bus1_dbus_object *object;
        struct answer answer = {};
        uint64_t handle;
        DBusMessage *m;

        publish();
        handle = look_up(client, NAME, PATH);
        m = dbus_message_new_method_call(NULL, PATH, NAME, "Who");
        dbus_message_set_sender(m, DBUS_SERVICE_DBUS);
        bus1_dbus_call_async(client, handle, m, NULL, 0, 10000, answered, &answer, NULL);
        UNTIL(answer.done);
        expect_text(answer, bus1_dbus_get_unique_name(client));

        /*
         * Any program can hold a handle that comes from bus1_dbus_object_get_handle(). So a call
         * through such a handle has no sender.
         */
        ck_assert_int_eq(bus1_dbus_object_new(service, NULL, member_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        answer = (struct answer){};
        dbus_message_set_serial(m, 0);
        bus1_dbus_call_async(service, handle, m, NULL, 0, 10000, answered, &answer, NULL);
        dbus_message_unref(m);
        UNTIL(answer.done);
        expect_text(answer, "nobody");
}
END_TEST

/* policy */

START_TEST(rules_hold_for_references) {
        uint64_t name, object;

        publish();
        name = look_up(client, NAME, NULL);
        object = look_up(client, NAME, PATH);
        expect_text(call(client, object, NULL, "/elsewhere", "Where", NULL), PATH);
        expect_error(call(client, object, NULL, PATH, "Who", NULL), DBUS_ERROR_ACCESS_DENIED);
        expect_error(call(client, name, NULL, PATH, "Who", NULL), DBUS_ERROR_ACCESS_DENIED);
        expect_error(call(client, BUS1_DBUS_BUS, NAME, PATH, "Who", NULL),
                     DBUS_ERROR_ACCESS_DENIED);
}
END_TEST

START_TEST(rules_hold_for_publishing) {
        DBusError error = DBUS_ERROR_INIT;

        ck_assert_int_eq(bus1_dbus_publish(service, "org.bus1.Denied", 0, NULL, &error),
                         -EREMOTEIO);
        ck_assert(dbus_error_has_name(&error, DBUS_ERROR_ACCESS_DENIED));
        dbus_error_free(&error);
        ck_assert_int_eq(bus1_dbus_publish(service, "not a name", 0, NULL, &error), -EREMOTEIO);
        ck_assert(dbus_error_has_name(&error, DBUS_ERROR_INVALID_ARGS));
        dbus_error_free(&error);
}
END_TEST

/* handles */

START_TEST(narrowed_handle_reaches_one_object_only) {
        uint64_t handle;

        request(); /* The name is not published, so the bus routes the calls and sets PATH. */
        handle = look_up(client, NAME, PATH);
        expect_text(call(client, handle, NULL, "/some/where/else", "Where", NULL), PATH);
        expect_text(call(client, handle, "org.freedesktop.DBus", PATH, "Where", NULL), PATH);
}
END_TEST

START_TEST(reference_needs_no_bus) {
        struct rogue outsider;
        uint64_t handle;

        ck_assert(rogue_join(&outsider, bus_daemon.address));
        publish();
        handle = hand_to(&outsider, look_up(client, NAME, PATH));
        ck_assert_int_eq(bus1_dbus_new_from_client(&third, outsider.client), 0);
        ck_assert_ptr_null(bus1_dbus_get_unique_name(third));
        expect_text(call(third, handle, NULL, "/elsewhere", "Where", NULL), PATH);
        /* The outsider has not joined the bus, so it cannot call the bus. */
        ck_assert_int_eq(bus1_dbus_request_name(third, "org.bus1.Outsider", 0, NULL, NULL),
                         -ENOTCONN);
        close(outsider.socket_fd);
}
END_TEST

/* The library ignores everything that arrives on a node and is not a valid message. */
START_TEST(garbage_on_a_node_is_ignored) {
        struct rogue rogue;
        unsigned seed = 1;
        int fds[2], n_data;
        uint64_t handle;
        DBusMessage *m;
        char *data;

        publish();
        ck_assert(rogue_join(&rogue, bus_daemon.address));
        handle = hand_to(&rogue, look_up(client, NAME, PATH));
        ck_assert_int_eq(pipe(fds), 0);
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Where");
        dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fds[0], DBUS_TYPE_UNIX_FD, &fds[1],
                                 DBUS_TYPE_INVALID);
        dbus_message_set_serial(m, 1);
        ck_assert(dbus_message_marshal(m, &data, &n_data));
        dbus_message_unref(m);
        for (int i = 0; i < 3000; i++) {
                char copy[1024];

                memcpy(copy, data, (size_t)n_data);
                for (int k = 0; k < i % 3; k++)
                        copy[(size_t)rand_r(&seed) % (size_t)n_data] = (char)rand_r(&seed);
                rogue_send(&rogue, handle, copy, i % 7 ? (size_t)n_data : (size_t)(i % n_data),
                           NULL, 0, fds, (size_t)i % 3);
                turn();
        }
        dbus_free(data);
        close(fds[0]);
        close(fds[1]);
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
        rogue_leave(&rogue);
}
END_TEST

static void see_release(struct bus1_dbus *bus, uint64_t handle, void *userdata) {
        *(bool *)userdata = true;
}

static void check_lost(void) {
        bool name_gone = false, object_gone = false;
        uint64_t name, path;

        name = look_up(client, NAME, NULL);
        path = look_up(client, NAME, PATH);
        bus1_dbus_watch(client, name, see_release, &name_gone);
        bus1_dbus_watch(client, path, see_release, &object_gone);
        ck_assert_int_eq(bus1_dbus_release_name(service, NAME, NULL, NULL), 0);
        UNTIL(name_gone && object_gone);
        ck_assert(look_up(client, NAME, NULL) == BUS1_INVALID);
}

START_TEST(routed_handles_end_with_the_ownership) {
        request();
        check_lost();
}
END_TEST

START_TEST(direct_handles_end_with_the_ownership) {
        publish();
        check_lost();
}
END_TEST

START_TEST(handles_end_with_the_owner) {
        bool gone = false;
        uint64_t handle;

        publish();
        handle = look_up(client, bus1_dbus_get_unique_name(service), NULL);
        ck_assert(handle != BUS1_INVALID);
        bus1_dbus_watch(client, handle, see_release, &gone);
        service = bus1_dbus_free(service);
        UNTIL(gone);
}
END_TEST

static void see_unreferenced(struct bus1_dbus_object *object, void *userdata) {
        *(bool *)userdata = true;
}

START_TEST(object_is_told_when_nobody_holds_it) {
        struct bus1_dbus_object *object;
        bool unreferenced = false;
        struct answer answer = {};
        uint64_t handle;
        DBusMessage *m;

        /* The client passes a handle of its object to the service, which keeps the message. */
        publish();
        ck_assert_int_eq(
                bus1_dbus_object_new(client, NULL, member_interfaces, &unreferenced, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Keep");
        bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, &handle, 1, 10000, answered, &answer, NULL);
        dbus_message_unref(m);
        ck_assert_int_eq(bus1_dbus_object_set_unreferenced(object, see_unreferenced), 0);
        UNTIL(kept);
        ck_assert_uint_eq(kept->n_handles, 1);
        for (int i = 0; i < 20; i++)
                turn();
        ck_assert(!unreferenced);
        expect_text(call(service, kept->handles[0], NULL, "/", "Where", NULL), "/");
        kept = bus1_dbus_message_unref(kept);
        UNTIL(unreferenced && answer.done);
        expect_error(answer, DBUS_ERROR_NO_REPLY);
}
END_TEST

START_TEST(handle_is_not_for_legacy_receivers) {
        DBusConnection *legacy;
        uint64_t handle;
        struct bus1_dbus_object *object;
        const char *name;

        legacy = kind_legacy.open(bus_daemon.address);
        name = dbus_bus_get_unique_name(legacy);
        ck_assert_int_eq(bus1_dbus_object_new(client, NULL, member_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        expect_error(call(client, BUS1_DBUS_BUS, name, "/", "Anything", &handle),
                     DBUS_ERROR_NOT_SUPPORTED);
        kind_legacy.close(legacy);
}
END_TEST

/* An object without a path, for callers that take handles and for those that do not. */

static struct bus1_dbus_object *child;

static int run_get_child(struct bus1_dbus_message *m, void *userdata) {
        DBusMessage *reply;
        uint64_t handle;
        uint32_t index = 0;
        int r;

        ck_assert_int_eq(bus1_dbus_object_get_handle(child, &handle), 0);
        reply = dbus_message_new_method_return(m->message);
        dbus_message_append_args(reply, DBUS_TYPE_UINT32, &index, DBUS_TYPE_INVALID);
        r = bus1_dbus_reply(m, reply, &handle, 1);
        dbus_message_unref(reply);
        ck_assert_int_eq(r, bus1_dbus_message_takes_handles(m) ? 0 : -EOPNOTSUPP);
        return r == 0 ? 0 : bus1_dbus_reply_path(m, child);
}

static const struct bus1_dbus_method child_methods[] = {
        {"GetChild", "", "o", run_get_child, NULL},
        {},
};
static const struct bus1_dbus_interface child_interfaces[] = {
        {.name = NAME, .methods = child_methods},
        {},
};

static DBusMessage *call_legacy(DBusConnection *legacy, const char *path, const char *member) {
        DBusMessage *m = dbus_message_new_method_call(NAME, path, NAME, member);
        DBusPendingCall *pending;

        ck_assert(dbus_connection_send_with_reply(legacy, m, &pending, 10000));
        dbus_connection_flush(legacy);
        dbus_message_unref(m);
        UNTIL((dbus_connection_read_write(legacy, 0), dbus_connection_dispatch(legacy),
               dbus_pending_call_get_completed(pending)));
        m = dbus_pending_call_steal_reply(pending);
        dbus_pending_call_unref(pending);
        return m;
}

START_TEST(object_is_handed_out_to_every_caller) {
        struct answer answer;
        DBusConnection *legacy;
        uint64_t handle;
        DBusMessage *m;
        char path[64];
        const char *s;

        publish();
        ck_assert_int_eq(bus1_dbus_object_new(service, NULL, member_interfaces, NULL, &child), 0);
        ck_assert_int_eq(bus1_dbus_object_new(service, "/child", child_interfaces, NULL, NULL), 0);

        /* through the bus, and through a handle */
        handle = look_up(client, NAME, NULL);
        for (int i = 0; i < 2; i++) {
                answer = call(client, i ? handle : BUS1_DBUS_BUS, i ? NULL : NAME, "/child",
                              "GetChild", NULL);
                ck_assert_str_eq(dbus_message_get_signature(answer.reply), "u");
                dbus_message_unref(answer.reply);
                expect_text(call(client, answer.handle, NULL, "/any", "Where", NULL), "/any");
        }

        /* twice: the object is exported once */
        legacy = kind_legacy.open(bus_daemon.address);
        for (int i = 0; i < 2; i++) {
                m = call_legacy(legacy, "/child", "GetChild");
                ck_assert(dbus_message_get_args(m, NULL, DBUS_TYPE_OBJECT_PATH, &s,
                                                DBUS_TYPE_INVALID));
                if (i > 0)
                        ck_assert_str_eq(s, path);
                snprintf(path, sizeof(path), "%s", s);
                dbus_message_unref(m);
        }
        m = call_legacy(legacy, path, "Where");
        ck_assert(dbus_message_get_args(m, NULL, DBUS_TYPE_STRING, &s, DBUS_TYPE_INVALID));
        ck_assert_str_eq(s, path);
        dbus_message_unref(m);
        kind_legacy.close(legacy);
}
END_TEST

START_TEST(lookups_have_a_limit) {
        DBusError error = DBUS_ERROR_INIT;
        uint64_t handles[4096], handle;

        request();
        for (size_t i = 0; i < 4096; i++)
                ck_assert_int_eq(bus1_dbus_lookup(client, NAME, 0, &handles[i], NULL), 0);
        ck_assert_int_eq(bus1_dbus_lookup(client, NAME, 0, &handle, &error), -EREMOTEIO);
        ck_assert(dbus_error_has_name(&error, DBUS_ERROR_LIMITS_EXCEEDED));
        dbus_error_free(&error);
        bus1_dbus_release(client, handles[17]);
        /* The bus gets the release before the next call, so there is room for one look-up. */
        ck_assert_int_eq(bus1_dbus_lookup(client, NAME, 0, &handle, NULL), 0);
}
END_TEST

START_TEST(user_with_too_many_lookups_is_told_so_when_joining) {
        struct bus1_dbus *members[17] = {}, *late = NULL;
        DBusError error = DBUS_ERROR_INIT;
        uint64_t handle;
        size_t n = 0;

        /* One user can have 65536 look-ups and handles, including the homes of the 19 members. */
        request();
        for (size_t i = 0; i < 17; i++) {
                ck_assert_int_eq(bus1_dbus_open(&members[i], bus_daemon.address, NULL), 0);
                for (size_t k = 0; k < 4096 && n < 65536 - 19; k++, n++)
                        ck_assert_int_eq(bus1_dbus_lookup(members[i], NAME, 0, &handle, NULL), 0);
        }
        ck_assert_int_eq(bus1_dbus_lookup(client, NAME, 0, &handle, &error), -EREMOTEIO);
        ck_assert(dbus_error_has_name(&error, DBUS_ERROR_LIMITS_EXCEEDED));
        dbus_error_free(&error);
        ck_assert_int_lt(bus1_dbus_open(&late, bus_daemon.address, &error), 0);
        ck_assert_msg(dbus_error_has_name(&error, DBUS_ERROR_LIMITS_EXCEEDED), "%s", error.name);
        dbus_error_free(&error);

        bus1_dbus_free(members[0]);
        /* The bus frees what the member had as soon as it notices that the socket is closed. */
        for (int i = 0; !late && i < 100; i++) {
                if (bus1_dbus_open(&late, bus_daemon.address, NULL) < 0)
                        usleep(20000);
        }
        ck_assert_ptr_nonnull(late);
        bus1_dbus_free(late);
        for (size_t i = 1; i < 17; i++)
                bus1_dbus_free(members[i]);
}
END_TEST

/* replies */

START_TEST(errno_becomes_an_error) {
        publish();
        expect_error(call(client, BUS1_DBUS_BUS, NAME, PATH, "Refuse", NULL),
                     DBUS_ERROR_ACCESS_DENIED);
        expect_error(call(client, BUS1_DBUS_BUS, NAME, "/nothing", "Who", NULL),
                     DBUS_ERROR_UNKNOWN_OBJECT);
        expect_error(call(client, BUS1_DBUS_BUS, "org.bus1.Nobody", "/", "Who", NULL),
                     DBUS_ERROR_SERVICE_UNKNOWN);
}
END_TEST

/* members */

START_TEST(member_looks_like_any_other) {
        struct bus1_dbus_credentials c;

        publish();
        ck_assert_int_eq(bus1_dbus_get_credentials(client, NAME, &c, NULL), 0);
        ck_assert_uint_eq(c.uid, getuid());
        ck_assert_uint_eq(c.pid, (uint32_t)getpid());
        ck_assert_int_eq(bus1_dbus_get_credentials(client, "org.bus1.Nobody", &c, NULL),
                         -EREMOTEIO);
}
END_TEST

static int count_signal(struct bus1_dbus_message *signal, void *userdata) {
        ++*(int *)userdata;
        return 0;
}

START_TEST(subscription_ends_when_freed) {
        struct bus1_dbus_subscription *all, *some;
        int n_all = 0, n_some = 0;
        DBusMessage *signal;

        ck_assert_int_eq(bus1_dbus_subscribe(client, "interface='" NAME "'", count_signal, &n_all,
                                             &all, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_subscribe(client, "interface='" NAME "',member='One'",
                                             count_signal, &n_some, &some, NULL),
                         0);
        ck_assert_int_eq(bus1_dbus_subscribe(client, "nonsense", count_signal, &n_some, NULL, NULL),
                         -EREMOTEIO);
        signal = dbus_message_new_signal(PATH, NAME, "One");
        ck_assert_int_eq(bus1_dbus_emit(service, signal), 0);
        UNTIL(n_all == 1 && n_some == 1);
        bus1_dbus_subscription_free(some);
        ck_assert_int_eq(bus1_dbus_emit(service, signal), 0);
        UNTIL(n_all == 2);
        for (int i = 0; i < 20; i++)
                turn();
        ck_assert_int_eq(n_some, 1);
        dbus_message_unref(signal);
}
END_TEST

static int see_lost(struct bus1_dbus_message *signal, void *userdata) {
        if (dbus_message_is_signal(signal->message, DBUS_INTERFACE_DBUS, "NameLost"))
                *(bool *)userdata = true;
        return 0;
}

START_TEST(published_name_can_be_replaced) {
        uint32_t result;
        bool lost = false;

        ck_assert_int_eq(
                bus1_dbus_publish(service, NAME,
                                  DBUS_NAME_FLAG_ALLOW_REPLACEMENT | DBUS_NAME_FLAG_DO_NOT_QUEUE,
                                  &result, NULL),
                0);
        ck_assert_uint_eq(result, DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER);
        bus1_dbus_set_signal_handler(service, see_lost, &lost);
        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        ck_assert_int_eq(bus1_dbus_publish(third, NAME, DBUS_NAME_FLAG_DO_NOT_QUEUE, &result, NULL),
                         0);
        ck_assert_uint_eq(result, DBUS_REQUEST_NAME_REPLY_EXISTS);
        /* who does not look at the result is told nevertheless */
        for (int i = 0; i < 4; i++) {
                uint32_t flags = i & 1 ? DBUS_NAME_FLAG_DO_NOT_QUEUE : 0;
                DBusError error = DBUS_ERROR_INIT;

                ck_assert_int_eq((i & 2 ? bus1_dbus_publish
                                        : bus1_dbus_request_name)(third, NAME, flags, NULL, &error),
                                 flags ? -EEXIST : 0);
                ck_assert_int_eq(dbus_error_is_set(&error), flags != 0);
                if (flags)
                        ck_assert_str_eq(error.name, DBUS_ERROR_FILE_EXISTS);
                dbus_error_free(&error);
                ck_assert_int_eq(bus1_dbus_release_name(third, NAME, &result, NULL), 0);
                ck_assert_uint_eq(result, flags ? DBUS_RELEASE_NAME_REPLY_NOT_OWNER
                                                : DBUS_RELEASE_NAME_REPLY_RELEASED);
        }
        ck_assert_int_eq(
                bus1_dbus_publish(third, NAME, DBUS_NAME_FLAG_REPLACE_EXISTING, &result, NULL), 0);
        ck_assert_uint_eq(result, DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER);
        UNTIL(lost);
        ck_assert_int_eq(bus1_dbus_object_new(third, PATH, member_interfaces, NULL, NULL), 0);
        expect_text(call(client, look_up(client, NAME, NULL), NULL, PATH, "Who", NULL),
                    bus1_dbus_get_unique_name(client));
}
END_TEST

struct seen {
        int n_calls, n_returns, n_signals;
        size_t n_handles;
};

static int see_all(struct bus1_dbus_message *m, void *userdata) {
        struct seen *seen = userdata;

        seen->n_handles += m->n_handles;
        if (dbus_message_is_method_call(m->message, NAME, "Where"))
                seen->n_calls++;
        else if (dbus_message_get_type(m->message) == DBUS_MESSAGE_TYPE_METHOD_RETURN &&
                 dbus_message_has_signature(m->message, "s"))
                seen->n_returns++;
        else if (dbus_message_is_signal(m->message, NAME, "One"))
                seen->n_signals++;
        return 0;
}

START_TEST(native_monitor_sees_and_has_no_rights) {
        struct bus1_dbus_subscription *before;
        struct bus1_dbus_object *object;
        struct seen seen = {};
        DBusMessage *m;
        uint64_t handle;
        uint32_t flags = 0;
        const char **rules = NULL;

        publish();
        ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
        ck_assert_int_eq(bus1_dbus_subscribe(third, "member='One'", see_all, &seen, &before, NULL),
                         0);
        bus1_dbus_set_signal_handler(third, see_all, &seen);
        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                         "org.freedesktop.DBus.Monitoring", "BecomeMonitor");
        dbus_message_append_args(m, DBUS_TYPE_ARRAY, DBUS_TYPE_STRING, &rules, 0, DBUS_TYPE_UINT32,
                                 &flags, DBUS_TYPE_INVALID);
        ck_assert_int_eq(bus1_dbus_call(third, BUS1_DBUS_BUS, m, NULL, 0, 10000, NULL, NULL), 0);
        dbus_message_unref(m);

        /* A monitor does not get the handles of a message. */
        ck_assert_int_eq(bus1_dbus_object_new(client, NULL, member_interfaces, NULL, &object), 0);
        ck_assert_int_eq(bus1_dbus_object_get_handle(object, &handle), 0);
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", &handle), PATH);
        /* While there is a monitor, the bus routes the calls through looked-up handles. */
        expect_text(call(client, look_up(client, NAME, PATH), NULL, "/", "Where", NULL), PATH);
        m = dbus_message_new_signal(PATH, NAME, "One");
        ck_assert_int_eq(bus1_dbus_emit(service, m), 0);
        dbus_message_unref(m);
        UNTIL(seen.n_calls == 2 && seen.n_returns == 2 && seen.n_signals == 1);
        ck_assert_uint_eq(seen.n_handles, 0);
        /* A monitor loses its earlier match rules. Freeing their subscriptions does no harm. */
        bus1_dbus_subscription_free(before);
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Where", NULL), PATH);
}
END_TEST

START_TEST(bus_without_bus1_is_told_apart) {
        char address[256] = "", path[] = "/tmp/bus1-test-XXXXXX", option[64];
        DBusError error = DBUS_ERROR_INIT;
        struct bus1_dbus *bus;
        int fds[2], status;
        pid_t pid;

        if (access("/usr/bin/dbus-daemon", X_OK) < 0)
                return;
        ck_assert(mkdtemp(path));
        ck_assert_int_eq(pipe(fds), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                snprintf(option, sizeof(option), "--print-address=%d", fds[1]);
                snprintf(address, sizeof(address), "--address=unix:path=%s/bus", path);
                execl("/usr/bin/dbus-daemon", "dbus-daemon", "--session", "--nofork", address,
                      option, NULL);
                _exit(1);
        }
        ck_assert_int_gt(read(fds[0], address, sizeof(address) - 1), 0);
        address[strcspn(address, "\n")] = 0;
        ck_assert_int_eq(bus1_dbus_open(&bus, address, &error), -EPROTONOSUPPORT);
        ck_assert(dbus_error_has_name(&error, DBUS_ERROR_NOT_SUPPORTED));
        dbus_error_free(&error);
        kill(pid, SIGTERM);
        waitpid(pid, &status, 0);
        close(fds[0]);
        close(fds[1]);
        rmdir(path);
        ck_assert_int_lt(bus1_dbus_open(&bus, "unix:path=/nonexistent/bus", &error), 0);
        dbus_error_free(&error);
        ck_assert_int_eq(bus1_dbus_open(&bus, "not an address", &error), -EINVAL);
        dbus_error_free(&error);
}
END_TEST

START_TEST(sd_event_runs_a_member) {
        sd_event *event;
        sd_event_source *a, *b;
        struct answer answer = {};
        DBusMessage *m;

        publish();
        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_eq(bus1_dbus_attach_event(service, event, 0, &a), 0);
        ck_assert_int_eq(bus1_dbus_attach_event(client, event, 0, &b), 0);
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Where");
        bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, answered, &answer, NULL);
        dbus_message_unref(m);
        while (!answer.done)
                ck_assert_int_gt(sd_event_run(event, 10000000), 0);
        expect_text(answer, PATH);
        sd_event_source_unref(a);
        sd_event_source_unref(b);
        sd_event_unref(event);
}
END_TEST

static int free_client(sd_event_source *source, uint64_t usec, void *userdata) {
        client = bus1_dbus_free(client);
        return 0;
}

static int run_leave(struct bus1_dbus_message *m, void *userdata) {
        service = bus1_dbus_free(service);
        return 0;
}

/* Nobody has the source, so it ends with the bus. The loop ends later, or the program gives it up.
 */
START_TEST(sd_event_source_ends_with_its_bus) {
        static const struct bus1_dbus_method methods[] = {{"Leave", "", "", run_leave, NULL}, {}};
        static const struct bus1_dbus_interface interfaces[] = {{NAME, methods, NULL, NULL}, {}};
        struct answer answer = {};
        sd_event *event;
        DBusMessage *m;

        request();
        ck_assert_int_eq(bus1_dbus_object_new(service, "/leave", interfaces, NULL, NULL), 0);
        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_eq(bus1_dbus_attach_event(service, event, 0, NULL), 0);
        ck_assert_int_eq(bus1_dbus_attach_event(client, event, 0, NULL), 0);
        m = dbus_message_new_method_call(NAME, _i & 1 ? "/leave" : PATH, NAME,
                                         _i & 1 ? "Leave" : "Where");
        bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, answered, &answer, NULL);
        dbus_message_unref(m);
        while (!answer.done)
                ck_assert_int_gt(sd_event_run(event, 10000000), 0);
        ck_assert_int_eq(service == NULL, _i & 1);
        if (_i & 1)
                expect_error(answer, DBUS_ERROR_NO_REPLY);
        else
                expect_text(answer, PATH);
        if (_i & 2) {
                ck_assert_int_ge(sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, 0, 0,
                                                            free_client, NULL),
                                 0);
                while (client)
                        ck_assert_int_gt(sd_event_run(event, 10000000), 0);
                /* the descriptor of the client may be that of another file by now */
                ck_assert_int_ge(sd_event_run(event, 10000), 0);
        }
        sd_event_unref(event);
        client = bus1_dbus_free(client);
}
END_TEST

static unsigned n_freed;

static void count_free(struct bus1_dbus *bus, void *userdata) {
        ck_assert_ptr_eq(userdata, &n_freed);
        ck_assert_int_ge(fcntl(bus1_dbus_get_fd(bus), F_GETFD), 0);
        n_freed++;
}

START_TEST(functions_are_told_that_the_bus_is_freed) {
        struct bus1_dbus_slot *slot;

        n_freed = 0;
        ck_assert_int_eq(bus1_dbus_add_free_handler(NULL, NULL, count_free, &n_freed), -EINVAL);
        ck_assert_int_eq(bus1_dbus_add_free_handler(client, NULL, NULL, &n_freed), -EINVAL);
        ck_assert_int_eq(bus1_dbus_add_free_handler(client, NULL, count_free, &n_freed), 0);
        ck_assert_int_eq(bus1_dbus_add_free_handler(client, &slot, count_free, &n_freed), 0);
        ck_assert_int_eq(bus1_dbus_add_free_handler(client, NULL, count_free, &n_freed), 0);
        bus1_dbus_slot_free(slot);
        ck_assert_uint_eq(n_freed, 0);
        client = bus1_dbus_free(client);
        ck_assert_uint_eq(n_freed, 2);
}
END_TEST

/* Receivers see the sent signature, and get descriptors inside containers in their places. */
START_TEST(fds_keep_their_places) {
        DBusMessageIter iter, array, entry, variant, inner;
        const char *keys[] = {"first", "second"};
        struct answer answer = {};
        uint8_t bytes[] = {1, 2, 3};
        const uint8_t *p = bytes;
        int fds[2][2], fd;
        DBusMessage *m;
        double d = 1.5;
        char byte;

        publish();
        ck_assert_int_eq(pipe(fds[0]) + pipe(fds[1]), 0);
        m = dbus_message_new_method_call(NAME, PATH, NAME, "Keep");
        dbus_message_iter_init_append(m, &iter);
        dbus_message_iter_append_basic(&iter, DBUS_TYPE_DOUBLE, &d);
        dbus_message_iter_open_container(&iter, DBUS_TYPE_ARRAY, "{sv}", &array);
        for (size_t i = 0; i < 2; i++) {
                dbus_message_iter_open_container(&array, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
                dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &keys[i]);
                dbus_message_iter_open_container(&entry, DBUS_TYPE_VARIANT, "ah", &variant);
                dbus_message_iter_open_container(&variant, DBUS_TYPE_ARRAY, "h", &inner);
                dbus_message_iter_append_basic(&inner, DBUS_TYPE_UNIX_FD, &fds[i][1]);
                dbus_message_iter_close_container(&variant, &inner);
                dbus_message_iter_close_container(&entry, &variant);
                dbus_message_iter_close_container(&array, &entry);
        }
        dbus_message_iter_close_container(&iter, &array);
        dbus_message_iter_open_container(&iter, DBUS_TYPE_ARRAY, "y", &array);
        dbus_message_iter_append_fixed_array(&array, DBUS_TYPE_BYTE, &p, 3);
        dbus_message_iter_close_container(&iter, &array);
        dbus_message_iter_open_container(&iter, DBUS_TYPE_ARRAY, "(sv)", &array);
        dbus_message_iter_close_container(&iter, &array);

        /* Keep takes no arguments, so the error text has the signature of the received call. */
        bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, answered, &answer, NULL);
        dbus_message_unref(m);
        UNTIL(answer.done);
        ck_assert_ptr_nonnull(strstr((dbus_message_iter_init(answer.reply, &iter),
                                      dbus_message_iter_get_basic(&iter, &keys[0]), keys[0]),
                                     "\"da{sv}aya(sv)\""));
        dbus_message_unref(answer.reply);

        /* A signal can have any signature, so its two descriptors arrive. */
        m = dbus_message_new_signal(PATH, NAME, "Fds");
        dbus_message_iter_init_append(m, &iter);
        dbus_message_iter_open_container(&iter, DBUS_TYPE_STRUCT, NULL, &entry);
        dbus_message_iter_append_basic(&entry, DBUS_TYPE_UNIX_FD, &fds[1][1]);
        dbus_message_iter_append_basic(&entry, DBUS_TYPE_UNIX_FD, &fds[0][1]);
        dbus_message_iter_close_container(&iter, &entry);
        ck_assert_int_eq(bus1_dbus_subscribe(client, "member='Fds'", answered, &answer, NULL, NULL),
                         0);
        answer = (struct answer){};
        ck_assert_int_eq(bus1_dbus_emit(service, m), 0);
        dbus_message_unref(m);
        UNTIL(answer.done);
        dbus_message_iter_init(answer.reply, &iter);
        dbus_message_iter_recurse(&iter, &entry);
        dbus_message_iter_get_basic(&entry, &fd);
        ck_assert_int_eq(write(fd, "b", 1), 1);
        close(fd);
        dbus_message_iter_next(&entry);
        dbus_message_iter_get_basic(&entry, &fd);
        ck_assert_int_eq(write(fd, "a", 1), 1);
        close(fd);
        dbus_message_unref(answer.reply);
        ck_assert(read(fds[0][0], &byte, 1) == 1 && byte == 'a');
        ck_assert(read(fds[1][0], &byte, 1) == 1 && byte == 'b');
        for (size_t i = 0; i < 4; i++)
                close(fds[i / 2][i % 2]);
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("native");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, members_setup, members_teardown);
        /* One test makes about 65,500 calls. Each takes some milliseconds on a busy machine. */
        tcase_set_timeout(tcase, 400);
        tcase_add_test(tcase, direct_call_names_its_caller);
        tcase_add_test(tcase, routed_call_names_its_caller);
        tcase_add_test(tcase, forged_sender_is_replaced);
        tcase_add_test(tcase, narrowed_handle_reaches_one_object_only);
        tcase_add_test(tcase, reference_needs_no_bus);
        tcase_add_test(tcase, garbage_on_a_node_is_ignored);
        tcase_add_test(tcase, routed_handles_end_with_the_ownership);
        tcase_add_test(tcase, direct_handles_end_with_the_ownership);
        tcase_add_test(tcase, handles_end_with_the_owner);
        tcase_add_test(tcase, object_is_told_when_nobody_holds_it);
        tcase_add_test(tcase, handle_is_not_for_legacy_receivers);
        tcase_add_test(tcase, object_is_handed_out_to_every_caller);
        tcase_add_test(tcase, lookups_have_a_limit);
        tcase_add_test(tcase, user_with_too_many_lookups_is_told_so_when_joining);
        tcase_add_test(tcase, errno_becomes_an_error);
        tcase_add_test(tcase, member_looks_like_any_other);
        tcase_add_test(tcase, subscription_ends_when_freed);
        tcase_add_test(tcase, published_name_can_be_replaced);
        tcase_add_test(tcase, native_monitor_sees_and_has_no_rights);
        tcase_add_test(tcase, bus_without_bus1_is_told_apart);
        tcase_add_test(tcase, sd_event_runs_a_member);
        tcase_add_loop_test(tcase, sd_event_source_ends_with_its_bus, 0, 4);
        tcase_add_test(tcase, functions_are_told_that_the_bus_is_freed);
        tcase_add_test(tcase, fds_keep_their_places);
        suite_add_tcase(suite, tcase);

        tcase = tcase_create("rules");
        tcase_add_checked_fixture(tcase, setup_rules, members_teardown);
        tcase_add_test(tcase, rules_hold_for_references);
        tcase_add_test(tcase, rules_hold_for_publishing);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
