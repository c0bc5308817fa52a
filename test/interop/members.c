/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Native members in one process: see members.h. */

#include "test/interop/members.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

bool failed(const char *file, int line, const char *what) {
        fprintf(stderr, "%s:%d: %s\n", file, line, what);
        return false;
}

const char *bridge;
struct daemon bus_daemon;
struct bus1_dbus *service, *client, *third;

void turn(void) {
        struct bus1_dbus *members[] = {service, client, third};
        bool idle = true;

        for (size_t i = 0; i < 3; i++)
                if (members[i] && bus1_dbus_dispatch(members[i]) > 0)
                        idle = false;
        if (idle)
                usleep(1000);
}

/* a call between two members of this process */

int answered(struct bus1_dbus_message *reply, void *userdata) {
        struct answer *answer = userdata;

        answer->done = true;
        answer->reply = dbus_message_ref(reply->message);
        answer->handle = bus1_dbus_message_take_handle(reply, 0);
        return 0;
}

struct answer call(struct bus1_dbus *from, uint64_t to, const char *destination, const char *path,
                   const char *member, const uint64_t *handle) {
        struct answer answer = {.handle = BUS1_INVALID};
        DBusMessage *m;

        m = dbus_message_new_method_call(destination, path, NAME, member);
        ck_assert_int_eq(bus1_dbus_call_async(from, to, m, handle, handle ? 1 : 0, 10000, answered,
                                              &answer, NULL),
                         0);
        dbus_message_unref(m);
        UNTIL(answer.done);
        return answer;
}

void expect_text(struct answer answer, const char *expected) {
        const char *text = NULL;

        ck_assert(dbus_message_get_args(answer.reply, NULL, DBUS_TYPE_STRING, &text,
                                        DBUS_TYPE_INVALID));
        ck_assert_str_eq(text, expected);
        dbus_message_unref(answer.reply);
}

void expect_error(struct answer answer, const char *name) {
        ck_assert_int_eq(dbus_message_get_type(answer.reply), DBUS_MESSAGE_TYPE_ERROR);
        ck_assert_str_eq(dbus_message_get_error_name(answer.reply), name);
        dbus_message_unref(answer.reply);
}

void look_up_begin(struct bus1_dbus *from, const char *name, const char *path,
                   struct answer *answer) {
        uint32_t flags = 0;
        DBusMessage *m;

        m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, "org.bus1.Bridge1",
                                         path ? "LookupObject" : "Lookup");
        dbus_message_append_args(m, DBUS_TYPE_STRING, &name,
                                 path ? DBUS_TYPE_OBJECT_PATH : DBUS_TYPE_UINT32,
                                 path ? (void *)&path : (void *)&flags, DBUS_TYPE_INVALID);
        ck_assert_int_eq(bus1_dbus_call_async(from, BUS1_DBUS_BUS, m, NULL, 0, 10000, answered,
                                              answer, NULL),
                         0);
        dbus_message_unref(m);
}

uint64_t look_up(struct bus1_dbus *from, const char *name, const char *path) {
        uint64_t handle = BUS1_INVALID;

        if (path)
                bus1_dbus_lookup_object(from, name, path, &handle, NULL);
        else
                bus1_dbus_lookup(from, name, 0, &handle, NULL);
        return handle;
}

struct answer call_message(struct bus1_dbus *from, uint64_t to, DBusMessage *m) {
        struct answer answer = {.handle = BUS1_INVALID};

        ck_assert_int_eq(bus1_dbus_call_async(from, to, m, NULL, 0, 10000, answered, &answer, NULL),
                         0);
        dbus_message_unref(m);
        UNTIL(answer.done);
        return answer;
}

void emit(struct bus1_dbus *from, const char *member) {
        DBusMessage *m = dbus_message_new_signal(PATH, NAME, member);

        ck_assert_int_eq(bus1_dbus_emit(from, m), 0);
        dbus_message_unref(m);
}

/* the object of the service */

static int run_who(struct bus1_dbus_message *m, void *userdata) {
        const char *sender = dbus_message_get_sender(m->message);

        sender = sender ? sender : "nobody";
        return bus1_dbus_reply_args(m, DBUS_TYPE_STRING, &sender, DBUS_TYPE_INVALID);
}

static int run_where(struct bus1_dbus_message *m, void *userdata) {
        const char *path = dbus_message_get_path(m->message);

        return bus1_dbus_reply_args(m, DBUS_TYPE_STRING, &path, DBUS_TYPE_INVALID);
}

static int run_ignore(struct bus1_dbus_message *m, void *userdata) {
        return 0;
}

struct bus1_dbus_message *kept;

static int run_keep(struct bus1_dbus_message *m, void *userdata) {
        kept = bus1_dbus_message_ref(m);
        return 0;
}

static int run_refuse(struct bus1_dbus_message *m, void *userdata) {
        return -EACCES;
}

static const struct bus1_dbus_method methods[] = {
        {"Who", "", "s", run_who, NULL},      {"Where", "", "s", run_where, NULL},
        {"Ignore", "", "", run_ignore, NULL}, {"Keep", "", "", run_keep, NULL},
        {"Refuse", "", "", run_refuse, NULL}, {},
};

const struct bus1_dbus_interface member_interfaces[] = {
        {.name = NAME, .methods = methods},
        {},
};

void members_start(const char *rules) {
        ck_assert(daemon_start(&bus_daemon, bridge, rules));
        ck_assert_int_eq(bus1_dbus_open(&service, bus_daemon.address, NULL), 0);
        ck_assert_int_eq(bus1_dbus_open(&client, bus_daemon.address, NULL), 0);
        ck_assert_int_eq(bus1_dbus_object_new(service, PATH, member_interfaces, NULL, NULL), 0);
        third = NULL;
        kept = NULL;
}

void members_setup(void) {
        members_start("");
}

void publish(void) {
        ck_assert_int_eq(bus1_dbus_publish(service, NAME, 0, NULL, NULL), 0);
}

void request(void) {
        ck_assert_int_eq(bus1_dbus_request_name(service, NAME, 0, NULL, NULL), 0);
}

void members_teardown(void) {
        third = bus1_dbus_free(third);
        client = bus1_dbus_free(client);
        service = bus1_dbus_free(service);
        ck_assert(daemon_stop(&bus_daemon));
}

uint64_t hand_to(struct rogue *rogue, uint64_t handle) {
        struct bus1_transfer src = {.id = handle}, dst;

        ck_assert_int_eq(
                bus1_client_transfer(bus1_dbus_get_client(client), rogue->client, 1, &src, &dst),
                0);
        return dst.id;
}

int run_suite(Suite *suite, int argc, char **argv) {
        SRunner *runner;
        int n_failed;

        bridge = argc > 1 ? argv[1] : "bus1-bridge";
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
