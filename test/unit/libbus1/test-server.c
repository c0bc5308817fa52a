/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The hosted server: the clients that it accepts, its limits, and clients that end. */

#include "test/unit/libbus1/raw.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct fixture fixture;

static void setup(void) {
        ck_assert(fixture_init(&fixture, FIXTURE_SOCKET));
}

static void teardown(void) {
        fixture_deinit(&fixture);
}

/* clients that end */

START_TEST(death_of_a_process_ends_its_peer) {
        struct bus1_client *client = fixture_client_new(&fixture);
        uint64_t node, handle, theirs;
        int pipes[2], status;
        pid_t pid;

        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                /* The child keeps its copies of the descriptors of client open. */
                close(pipes[0]);
                if (write(pipes[1], "x", 1) != 1)
                        _exit(1);
                pause();
                _exit(0);
        }
        close(pipes[1]);
        ck_assert_int_eq(read(pipes[0], &status, 1), 1);
        close(pipes[0]);

        /*
         * The child has copies of the descriptors of client, but not of dying, which begins later.
         * So only the peer of dying ends here.
         */
        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        {
                struct bus1_client *dying = fixture_client_new(&fixture);
                uint64_t dying_node, dying_handle;

                ck_assert_int_eq(bus1_client_create_node(dying, 0, &dying_node, &dying_handle), 0);
                theirs = give_handle(dying, client, dying_handle);
                bus1_client_free(dying);
        }
        expect_notification(client, BUS1_MESSAGE_TYPE_NODE_RELEASE, theirs);

        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        bus1_client_free(client);
        expect_server_works(&fixture);
}
END_TEST

START_TEST(client_may_vanish_at_any_moment) {
        struct bus1_hosted_request request;
        uint8_t packet[sizeof(request) + 16];
        int fds[64];

        for (int i = 0; i < 2000; i++) {
                int *fd = &fds[i % 64];

                *fd = raw_connect(&fixture);
                request = request_init(i % 7 ? BUS1_HOSTED_TRANSFER : BUS1_HOSTED_HELLO);
                request.n_transfers = i % 7 ? 1 : 0;
                memcpy(packet, &request, sizeof(request));
                memcpy(packet + sizeof(request),
                       &(struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}, 16);
                if (i % 3 > 0)
                        ck_assert_int_eq(
                                raw_send(*fd, packet, sizeof(request) + (i % 7 ? 16 : 0), NULL, 0),
                                0);
                if (i % 3 > 1)
                        ck_assert_int_eq(raw_reply(*fd), 0);
                if (i % 64 == 63)
                        for (int j = 0; j < 64; j++)
                                close(fds[j]);
        }
        for (int j = 0; j < 2000 % 64; j++)
                close(fds[j]);

        expect_server_works(&fixture);
}
END_TEST

/* the server's own limits */

START_TEST(server_out_of_descriptors_waits_and_goes_on) {
        struct bus1_client *client = fixture_client_new(&fixture), *late;
        struct rlimit old, limit;
        struct timespec begin, end;
        int fd, n;
        uint64_t node, handle;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);

        /* The server shares the limit of this process: it has no descriptor left to accept with. */
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        limit = old;
        limit.rlim_cur = fd + 1;
        fixture_lock(&fixture);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        fixture_unlock(&fixture);
        {
                struct sockaddr_un address = {.sun_family = AF_UNIX};

                strcpy(address.sun_path, fixture.path);
                ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        }

        /* the server does not spin, and serves the clients that it has */
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
        for (n = 0; n < 10; n++) {
                ck_assert_int_eq(send_data(client, handle, "x", 1), 0);
                expect_data(client, node, "x", 1);
                usleep(20000);
        }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
        ck_assert_int_lt(
                (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000, 150);

        /* the server notices by itself that there are descriptors again */
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
        ck_assert_int_eq(bus1_client_new_from_fd(&late, fd), 0);
        ck_assert_int_eq(bus1_client_create_node(late, 0, &node, &handle), 0);
        bus1_client_free(late);
        bus1_client_free(client);
}
END_TEST

START_TEST(server_out_of_descriptors_refuses_those_of_messages) {
        struct bus1_client *client = fixture_client_new(&fixture);
        int fds[8];
        struct bus1_message_fds message = {
                .message.flags = BUS1_MESSAGE_FLAG_FDS,
                .n_fds = 8,
                .ptr_fds = (uintptr_t)fds,
        };
        struct bus1_received *received;
        struct rlimit old, limit;
        uint64_t node, handle;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        for (int i = 0; i < 8; i++)
                fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
        limit = old;

        /* the limit leaves room for none or some of the descriptors */
        for (int i = 1; i < 8; i += 3) {
                limit.rlim_cur = fds[7] + i;
                ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
                ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message.message),
                                 -EMFILE);
        }
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);

        expect_nothing(client);
        ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message.message), 0);
        ck_assert_int_eq(bus1_client_recv_alloc(client, &received), 0);
        ck_assert_uint_eq(received->n_fds, 8);
        bus1_received_free(received);

        for (int i = 0; i < 8; i++)
                close(fds[i]);
        bus1_client_free(client);
}
END_TEST

START_TEST(one_user_can_not_take_all_descriptors) {
        struct rlimit old, limit;
        struct bus1_client *clients[1000], *refused;
        size_t n = 0;
        int r;

        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
        limit = old;
        limit.rlim_cur = 400;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);

        while ((r = bus1_client_new_hosted(&clients[n], fixture.path)) == 0)
                ck_assert_uint_lt(++n, 100);
        ck_assert_int_eq(r, -ECONNREFUSED);
        ck_assert_uint_eq(n, 50);

        /* the server accepts another client as soon as one ends */
        bus1_client_free(clients[--n]);
        do
                r = bus1_client_new_hosted(&refused, fixture.path);
        while (r == -ECONNREFUSED);
        ck_assert_int_eq(r, 0);
        bus1_client_free(refused);

        while (n > 0)
                bus1_client_free(clients[--n]);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
}
END_TEST

START_TEST(messages_to_one_user_can_not_take_all_descriptors) {
        struct bus1_client *client;
        struct fixture limited;
        struct rlimit old, limit;
        int fds[10], n = 0, r;
        struct bus1_message_fds message = {
                .message.flags = BUS1_MESSAGE_FLAG_FDS,
                .n_fds = 10,
                .ptr_fds = (uintptr_t)fds,
        };
        uint64_t node, handle;

        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
        limit = old;
        limit.rlim_cur = 400;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        ck_assert(fixture_init(&limited, FIXTURE_SOCKET));

        client = fixture_client_new(&limited);
        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        for (int i = 0; i < 10; i++)
                fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
        while ((r = bus1_client_send(client, 1, &handle, NULL, &message.message)) == 0)
                ck_assert_int_lt(++n, 40);
        ck_assert_int_eq(r, -EDQUOT);
        ck_assert_int_eq(n, 10);
        expect_server_works(&limited);

        for (int i = 0; i < 10; i++)
                close(fds[i]);
        bus1_client_free(client);
        fixture_deinit(&limited);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
}
END_TEST

/* Put n descriptors in flight, to use up the limit of the user until the pair is closed. */
static void fill_descriptors_under_way(int fd, int n, int pair[2]) {
        int fds[250];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
        for (size_t i = 0; i < 250; i++)
                fds[i] = fd;
        for (; n > 0; n -= 250)
                ck_assert_int_eq(raw_send(pair[0], "x", 1, fds, 250), 0);
}

static void receive_with_too_many_descriptors_under_way(struct bus1_client *client) {
        struct bus1_received *received;
        int fds[2], pair[2];
        struct bus1_message_fds message = {
                .message.flags = BUS1_MESSAGE_FLAG_FDS,
                .n_fds = 2,
                .ptr_fds = (uintptr_t)fds,
        };
        uint64_t node, handle;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message.message), 0);
        fill_descriptors_under_way(fds[0], 500, pair);

        ck_assert_int_eq(bus1_client_recv_alloc(client, &received), 0);
        ck_assert_uint_eq(received->n_fds, 2);
        ck_assert_int_eq(received->fds[0], -1);
        ck_assert_int_eq(received->fds[1], -1);
        ck_assert_int_eq(send_data(client, handle, "x", 1), 0);
        expect_data(client, node, "x", 1);
}

/*
 * Run a server, and its client in a child. The kernel limits the descriptors that each user but
 * root has in flight. So if this process is root, it first becomes a user of its own, and
 * descriptors of other processes do not count.
 */
static int run_with_too_many_descriptors_under_way(void) {
        struct rlimit limit = {400, 400};
        struct bus1_domain *domain;
        struct bus1_client *client;
        uid_t uid = 1000000 + (uid_t)getpid();
        uint64_t token;
        int fd, status;
        pid_t pid;

        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        if (geteuid() == 0)
                ck_assert_int_eq(setresgid(uid, uid, uid) | setresuid(uid, uid, uid), 0);
        ck_assert_int_eq(bus1_domain_new(&domain), 0);
        ck_assert_int_eq(bus1_domain_serve_peer(domain, 1, 1, 1, &fd, &token), 0);

        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                ck_assert_int_eq(bus1_client_new_from_fd(&client, fd), 0);
                receive_with_too_many_descriptors_under_way(client);
                _exit(0);
        }
        close(fd);
        while (waitpid(pid, &status, WNOHANG) == 0) {
                struct pollfd p = {.fd = bus1_domain_get_fd(domain), .events = POLLIN};

                ck_assert_int_ge(poll(&p, 1, 10), 0);
                ck_assert_int_eq(bus1_domain_dispatch(domain), 0);
        }
        bus1_domain_free(domain);
        return status;
}

START_TEST(too_many_descriptors_under_way_do_not_end_a_peer) {
        int status;
        pid_t pid;

        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0)
                _exit(run_with_too_many_descriptors_under_way() == 0 ? 0 : 1);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
}
END_TEST

/* peers for others */

START_TEST(served_peer_gets_handles_and_credentials) {
        struct bus1_client *local, *client;
        struct bus1_received *received;
        uint64_t token, node, handle, granted, stale;
        int fd;

        fixture_lock(&fixture);
        ck_assert_int_eq(bus1_domain_client_new(fixture.domain, &local), 0);
        ck_assert_int_eq(bus1_domain_serve_peer(fixture.domain, 4711, 815, 42, &fd, &token), 0);
        fixture_unlock(&fixture);
        ck_assert_int_eq(bus1_client_new_from_fd(&client, fd), 0);
        ck_assert_int_eq(bus1_client_get_peer_fd(client), -EOPNOTSUPP);

        ck_assert_int_eq(bus1_client_create_node(local, 0, &node, &handle), 0);
        fixture_lock(&fixture);
        ck_assert_int_eq(bus1_domain_grant(fixture.domain, local, handle, token, &granted), 0);
        ck_assert_int_eq(bus1_domain_grant(fixture.domain, local, 4711, token, &stale), -EBADRQC);
        ck_assert_int_eq(bus1_domain_grant(fixture.domain, client, handle, token, &stale), -EXDEV);
        ck_assert_int_eq(bus1_domain_grant(fixture.domain, local, handle, token + 1, &stale),
                         -ESTALE);
        fixture_unlock(&fixture);

        ck_assert_int_eq(send_data(client, granted, "hi", 2), 0);
        ck_assert_int_eq(bus1_client_recv_alloc(local, &received), 0);
        ck_assert_uint_eq(received->metadata.metadata.id, node);
        ck_assert_uint_eq(received->metadata.metadata.account, 4711);
        ck_assert_uint_eq(received->metadata.uid, 4711);
        ck_assert_uint_eq(received->metadata.gid, 815);
        ck_assert_uint_eq(received->metadata.pid, 42);
        bus1_received_free(received);

        bus1_client_free(client);
        bus1_client_free(local);
}
END_TEST

START_TEST(revoked_peer_ends) {
        struct bus1_client *local, *client;
        struct bus1_cmd_query query = {};
        struct bus1_received *received;
        uint64_t token, node, handle, granted;
        int fd;

        fixture_lock(&fixture);
        ck_assert_int_eq(bus1_domain_client_new(fixture.domain, &local), 0);
        ck_assert_int_eq(bus1_domain_serve_peer(fixture.domain, 1, 1, 1, &fd, &token), 0);
        fixture_unlock(&fixture);
        ck_assert_int_eq(bus1_client_new_from_fd(&client, fd), 0);
        ck_assert_int_eq(bus1_client_create_node(local, 0, &node, &handle), 0);

        fixture_lock(&fixture);
        ck_assert_int_eq(bus1_domain_grant(fixture.domain, local, handle, token, &granted), 0);
        ck_assert_int_eq(bus1_client_release_one(local, handle), 0);
        bus1_domain_revoke(fixture.domain, token);
        bus1_domain_revoke(fixture.domain, token);
        ck_assert_int_eq(bus1_domain_grant(fixture.domain, local, handle, token, &granted),
                         -ESTALE);
        fixture_unlock(&fixture);

        expect_notification(local, BUS1_MESSAGE_TYPE_HANDLE_RELEASE, node);
        /* a client that waits for a message sees the end too */
        wait_readable(client);
        ck_assert_int_eq(bus1_client_recv_alloc(client, &received), -ESHUTDOWN);
        ck_assert_int_eq(bus1_client_query(client, &query), -ESHUTDOWN);
        bus1_client_free(client);
        bus1_client_free(local);
}
END_TEST

START_TEST(peer_is_found_again_by_its_socket) {
        struct bus1_client *first, *second;
        uint64_t node, handle;
        uint64_t token;
        int fd, copy;

        /* this is like a program that calls exec() on itself and keeps its descriptors */
        fixture_lock(&fixture);
        ck_assert_int_eq(bus1_domain_serve_peer(fixture.domain, 1, 1, 1, &fd, &token), 0);
        fixture_unlock(&fixture);
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        ck_assert_int_eq(bus1_client_new_from_fd(&first, fd), 0);
        ck_assert_int_eq(bus1_client_create_node(first, 0, &node, &handle), 0);
        ck_assert_int_eq(send_data(first, handle, "kept", 4), 0);
        bus1_client_free(first);

        ck_assert_int_eq(bus1_client_new_from_fd(&second, copy), 0);
        ck_assert(is_readable(second));
        expect_data(second, node, "kept", 4);
        expect_nothing(second);
        bus1_client_free(second);
}
END_TEST

START_TEST(peers_do_not_travel) {
        struct bus1_client *client, *local;
        uint64_t token, node, handle;
        int fds[2];
        struct bus1_message_fds message = {
                .message.flags = BUS1_MESSAGE_FLAG_FDS,
                .n_fds = 1,
        };

        fixture_lock(&fixture);
        ck_assert_int_eq(bus1_domain_client_new(fixture.domain, &local), 0);
        ck_assert_int_eq(bus1_domain_serve_peer(fixture.domain, 1, 1, 1, &fds[0], &token), 0);
        fixture_unlock(&fixture);
        fds[1] = raw_connect(&fixture);
        client = fixture_client_new(&fixture);

        for (int i = 0; i < 2; i++) {
                message.ptr_fds = (uintptr_t)&fds[i];
                ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
                ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message.message),
                                 -EINVAL);
                ck_assert_int_eq(bus1_client_create_node(local, 0, &node, &handle), 0);
                ck_assert_int_eq(bus1_client_send(local, 1, &handle, NULL, &message.message),
                                 -EINVAL);
                close(fds[i]);
        }

        /* sockets that are not connections to the bus1 server can be sent */
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        message.ptr_fds = (uintptr_t)fds;
        message.n_fds = 2;
        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message.message), 0);
        close(fds[0]);
        close(fds[1]);

        bus1_client_free(client);
        bus1_client_free(local);
}
END_TEST

/* finding a server */

START_TEST(descriptor_must_be_a_peer) {
        struct bus1_client *client;
        int fds[2];

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        ck_assert_int_eq(bus1_client_new_from_fd(&client, fds[0]), -EMEDIUMTYPE);
        close(fds[0]);
        close(fds[1]);
        ck_assert_int_eq(bus1_client_new_from_fd(&client, fds[0]), -EBADF);

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        ck_assert_int_eq(bus1_client_new_from_fd(&client, fds[0]), -EMEDIUMTYPE);
        close(fds[0]);
        close(fds[1]);

        fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
        ck_assert_int_eq(bus1_client_new_from_fd(&client, fds[0]), -EMEDIUMTYPE);
        close(fds[0]);

        ck_assert_int_eq(bus1_client_new_device(&client, "/dev/null"), -EMEDIUMTYPE);
        ck_assert_int_eq(bus1_client_new_device(&client, "/dev/does-not-exist"), -ENOENT);
        ck_assert_int_eq(bus1_client_new_hosted(&client, "/does/not/exist"), -ENOENT);
}
END_TEST

START_TEST(environment_names_the_server) {
        struct bus1_client *client;
        uint64_t node, handle;

        ck_assert_int_eq(setenv(BUS1_HOSTED_SOCKET_ENV, fixture.path, 1), 0);
        ck_assert_int_eq(bus1_client_new(&client), 0);
        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        bus1_client_free(client);

        ck_assert_int_eq(setenv(BUS1_HOSTED_SOCKET_ENV, "/does/not/exist", 1), 0);
        ck_assert_int_eq(bus1_client_new(&client), -ENOENT);
        ck_assert_int_eq(unsetenv(BUS1_HOSTED_SOCKET_ENV), 0);
}
END_TEST

START_TEST(live_socket_is_not_replaced_but_a_stale_one_is) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct bus1_domain *domain;
        struct stat st;
        char *path;
        int fd;

        ck_assert_int_eq(bus1_domain_new(&domain), 0);
        ck_assert_int_eq(bus1_domain_listen(domain, fixture.path), -EADDRINUSE);
        expect_server_works(&fixture);

        ck_assert_int_ge(asprintf(&path, "%s/other", fixture.directory), 0);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        strcpy(address.sun_path, path);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        close(fd);
        ck_assert_int_eq(bus1_domain_listen(domain, path), 0);
        ck_assert_int_eq(bus1_domain_listen(domain, path), -EADDRINUSE);
        bus1_domain_free(domain);
        ck_assert_int_lt(lstat(path, &st), 0);

        /* the server never touches a file that is not a socket */
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        close(fd);
        ck_assert_int_eq(bus1_domain_new(&domain), 0);
        ck_assert_int_eq(bus1_domain_listen(domain, path), -EADDRINUSE);
        bus1_domain_free(domain);
        ck_assert_int_eq(unlink(path), 0);
        free(path);
}
END_TEST

START_TEST(peers_of_two_servers_are_far_away) {
        struct fixture other;
        struct bus1_client *a = fixture_client_new(&fixture), *b;
        struct bus1_transfer src = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}, dst;

        ck_assert(fixture_init(&other, FIXTURE_SOCKET));
        b = fixture_client_new(&other);
        ck_assert_int_eq(bus1_client_transfer(a, b, 1, &src, &dst), -EXDEV);
        bus1_client_free(b);
        fixture_deinit(&other);
        bus1_client_free(a);
}
END_TEST

START_TEST(end_of_the_server_is_noticed) {
        struct fixture other;
        struct bus1_client *client;
        struct bus1_received *received;

        ck_assert(fixture_init(&other, FIXTURE_SOCKET));
        other.n_fds += 2; /* the descriptors of the client */
        client = fixture_client_new(&other);
        ck_assert(!is_readable(client));
        fixture_deinit(&other);
        wait_readable(client);
        ck_assert_int_eq(bus1_client_recv_alloc(client, &received), -ESHUTDOWN);
        ck_assert_int_eq(bus1_client_release(client, 0, NULL), -ESHUTDOWN);
        bus1_client_free(client);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                death_of_a_process_ends_its_peer,
                client_may_vanish_at_any_moment,
                server_out_of_descriptors_waits_and_goes_on,
                server_out_of_descriptors_refuses_those_of_messages,
                one_user_can_not_take_all_descriptors,
                messages_to_one_user_can_not_take_all_descriptors,
                too_many_descriptors_under_way_do_not_end_a_peer,
                served_peer_gets_handles_and_credentials,
                revoked_peer_ends,
                peer_is_found_again_by_its_socket,
                peers_do_not_travel,
                descriptor_must_be_a_peer,
                environment_names_the_server,
                live_socket_is_not_replaced_but_a_stale_one_is,
                peers_of_two_servers_are_far_away,
                end_of_the_server_is_noticed,
        };

        return run_tests("server", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
