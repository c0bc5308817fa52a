/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bus1-hosted as a process, the example of the documentation, and peers in several processes. */

#include "test/unit/libbus1/fixture.h"
#include <bus1/bus1.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *daemon_path, *example_path;

static char *directory, *path;
static pid_t daemon_pid;

/* Run a program to its end. Returns its status. Its output, which must fit, goes to output. */
static int run(char *const argv[], char *output, size_t n_output) {
        posix_spawn_file_actions_t actions;
        size_t n = 0;
        ssize_t l;
        int pipes[2], status;
        pid_t pid;

        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, pipes[1], STDERR_FILENO);
        ck_assert_int_eq(posix_spawn(&pid, argv[0], &actions, NULL, argv, environ), 0);
        posix_spawn_file_actions_destroy(&actions);
        close(pipes[1]);

        while ((l = read(pipes[0], output + n, n_output - n - 1)) > 0)
                n += l;
        output[n] = 0;
        close(pipes[0]);

        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return status;
}

static void setup(void) {
        int pipes[2], pid;
        char fd[16], line[16] = "";
        char *argv[] = {(char *)daemon_path, "--socket", NULL, "--print-ready", fd, NULL};

        directory = strdup("/tmp/bus1-test-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        ck_assert_int_ge(asprintf(&path, "%s/socket", directory), 0);
        argv[2] = path;

        ck_assert_int_eq(pipe2(pipes, 0), 0);
        ck_assert_int_ge(fcntl(pipes[0], F_SETFD, FD_CLOEXEC), 0);
        snprintf(fd, sizeof(fd), "%d", pipes[1]);
        ck_assert_int_eq(posix_spawn(&pid, daemon_path, NULL, NULL, argv, environ), 0);
        daemon_pid = pid;
        close(pipes[1]);
        ck_assert_int_eq(read(pipes[0], line, sizeof(line)), 6);
        ck_assert_str_eq(line, "ready\n");
        ck_assert_int_eq(read(pipes[0], line, sizeof(line)), 0);
        close(pipes[0]);
        ck_assert_int_eq(setenv(BUS1_HOSTED_SOCKET_ENV, path, 1), 0);
}

static void teardown(void) {
        struct stat st;
        int status;

        ck_assert_int_eq(kill(daemon_pid, SIGTERM), 0);
        ck_assert_int_eq(waitpid(daemon_pid, &status, 0), daemon_pid);
        ck_assert_int_eq(status, 0);
        ck_assert_int_lt(lstat(path, &st), 0);
        ck_assert_int_eq(rmdir(directory), 0);
        free(path);
        free(directory);
}

START_TEST(example_works) {
        char output[4096], expected[256];

        ck_assert_int_eq(run((char *[]){(char *)example_path, NULL}, output, sizeof(output)), 0);
        snprintf(expected, sizeof(expected), "3 + 4 = 7, says uid %u\n40 + 2 = 42, says uid %u\n",
                 geteuid(), geteuid());
        ck_assert_str_eq(output, expected);
}
END_TEST

START_TEST(wrong_usage_is_explained) {
        char output[4096];

        ck_assert_int_eq(
                run((char *[]){(char *)daemon_path, "--help", NULL}, output, sizeof(output)), 0);
        ck_assert_ptr_nonnull(strstr(output, "--socket"));
        ck_assert_int_eq(
                run((char *[]){(char *)daemon_path, "--version", NULL}, output, sizeof(output)), 0);
        ck_assert_ptr_nonnull(strstr(output, "bus1-hosted "));
        ck_assert_int_ne(run((char *[]){(char *)daemon_path, "--socket", path, NULL}, output,
                             sizeof(output)),
                         0);
        ck_assert_ptr_nonnull(strstr(output, path));
        ck_assert_ptr_nonnull(strstr(output, strerror(EADDRINUSE)));
        ck_assert_int_ne(run((char *[]){(char *)daemon_path, "--print-ready", "x", NULL}, output,
                             sizeof(output)),
                         0);
        ck_assert_int_ne(
                run((char *[]){(char *)daemon_path, "--unknown", NULL}, output, sizeof(output)), 0);
        ck_assert_int_ne(
                run((char *[]){(char *)daemon_path, "argument", NULL}, output, sizeof(output)), 0);
        ck_assert_ptr_nonnull(strstr(output, "argument"));
}
END_TEST

START_TEST(descriptors_that_do_not_fit_are_missing) {
        struct bus1_client *client;
        int fds[8];
        struct bus1_message_fds message = {
                .message.flags = BUS1_MESSAGE_FLAG_FDS,
                .n_fds = 8,
                .ptr_fds = (uintptr_t)fds,
        };
        struct bus1_received *received;
        struct rlimit old, limit;
        uint64_t node, handle;

        ck_assert_int_eq(bus1_client_new(&client), 0);
        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        for (int i = 0; i < 8; i++)
                fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
        ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message.message), 0);

        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
        limit = old;
        limit.rlim_cur = fds[7] + 4;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        ck_assert_int_eq(bus1_client_recv_alloc(client, &received), 0);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);

        ck_assert_uint_eq(received->n_fds, 8);
        for (int i = 0; i < 8; i++)
                ck_assert_int_eq(received->fds[i] >= 0, i < 3);
        bus1_received_free(received);

        for (int i = 0; i < 8; i++)
                close(fds[i]);
        bus1_client_free(client);
}
END_TEST

/* The child sends every message back, until no peer has a handle to its node any more. */
static void echo(struct bus1_client *client, uint64_t back) {
        struct bus1_received *received;
        int r;

        for (;;) {
                while ((r = bus1_client_recv_alloc(client, &received)) == -EAGAIN)
                        wait_readable(client);
                if (r < 0 || received->type != BUS1_MESSAGE_TYPE_USER)
                        _exit(r < 0);
                if (send_data(client, back, received->data, received->n_data) < 0)
                        _exit(1);
                bus1_received_free(received);
        }
}

START_TEST(processes_talk) {
        enum { N_CHILDREN = 4, N_ROUNDS = 500 };
        struct bus1_client *client;
        uint64_t nodes[N_CHILDREN], handles[N_CHILDREN], to[N_CHILDREN];
        pid_t pids[N_CHILDREN];
        size_t n = 200000;
        uint8_t *data = calloc(1, n);
        int status;

        ck_assert_int_eq(bus1_client_new(&client), 0);
        for (int i = 0; i < N_CHILDREN; i++) {
                struct bus1_transfer src = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}, dst;
                struct bus1_client *child;
                uint64_t back;

                ck_assert_int_eq(bus1_client_new(&child), 0);
                ck_assert_int_eq(bus1_client_transfer(child, client, 1, &src, &dst), 0);
                to[i] = dst.id;
                ck_assert_int_eq(bus1_client_create_node(client, 0, &nodes[i], &handles[i]), 0);
                back = give_handle(client, child, handles[i]);

                pids[i] = fork();
                ck_assert_int_ge(pids[i], 0);
                if (pids[i] == 0)
                        echo(child, back);
                bus1_client_free(child);
        }

        for (int i = 0; i < N_ROUNDS; i++) {
                int seen = 0;

                memcpy(data, &i, sizeof(i));
                for (int j = 0; j < N_CHILDREN; j++)
                        ck_assert_int_eq(send_data(client, to[j], data, i % 50 ? 100 : n), 0);
                for (int j = 0; j < N_CHILDREN; j++) {
                        struct bus1_received *received;

                        wait_readable(client);
                        ck_assert_int_eq(bus1_client_recv_alloc(client, &received), 0);
                        ck_assert_uint_eq(received->type, BUS1_MESSAGE_TYPE_USER);
                        ck_assert_uint_eq(received->n_data, i % 50 ? 100 : n);
                        ck_assert(memcmp(received->data, data, received->n_data) == 0);
                        for (int k = 0; k < N_CHILDREN; k++)
                                seen |= (received->metadata.metadata.id == nodes[k]) << k;
                        bus1_received_free(received);
                }
                ck_assert_int_eq(seen, (1 << N_CHILDREN) - 1);
        }

        /* one child ends by itself, the others are killed */
        ck_assert_int_eq(bus1_client_release_one(client, to[0]), 0);
        ck_assert_int_eq(waitpid(pids[0], &status, 0), pids[0]);
        ck_assert_int_eq(status, 0);
        for (int i = 1; i < N_CHILDREN; i++) {
                ck_assert_int_eq(kill(pids[i], SIGKILL), 0);
                ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
                expect_notification(client, BUS1_MESSAGE_TYPE_NODE_RELEASE, to[i]);
        }

        free(data);
        bus1_client_free(client);
}
END_TEST

int main(int argc, char **argv) {
        const TTest *const tests[] = {
                example_works,
                wrong_usage_is_explained,
                descriptors_that_do_not_fit_are_missing,
                processes_talk,
        };

        if (argc != 3) {
                fprintf(stderr, "Usage: %s BUS1-HOSTED EXAMPLE\n", argv[0]);
                return EXIT_FAILURE;
        }
        daemon_path = argv[1];
        example_path = argv[2];

        return run_tests("daemon", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
