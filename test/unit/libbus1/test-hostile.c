/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Clients that break the protocol of the hosted server are dropped, without harm to others. */

#include "test/unit/libbus1/raw.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* packets sent in hostile_packets_harm_nobody */
#define N_HOSTILE 20000

static struct fixture fixture;

static void setup(void) {
        ck_assert(fixture_init(&fixture, FIXTURE_SOCKET));
}

static void teardown(void) {
        fixture_deinit(&fixture);
}

/* clients that break the protocol */

START_TEST(malformed_packets_end_the_connection) {
        struct bus1_hosted_request request;
        struct bus1_transfer transfer = {};
        uint64_t id = 1;
        int fd;

        /* an empty packet, a short one, a long one */
        fd = raw_connect(&fixture);
        ck_assert_int_eq(raw_send(fd, "", 0, NULL, 0), 0);
        ck_assert_int_eq(raw_reply(fd), -ESHUTDOWN);
        close(fd);
        fd = raw_connect(&fixture);
        ck_assert_int_eq(raw_send(fd, "GET /", 5, NULL, 0), 0);
        ck_assert_int_eq(raw_reply(fd), -ESHUTDOWN);
        close(fd);
        request = request_init(BUS1_HOSTED_HELLO);
        fd = raw_connect(&fixture);
        ck_assert_int_eq(raw_send(fd, &request, sizeof(request) - 1, NULL, 0), 0);
        ck_assert_int_eq(raw_reply(fd), -ESHUTDOWN);
        close(fd);
        ck_assert_int_eq(raw_try(&fixture, &request, &id, sizeof(id), NULL, 0), -ESHUTDOWN);

        request.magic ^= 1;
        ck_assert_int_eq(raw_try(&fixture, &request, NULL, 0, NULL, 0), -ESHUTDOWN);
        request = request_init(4711);
        ck_assert_int_eq(raw_try(&fixture, &request, NULL, 0, NULL, 0), -ESHUTDOWN);
        request = request_init(BUS1_HOSTED_HELLO);
        request.request_flags = 4;
        ck_assert_int_eq(raw_try(&fixture, &request, NULL, 0, NULL, 0), -ESHUTDOWN);

        /* fields that the command does not use */
        for (size_t o = 16; o < sizeof(request); o += 8) {
                request = request_init(BUS1_HOSTED_HELLO);
                memcpy((uint8_t *)&request + o, &id, sizeof(id));
                ck_assert_int_eq(raw_try(&fixture, &request, NULL, 0, NULL, 0), -ESHUTDOWN);
        }

        /* lengths that contradict the size of the packet */
        request = request_init(BUS1_HOSTED_RELEASE);
        request.n_ids = 1;
        ck_assert_int_eq(raw_try(&fixture, &request, NULL, 0, NULL, 0), -ESHUTDOWN);
        ck_assert_int_eq(raw_try(&fixture, &request, &id, 7, NULL, 0), -ESHUTDOWN);
        ck_assert_int_eq(raw_try(&fixture, &request, &id, 8, NULL, 0), -EBADRQC);
        request.n_ids = 0;
        ck_assert_int_eq(raw_try(&fixture, &request, &id, 8, NULL, 0), -ESHUTDOWN);
        request.n_ids = UINT64_MAX;
        ck_assert_int_eq(raw_try(&fixture, &request, &id, 8, NULL, 0), -EMSGSIZE);
        request = request_init(BUS1_HOSTED_TRANSFER);
        request.n_transfers = UINT64_MAX / sizeof(transfer) + 2;
        ck_assert_int_eq(raw_try(&fixture, &request, &transfer, sizeof(transfer), NULL, 0),
                         -EMSGSIZE);
        request = request_init(BUS1_HOSTED_SEND);
        request.n_data = UINT64_MAX;
        request.n_ids = 1;
        ck_assert_int_eq(raw_try(&fixture, &request, &id, sizeof(id), NULL, 0), -EMSGSIZE);
        request.n_data = 8;
        ck_assert_int_eq(raw_try(&fixture, &request, &id, sizeof(id), NULL, 0), -ESHUTDOWN);

        expect_server_works(&fixture);
}
END_TEST

START_TEST(descriptors_must_be_announced) {
        struct bus1_hosted_request request;
        int null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[2] = {null, null};
        uint64_t id = 1;

        /* a descriptor that the request does not announce */
        request = request_init(BUS1_HOSTED_QUERY);
        ck_assert_int_eq(raw_try(&fixture, &request, NULL, 0, fds, 1), -ESHUTDOWN);
        request = request_init(BUS1_HOSTED_RECV);
        request.message_type = BUS1_INVALID;
        ck_assert_int_eq(raw_try(&fixture, &request, NULL, 0, fds, 1), -ESHUTDOWN);

        /* more or fewer descriptors than announced */
        request = request_init(BUS1_HOSTED_SEND);
        request.message_flags = BUS1_MESSAGE_FLAG_FDS;
        request.n_ids = 1;
        request.n_fds = 1;
        ck_assert_int_eq(raw_try(&fixture, &request, &id, sizeof(id), NULL, 0), -ESHUTDOWN);
        ck_assert_int_eq(raw_try(&fixture, &request, &id, sizeof(id), fds, 2), -ESHUTDOWN);
        ck_assert_int_eq(raw_try(&fixture, &request, &id, sizeof(id), fds, 1), -EBADRQC);
        request.n_fds = UINT64_MAX;
        ck_assert_int_eq(raw_try(&fixture, &request, &id, sizeof(id), fds, 1), -ESHUTDOWN);
        request.n_fds = 1;
        request.message_flags = 0;
        ck_assert_int_eq(raw_try(&fixture, &request, &id, sizeof(id), fds, 1), -ESHUTDOWN);

        close(null);
        expect_server_works(&fixture);
}
END_TEST

START_TEST(memory_must_be_sealed) {
        struct bus1_hosted_request request;
        uint8_t buffer[16];
        int fd, pipes[2];

        request = request_init(BUS1_HOSTED_RELEASE);
        request.request_flags = BUS1_HOSTED_REQUEST_MEMFD;
        request.n_ids = 2;

        /*
         * without all seals, a client could change or truncate the memfd while the server reads it
         */
        for (int seals = 0; seals < 16; seals++) {
                fd = memfd_sealed(16, seals);
                ck_assert_int_eq(raw_try(&fixture, &request, NULL, 0, &fd, 1),
                                 seals == BUS1_HOSTED_SEALS ? -EBADRQC : -ESHUTDOWN);
                close(fd);
        }

        /* the size of the memfd must be exact */
        fd = memfd_sealed(15, BUS1_HOSTED_SEALS);
        ck_assert_int_eq(raw_try(&fixture, &request, NULL, 0, &fd, 1), -ESHUTDOWN);
        close(fd);
        fd = memfd_sealed(17, BUS1_HOSTED_SEALS);
        ck_assert_int_eq(raw_try(&fixture, &request, NULL, 0, &fd, 1), -ESHUTDOWN);
        close(fd);
        fd = memfd_sealed(16, BUS1_HOSTED_SEALS);
        ck_assert_int_eq(raw_try(&fixture, &request, buffer, 16, &fd, 1), -ESHUTDOWN);
        close(fd);

        /* reading a pipe would block */
        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        ck_assert_int_eq(raw_try(&fixture, &request, NULL, 0, &pipes[0], 1), -ESHUTDOWN);
        close(pipes[0]);
        close(pipes[1]);
        ck_assert_int_eq(raw_try(&fixture, &request, NULL, 0, NULL, 0), -ESHUTDOWN);

        expect_server_works(&fixture);
}
END_TEST

/*
 * Make a served peer, whose socket is *ret_fd, and a local client that has the handle *ret_handle
 * to the node *ret_node of this peer.
 */
static struct bus1_client *raw_serve(int *ret_fd, uint64_t *ret_node, uint64_t *ret_handle) {
        struct {
                struct bus1_hosted_request request;
                uint64_t id;
                struct bus1_transfer transfer;
        } send = {request_init(BUS1_HOSTED_SEND), 0, {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}};
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

START_TEST(big_message_is_read_while_it_is_queued) {
        static uint8_t data[100000];
        struct bus1_hosted_request recv_request = request_init(BUS1_HOSTED_RECV);
        struct bus1_hosted_request recv_read = request_init(BUS1_HOSTED_RECV);
        struct bus1_hosted_request read = request_init(BUS1_HOSTED_READ);
        struct {
                struct bus1_hosted_request request;
                uint64_t id;
        } release = {request_init(BUS1_HOSTED_RELEASE), 0};
        struct bus1_client *local;
        uint64_t node, handle;
        int fd;

        local = raw_serve(&fd, &node, &handle);
        recv_request.message_type = BUS1_INVALID;
        recv_request.n_data = sizeof(data);
        recv_read = recv_request;
        recv_read.request_flags = BUS1_HOSTED_REQUEST_DATA_READ;
        read.n_data = 1000;

        /* no message is queued; then one is, but no RECV has reported its size to the client */
        ck_assert_int_eq(raw_call(fd, &read), -ESTALE);
        ck_assert_int_eq(raw_call(fd, &recv_read), -EAGAIN);
        ck_assert_int_eq(send_data(local, handle, data, sizeof(data)), 0);
        ck_assert_int_eq(raw_call(fd, &read), -ESTALE);
        ck_assert_int_eq(raw_call(fd, &recv_read), -ESTALE);

        /* the client may read any part of the data, but not beyond its end */
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

        /* the message is dropped between the receive and the read */
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
        expect_server_works(&fixture);
}
END_TEST

START_TEST(bell_has_one_packet_while_a_message_waits) {
        struct bus1_hosted_request hello = request_init(BUS1_HOSTED_HELLO);
        struct bus1_hosted_request recv_request = request_init(BUS1_HOSTED_RECV);
        struct bus1_hosted_reply reply;
        struct bus1_client *local;
        uint64_t node, handle;
        int fd;

        /*
         * The client has no bell until it sends HELLO (i = 50), and afterwards it never reads from
         * its bell. Neither must harm other clients. hosted-protocol.h explains the bell.
         */
        local = raw_serve(&fd, &node, &handle);
        recv_request.message_type = BUS1_INVALID;
        for (int i = 0; i < 100; i++) {
                if (i == 50)
                        ck_assert_int_eq(raw_call(fd, &hello), 0);
                ck_assert_int_eq(send_data(local, handle, NULL, 0), 0);
                ck_assert_int_eq(send_data(local, handle, NULL, 0), 0);
                for (int j = 0; j < 2; j++) {
                        ck_assert_int_eq(raw_send(fd, &recv_request, sizeof(recv_request), NULL, 0),
                                         0);
                        ck_assert_int_eq(recv(fd, &reply, sizeof(reply), 0), sizeof(reply));
                        ck_assert_int_eq(reply.result, 0);
                        ck_assert_uint_eq(reply.reply_flags, j ? BUS1_HOSTED_REPLY_BELL : 0);
                }
        }

        close(fd);
        bus1_client_free(local);
        expect_server_works(&fixture);
}
END_TEST

START_TEST(secret_is_needed_to_reach_a_peer) {
        struct bus1_client *client = fixture_client_new(&fixture);
        struct bus1_hosted_request request = request_init(BUS1_HOSTED_TRANSFER);
        struct bus1_transfer transfer = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};

        request.n_transfers = 1;
        for (uint64_t to = 1; to < 10; to++) {
                request.to = to;
                memset(request.to_secret, to % 2, sizeof(request.to_secret));
                ck_assert_int_eq(raw_try(&fixture, &request, &transfer, sizeof(transfer), NULL, 0),
                                 -ESHUTDOWN);
        }

        expect_nothing(client);
        bus1_client_free(client);
}
END_TEST

START_TEST(client_that_reads_no_replies_is_dropped) {
        struct bus1_hosted_request request = request_init(BUS1_HOSTED_QUERY);
        int fd = raw_connect(&fixture), n = 0;

        while (raw_send(fd, &request, sizeof(request), NULL, 0) == 0)
                ck_assert_int_lt(++n, 100000);
        close(fd);

        /*
         * Each reply to HELLO carries a descriptor. Unread replies of one client must not use up
         * the server's limit of descriptors in flight, which is common to all clients.
         */
        request = request_init(BUS1_HOSTED_HELLO);
        fd = raw_connect(&fixture);
        ck_assert_int_eq(raw_send(fd, &request, sizeof(request), NULL, 0), 0);
        for (n = 0; raw_send(fd, &request, sizeof(request), NULL, 0) == 0; n++)
                ck_assert_int_lt(n, 1000);
        close(fd);

        expect_server_works(&fixture);
}
END_TEST

START_TEST(hostile_packets_harm_nobody) {
        struct bus1_client *client = fixture_client_new(&fixture);
        struct bus1_hosted_request request;
        static uint8_t packet[BUS1_HOSTED_PACKET_MAX + 4096];
        uint64_t node, handle, x = 88172645463325252ULL;
        int fd = raw_connect(&fixture), n_dropped = 0;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);

        for (int i = 0; i < N_HOSTILE; i++) {
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
                for (size_t j = sizeof(request); j < sizeof(request) + 256; j++)
                        packet[j] = (x >> 32) % 3 ? j * x >> 40 : (j % 8 ? 0 : j);

                n = sizeof(request);
                if (!request.request_flags && (x >> 30) % 8)
                        n += request.n_ids % 5 * 8 + request.n_transfers % 5 * 16 +
                             request.n_data % 128;
                else if ((x >> 33) % 64 == 0)
                        n = (x >> 36) % sizeof(packet);
                if (request.request_flags & 1 || request.n_fds)
                        memfd = memfd_sealed((x >> 40) % 3 ? n - sizeof(request) : x % 5000,
                                             (x >> 45) % 2 ? BUS1_HOSTED_SEALS : F_SEAL_SHRINK);

                r = raw_send(fd, packet, n, &memfd, memfd >= 0);
                if (memfd >= 0)
                        close(memfd);
                if (r == 0)
                        r = raw_reply(fd);
                if (r == -ESHUTDOWN || r == -EPIPE || r == -ECONNRESET) {
                        ++n_dropped;
                        close(fd);
                        fd = raw_connect(&fixture);
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
        expect_server_works(&fixture);
}
END_TEST

/*
 * Prepare a send that takes the server long, and fails in the end: its messages together carry more
 * handles than a user may have.
 */
static int memfd_of_long_request(struct bus1_hosted_request *request, uint64_t handle) {
        enum { N_IDS = 16384, N_TRANSFERS = 1024 };
        static uint64_t ids[N_IDS];
        static struct bus1_transfer transfers[N_TRANSFERS];
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        for (size_t i = 0; i < N_IDS; i++)
                ids[i] = handle;
        for (size_t i = 0; i < N_TRANSFERS; i++)
                transfers[i].id = handle;
        ck_assert_int_eq(write(fd, ids, sizeof(ids)), sizeof(ids));
        ck_assert_int_eq(write(fd, transfers, sizeof(transfers)), sizeof(transfers));
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, BUS1_HOSTED_SEALS), 0);

        *request = request_init(BUS1_HOSTED_SEND);
        request->request_flags = BUS1_HOSTED_REQUEST_MEMFD;
        request->n_ids = N_IDS;
        request->n_transfers = N_TRANSFERS;
        return fd;
}

START_TEST(long_requests_leave_time_for_other_users) {
        enum { N = 8 };
        struct bus1_hosted_request request;
        struct bus1_client *clients[N], *other;
        int fds[N], memfds[N], other_fd, n_done = 0;
        uint64_t node, handle, token;

        fixture_lock(&fixture);
        for (int i = 0; i < N; i++)
                ck_assert_int_eq(
                        bus1_domain_serve_peer(fixture.domain, 4711, 0, 1, &fds[i], &token), 0);
        ck_assert_int_eq(bus1_domain_serve_peer(fixture.domain, 4712, 0, 1, &other_fd, &token), 0);
        fixture_unlock(&fixture);
        ck_assert_int_eq(bus1_client_new_from_fd(&other, other_fd), 0);
        ck_assert_int_eq(bus1_client_create_node(other, 0, &node, &handle), 0);
        for (int i = 0; i < N; i++)
                ck_assert_int_eq(bus1_client_new_from_fd(&clients[i], fds[i]), 0);

        /* send all requests at once, and only then one of the other client */
        for (int i = 0; i < N; i++) {
                ck_assert_int_eq(bus1_client_create_node(clients[i], 0, &node, &handle), 0);
                memfds[i] = memfd_of_long_request(&request, handle);
        }
        for (int i = 0; i < N; i++) {
                ck_assert_int_eq(raw_send(fds[i], &request, sizeof(request), &memfds[i], 1), 0);
                close(memfds[i]);
        }
        ck_assert_int_eq(bus1_client_release(other, 0, NULL), 0);

        for (int i = 0; i < N; i++) {
                struct pollfd p = {.fd = fds[i], .events = POLLIN};

                n_done += poll(&p, 1, 0);
        }
        ck_assert_int_lt(n_done, N - 2);

        /* the server answers the long requests in the end */
        for (int i = 0; i < N; i++) {
                ck_assert_int_eq(raw_reply(fds[i]), -EDQUOT);
                bus1_client_free(clients[i]);
        }
        bus1_client_free(other);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                malformed_packets_end_the_connection,
                descriptors_must_be_announced,
                memory_must_be_sealed,
                big_message_is_read_while_it_is_queued,
                bell_has_one_packet_while_a_message_waits,
                secret_is_needed_to_reach_a_peer,
                client_that_reads_no_replies_is_dropped,
                long_requests_leave_time_for_other_users,
                hostile_packets_harm_nobody,
        };

        return run_tests("hostile", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
