/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The native front end in a state document: a second bus takes over from the first one. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/driver/methods.h"
#include "bridge/state/message-record.h"
#include "test/unit/native/site.h"
#include "test/unit/suite.h"

#define BRIDGE1 "org.bus1.Bridge1"
#define NAME "org.bus1.Test"

/*
 * What is under way: owner has published a name, an object and an export; caller has looked up the
 * name and an object, has subscribed, waits for the answer to a call and for a direct channel;
 * watcher is a monitor that had subscribed; newcomer has not said Hello.
 */
static struct program *owner, *caller, *watcher, *newcomer;
static uint64_t home[3], name_node, object_node, export_node, signal_node, control_node;
static uint64_t lookup_number, lookup_handle, object_handle;
static uint32_t answer_serial;                 /* of the call that the owner answers */
static uint64_t call_reply, channel_reply;     /* nodes of the caller */
static uint64_t answer_handle, opening_handle; /* of the owner */

static void publish(struct program *program) {
        uint64_t handle;
        struct writer w;

        name_node = node_new(program, &handle);
        call_init(program, &w, BUS_DRIVER_NAME, BRIDGE1, "Publish", "su");
        writer_string(&w, NAME);
        writer_u32(&w, 0);
        message_unref(call_bus(program, &w, handle, NULL));
        object_node = node_new(program, &handle);
        call_init(program, &w, BUS_DRIVER_NAME, BRIDGE1, "PublishObject", "o");
        writer_string(&w, "/published");
        message_unref(call_bus(program, &w, handle, NULL));
        export_node = node_new(program, &handle);
        call_init(program, &w, BUS_DRIVER_NAME, BRIDGE1, "Export", "");
        message_unref(call_bus(program, &w, handle, NULL));
}

static uint64_t subscribe(struct program *program, const char *rule) {
        uint64_t node, handle;
        struct writer w;

        node = node_new(program, &handle);
        call_init(program, &w, BUS_DRIVER_NAME, BRIDGE1, "Subscribe", "s");
        writer_string(&w, rule);
        message_unref(call_bus(program, &w, handle, NULL));
        return node;
}

static uint64_t look_up(struct program *program, const char *path, uint64_t *ret_handle) {
        struct message *m;
        struct reader r;
        uint64_t number;
        struct writer w;

        call_init(program, &w, BUS_DRIVER_NAME, BRIDGE1, path ? "LookupObject" : "Lookup",
                  path ? "so" : "su");
        writer_string(&w, NAME);
        if (path)
                writer_string(&w, path);
        else
                writer_u32(&w, 0);
        m = call_bus(program, &w, 0, ret_handle);
        reader_init(&r, m);
        number = reader_u64(&r);
        message_unref(m);
        return number;
}

static void become_monitor(struct program *program) {
        struct writer w;

        call_init(program, &w, BUS_DRIVER_NAME, "org.freedesktop.DBus.Monitoring", "BecomeMonitor",
                  "asu");
        writer_array_begin(&w, 4);
        writer_string(&w, "member='Nothing'");
        writer_array_end(&w);
        writer_u32(&w, 0);
        message_unref(call_bus(program, &w, 0, NULL));
}

/* The next call that the program gets. */
static struct message *expect_call(struct program *program, const char *member, uint64_t node,
                                   uint64_t *ret_reply) {
        struct bus1_received *received = program_receive(program);
        struct message *m = message_of(received);

        ck_assert_str_eq(m->member.s, member);
        ck_assert_uint_eq(received->metadata.metadata.id, node);
        if (ret_reply) {
                ck_assert_uint_ge(received->n_transfers, 1);
                *ret_reply = received->transfers[0].id;
        }
        bus1_received_free(received);
        return m;
}

static void drop_messages(struct program *program) {
        while (program_has_message(program))
                bus1_received_free(program_receive(program));
}

static void begin_programs(void *data) {
        struct message *m;
        struct writer w;

        program_open(owner);
        program_open(caller);
        program_open(watcher);
        program_open(newcomer);
        home[0] = say_hello(owner);
        home[1] = say_hello(caller);
        home[2] = say_hello(watcher);
        publish(owner);
        subscribe(watcher, "member='Beep'");
        signal_node = subscribe(caller, "type='signal',member='Beep'");
        subscribe(caller, "arg0='it''s'");
        lookup_number = look_up(caller, NULL, &lookup_handle);
        look_up(caller, "/published", &object_handle);
        drop_messages(owner);
        drop_messages(caller);

        call_init(caller, &w, NAME, "a.b", "Wait", "");
        ck_assert_int_eq(program_send(caller, caller->handle, &w, NULL, 0, &call_reply), 0);
        m = expect_call(owner, "Wait", name_node, &answer_handle);
        answer_serial = m->serial;
        message_unref(m);
}

static void open_channel(void *data) {
        struct writer w;
        uint64_t handle;

        control_node = node_new(caller, &handle);
        call_init(caller, &w, BUS_DRIVER_NAME, BRIDGE1, "OpenChannel", "t");
        writer_u64(&w, lookup_number);
        ck_assert_int_eq(program_send(caller, caller->handle, &w, &handle, 1, &channel_reply), 0);
        message_unref(expect_call(owner, "OpenChannel", home[0], &opening_handle));
}

static void watch(void *data) {
        become_monitor(watcher);
        drop_messages(caller);
        drop_messages(owner);
}

static void setup(void) {
        site_setup();
        owner = program_new();
        caller = program_new();
        watcher = program_new();
        newcomer = program_new();
        act(begin_programs, NULL);
}

/* tests */

/* The core and the tables of the bus agree, whoever serves. Returns the number of nodes. */
static unsigned expect_counts(void) {
        struct bus1_cmd_query query = query_peer();
        unsigned n_nodes = HASH_COUNT(site->native->nodes);
        unsigned n_handles = HASH_COUNT(site->native->handles);
        const struct client *client;
        const struct reply *reply;

        ck_assert_uint_eq(query.n_nodes, n_nodes);
        /* reply handles are in no table */
        n_handles += site->native->openings != NULL;
        DL_FOREACH(site->bus.clients, client) {
                DL_FOREACH2(client->pending, reply, pending_next) {
                        n_handles += reply->caller_cookie != 0;
                }
        }
        ck_assert_uint_eq(query.n_handles, n_handles);
        return n_nodes;
}

START_TEST(document_of_the_second_bus_is_the_same) {
        unsigned n_nodes;

        act(open_channel, NULL);
        n_nodes = expect_counts();
        ck_assert_uint_eq(n_nodes, 4 + 1 + 1 + 2);
        take_over();
        ck_assert_uint_eq(expect_counts(), n_nodes);
        take_over();
        ck_assert_uint_eq(expect_counts(), n_nodes);
        ck_assert_uint_eq(caller->session->n_lookups, 2);
        ck_assert_uint_eq(owner->session->n_published, 3);
        /* the user has what the sessions have */
        ck_assert_uint_eq(caller->session->user->n_sessions, 4);
        ck_assert_uint_eq(caller->session->user->n_held, 3 + 3 + 3 + 2);
        ck_assert_ptr_eq(caller->session->user, newcomer->session->user);
}
END_TEST

static void expect_answer(struct program *program, uint64_t node, uint8_t type,
                          uint64_t *ret_handle) {
        struct bus1_received *received = program_receive(program);
        struct message *m = message_of(received);

        ck_assert_uint_eq(received->metadata.metadata.id, node);
        ck_assert_uint_eq(m->type, type);
        if (ret_handle)
                *ret_handle = received->n_transfers > 0 ? received->transfers[0].id : 0;
        message_unref(m);
        bus1_received_free(received);
}

static void answer_call(void *data) {
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_METHOD_RETURN, 0, ++owner->serial, "");
        w.reply_serial = answer_serial;
        ck_assert_int_eq(program_send(owner, answer_handle, &w, NULL, 0, NULL), 0);
        expect_answer(caller, call_reply, MESSAGE_TYPE_METHOD_RETURN, NULL);
}

START_TEST(pending_call_is_answered) {
        take_over();
        ck_assert_uint_eq(site->bus.replies.n, 1);
        act(answer_call, NULL);
        ck_assert_uint_eq(site->bus.replies.n, 0);
        expect_counts();
}
END_TEST

static void give_channel(void *data) {
        uint64_t handle, got;
        struct writer w;

        node_new(owner, &handle);
        writer_init(&w, MESSAGE_TYPE_METHOD_RETURN, 0, ++owner->serial, "");
        w.reply_serial = 1;
        ck_assert_int_eq(program_send(owner, opening_handle, &w, &handle, 1, NULL), 0);
        expect_answer(caller, channel_reply, MESSAGE_TYPE_METHOD_RETURN, &got);
        ck_assert_uint_ne(got, 0);
}

START_TEST(channel_opens) {
        act(open_channel, NULL);
        take_over();
        ck_assert_ptr_nonnull(site->native->openings);
        act(give_channel, NULL);
        ck_assert_ptr_null(site->native->openings);
        ck_assert(caller->session->has_channels && owner->session->has_channels);
        take_over();
        ck_assert_uint_eq(native_lookup_find(caller->session, lookup_number)->opened_in,
                          site->native->era);
        ck_assert(caller->session->has_channels && owner->session->has_channels);
}
END_TEST

static void expect_no_channel(void *data) {
        expect_answer(caller, channel_reply, MESSAGE_TYPE_ERROR, NULL);
}

START_TEST(channel_that_does_not_open_is_refused_in_time) {
        int64_t deadline;

        act(open_channel, NULL);
        deadline = site->native->openings->deadline;
        take_over();
        ck_assert_int_eq(site->native->opening_timer.deadline, deadline);
        while (loop_now() < deadline)
                usleep(10000);
        ck_assert_int_eq(native_openings_expire(&site->native->opening_timer), 0);
        act(expect_no_channel, NULL);
        expect_counts();
}
END_TEST

static void call_lookups(void *data) {
        struct message *m;
        struct writer w;

        call_init(caller, &w, "x.y", "a.b", "ByName", "");
        ck_assert_int_eq(program_send(caller, lookup_handle, &w, NULL, 0, NULL), 0);
        message_unref(expect_call(owner, "ByName", name_node, NULL));
        call_init(caller, &w, "x.y", "a.b", "ByObject", "");
        ck_assert_int_eq(program_send(caller, object_handle, &w, NULL, 0, NULL), 0);
        m = expect_call(owner, "ByObject", object_node, NULL);
        ck_assert_str_eq(m->path.s, "/published");
        ck_assert_str_eq(m->destination.s, NAME);
        message_unref(m);
}

static void release_name(void *data) {
        struct bus1_received *received;
        struct writer w;

        call_init(owner, &w, BUS_DRIVER_NAME, BUS_DRIVER_NAME, "ReleaseName", "s");
        writer_string(&w, NAME);
        message_unref(call_bus(owner, &w, 0, NULL));
        for (int i = 0; i < 2; i++) {
                received = program_receive(caller);
                ck_assert_uint_eq(received->type, BUS1_MESSAGE_TYPE_NODE_RELEASE);
                bus1_received_free(received);
        }
}

START_TEST(lookups_go_on_and_end_with_the_name) {
        take_over();
        act(call_lookups, NULL);
        act(release_name, NULL);
        ck_assert_uint_eq(caller->session->n_lookups, 0);
        ck_assert_ptr_null(site->native->owners);
        ck_assert_uint_eq(owner->session->n_published, 2);
        expect_counts();
}
END_TEST

static void release_lookup(void *data) {
        ck_assert_int_eq(bus1_client_release_one(caller->client, lookup_handle), 0);
}

START_TEST(lookup_ends_with_its_last_handle) {
        take_over();
        act(release_lookup, NULL);
        ck_assert_uint_eq(caller->session->n_lookups, 1);
        expect_counts();
}
END_TEST

static void beep(void *data) {
        struct bus1_received *received;
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_SIGNAL, MESSAGE_FLAG_NO_REPLY_EXPECTED, ++owner->serial, "");
        w.path = "/";
        w.interface = "a.b";
        w.member = "Beep";
        ck_assert_int_eq(program_send(owner, owner->handle, &w, NULL, 0, NULL), 0);
        received = program_receive(caller);
        ck_assert_uint_eq(received->metadata.metadata.id, signal_node);
        bus1_received_free(received);
}

static void unsubscribe(void *data) {
        ck_assert_int_eq(bus1_client_release_one(caller->client, signal_node), 0);
}

START_TEST(subscriptions_go_on_and_end) {
        take_over();
        act(beep, NULL);
        act(unsubscribe, NULL);
        ck_assert_uint_eq(caller->session->client.n_rules, 1);
        take_over();
        ck_assert_uint_eq(caller->session->client.n_rules, 1);
        expect_counts();
}
END_TEST

static void leave(void *data) {
        struct program *program = data;

        program->client = bus1_client_free(program->client);
}

START_TEST(monitor_leaves_with_its_old_subscription) {
        act(watch, NULL);
        take_over();
        ck_assert_int_eq(watcher->session->client.state, CLIENT_MONITOR);
        /* the handle of a subscription of a monitor has no rule */
        act(leave, watcher);
        while (site->native->ending)
                native_session_end(site->native->ending);
        ck_assert(watcher->is_closed);
        ck_assert_ptr_null(site->bus.monitors);
        expect_counts();
}
END_TEST

static void join_late(void *data) {
        say_hello(newcomer);
}

START_TEST(newcomer_says_hello) {
        take_over();
        ck_assert(!newcomer->is_complete);
        act(join_late, NULL);
        ck_assert(newcomer->is_complete);
        take_over();
        ck_assert(client_is_registered(&newcomer->session->client));
}
END_TEST

START_TEST(all_nodes_and_handles_end_with_the_sessions) {
        struct bus1_cmd_query query;

        act(open_channel, NULL);
        take_over();
        for (unsigned i = 0; i < n_programs; i++) {
                native_session_close(programs[i].session, "the test ends it");
                ck_assert_int_eq(native_session_end(programs[i].session), 0);
        }
        query = query_peer();
        ck_assert_uint_eq(query.n_nodes, 0);
        ck_assert_uint_eq(query.n_handles, 0);
        ck_assert_ptr_null(site->native->nodes);
        ck_assert_ptr_null(site->native->handles);
        ck_assert_ptr_null(site->native->users);
}
END_TEST

/* reply handles that were used */

static void ask_often(void *data) {
        for (int i = 0; i < 20; i++) {
                struct writer w;

                call_init(caller, &w, BUS_DRIVER_NAME, BUS_DRIVER_NAME, "GetId", "");
                message_unref(call_bus(caller, &w, 0, NULL));
        }
}

START_TEST(counts_of_a_session_go_on) {
        uint32_t serial;
        uint8_t n_spent;

        act(ask_often, NULL);
        serial = caller->session->serial;
        n_spent = caller->session->n_spent;
        ck_assert_uint_gt(n_spent, 0);
        ck_assert_uint_gt(caller->session->n_answers, 0);
        take_over();
        ck_assert_uint_eq(caller->session->serial, serial);
        ck_assert_uint_eq(caller->session->n_spent, n_spent);
        ck_assert_uint_eq(caller->session->user->n_answers, caller->session->n_answers +
                                                                    owner->session->n_answers +
                                                                    watcher->session->n_answers);
        ck_assert_uint_eq(owner->session->n_exported, 1);
}
END_TEST

/* The first bus goes on if the second one cannot read what it has written. */
START_TEST(first_bus_goes_on_with_its_peer) {
        char error[256];
        uint8_t *bytes;
        unsigned n_nodes;
        size_t n;

        act(open_channel, NULL);
        n_nodes = expect_counts();
        ck_assert_int_eq(site_save(site, &bytes, &n, error), 0);
        ck_assert_int_eq(site_load(bytes, n, error), 0);
        site_give_up();
        ck_assert_int_lt(site_load(bytes, n - 8, error), 0);
        site_give_up();
        free(bytes);
        ck_assert_uint_eq(expect_counts(), n_nodes);
        act(answer_call, NULL);
        act(give_channel, NULL);
        act(call_lookups, NULL);
        act(beep, NULL);
}
END_TEST

/* Damaged documents are refused, or are documents of other programs. They never do harm. */
START_TEST(damaged_documents_do_no_harm) {
        unsigned n_refused = 0, n_tried = 0;
        char error[256];
        uint8_t *bytes;
        size_t n;

        act(open_channel, NULL);
        ck_assert_int_eq(site_save(site, &bytes, &n, error), 0);
        for (size_t i = 0; i < n; i += 3, n_tried++) {
                static const uint8_t flips[] = {0x01, 0x80, 0xff, 0x02};
                uint8_t flip = flips[n_tried % 4];

                bytes[i] ^= flip;
                if (site_load(bytes, n, error) < 0) {
                        n_refused++;
                        ck_assert_str_ne(error, "");
                }
                site_give_up();
                bytes[i] ^= flip;
        }
        ck_assert_uint_gt(n_refused, n_tried / 2);
        ck_assert_int_eq(site_load(bytes, n, error), 0);
        site_give_up();
        free(bytes);
        expect_counts();
        act(answer_call, NULL);
        act(give_channel, NULL);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("native-state");

        tcase_add_checked_fixture(tcase, setup, site_teardown);
        tcase_set_timeout(tcase, 100);
        tcase_add_test(tcase, document_of_the_second_bus_is_the_same);
        tcase_add_test(tcase, pending_call_is_answered);
        tcase_add_test(tcase, channel_opens);
        tcase_add_test(tcase, channel_that_does_not_open_is_refused_in_time);
        tcase_add_test(tcase, lookups_go_on_and_end_with_the_name);
        tcase_add_test(tcase, lookup_ends_with_its_last_handle);
        tcase_add_test(tcase, subscriptions_go_on_and_end);
        tcase_add_test(tcase, monitor_leaves_with_its_old_subscription);
        tcase_add_test(tcase, newcomer_says_hello);
        tcase_add_test(tcase, all_nodes_and_handles_end_with_the_sessions);
        tcase_add_test(tcase, counts_of_a_session_go_on);
        tcase_add_test(tcase, first_bus_goes_on_with_its_peer);
        tcase_add_test(tcase, damaged_documents_do_no_harm);
        return suite_run("native-state", tcase);
}
