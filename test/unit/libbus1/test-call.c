/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls have the same results on every transport, whether its core has BUS1_CMD_CALL or not. The
 * exception is a call that receives for one node: it needs BUS1_CMD_CALL.
 */

#include "test/unit/libbus1/fixture.h"
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

struct pair {
        struct bus1_client *a, *b;
        uint64_t a_node, to_a, b_node, to_b;
};

static struct pair pair_new(struct fixture *fixture) {
        struct pair pair = {.a = fixture_client_new(fixture), .b = fixture_client_new(fixture)};
        uint64_t own;

        ck_assert_int_eq(bus1_client_create_node(pair.a, 0, &pair.a_node, &own), 0);
        pair.to_a = give_handle(pair.a, pair.b, own);
        ck_assert_int_eq(bus1_client_create_node(pair.b, 0, &pair.b_node, &own), 0);
        pair.to_b = give_handle(pair.b, pair.a, own);
        return pair;
}

static void pair_free(struct pair *pair) {
        bus1_client_free(pair->a);
        bus1_client_free(pair->b);
}

/* A send command with a text, and the structures that it points to. */
struct sent {
        struct bus1_cmd_send cmd;
        struct bus1_message message;
        struct iovec vec;
        uint64_t handle;
};

static void sent_init(struct sent *sent, uint64_t handle, const char *text) {
        sent->handle = handle;
        sent->vec = (struct iovec){(char *)text, strlen(text)};
        sent->message = (struct bus1_message){
                .type = BUS1_MESSAGE_TYPE_USER,
                .n_data = strlen(text),
                .n_data_vecs = 1,
                .ptr_data_vecs = (uintptr_t)&sent->vec,
        };
        sent->cmd = (struct bus1_cmd_send){
                .n_destinations = 1,
                .ptr_destinations = (uintptr_t)&sent->handle,
                .ptr_message = (uintptr_t)&sent->message,
        };
}

static struct bus1_cmd_call call_of(const struct sent *sent, uint64_t timeout) {
        return (struct bus1_cmd_call){
                .n_sends = sent ? 1 : 0,
                .ptr_sends = (uintptr_t)sent,
                .node = BUS1_INVALID,
                .timeout = timeout,
        };
}

static void expect_call(struct bus1_client *client, struct bus1_cmd_call *call, const char *text) {
        struct bus1_received *received;

        ck_assert_int_eq(bus1_client_call_alloc(client, call, &received), 0);
        ck_assert_uint_eq(received->n_data, strlen(text));
        ck_assert_mem_eq(received->data, text, strlen(text));
        bus1_received_free(received);
}

static uint64_t now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

TRANSPORT_TEST(call_sends_and_receives) {
        struct pair pair = pair_new(fixture);
        struct bus1_cmd_call call;
        struct sent sent;

        ck_assert_int_eq(send_data(pair.b, pair.to_a, "first", 5), 0);
        ck_assert_int_eq(send_data(pair.b, pair.to_a, "second", 6), 0);
        sent_init(&sent, pair.to_b, "call");
        call = call_of(&sent, BUS1_INVALID);
        expect_call(pair.a, &call, "first");
        call = call_of(NULL, 0);
        expect_call(pair.a, &call, "second");
        wait_readable(pair.b);
        expect_data(pair.b, pair.b_node, "call", 4);
        expect_nothing(pair.b);
        pair_free(&pair);
}

TRANSPORT_TEST(large_messages_fit) {
        struct pair pair = pair_new(fixture);
        struct bus1_cmd_call call = call_of(NULL, BUS1_INVALID);
        char *text = malloc(100001);

        memset(text, 'x', 100000);
        text[100000] = 0;
        ck_assert_int_eq(send_data(pair.b, pair.to_a, text, 100000), 0);
        expect_call(pair.a, &call, text);
        free(text);
        pair_free(&pair);
}

TRANSPORT_TEST(time_ends_a_call) {
        struct pair pair = pair_new(fixture);
        struct bus1_received *received;
        struct bus1_cmd_call call;
        uint64_t begin = now();
        struct sent sent;

        sent_init(&sent, pair.to_b, "call");
        call = call_of(&sent, 20 * MS);
        ck_assert_int_eq(bus1_client_call_alloc(pair.a, &call, &received), -ETIMEDOUT);
        ck_assert_uint_ge(now() - begin, 20 * MS);
        ck_assert_uint_eq(call.n_sends, 0);
        ck_assert_uint_eq(call.timeout, 0);
        ck_assert_int_eq(bus1_client_call_alloc(pair.a, &call, &received), -EAGAIN);
        wait_readable(pair.b);
        expect_data(pair.b, pair.b_node, "call", 4);
        expect_nothing(pair.b);
        pair_free(&pair);
}

TRANSPORT_TEST(several_at_once) {
        struct pair pair = pair_new(fixture);
        struct sent sents[3];
        struct bus1_cmd_send sends[3];
        struct bus1_message messages[4];
        struct bus1_metadata metadata[4];
        struct bus1_cmd_recv recvs[4];
        struct bus1_cmd_call call = {
                .n_sends = 3,
                .ptr_sends = (uintptr_t)sends,
                .node = BUS1_INVALID,
                .timeout = BUS1_INVALID,
        };

        for (int i = 0; i < 3; i++) {
                sent_init(&sents[i], pair.to_b, (const char *[]){"1", "2", "3"}[i]);
                sends[i] = sents[i].cmd;
        }
        /* the second one fails: the first one was sent, and the others are left */
        sents[1].handle = BUS1_INVALID;
        ck_assert_int_eq(bus1_client_call(pair.a, &call), -EBADRQC);
        ck_assert_uint_eq(call.n_sends, 2);
        ck_assert_uint_eq(call.ptr_sends, (uintptr_t)&sends[1]);
        sents[1].handle = pair.to_b;
        ck_assert_int_eq(bus1_client_call(pair.a, &call), 0);

        for (int i = 0; i < 4; i++) {
                messages[i] = (struct bus1_message){.type = BUS1_INVALID, .n_data = 0};
                recvs[i] = (struct bus1_cmd_recv){
                        .flags = BUS1_RECV_FLAG_DISCARD,
                        .ptr_metadata = (uintptr_t)&metadata[i],
                        .ptr_message = (uintptr_t)&messages[i],
                };
        }
        call = call_of(NULL, BUS1_INVALID);
        call.n_recvs = 4;
        call.ptr_recvs = (uintptr_t)recvs;
        ck_assert_int_eq(bus1_client_call(pair.b, &call), 0);
        ck_assert_uint_eq(call.n_recvs, 3);
        for (int i = 0; i < 3; i++)
                ck_assert_uint_eq(metadata[i].id, pair.b_node);
        pair_free(&pair);
}

TRANSPORT_TEST(errors_of_the_command) {
        struct pair pair = pair_new(fixture);
        struct bus1_received *received;
        struct bus1_cmd_call call;

        call = call_of(NULL, 0);
        call.flags = 1;
        ck_assert_int_eq(bus1_client_call(pair.a, &call), -EINVAL);
        call = call_of(NULL, 0);
        call.n_sends = BUS1_CALL_MAX + 1;
        ck_assert_int_eq(bus1_client_call(pair.a, &call), -EMSGSIZE);
        call = call_of(NULL, 0);
        call.node = pair.a_node;
        ck_assert_int_eq(bus1_client_call_alloc(pair.a, &call, &received),
                         fixture->kind == FIXTURE_DEVICE ? -EAGAIN : -EOPNOTSUPP);
        ck_assert_int_eq(bus1_client_disconnect(pair.a), 0);
        call = call_of(NULL, BUS1_INVALID);
        ck_assert_int_eq(bus1_client_call_alloc(pair.a, &call, &received), -ESHUTDOWN);
        pair_free(&pair);
}

static void *send_later(void *argument) {
        struct pair *pair = argument;

        usleep(50000);
        ck_assert_int_eq(send_data(pair->b, pair->to_a, "late", 4), 0);
        return NULL;
}

TRANSPORT_TEST(call_waits) {
        struct pair pair = pair_new(fixture);
        struct bus1_cmd_call call = call_of(NULL, 10000 * MS);
        pthread_t thread;

        ck_assert_int_eq(pthread_create(&thread, NULL, send_later, &pair), 0);
        expect_call(pair.a, &call, "late");
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        pair_free(&pair);
}

int main(void) {
        const TTest *const tests[] = {
                call_sends_and_receives, large_messages_fit,    time_ends_a_call,
                several_at_once,         errors_of_the_command, call_waits,
        };

        return run_transport_tests("call", tests, sizeof(tests) / sizeof(tests[0]));
}
