/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The hosted server: who it serves, who it drops, and that nobody else notices. */

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
#include "libbus1/hosted-protocol.h"
#include "test/unit/libbus1/fixture.h"

/* Raw packets sent in hostile_packets_harm_nobody; more in the fuzzer of this protocol. */
#define N_HOSTILE 20000

static struct fixture fixture;

static void setup(void) {
        ck_assert(fixture_init(&fixture, FIXTURE_SOCKET));
}

static void teardown(void) {
        fixture_deinit(&fixture);
}

/* raw access to the server */

static int raw_connect(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        strcpy(address.sun_path, fixture.path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        return fd;
}

static int raw_send(int fd, const void *packet, size_t n, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr header;
                char buffer[CMSG_SPACE(sizeof(int) * BUS1_HOSTED_FDS_MAX)];
        } control = {};
        struct iovec vec = { (void *)packet, n };
        struct msghdr message = { .msg_iov = &vec, .msg_iovlen = 1 };

        if (n_fds > 0) {
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        }

        return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The result of the reply, or -ESHUTDOWN when the server ends the connection instead. */
static int raw_reply(int fd) {
        static uint8_t packet[BUS1_HOSTED_PACKET_MAX];
        struct bus1_hosted_reply reply;
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ssize_t l;

        ck_assert_int_eq(poll(&p, 1, 20000), 1);
        l = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
        if (l <= 0)
                return -ESHUTDOWN;

        ck_assert_uint_ge(l, sizeof(reply));
        memcpy(&reply, packet, sizeof(reply));
        ck_assert_uint_eq(reply.magic, BUS1_HOSTED_MAGIC);
        return reply.result;
}

/* What the server says to a request from a new client. */
static int raw_try(const struct bus1_hosted_request *request, const void *body, size_t n_body,
                   const int *fds, size_t n_fds) {
        static uint8_t packet[BUS1_HOSTED_PACKET_MAX];
        int fd = raw_connect(), r;

        memcpy(packet, request, sizeof(*request));
        if (n_body > 0)
                memcpy(packet + sizeof(*request), body, n_body);
        ck_assert_int_eq(raw_send(fd, packet, sizeof(*request) + n_body, fds, n_fds), 0);
        r = raw_reply(fd);
        close(fd);
        return r;
}

static struct bus1_hosted_request request_init(uint32_t command) {
        return (struct bus1_hosted_request){ .magic = BUS1_HOSTED_MAGIC, .command = command };
}

static int memfd_sealed(size_t n, int seals) {
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, n), 0);
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
        return fd;
}

/* Others are served as if nothing had happened. */
static void expect_server_works(void) {
        struct bus1_client *client = fixture_client_new(&fixture);
        uint64_t node, handle;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        ck_assert_int_eq(send_data(client, handle, "alive", 5), 0);
        expect_data(client, node, "alive", 5);
        bus1_client_free(client);
}

/* clients that break the protocol */

START_TEST(malformed_packets_end_the_connection) {
        struct bus1_hosted_request request;
        struct bus1_transfer transfer = {};
        uint64_t id = 1;
        int fd;

        /* nothing, too little, too much */
        fd = raw_connect();
        ck_assert_int_eq(raw_send(fd, "", 0, NULL, 0), 0);
        ck_assert_int_eq(raw_reply(fd), -ESHUTDOWN);
        close(fd);
        fd = raw_connect();
        ck_assert_int_eq(raw_send(fd, "GET /", 5, NULL, 0), 0);
        ck_assert_int_eq(raw_reply(fd), -ESHUTDOWN);
        close(fd);
        request = request_init(BUS1_HOSTED_HELLO);
        fd = raw_connect();
        ck_assert_int_eq(raw_send(fd, &request, sizeof(request) - 1, NULL, 0), 0);
        ck_assert_int_eq(raw_reply(fd), -ESHUTDOWN);
        close(fd);
        ck_assert_int_eq(raw_try(&request, &id, sizeof(id), NULL, 0), -ESHUTDOWN);

        request.magic ^= 1;
        ck_assert_int_eq(raw_try(&request, NULL, 0, NULL, 0), -ESHUTDOWN);
        request = request_init(4711);
        ck_assert_int_eq(raw_try(&request, NULL, 0, NULL, 0), -ESHUTDOWN);
        request = request_init(BUS1_HOSTED_HELLO);
        request.request_flags = 4;
        ck_assert_int_eq(raw_try(&request, NULL, 0, NULL, 0), -ESHUTDOWN);

        /* fields that the command does not have */
        for (size_t o = 16; o < sizeof(request); o += 8) {
                request = request_init(BUS1_HOSTED_HELLO);
                memcpy((uint8_t *)&request + o, &id, sizeof(id));
                ck_assert_int_eq(raw_try(&request, NULL, 0, NULL, 0), -ESHUTDOWN);
        }

        /* lengths that do not add up */
        request = request_init(BUS1_HOSTED_RELEASE);
        request.n_ids = 1;
        ck_assert_int_eq(raw_try(&request, NULL, 0, NULL, 0), -ESHUTDOWN);
        ck_assert_int_eq(raw_try(&request, &id, 7, NULL, 0), -ESHUTDOWN);
        ck_assert_int_eq(raw_try(&request, &id, 8, NULL, 0), -EBADRQC);
        request.n_ids = 0;
        ck_assert_int_eq(raw_try(&request, &id, 8, NULL, 0), -ESHUTDOWN);
        request.n_ids = UINT64_MAX;
        ck_assert_int_eq(raw_try(&request, &id, 8, NULL, 0), -EMSGSIZE);
        request = request_init(BUS1_HOSTED_TRANSFER);
        request.n_transfers = UINT64_MAX / sizeof(transfer) + 2;
        ck_assert_int_eq(raw_try(&request, &transfer, sizeof(transfer), NULL, 0), -EMSGSIZE);
        request = request_init(BUS1_HOSTED_SEND);
        request.n_data = UINT64_MAX;
        request.n_ids = 1;
        ck_assert_int_eq(raw_try(&request, &id, sizeof(id), NULL, 0), -EMSGSIZE);
        request.n_data = 8;
        ck_assert_int_eq(raw_try(&request, &id, sizeof(id), NULL, 0), -ESHUTDOWN);

        expect_server_works();
}
END_TEST

START_TEST(descriptors_must_be_announced) {
        struct bus1_hosted_request request;
        int null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[2] = { null, null };
        uint64_t id = 1;

        /* one that nobody asked for */
        request = request_init(BUS1_HOSTED_QUERY);
        ck_assert_int_eq(raw_try(&request, NULL, 0, fds, 1), -ESHUTDOWN);
        request = request_init(BUS1_HOSTED_RECV);
        request.message_type = BUS1_INVALID;
        ck_assert_int_eq(raw_try(&request, NULL, 0, fds, 1), -ESHUTDOWN);

        /* more or less than announced */
        request = request_init(BUS1_HOSTED_SEND);
        request.message_flags = BUS1_MESSAGE_FLAG_FDS;
        request.n_ids = 1;
        request.n_fds = 1;
        ck_assert_int_eq(raw_try(&request, &id, sizeof(id), NULL, 0), -ESHUTDOWN);
        ck_assert_int_eq(raw_try(&request, &id, sizeof(id), fds, 2), -ESHUTDOWN);
        ck_assert_int_eq(raw_try(&request, &id, sizeof(id), fds, 1), -EBADRQC);
        request.n_fds = UINT64_MAX;
        ck_assert_int_eq(raw_try(&request, &id, sizeof(id), fds, 1), -ESHUTDOWN);
        request.n_fds = 1;
        request.message_flags = 0;
        ck_assert_int_eq(raw_try(&request, &id, sizeof(id), fds, 1), -ESHUTDOWN);

        close(null);
        expect_server_works();
}
END_TEST

START_TEST(memory_must_be_sealed) {
        struct bus1_hosted_request request;
        uint8_t buffer[16];
        int fd, pipes[2];

        request = request_init(BUS1_HOSTED_RELEASE);
        request.request_flags = BUS1_HOSTED_REQUEST_MEMFD;
        request.n_ids = 2;

        /* a client could change it, or cut it off, while it is read */
        for (int seals = 0; seals < 16; ++seals) {
                fd = memfd_sealed(16, seals);
                ck_assert_int_eq(raw_try(&request, NULL, 0, &fd, 1),
                                 seals == BUS1_HOSTED_SEALS ? -EBADRQC : -ESHUTDOWN);
                close(fd);
        }

        /* of just the right size */
        fd = memfd_sealed(15, BUS1_HOSTED_SEALS);
        ck_assert_int_eq(raw_try(&request, NULL, 0, &fd, 1), -ESHUTDOWN);
        close(fd);
        fd = memfd_sealed(17, BUS1_HOSTED_SEALS);
        ck_assert_int_eq(raw_try(&request, NULL, 0, &fd, 1), -ESHUTDOWN);
        close(fd);
        fd = memfd_sealed(16, BUS1_HOSTED_SEALS);
        ck_assert_int_eq(raw_try(&request, buffer, 16, &fd, 1), -ESHUTDOWN);
        close(fd);

        /* reading a pipe would block */
        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        ck_assert_int_eq(raw_try(&request, NULL, 0, &pipes[0], 1), -ESHUTDOWN);
        close(pipes[0]);
        close(pipes[1]);
        ck_assert_int_eq(raw_try(&request, NULL, 0, NULL, 0), -ESHUTDOWN);

        expect_server_works();
}
END_TEST

/*
 * A served peer, of which the test has the raw socket, and a local client with a handle to a node of
 * it. ret_node is that node.
 */
static struct bus1_client *raw_serve(int *ret_fd, uint64_t *ret_node, uint64_t *ret_handle) {
        struct {
                struct bus1_hosted_request request;
                uint64_t id;
                struct bus1_transfer transfer;
        } send = { request_init(BUS1_HOSTED_SEND), 0, { BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID } };
        struct {
                struct bus1_hosted_reply reply;
                struct bus1_transfer transfer;
        } reply;
        struct bus1_received *received;
        struct bus1_client *local;
        uint64_t token, handle, node;

        fixture_lock(&fixture);
        ck_assert_int_eq(bus1_domain_client_new(fixture.domain, &local), 0);
        ck_assert_int_eq(bus1_domain_serve_peer(fixture.domain, 1, 2, 3, ret_fd, &token), 0);
        ck_assert_int_eq(bus1_client_create_node(local, 0, &node, &handle), 0);
        ck_assert_int_eq(bus1_domain_grant(fixture.domain, local, handle, token, &send.id), 0);
        fixture_unlock(&fixture);

        send.request.n_ids = 1;
        send.request.n_transfers = 1;
        ck_assert_int_eq(raw_send(*ret_fd, &send, sizeof(send), NULL, 0), 0);
        ck_assert_int_eq(recv(*ret_fd, &reply, sizeof(reply), 0), sizeof(reply));
        ck_assert_int_eq(reply.reply.result, 0);
        *ret_node = reply.transfer.id;
        ck_assert_int_eq(bus1_client_recv_alloc(local, &received), 0);
        *ret_handle = received->transfers[0].id;
        bus1_received_free(received);
        return local;
}

static int raw_call(int fd, const struct bus1_hosted_request *request) {
        ck_assert_int_eq(raw_send(fd, request, sizeof(*request), NULL, 0), 0);
        return raw_reply(fd);
}

START_TEST(big_message_is_read_while_it_is_queued) {
        static uint8_t data[100000];
        struct bus1_hosted_request recv_request = request_init(BUS1_HOSTED_RECV);
        struct bus1_hosted_request recv_read = request_init(BUS1_HOSTED_RECV);
        struct bus1_hosted_request read = request_init(BUS1_HOSTED_READ);
        struct {
                struct bus1_hosted_request request;
                uint64_t id;
        } release = { request_init(BUS1_HOSTED_RELEASE), 0 };
        struct bus1_client *local;
        uint64_t node, handle;
        int fd;

        local = raw_serve(&fd, &node, &handle);
        recv_request.message_type = BUS1_INVALID;
        recv_request.n_data = sizeof(data);
        recv_read = recv_request;
        recv_read.request_flags = BUS1_HOSTED_REQUEST_DATA_READ;
        read.n_data = 1000;

        /* nothing there, nothing announced */
        ck_assert_int_eq(raw_call(fd, &read), -ESTALE);
        ck_assert_int_eq(raw_call(fd, &recv_read), -EAGAIN);
        ck_assert_int_eq(send_data(local, handle, data, sizeof(data)), 0);
        ck_assert_int_eq(raw_call(fd, &read), -ESTALE);
        ck_assert_int_eq(raw_call(fd, &recv_read), -ESTALE);

        /* any part of it, but no more than it has */
        ck_assert_int_eq(raw_call(fd, &recv_request), -ENOBUFS);
        ck_assert_int_eq(raw_call(fd, &read), 0);
        read.offset = sizeof(data) - 1000;
        ck_assert_int_eq(raw_call(fd, &read), 0);
        read.offset += 1;
        ck_assert_int_eq(raw_call(fd, &read), -EINVAL);
        read.offset = UINT64_MAX - 500;
        ck_assert_int_eq(raw_call(fd, &read), -EINVAL);
        read.offset = 0;
        read.n_data = BUS1_HOSTED_READ_MAX + 1;
        ck_assert_int_eq(raw_call(fd, &read), -EMSGSIZE);
        read.n_data = 1000;
        ck_assert_int_eq(raw_call(fd, &recv_read), 0);
        ck_assert_int_eq(raw_call(fd, &recv_read), -EAGAIN);

        /* one that goes meanwhile */
        ck_assert_int_eq(send_data(local, handle, data, sizeof(data)), 0);
        ck_assert_int_eq(raw_call(fd, &recv_request), -ENOBUFS);
        release.request.n_ids = 1;
        release.id = node;
        ck_assert_int_eq(raw_send(fd, &release, sizeof(release), NULL, 0), 0);
        ck_assert_int_eq(raw_reply(fd), 0);
        ck_assert_int_eq(raw_call(fd, &read), -ESTALE);
        ck_assert_int_eq(raw_call(fd, &recv_read), -EAGAIN);

        close(fd);
        bus1_client_free(local);
        expect_server_works();
}
END_TEST

START_TEST(bell_has_one_packet_while_a_message_waits) {
        struct bus1_hosted_request hello = request_init(BUS1_HOSTED_HELLO);
        struct bus1_hosted_request recv_request = request_init(BUS1_HOSTED_RECV);
        struct bus1_hosted_reply reply;
        struct bus1_client *local;
        uint64_t node, handle;
        int fd;

        /* a client that never takes it out harms nobody, and neither does one that has none */
        local = raw_serve(&fd, &node, &handle);
        recv_request.message_type = BUS1_INVALID;
        for (int i = 0; i < 100; ++i) {
                if (i == 50)
                        ck_assert_int_eq(raw_call(fd, &hello), 0);
                ck_assert_int_eq(send_data(local, handle, NULL, 0), 0);
                ck_assert_int_eq(send_data(local, handle, NULL, 0), 0);
                for (int j = 0; j < 2; ++j) {
                        ck_assert_int_eq(raw_send(fd, &recv_request, sizeof(recv_request), NULL, 0),
                                         0);
                        ck_assert_int_eq(recv(fd, &reply, sizeof(reply), 0), sizeof(reply));
                        ck_assert_int_eq(reply.result, 0);
                        ck_assert_uint_eq(reply.reply_flags, j ? BUS1_HOSTED_REPLY_BELL : 0);
                }
        }

        close(fd);
        bus1_client_free(local);
        expect_server_works();
}
END_TEST

START_TEST(secret_is_needed_to_reach_a_peer) {
        struct bus1_client *client = fixture_client_new(&fixture);
        struct bus1_hosted_request request = request_init(BUS1_HOSTED_TRANSFER);
        struct bus1_transfer transfer = { BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID };

        request.n_transfers = 1;
        for (uint64_t to = 1; to < 10; ++to) {
                request.to = to;
                memset(request.to_secret, to % 2, sizeof(request.to_secret));
                ck_assert_int_eq(raw_try(&request, &transfer, sizeof(transfer), NULL, 0),
                                 -ESHUTDOWN);
        }

        expect_nothing(client);
        bus1_client_free(client);
}
END_TEST

START_TEST(client_that_reads_no_replies_is_dropped) {
        struct bus1_hosted_request request = request_init(BUS1_HOSTED_QUERY);
        int fd = raw_connect(), n = 0;

        while (raw_send(fd, &request, sizeof(request), NULL, 0) == 0)
                ck_assert_int_lt(++n, 100000);
        close(fd);

        /* descriptors under way count for all clients of the server */
        request = request_init(BUS1_HOSTED_HELLO);
        fd = raw_connect();
        ck_assert_int_eq(raw_send(fd, &request, sizeof(request), NULL, 0), 0);
        for (n = 0; raw_send(fd, &request, sizeof(request), NULL, 0) == 0; ++n)
                ck_assert_int_lt(n, 1000);
        close(fd);

        expect_server_works();
}
END_TEST

START_TEST(hostile_packets_harm_nobody) {
        struct bus1_client *client = fixture_client_new(&fixture);
        struct bus1_hosted_request request;
        static uint8_t packet[BUS1_HOSTED_PACKET_MAX + 4096];
        uint64_t node, handle, x = 88172645463325252ULL;
        int fd = raw_connect(), n_dropped = 0;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);

        for (int i = 0; i < N_HOSTILE; ++i) {
                int memfd = -1, r;
                size_t n;

                /* mostly valid headers, with some fields replaced */
                x ^= x << 13, x ^= x >> 7, x ^= x << 17;
                request = request_init(x % 8);
                request.request_flags = (x >> 3) % 5 == 0 ? (x >> 50) % 4 : 0;
                request.offset = (x >> 52) % 16 == 0;
                request.message_type = (x >> 6) % 3 ? 0 : BUS1_INVALID;
                request.message_flags = (x >> 8) % 4 == 0;
                request.n_ids = (x >> 10) % 4;
                request.n_transfers = (x >> 12) % 3;
                request.n_data = (x >> 14) % 100;
                request.n_fds = (x >> 21) % 5 == 0;
                if ((x >> 24) % 8 == 0)
                        memcpy((uint8_t *)&request + 8 * ((x >> 27) % (sizeof(request) / 8)), &x,
                               8);
                memcpy(packet, &request, sizeof(request));
                for (size_t j = sizeof(request); j < sizeof(request) + 256; ++j)
                        packet[j] = (x >> 32) % 3 ? j * x >> 40 : (j % 8 ? 0 : j);

                n = sizeof(request);
                if (!request.request_flags && (x >> 30) % 8)
                        n += request.n_ids % 5 * 8 + request.n_transfers % 5 * 16 +
                             request.n_data % 128;
                else if ((x >> 33) % 64 == 0)
                        n = (x >> 36) % sizeof(packet);
                if (request.request_flags & 1 || request.n_fds)
                        memfd = memfd_sealed((x >> 40) % 3 ? n - sizeof(request) : x % 5000,
                                             (x >> 45) % 2 ? BUS1_HOSTED_SEALS
                                                           : F_SEAL_SHRINK);

                r = raw_send(fd, packet, n, &memfd, memfd >= 0);
                if (memfd >= 0)
                        close(memfd);
                if (r == 0)
                        r = raw_reply(fd);
                if (r == -ESHUTDOWN || r == -EPIPE || r == -ECONNRESET) {
                        ++n_dropped;
                        close(fd);
                        fd = raw_connect();
                }

                if (i % 500 == 0) {
                        ck_assert_int_eq(send_data(client, handle, &i, sizeof(i)), 0);
                        expect_data(client, node, &i, sizeof(i));
                }
        }

        close(fd);
        ck_assert_int_gt(n_dropped, 0);
        ck_assert_int_lt(n_dropped, N_HOSTILE);
        expect_nothing(client);
        bus1_client_free(client);
        expect_server_works();
}
END_TEST

/* clients that go */

START_TEST(death_of_a_process_ends_its_peer) {
        struct bus1_client *client = fixture_client_new(&fixture);
        uint64_t node, handle, theirs;
        int pipes[2], status;
        pid_t pid;

        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                /* a second peer of this process, in the child */
                close(pipes[0]);
                if (write(pipes[1], "x", 1) != 1)
                        _exit(1);
                pause();
                _exit(0);
        }
        close(pipes[1]);
        ck_assert_int_eq(read(pipes[0], &status, 1), 1);
        close(pipes[0]);

        /* the child has this one's descriptors as well: the peer lives until both are gone */
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
        expect_server_works();
}
END_TEST

START_TEST(client_may_vanish_at_any_moment) {
        struct bus1_hosted_request request;
        uint8_t packet[sizeof(request) + 16];
        int fds[64];

        for (int i = 0; i < 2000; ++i) {
                int *fd = &fds[i % 64];

                *fd = raw_connect();
                request = request_init(i % 7 ? BUS1_HOSTED_TRANSFER : BUS1_HOSTED_HELLO);
                request.n_transfers = i % 7 ? 1 : 0;
                memcpy(packet, &request, sizeof(request));
                memcpy(packet + sizeof(request),
                       &(struct bus1_transfer){ BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID }, 16);
                if (i % 3 > 0)
                        ck_assert_int_eq(raw_send(*fd, packet, sizeof(request) + (i % 7 ? 16 : 0),
                                                  NULL, 0), 0);
                if (i % 3 > 1)
                        ck_assert_int_eq(raw_reply(*fd), 0);
                if (i % 64 == 63)
                        for (int j = 0; j < 64; ++j)
                                close(fds[j]);
        }
        for (int j = 0; j < 2000 % 64; ++j)
                close(fds[j]);

        expect_server_works();
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

        /* connections take descriptors only here; the server has none left to accept with */
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        limit = old;
        limit.rlim_cur = fd + 1;
        fixture_lock(&fixture);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        fixture_unlock(&fixture);
        {
                struct sockaddr_un address = { .sun_family = AF_UNIX };

                strcpy(address.sun_path, fixture.path);
                ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        }

        /* it does not spin, and serves who is there */
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
        for (n = 0; n < 10; ++n) {
                ck_assert_int_eq(send_data(client, handle, "x", 1), 0);
                expect_data(client, node, "x", 1);
                usleep(20000);
        }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
        ck_assert_int_lt((end.tv_sec - begin.tv_sec) * 1000 +
                                 (end.tv_nsec - begin.tv_nsec) / 1000000,
                         150);

        /* and notices by itself that there are some again */
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
        ck_assert_int_eq(bus1_client_new_from_fd(&late, fd), 0);
        ck_assert_int_eq(bus1_client_create_node(late, 0, &node, &handle), 0);
        bus1_client_free(late);
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

        /* there is room again as soon as one goes */
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
        /* who waits for a message is told as well */
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

        /* as a program does that executes itself anew and keeps its descriptors */
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
        fds[1] = raw_connect();
        client = fixture_client_new(&fixture);

        for (int i = 0; i < 2; ++i) {
                message.ptr_fds = (uintptr_t)&fds[i];
                ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
                ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message.message),
                                 -EINVAL);
                ck_assert_int_eq(bus1_client_create_node(local, 0, &node, &handle), 0);
                ck_assert_int_eq(bus1_client_send(local, 1, &handle, NULL, &message.message),
                                 -EINVAL);
                close(fds[i]);
        }

        /* other sockets do */
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
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct bus1_domain *domain;
        struct stat st;
        char *path;
        int fd;

        ck_assert_int_eq(bus1_domain_new(&domain), 0);
        ck_assert_int_eq(bus1_domain_listen(domain, fixture.path), -EADDRINUSE);
        expect_server_works();

        ck_assert_int_ge(asprintf(&path, "%s/other", fixture.directory), 0);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        strcpy(address.sun_path, path);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        close(fd);
        ck_assert_int_eq(bus1_domain_listen(domain, path), 0);
        ck_assert_int_eq(bus1_domain_listen(domain, path), -EADDRINUSE);
        bus1_domain_free(domain);
        ck_assert_int_lt(lstat(path, &st), 0);

        /* what is no socket is never touched */
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
        struct bus1_transfer src = { BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID }, dst;

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
        other.n_fds += 2; /* those of the client */
        client = fixture_client_new(&other);
        ck_assert(!is_readable(client));
        fixture_deinit(&other);
        wait_readable(client);
        ck_assert_int_eq(bus1_client_recv_alloc(client, &received), -ESHUTDOWN);
        ck_assert_int_eq(bus1_client_release(client, 0, NULL), -ESHUTDOWN);
        bus1_client_free(client);
}
END_TEST

static Suite *server_suite(void) {
        const TTest *const tests[] = {
                malformed_packets_end_the_connection,
                descriptors_must_be_announced,
                memory_must_be_sealed,
                big_message_is_read_while_it_is_queued,
                bell_has_one_packet_while_a_message_waits,
                secret_is_needed_to_reach_a_peer,
                client_that_reads_no_replies_is_dropped,
                hostile_packets_harm_nobody,
                death_of_a_process_ends_its_peer,
                client_may_vanish_at_any_moment,
                server_out_of_descriptors_waits_and_goes_on,
                one_user_can_not_take_all_descriptors,
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
        Suite *suite = suite_create("server");
        TCase *tcase = tcase_create("server");

        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, setup, teardown);
        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); ++i)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(void) {
        SRunner *runner = srunner_create(server_suite());
        int n_failed;

        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
