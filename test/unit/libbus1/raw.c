/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The protocol of the hosted socket, by hand. */

#include "test/unit/libbus1/raw.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int raw_connect(struct fixture *fixture) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd;

        strcpy(address.sun_path, fixture->path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        return fd;
}

int raw_send(int fd, const void *packet, size_t n, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr header;
                char buffer[CMSG_SPACE(sizeof(int) * BUS1_HOSTED_FDS_MAX)];
        } control = {};
        struct iovec vec = {(void *)packet, n};
        struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};

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

int raw_reply(int fd) {
        static uint8_t packet[BUS1_HOSTED_PACKET_MAX];
        struct bus1_hosted_reply reply;
        struct pollfd p = {.fd = fd, .events = POLLIN};
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

int raw_try(struct fixture *fixture, const struct bus1_hosted_request *request, const void *body,
            size_t n_body, const int *fds, size_t n_fds) {
        static uint8_t packet[BUS1_HOSTED_PACKET_MAX];
        int fd = raw_connect(fixture), r;

        memcpy(packet, request, sizeof(*request));
        if (n_body > 0)
                memcpy(packet + sizeof(*request), body, n_body);
        ck_assert_int_eq(raw_send(fd, packet, sizeof(*request) + n_body, fds, n_fds), 0);
        r = raw_reply(fd);
        close(fd);
        return r;
}

struct bus1_hosted_request request_init(uint32_t command) {
        return (struct bus1_hosted_request){.magic = BUS1_HOSTED_MAGIC, .command = command};
}

int memfd_sealed(size_t n, int seals) {
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, n), 0);
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
        return fd;
}

void expect_server_works(struct fixture *fixture) {
        struct bus1_client *client = fixture_client_new(fixture);
        uint64_t node, handle;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        ck_assert_int_eq(send_data(client, handle, "alive", 5), 0);
        expect_data(client, node, "alive", 5);
        bus1_client_free(client);
}

int raw_call(int fd, const struct bus1_hosted_request *request) {
        ck_assert_int_eq(raw_send(fd, request, sizeof(*request), NULL, 0), 0);
        return raw_reply(fd);
}
