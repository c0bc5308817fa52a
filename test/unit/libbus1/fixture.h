/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One fixture for each transport, so that the same tests run on all of them. */

#include <bus1/bus1.h>
#include <bus1/hosted.h>
#include <check.h>
#include <pthread.h>
#include <stdbool.h>

enum {
        FIXTURE_LOCAL,  /* in this process */
        FIXTURE_SOCKET, /* on a hosted server, which is a thread of this process */
        FIXTURE_DEVICE, /* on /dev/bus1, when there is one */
        _FIXTURE_N,
};

struct fixture {
        int kind;
        int n_fds; /* number of open descriptors before the fixture was made */
        char *directory;
        char *path; /* the listening socket */
        struct bus1_domain *domain;

        pthread_t server;
        pthread_mutex_t lock; /* held to use anything that the server's thread uses */
        int stop_fd;
};

/* Returns false when this machine does not have the transport. */
bool fixture_init(struct fixture *fixture, int kind);
/* Also checks that no descriptor was leaked. */
void fixture_deinit(struct fixture *fixture);

struct bus1_client *fixture_client_new(struct fixture *fixture);

/* Stop the server's thread, if any, until the unlock, so that the test can act in its place. */
void fixture_lock(struct fixture *fixture);
void fixture_unlock(struct fixture *fixture);

/* helpers of tests */

int count_fds(void);
/* Wait up to some seconds until n descriptors are open. The server closes some a moment later. */
void wait_fds(int n);
/* Returns whether the descriptor of the client is readable now. */
bool is_readable(struct bus1_client *client);
/* Wait up to some seconds until the descriptor of the client is readable. */
void wait_readable(struct bus1_client *client);
/* Send data, without transfers. */
int send_data(struct bus1_client *client, uint64_t handle, const void *data, size_t n);
/* Receive, and check type, node and data. */
void expect_data(struct bus1_client *client, uint64_t node, const void *data, size_t n);
void expect_nothing(struct bus1_client *client);
/* Receive a notification. It must be the next entry, but may arrive a moment later. */
void expect_notification(struct bus1_client *client, uint64_t type, uint64_t id);
/* Copy a handle from one client to another. */
uint64_t give_handle(struct bus1_client *from, struct bus1_client *to, uint64_t handle);
/* Fill p with n bytes that depend on the seed. */
void fill(uint8_t *p, size_t n, uint32_t seed);

/* running tests */

/* A test that runs once for each transport; it gets a struct fixture *fixture. */
#define TRANSPORT_TEST(name)                              \
        static void name##_body(struct fixture *fixture); \
        START_TEST(name) {                                \
                struct fixture fixture;                   \
                                                          \
                if (!fixture_init(&fixture, _i))          \
                        return;                           \
                name##_body(&fixture);                    \
                fixture_deinit(&fixture);                 \
        }                                                 \
        END_TEST                                          \
        static void name##_body(struct fixture *fixture)

/* Run tests that were defined with TRANSPORT_TEST(). Returns the exit status. */
int run_transport_tests(const char *name, const TTest *const *tests, size_t n);
/* Run tests with setup and teardown around each. */
int run_tests(const char *name, void (*setup)(void), void (*teardown)(void),
              const TTest *const *tests, size_t n);
