/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A local peer that several threads use at once, and its messages to a served peer. */

#include "test/unit/libbus1/fixture.h"
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_THREADS 4
#define N_MESSAGES 5000

struct shared {
        struct bus1_client *client;
        uint64_t handle;
        atomic_int n_received;
        atomic_int n_sum;
        int n_total;
};

static void *thread_send(void *userdata) {
        struct shared *shared = userdata;

        for (int i = 0; i < N_MESSAGES; i++)
                ck_assert_int_eq(send_data(shared->client, shared->handle, &i, sizeof(i)), 0);

        return NULL;
}

static void *thread_receive(void *userdata) {
        struct shared *shared = userdata;

        /* if a queue with an entry were not readable, each poll() would take 100 ms: too long */
        while (atomic_load(&shared->n_received) < shared->n_total) {
                struct pollfd p = {.fd = bus1_client_get_fd(shared->client), .events = POLLIN};
                struct bus1_received *received;
                int r, i;

                ck_assert_int_ge(poll(&p, 1, 100), 0);
                r = bus1_client_recv_alloc(shared->client, &received);
                if (r == -EAGAIN)
                        continue;
                ck_assert_int_eq(r, 0);
                memcpy(&i, received->data, sizeof(i));
                atomic_fetch_add(&shared->n_sum, i % 7);
                atomic_fetch_add(&shared->n_received, 1);
                bus1_received_free(received);
        }

        return NULL;
}

START_TEST(threads_share_a_peer) {
        struct bus1_domain *domain;
        struct shared shared = {.n_total = N_THREADS * N_MESSAGES};
        pthread_t threads[2 * N_THREADS];
        uint64_t node;
        int sum = 0;

        ck_assert_int_eq(bus1_domain_new(&domain), 0);
        ck_assert_int_eq(bus1_domain_client_new(domain, &shared.client), 0);
        ck_assert_int_eq(bus1_client_create_node(shared.client, 0, &node, &shared.handle), 0);

        for (int i = 0; i < N_THREADS; i++) {
                ck_assert_int_eq(pthread_create(&threads[i], NULL, thread_send, &shared), 0);
                ck_assert_int_eq(
                        pthread_create(&threads[N_THREADS + i], NULL, thread_receive, &shared), 0);
        }
        for (int i = 0; i < 2 * N_THREADS; i++)
                ck_assert_int_eq(pthread_join(threads[i], NULL), 0);

        for (int i = 0; i < N_MESSAGES; i++)
                sum += N_THREADS * (i % 7);
        ck_assert_int_eq(shared.n_received, shared.n_total);
        ck_assert_int_eq(shared.n_sum, sum);
        expect_nothing(shared.client);

        bus1_client_free(shared.client);
        bus1_domain_free(domain);
}
END_TEST

struct route {
        struct bus1_client *client;
        uint64_t handle;
};

static void *thread_route(void *userdata) {
        struct route *route = userdata;

        for (int i = 0; i < N_MESSAGES; i++)
                ck_assert_int_eq(send_data(route->client, route->handle, &i, sizeof(i)), 0);

        return NULL;
}

START_TEST(messages_of_threads_reach_a_served_peer) {
        struct route routes[N_THREADS];
        struct bus1_client *client, *local;
        uint64_t node, handle, ids[N_THREADS];
        int next[N_THREADS] = {};
        struct bus1_received *received;
        pthread_t threads[N_THREADS];
        struct fixture fixture;
        uint64_t token;
        int fd;

        ck_assert(fixture_init(&fixture, FIXTURE_SOCKET));
        fixture_lock(&fixture);
        ck_assert_int_eq(bus1_domain_serve_peer(fixture.domain, 1, 1, 1, &fd, &token), 0);
        ck_assert_int_eq(bus1_domain_client_new(fixture.domain, &local), 0);
        fixture_unlock(&fixture);
        ck_assert_int_eq(bus1_client_new_from_fd(&client, fd), 0);

        /* the served peer gets a handle to a node of the local peer, and sends handles back */
        ck_assert_int_eq(bus1_client_create_node(local, 0, &node, &handle), 0);
        fixture_lock(&fixture);
        ck_assert_int_eq(bus1_domain_grant(fixture.domain, local, handle, token, &handle), 0);
        fixture_unlock(&fixture);
        for (int i = 0; i < N_THREADS; i++) {
                struct bus1_transfer transfer = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
                struct bus1_message message = {.n_transfers = 1,
                                               .ptr_transfers = (uintptr_t)&transfer};

                ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message), 0);
                ids[i] = transfer.id;
                ck_assert_int_eq(bus1_client_recv_alloc(local, &received), 0);
                routes[i].handle = received->transfers[0].id;
                routes[i].client = local;
                bus1_received_free(received);
        }

        for (int i = 0; i < N_THREADS; i++)
                ck_assert_int_eq(pthread_create(&threads[i], NULL, thread_route, &routes[i]), 0);

        for (int n = 0; n < N_THREADS * N_MESSAGES; n++) {
                int i, j, r;

                while ((r = bus1_client_recv_alloc(client, &received)) == -EAGAIN)
                        wait_readable(client);
                ck_assert_int_eq(r, 0);
                for (i = 0; i < N_THREADS; i++)
                        if (received->metadata.metadata.id == ids[i])
                                break;
                ck_assert_int_lt(i, N_THREADS);
                memcpy(&j, received->data, sizeof(j));
                ck_assert_int_eq(j, next[i]++);
                bus1_received_free(received);
        }

        for (int i = 0; i < N_THREADS; i++)
                ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        expect_nothing(client);
        bus1_client_free(client);
        bus1_client_free(local);
        fixture_deinit(&fixture);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                threads_share_a_peer,
                messages_of_threads_reach_a_served_peer,
        };

        return run_tests("threads", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
