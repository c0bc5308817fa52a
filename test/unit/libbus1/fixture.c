/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The transports under test, and operations that most tests use. */

#include "test/unit/libbus1/fixture.h"
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#define WAIT_MSEC 20000

int count_fds(void) {
        struct dirent *entry;
        DIR *directory;
        int n = 0;

        directory = opendir("/proc/self/fd");
        ck_assert_ptr_nonnull(directory);
        while ((entry = readdir(directory)))
                n += entry->d_name[0] != '.';
        closedir(directory);
        return n;
}

void wait_fds(int n) {
        for (int i = 0; i < WAIT_MSEC && count_fds() != n; i++)
                usleep(1000);
        ck_assert_int_eq(count_fds(), n);
}

static void *server_run(void *userdata) {
        struct fixture *fixture = userdata;
        struct pollfd fds[2] = {
                {.fd = bus1_domain_get_fd(fixture->domain), .events = POLLIN},
                {.fd = fixture->stop_fd, .events = POLLIN},
        };

        for (;;) {
                ck_assert_int_ge(poll(fds, 2, -1), 1);
                if (fds[1].revents)
                        return NULL;

                fixture_lock(fixture);
                ck_assert_int_eq(bus1_domain_dispatch(fixture->domain), 0);
                fixture_unlock(fixture);
        }
}

bool fixture_init(struct fixture *fixture, int kind) {
        *fixture = (struct fixture){.kind = kind, .n_fds = count_fds()};

        if (kind == FIXTURE_DEVICE)
                return access("/dev/bus1", F_OK) >= 0;

        ck_assert_int_eq(bus1_domain_new(&fixture->domain), 0);
        if (kind == FIXTURE_LOCAL)
                return true;

        fixture->directory = strdup("/tmp/bus1-test-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(fixture->directory));
        ck_assert_int_ge(asprintf(&fixture->path, "%s/socket", fixture->directory), 0);
        ck_assert_int_eq(bus1_domain_listen(fixture->domain, fixture->path), 0);

        pthread_mutex_init(&fixture->lock, NULL);
        fixture->stop_fd = eventfd(0, EFD_CLOEXEC);
        ck_assert_int_ge(fixture->stop_fd, 0);
        ck_assert_int_eq(pthread_create(&fixture->server, NULL, server_run, fixture), 0);
        return true;
}

void fixture_deinit(struct fixture *fixture) {
        uint64_t one = 1;

        if (fixture->path) {
                ck_assert_int_eq(write(fixture->stop_fd, &one, sizeof(one)), sizeof(one));
                ck_assert_int_eq(pthread_join(fixture->server, NULL), 0);
                pthread_mutex_destroy(&fixture->lock);
                close(fixture->stop_fd);
        }

        bus1_domain_free(fixture->domain);

        if (fixture->path) {
                /* the socket is removed with the domain */
                ck_assert_int_eq(rmdir(fixture->directory), 0);
                free(fixture->path);
                free(fixture->directory);
        }

        wait_fds(fixture->n_fds);
}

struct bus1_client *fixture_client_new(struct fixture *fixture) {
        struct bus1_client *client;

        switch (fixture->kind) {
        case FIXTURE_LOCAL:
                ck_assert_int_eq(bus1_domain_client_new(fixture->domain, &client), 0);
                break;
        case FIXTURE_SOCKET:
                ck_assert_int_eq(bus1_client_new_hosted(&client, fixture->path), 0);
                /*
                 * Wait until the server has closed the descriptors that it passed on: tests count
                 * them.
                 */
                fixture_lock(fixture);
                fixture_unlock(fixture);
                break;
        default:
                ck_assert_int_eq(bus1_client_new_device(&client, NULL), 0);
                break;
        }

        return client;
}

void fixture_lock(struct fixture *fixture) {
        if (fixture->path)
                pthread_mutex_lock(&fixture->lock);
}

void fixture_unlock(struct fixture *fixture) {
        if (fixture->path)
                pthread_mutex_unlock(&fixture->lock);
}

static bool poll_client(struct bus1_client *client, int timeout) {
        struct pollfd p = {.fd = bus1_client_get_fd(client), .events = POLLIN};

        ck_assert_int_ge(poll(&p, 1, timeout), 0);
        return p.revents & POLLIN;
}

bool is_readable(struct bus1_client *client) {
        return poll_client(client, 0);
}

void wait_readable(struct bus1_client *client) {
        ck_assert(poll_client(client, WAIT_MSEC));
}

int send_data(struct bus1_client *client, uint64_t handle, const void *data, size_t n) {
        struct iovec vec = {(void *)data, n};
        struct bus1_message message = {
                .type = BUS1_MESSAGE_TYPE_USER,
                .n_data = n,
                .n_data_vecs = 1,
                .ptr_data_vecs = (uintptr_t)&vec,
        };
        int32_t error = -1;
        int r;

        r = bus1_client_send(client, 1, &handle, &error, &message);
        if (r >= 0)
                ck_assert_int_eq(error, 0);
        return r;
}

void expect_data(struct bus1_client *client, uint64_t node, const void *data, size_t n) {
        struct bus1_received *received;

        ck_assert_int_eq(bus1_client_recv_alloc(client, &received), 0);
        ck_assert_uint_eq(received->type, BUS1_MESSAGE_TYPE_USER);
        ck_assert_uint_eq(received->metadata.metadata.id, node);
        ck_assert_uint_eq(received->n_data, n);
        ck_assert(memcmp(received->data, data, n) == 0);
        bus1_received_free(received);
}

void expect_nothing(struct bus1_client *client) {
        struct bus1_received *received;

        ck_assert(!is_readable(client));
        ck_assert_int_eq(bus1_client_recv_alloc(client, &received), -EAGAIN);
}

void expect_notification(struct bus1_client *client, uint64_t type, uint64_t id) {
        struct bus1_received *received;

        wait_readable(client);
        ck_assert_int_eq(bus1_client_recv_alloc(client, &received), 0);
        ck_assert_uint_eq(received->type, type);
        ck_assert_uint_eq(received->metadata.metadata.id, id);
        ck_assert_uint_eq(received->metadata.metadata.flags, 0);
        ck_assert_uint_eq(received->metadata.metadata.account, BUS1_INVALID);
        ck_assert_uint_eq(received->metadata.uid, BUS1_INVALID);
        ck_assert_uint_eq(received->metadata.pid, BUS1_INVALID);
        ck_assert_uint_eq(received->n_data, 0);
        ck_assert_uint_eq(received->n_transfers, 0);
        ck_assert_uint_eq(received->n_fds, 0);
        bus1_received_free(received);
}

uint64_t give_handle(struct bus1_client *from, struct bus1_client *to, uint64_t handle) {
        struct bus1_transfer src = {.id = handle}, dst;

        ck_assert_int_eq(bus1_client_transfer(from, to, 1, &src, &dst), 0);
        ck_assert_uint_eq(dst.flags, 0);
        return dst.id;
}

void fill(uint8_t *p, size_t n, uint32_t seed) {
        for (size_t i = 0; i < n; i++) {
                seed = seed * 1103515245 + 12345;
                p[i] = seed >> 16;
        }
}

static int run_suite(Suite *suite) {
        SRunner *runner = srunner_create(suite);
        int n_failed;

        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int run_transport_tests(const char *name, const TTest *const *tests, size_t n) {
        Suite *suite = suite_create(name);
        TCase *tcase = tcase_create(name);

        tcase_set_timeout(tcase, 60);
        for (size_t i = 0; i < n; i++)
                tcase_add_loop_test(tcase, tests[i], 0, _FIXTURE_N);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}

int run_tests(const char *name, void (*setup)(void), void (*teardown)(void),
              const TTest *const *tests, size_t n) {
        Suite *suite = suite_create(name);
        TCase *tcase = tcase_create(name);

        tcase_set_timeout(tcase, 60);
        if (setup)
                tcase_add_checked_fixture(tcase, setup, teardown);
        for (size_t i = 0; i < n; i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
