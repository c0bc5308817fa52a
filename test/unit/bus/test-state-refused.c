/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * State documents that no bus has written: they are refused with the reason, nothing is leaked
 * (which the sanitizers check), and the bus ends as any other. And lack of memory.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bridge/bus/docket.h"
#include "bridge/bus/later.h"
#include "bridge/bus/start.h"
#include "bridge/bus/unread.h"
#include "bridge/bus/waiter.h"
#include "bridge/state/message-record.h"
#include "bridge/state/save.h"
#include "services.h"
#include "test/unit/memory.h"
#include "test/unit/suite.h"

#define NAME "com.example.Name"
#define CLIENTS 4 /* the first two are registered, the third one is a monitor */

static struct peer *p[CLIENTS];

/* writing documents */

static struct state_save save;

static void put_members(const char *kind, const char *field, uint32_t a, uint64_t id_a, uint32_t b,
                        uint64_t id_b) {
        struct writer *w;

        state_record_begin(&save, kind);
        w = state_put(&save, field, "a(ut)");
        writer_array_begin(w, 8);
        writer_struct(w);
        writer_u32(w, a);
        writer_u64(w, id_a);
        if (b > 0) {
                writer_struct(w);
                writer_u32(w, b);
                writer_u64(w, id_b);
        }
        writer_array_end(w);
        state_record_end(&save);
}

static void put_unique_names(uint32_t a, uint64_t id_a, uint32_t b, uint64_t id_b) {
        put_members("UniqueNames", "names", a, id_a, b, id_b);
}

static void put_monitor(uint32_t a, uint64_t id) {
        put_members("Monitors", "monitors", a, id, 0, 0);
}

/* Begin a document with four clients. */
static void begin(void) {
        state_save_init(&save, "test");
        state_record_begin(&save, "TestBus");
        state_put_u64(&save, "next", 10);
        state_put_u32(&save, "serial", 1);
        state_record_end(&save);
        for (uint32_t i = 1; i <= CLIENTS; i++) {
                state_record_begin(&save, "TestClient");
                state_put_u32(&save, "id", i);
                state_put_bool(&save, "is_closing", i == 2);
                state_put_u64(&save, "n_received", 0);
                state_record_end(&save);
        }
}

static void begin_with_names(void) {
        begin();
        put_unique_names(1, 3, 2, 5);
        put_monitor(3, 4);
}

static void put_name(const char *name, uint32_t client, uint32_t flags, uint64_t number,
                     uint32_t other) {
        struct writer *w;

        state_record_begin(&save, "Name");
        state_put_string(&save, "name", name);
        w = state_put(&save, "queue", "a(uut)");
        writer_array_begin(w, 8);
        for (unsigned i = 0; i < 2; i++) {
                uint32_t id = i == 0 ? client : other;

                if (id == 0)
                        continue;
                writer_struct(w);
                writer_u32(w, id);
                writer_u32(w, flags);
                writer_u64(w, number + i);
        }
        writer_array_end(w);
        state_record_end(&save);
}

static void put_rule(uint32_t client, const char *text, uint64_t cookie, uint32_t n) {
        struct writer *w;

        state_record_begin(&save, "Rules");
        state_put_u32(&save, "client", client);
        w = state_put(&save, "rules", "a(stu)");
        writer_array_begin(w, 8);
        writer_struct(w);
        writer_string(w, text);
        writer_u64(w, cookie);
        writer_u32(w, n);
        writer_array_end(w);
        state_record_end(&save);
}

static void put_reply(uint32_t caller, uint32_t callee, uint32_t serial) {
        struct writer *w;

        state_record_begin(&save, "Replies");
        w = state_put(&save, "replies", "a(uuuttx)");
        writer_array_begin(w, 8);
        writer_struct(w);
        writer_u32(w, caller);
        writer_u32(w, callee);
        writer_u32(w, serial);
        writer_u64(w, 0);
        writer_u64(w, 0);
        writer_u64(w, 1);
        writer_array_end(w);
        state_record_end(&save);
}

static void put_later(uint32_t client, const char *kind, uint32_t serial) {
        state_record_begin(&save, "Later");
        state_put_u32(&save, "client", client);
        state_put_string(&save, "kind", kind);
        state_put_u32(&save, "serial", serial);
        state_put_u64(&save, "caller_cookie", 0);
        state_put_bool(&save, "wants_reply", true);
        state_record_end(&save);
}

/* Write a message, with the next number of all messages. */
static void put_message(uint8_t type, const char *sender, const char *destination, uint64_t order) {
        static struct message *messages[4]; /* the document knows messages by their addresses */
        static unsigned n;
        struct writer w;

        message_unref(messages[n % 4]);
        writer_init(&w, type, 0, 7, "");
        w.path = "/";
        w.interface = "a.b";
        w.member = "M";
        w.sender = sender;
        w.destination = destination;
        ck_assert_int_eq(writer_finish(&w, &messages[n % 4]), 0);
        messages[n % 4]->order = order;
        state_save_message(&save, messages[n++ % 4]);
}

static void put_call(const char *sender, const char *destination, uint64_t order) {
        put_message(MESSAGE_TYPE_METHOD_CALL, sender, destination, order);
}

struct waiting {
        uint32_t client, message, kind;
};

static void put_start(uint32_t id, const char *name, const char *unit, int64_t turn,
                      const struct waiting *waiting) {
        struct writer *w;

        state_record_begin(&save, "Start");
        state_put_u32(&save, "id", id);
        state_put_string(&save, "name", name);
        state_put_u32(&save, "uid", 0);
        state_put_bool(&save, "by_helper", false);
        state_put_string(&save, "unit", unit);
        state_put_bool(&save, "by_template", false);
        state_put_bool(&save, "is_watched", unit != NULL);
        state_put_i64(&save, "turn", turn);
        state_put_u32(&save, "payer", 0);
        state_put_i64(&save, "deadline", INT64_MAX);
        w = state_put(&save, "waiters", "a(uutu)");
        writer_array_begin(w, 8);
        if (waiting) {
                writer_struct(w);
                writer_u32(w, waiting->client);
                writer_u32(w, waiting->message);
                writer_u64(w, 0);
                writer_u32(w, waiting->kind);
        }
        writer_array_end(w);
        state_record_end(&save);
}

static void put_child(uint32_t pid, uint32_t start) {
        state_record_begin(&save, "Child");
        state_put_u32(&save, "pid", pid);
        if (start > 0)
                state_put_u32(&save, "start", start);
        state_record_end(&save);
}

static void put_docket(uint32_t client, uint32_t a, uint32_t b, uint32_t kind) {
        struct writer *w;

        state_record_begin(&save, "Docket");
        state_put_u32(&save, "client", client);
        w = state_put(&save, "items", "a(utux)");
        writer_array_begin(w, 8);
        for (unsigned i = 0; i < 2; i++) {
                writer_struct(w);
                writer_u32(w, i == 0 ? a : b);
                writer_u64(w, 0);
                writer_u32(w, kind);
                writer_u64(w, 1);
        }
        writer_array_end(w);
        state_record_end(&save);
}

static void put_unread(uint32_t client, uint32_t sender, uint32_t message) {
        struct writer *w;

        state_record_begin(&save, "Unread");
        state_put_u32(&save, "client", client);
        w = state_put(&save, "calls", "a(uu)");
        writer_array_begin(w, 8);
        writer_struct(w);
        writer_u32(w, sender);
        writer_u32(w, message);
        writer_array_end(w);
        state_record_end(&save);
}

static void put_end(const char *name, const char *result) {
        struct writer *w = state_put(&save, name, "(bbsii)");

        writer_struct(w);
        writer_bool(w, false);
        writer_bool(w, false);
        writer_string(w, result);
        writer_u32(w, 0);
        writer_u32(w, 0);
}

static void put_unit(const char *name, const char *path, uint32_t question, const char *text) {
        struct writer *w;

        state_record_begin(&save, "Unit");
        state_put_string(&save, "name", name);
        state_put_u32(&save, "question", question);
        state_put_u32(&save, "serial", 0);
        state_put_bool(&save, "is_dirty", false);
        state_put_bool(&save, "is_outdated", false);
        state_put_bool(&save, "is_requested", false);
        state_put_bool(&save, "was_handled", false);
        state_put_bool(&save, "is_hopeless", false);
        state_put_u32(&save, "n_second_looks", 0);
        state_put_string(&save, "path", path);
        state_put_bool(&save, "path_is_known", false);
        w = state_put(&save, "state", "(sssb)");
        writer_struct(w);
        writer_string(w, "");
        writer_string(w, text);
        writer_string(w, "");
        writer_bool(w, false);
        put_end("told", "");
        put_end("end", text);
        state_put_string(&save, "job_result", text);
        state_record_end(&save);
}

/* Read the document that was written. Returns the error, "" if there is none. */
static const char *read_it(void) {
        static char error[256];
        struct state_load load;
        uint8_t *bytes;
        size_t n;
        int fd, r;

        ck_assert_int_eq(state_save_finish(&save, &fd), 0);
        state_save_deinit(&save);
        ck_assert_int_eq(state_load_init(&load, fd), 0);
        n = load.n;
        bytes = malloc(n);
        memcpy(bytes, load.data, n);
        state_load_deinit(&load);
        close(fd);

        for (size_t i = 0; i < CLIENTS; i++)
                p[i] = peer_new();
        r = takeover_load(p, CLIENTS, bytes, n, error);
        ck_assert_int_eq(r, error[0] ? -EBADMSG : 0);
        free(bytes);
        takeover_renew(p, 0);
        return error;
}

#define check_error(text) ck_assert_ptr_nonnull(strstr(read_it(), text))

START_TEST(document_of_the_test_is_accepted) {
        begin_with_names();
        put_name(NAME, 1, 3, 1, 2);
        put_rule(1, "member='M'", 0, 3);
        put_rule(3, "member='M'", 0, 1);
        put_reply(1, 2, 7);
        put_later(2, "reexecute", 8);
        ck_assert_str_eq(read_it(), "");
}
END_TEST

START_TEST(unique_names_that_cannot_be_are_refused) {
        begin();
        put_unique_names(1, 3, 5, 4);
        check_error("record 7 (UniqueNames), field names: nothing has the number 5");
        begin();
        put_unique_names(1, 3, 1, 4);
        check_error("client 1 is there twice");
        begin();
        put_unique_names(1, 3, 2, 3);
        check_error("they are not in order");
        begin();
        put_unique_names(1, 3, 2, 2);
        check_error("they are not in order");
        begin();
        put_unique_names(1, 3, 2, 10);
        check_error("client 2 has a name that no client has had yet");
        begin_with_names();
        put_unique_names(4, 6, 0, 0);
        check_error("there is a second one");
        begin();
        put_unique_names(1, 3, 0, 0);
        put_monitor(1, 3);
        check_error("record 8 (Monitors), field monitors: client 1 is there twice");
        begin_with_names();
        put_monitor(4, 6);
        check_error("there is a second one");
        begin();
        put_monitor(0, 6);
        check_error("nothing has the number 0");
}
END_TEST

START_TEST(names_that_cannot_be_are_refused) {
        static const char *const texts[] = {":1.5", "org.freedesktop.DBus", "name", "", "a..b"};

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                begin_with_names();
                put_name(texts[i], 1, 0, 1, 0);
                check_error("field name: this is no name that a client can have");
        }
        begin_with_names();
        put_name(NAME, 1, 0, 1, 0);
        put_name(NAME, 2, 0, 2, 0);
        check_error("the name is there twice");
        begin_with_names();
        put_name(NAME, 0, 0, 1, 0);
        check_error("nobody has the name");
        begin_with_names();
        put_name(NAME, 1, 0, 1, 1);
        check_error("client 1 is there twice");
        begin_with_names();
        put_name(NAME, 1, 0, 1, 9);
        check_error("nothing has the number 9");
        for (uint32_t client = 3; client <= 4; client++) {
                begin_with_names();
                put_name(NAME, client, 0, 1, 0);
                check_error("cannot have names");
        }
        begin_with_names();
        put_name(NAME, 1, 0, 0, 0);
        check_error("a number is out of range");
        begin_with_names();
        put_name(NAME, 1, 0, UINT64_MAX, 0);
        check_error("a number is out of range");
        begin_with_names();
        put_name(NAME, 1, 0, 7, 0);
        put_name("com.example.Other", 1, 0, 7, 0);
        check_error("two names of :1.3 have the same number");
        begin_with_names();
        state_record_begin(&save, "Name");
        state_put_string(&save, "name", NAME);
        state_record_end(&save);
        check_error("field queue");
}
END_TEST

START_TEST(rules_that_cannot_be_are_refused) {
        char text[2 * MATCH_RULE_LENGTH_MAX];

        begin_with_names();
        put_rule(1, "member=''", 0, 1);
        check_error("this rule cannot be there: member=''");
        begin_with_names();
        put_rule(1, "nonsense", 0, 1);
        check_error("this rule cannot be there");
        begin_with_names();
        put_rule(1, "member='M'", 0, 0);
        check_error("this rule cannot be there");
        begin_with_names();
        put_rule(1, "member='M'", 7, 2); /* each number of a program stands for one */
        check_error("this rule cannot be there");
        begin_with_names();
        put_rule(1, "member='M'", 0, 1);
        put_rule(1, "member=M", 0, 1);
        check_error("this rule cannot be there");
        begin_with_names();
        put_rule(3, "member='M'", 0, 2); /* a monitor counts none together */
        check_error("this rule cannot be there");
        begin_with_names();
        put_rule(3, "member='M'", 1, 1);
        check_error("this rule cannot be there");
        begin_with_names();
        put_rule(4, "member='M'", 0, 1);
        check_error("this client cannot have rules");
        begin_with_names();
        put_rule(7, "member='M'", 0, 1);
        check_error("nothing has the number 7");
        begin_with_names();
        put_rule(1, "member='M'", 0, UINT32_MAX);
        put_rule(1, "member='N'", 0, 1);
        check_error("this rule cannot be there: member='N'");
        begin_with_names();
        put_rule(1, "member='M'", 0, UINT32_MAX);
        put_rule(2, "member='M'", 0, 1);
        check_error("this rule cannot be there");

        /* longer keys than a client may send, which the index has no room for */
        strcpy(text, "path='/");
        memset(text + strlen(text), 'a', MATCH_RULE_LENGTH_MAX);
        strcpy(text + strlen("path='/") + MATCH_RULE_LENGTH_MAX, "'");
        begin_with_names();
        put_rule(1, text, 0, 1);
        check_error("this rule cannot be there");
}
END_TEST

START_TEST(replies_that_cannot_be_are_refused) {
        begin_with_names();
        put_reply(1, 2, 0);
        check_error("a serial is 0");
        begin_with_names();
        put_reply(1, 9, 7);
        check_error("nothing has the number 9");
        begin_with_names();
        put_reply(3, 1, 7);
        check_error("client 3 does not take part in calls");
        begin_with_names();
        put_reply(1, 4, 7);
        check_error("client 4 does not take part in calls");
        begin_with_names();
        put_reply(1, 2, 7);
        put_reply(1, 2, 7);
        check_error("a call is there twice");
}
END_TEST

START_TEST(deferred_answers_that_cannot_be_are_refused) {
        begin_with_names();
        put_later(1, "reload", 0);
        check_error("field serial: it is 0");
        begin_with_names();
        put_later(1, "reload", 7);
        put_later(1, "other", 8);
        check_error("field kind: \"other\" is unknown");
        begin_with_names();
        put_later(3, "reload", 7);
        check_error("this client cannot call methods");
        begin_with_names();
        put_later(8, "reload", 7);
        check_error("nothing has the number 8");
}
END_TEST

static void begin_with_calls(void) {
        begin_with_names();
        put_call(":1.3", WAITS, 1);
        put_call(":1.3", WAITS, 2);
}

START_TEST(messages_that_cannot_wait_are_refused) {
        services_setup();
        begin_with_calls();
        put_start(1, WAITS, NULL, 0, &(struct waiting){1, 1, WAITER_MESSAGE});
        put_docket(1, 1, 2, DOCKET_CALL);
        put_unread(2, 1, 2);
        put_unit("a.service", "/a", 1, "");
        put_start(2, HAS_UNIT, "a.service", 1, NULL);
        ck_assert_str_eq(read_it(), "");

        begin_with_calls();
        put_docket(1, 2, 1, DOCKET_MESSAGE);
        check_error("they are not in order");
        begin_with_calls();
        put_docket(1, 1, 1, DOCKET_MESSAGE);
        check_error("they are not in order");
        begin_with_calls();
        put_docket(1, 1, 3, DOCKET_MESSAGE);
        check_error("nothing has the number 3");
        begin_with_calls();
        put_docket(2, 1, 2, DOCKET_MESSAGE);
        check_error("message 1 is not of this sender");
        begin_with_calls();
        put_docket(3, 1, 2, DOCKET_MESSAGE);
        check_error("the sender of message 1 sends none");
        begin_with_calls();
        put_docket(1, 1, 2, 2);
        check_error("message 1 does not wait in this way");
        begin_with_names();
        put_message(MESSAGE_TYPE_SIGNAL, ":1.3", WAITS, 1);
        put_docket(1, 1, 1, DOCKET_CALL);
        check_error("message 1 does not wait in this way");

        begin_with_calls();
        put_unread(1, 1, 1);
        check_error("this client does not leave");
        begin_with_calls();
        put_unread(2, 2, 1);
        check_error("message 1 is not of this sender");
        begin_with_names();
        put_call(":1.3", ":1.5", 1);
        put_unread(2, 1, 1);
        check_error("message 1 is no call to a well-known name");
        begin_with_names();
        put_message(MESSAGE_TYPE_SIGNAL, ":1.3", NULL, 1);
        put_unread(2, 1, 1);
        check_error("message 1 is no call to a well-known name");
        services_teardown();
}
END_TEST

START_TEST(starts_that_cannot_be_are_refused) {
        const struct waiting none = {0};

        services_setup();
        begin_with_calls();
        put_start(1, WAITS, NULL, 0, NULL);
        put_start(2, WAITS, NULL, 0, NULL);
        check_error("the start is there twice");
        begin_with_names();
        put_start(1, ":1.7", NULL, 0, NULL);
        check_error("this is no name of a service");
        begin_with_names();
        put_name(WAITS, 1, 0, 1, 0);
        put_start(1, WAITS, NULL, 0, NULL);
        check_error("the name has an owner");
        begin_with_names();
        put_start(1, WAITS, NULL, -1, NULL);
        check_error("field turn: it is out of range");
        begin_with_names();
        put_start(1, WAITS, "a.service", 0, NULL);
        check_error("the bus does not watch the unit");
        begin_with_names();
        put_start(1, WAITS, "", 0, NULL);
        check_error("no unit has such a name");
        begin_with_calls();
        put_start(1, WAITS, NULL, 0, &(struct waiting){1, 1, 3});
        check_error("kind 3 is unknown");
        begin_with_calls();
        put_start(1, HAS_UNIT, NULL, 0, &(struct waiting){1, 1, WAITER_MESSAGE});
        check_error("message 1 is not for this name");
        begin_with_calls();
        put_start(1, WAITS, NULL, 0, &(struct waiting){0, 1, WAITER_MESSAGE});
        check_error("message 1 is not of this sender");
        begin_with_names();
        put_call(BUS_DRIVER_NAME, WAITS, 0);
        put_start(1, WAITS, NULL, 0, &(struct waiting){0, 1, WAITER_START});
        check_error("message 1 is no call");
        begin_with_names();
        put_message(MESSAGE_TYPE_SIGNAL, ":1.3", WAITS, 1);
        put_start(1, WAITS, NULL, 0, &(struct waiting){1, 1, WAITER_CALL});
        check_error("message 1 is no call");
        begin_with_calls();
        put_start(1, WAITS, NULL, 0, &none);
        check_error("nothing has the number 0");

        for (size_t i = 0; i < 4; i++) {
                /* the last one is not a child of this process */
                const uint32_t pids[] = {0, 1, UINT32_MAX, (uint32_t)getppid()};

                begin_with_names();
                put_child(pids[i], 0);
                check_error("is no child of this one");
        }
        begin_with_names();
        put_child(1000, 1);
        check_error("nothing has the number 1");
        services_teardown();

        begin_with_names();
        put_start(1, WAITS, NULL, 0, NULL);
        check_error("this bus starts no services");
}
END_TEST

START_TEST(units_that_cannot_be_are_refused) {
        services_setup();
        begin_with_names();
        put_unit("a.service", "/a", 4, "");
        check_error("field question");
        begin_with_names();
        put_unit("a.service", "a", 1, "");
        check_error("this is no path of a unit");
        begin_with_names();
        put_unit("", "/a", 1, "");
        check_error("no unit has such a name");
        begin_with_names();
        put_unit("a.service", "/a", 1, "");
        put_unit("a.service", "/a", 1, "");
        check_error("the unit is there twice");
        begin_with_names();
        put_unit("a.service", "/a", 1, "twenty-four characters..");
        check_error("a string is too long");
        begin_with_names();
        state_record_begin(&save, "Units");
        state_put_u32(&save, "systemd", 1);
        state_put_bool(&save, "is_subscribed", false);
        state_put_u32(&save, "template_serial", 0);
        state_put_bool(&save, "template_is_outdated", false);
        state_put_bool(&save, "has_template", false);
        state_record_end(&save);
        check_error("this client is not systemd");
        services_teardown();
}
END_TEST

/* a bus with some of everything */

static bool policy_is_old(void *process) {
        return true;
}

/* The policy denies a message, which then waits; and a client that leaves has not read a call. */
static void make_messages_that_wait(void) {
        struct message *m;
        struct writer w;

        peer_signal(p[0], NULL, "/", "a.b", "M", NULL);
        m = p[1]->inbox[p[1]->n - 1].m;
        ck_assert_str_eq(m->member.s, "M");
        bus.hooks.policy_is_old = policy_is_old;
        bus.policy_is_checked = false;
        ck_assert(docket_hold(&p[0]->client, m, 5, DOCKET_MESSAGE));

        bus.hooks.policy_is_old = NULL;

        peer_call_init(p[3], &w, "com.example.Other", "/", "a.b", "Unread", "");
        ck_assert_int_eq(peer_send(p[3], &w, 0), 0);
        m = p[1]->inbox[p[1]->n - 1].m;
        ck_assert_str_eq(m->member.s, "Unread");
        p[1]->client.is_closing = true;
        ck_assert(unread_hold(&p[1]->client, m, false));
}

static pid_t program;

static void end_program(void) {
        kill(program, SIGKILL);
        ck_assert_int_eq(waitpid(program, NULL, 0), program);
}

static void make_bus(void) {
        struct later *later, from = {.kind = LATER_REEXECUTE, .wants_reply = true};
        struct writer w;

        for (size_t i = 0; i < 4; i++)
                p[i] = peer_hello();
        peer_call_init(p[2], &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH,
                       "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu");
        writer_array_begin(&w, 4);
        writer_string(&w, "type='signal',member='M'");
        writer_array_end(&w);
        writer_u32(&w, 0);
        ck_assert_int_eq(peer_send(p[2], &w, 0), 0);
        peer_request_name(p[0], NAME, 1);
        peer_request_name(p[1], NAME, 0);
        peer_request_name(p[1], "com.example.Other", 0);
        peer_call_driver(p[0], "AddMatch", "type='signal',path_namespace='/a',arg0path='/b/'",
                         NULL);
        peer_call_driver(p[0], "AddMatch", "sender='com.example.Other',arg3='x'", NULL);
        peer_call_driver(p[1], "AddMatch", "member='M',eavesdrop='true'", NULL);
        for (unsigned i = 0; i < 3; i++) {
                peer_call_init(p[0], &w, NAME, "/", "a.b", "Call", "");
                ck_assert_int_eq(peer_send(p[0], &w, 0), 0);
        }
        from.client = &p[1]->client;
        from.serial = 99;
        later = later_restore(&from);
        DL_APPEND2(owed_answers, later, owner_prev, owner_next);

        for (unsigned i = 0; i < 3; i++) {
                static const char *const names[] = {HAS_UNIT, WAITS, SLEEPS};

                peer_call_init(p[i % 2], &w, names[i], "/", "a.b", "Call", "");
                ck_assert_int_eq(peer_send(p[i % 2], &w, 0), 0);
        }
        services_run(); /* the program runs */
        program = child_pid(bus.activation->children.list);
        make_messages_that_wait();
}

static void save_bus(uint8_t **ret_bytes, size_t *ret_n) {
        char error[256];

        make_bus();
        ck_assert_msg(takeover_save(ret_bytes, ret_n, error) == 0, "%s", error);
}

/* Some bits are changed: the document is accepted or refused, and the bus ends as it should. */
START_TEST(changed_documents_do_no_harm) {
        unsigned n_accepted = 0, n_refused = 0;
        uint64_t state = 7;
        uint8_t *bytes, *changed;
        char error[256];
        size_t n;

        services_setup();
        save_bus(&bytes, &n);
        changed = malloc(n);
        for (unsigned i = 0; i < 6000; i++) {
                memcpy(changed, bytes, n);
                for (unsigned k = test_random(&state) % 3; k < 3; k++)
                        changed[test_random(&state) % n] ^= 1U << test_random(&state) % 8;
                takeover_renew(p, CLIENTS);
                if (takeover_load(p, CLIENTS, changed, n, error) == 0)
                        n_accepted++;
                else
                        n_refused++;
        }
        ck_assert_uint_gt(n_accepted, 50);
        ck_assert_uint_gt(n_refused, 3000);
        takeover_renew(p, 0);
        free(changed);
        free(bytes);
        services_teardown();
        end_program();
}
END_TEST

START_TEST(document_is_cut_anywhere) {
        uint8_t *bytes;
        char error[256];
        size_t n;

        services_setup();
        save_bus(&bytes, &n);
        for (size_t i = 0; i < n; i += 8) {
                takeover_renew(p, CLIENTS);
                ck_assert_int_eq(takeover_load(p, CLIENTS, bytes, i, error), -EBADMSG);
        }
        takeover_renew(p, 0);
        free(bytes);
        services_teardown();
        end_program();
}
END_TEST

/* lack of memory */

#define TRIES_MAX 10000

START_TEST(document_is_not_written_without_memory) {
        uint8_t *bytes = NULL;
        char error[256];
        size_t n_bytes;
        long n;
        int r = -ENOMEM;

        services_setup();
        make_bus();
        for (n = 0; n < TRIES_MAX && r == -ENOMEM; n++) {
                memory_left = n;
                r = takeover_save(&bytes, &n_bytes, error);
                memory_left = -1;
        }
        ck_assert_int_eq(r, 0);
        ck_assert_int_gt(n, 20);
        free(bytes);
        services_teardown();
        end_program();
}
END_TEST

START_TEST(document_is_not_read_without_memory) {
        uint8_t *bytes, *again;
        char error[256];
        size_t n_bytes, n_again;
        int r = -ENOMEM;
        long n;

        services_setup();
        save_bus(&bytes, &n_bytes);
        for (n = 0; n < TRIES_MAX && r == -ENOMEM; n++) {
                takeover_renew(p, CLIENTS);
                memory_left = n;
                r = takeover_load(p, CLIENTS, bytes, n_bytes, error);
                memory_left = -1;
        }
        ck_assert_int_eq(r, 0);
        ck_assert_int_gt(n, 20);
        ck_assert_int_eq(takeover_save(&again, &n_again, error), 0);
        ck_assert_uint_eq(n_again, n_bytes);
        ck_assert_mem_eq(again, bytes, n_bytes);
        takeover_renew(p, 0);
        free(bytes);
        free(again);
        services_teardown();
        end_program();
}
END_TEST

int main(void) {
        TCase *t = tcase_create("state-refused");

        tcase_set_timeout(t, 120);
        tcase_add_test(t, document_of_the_test_is_accepted);
        tcase_add_test(t, unique_names_that_cannot_be_are_refused);
        tcase_add_test(t, names_that_cannot_be_are_refused);
        tcase_add_test(t, rules_that_cannot_be_are_refused);
        tcase_add_test(t, replies_that_cannot_be_are_refused);
        tcase_add_test(t, deferred_answers_that_cannot_be_are_refused);
        tcase_add_test(t, messages_that_cannot_wait_are_refused);
        tcase_add_test(t, starts_that_cannot_be_are_refused);
        tcase_add_test(t, units_that_cannot_be_are_refused);
        tcase_add_test(t, changed_documents_do_no_harm);
        tcase_add_test(t, document_is_cut_anywhere);
        tcase_add_test(t, document_is_not_written_without_memory);
        tcase_add_test(t, document_is_not_read_without_memory);
        return suite_main("bus-state-refused", t);
}
