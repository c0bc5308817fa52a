/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two ends that exchange messages: see vm-ends.h. */

#include "test/bench/vm-ends.h"

#include <bus1/bus1.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "test/bench/raw.h"

#define OTHER_USER 1000
#define EXCHANGE_MAX 16

static long check(long r, const char *what) {
        if (r < 0)
                raw_fail("%s: %s", what, strerror(errno));
        return r;
}

static void check_client(int r, const char *what) {
        if (r < 0)
                raw_fail("%s: %s", what, strerror(-r));
}

/* bus1 without libbus1 */

uint64_t end_introduce(const struct end *end, const struct end *to) {
        struct bus1_transfer src = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}, dst = {};
        struct bus1_cmd_transfer cmd = {
                .to = to->fd,
                .n_transfers = 1,
                .ptr_src = (uintptr_t)&src,
                .ptr_dst = (uintptr_t)&dst,
        };

        check(ioctl(end->fd, BUS1_CMD_TRANSFER, &cmd), "transfer");
        return dst.id;
}

static void device_send(int fd, const uint64_t *handles, size_t n_handles,
                        const struct bus1_message_fds *message) {
        struct bus1_cmd_send cmd = {
                .n_destinations = n_handles,
                .ptr_destinations = (uintptr_t)handles,
                .ptr_message = (uintptr_t)message,
        };

        check(ioctl(fd, BUS1_CMD_SEND, &cmd), "send");
}

static bool device_recv(int fd, struct bus1_message_fds *message) {
        struct bus1_metadata metadata;
        struct bus1_cmd_recv cmd = {
                .ptr_metadata = (uintptr_t)&metadata,
                .ptr_message = (uintptr_t)message,
        };

        if (ioctl(fd, BUS1_CMD_RECV, &cmd) == 0)
                return true;
        if (errno != EAGAIN)
                check(-1, "recv");
        return false;
}

/*
 * end_exchange() with BUS1_CMD_CALL. All messages to send have the same data, and all received ones
 * go to the same memory. Returns the number of received messages.
 */
static unsigned device_exchange(const struct end *end, const void *out, size_t n_bytes_out,
                                unsigned n_out, void *in, size_t n_bytes_in, unsigned n_in) {
        struct iovec vec_out = {(void *)out, n_bytes_out}, vec_in = {in, n_bytes_in};
        struct bus1_message message_out = {
                .type = BUS1_MESSAGE_TYPE_USER,
                .n_data = n_bytes_out,
                .n_data_vecs = 1,
                .ptr_data_vecs = (uintptr_t)&vec_out,
        };
        struct bus1_message messages_in[EXCHANGE_MAX];
        struct bus1_cmd_send sends[EXCHANGE_MAX];
        struct bus1_cmd_recv recvs[EXCHANGE_MAX];
        struct bus1_metadata metadata;
        struct bus1_cmd_call cmd = {
                .n_sends = n_out,
                .ptr_sends = (uintptr_t)sends,
                .n_recvs = n_in,
                .ptr_recvs = (uintptr_t)recvs,
                .node = BUS1_INVALID,
                .timeout = BUS1_INVALID,
        };

        for (unsigned i = 0; i < n_out; i++)
                sends[i] = (struct bus1_cmd_send){
                        .n_destinations = 1,
                        .ptr_destinations = (uintptr_t)&end->handle,
                        .ptr_message = (uintptr_t)&message_out,
                };
        for (unsigned i = 0; i < n_in; i++) {
                messages_in[i] = (struct bus1_message){
                        .type = BUS1_INVALID,
                        .n_data = n_bytes_in,
                        .n_data_vecs = 1,
                        .ptr_data_vecs = (uintptr_t)&vec_in,
                };
                recvs[i] = (struct bus1_cmd_recv){
                        .ptr_metadata = (uintptr_t)&metadata,
                        .ptr_message = (uintptr_t)&messages_in[i],
                };
        }
        check(ioctl(end->fd, BUS1_CMD_CALL, &cmd), "call");
        return cmd.n_recvs;
}

static void device_recv_one(int fd, struct bus1_message_fds *message) {
        if (!device_recv(fd, message))
                raw_fail("recv: nothing there");
}

static bool is_bus1(const struct end *end) {
        return end->kind == END_BUS1 || end->kind == END_CALL || end->kind == END_LIBBUS1;
}

/* pairs */

static int device_open(void) {
        return check(open("/dev/bus1", O_RDWR | O_CLOEXEC), "/dev/bus1");
}

static void client_pair(struct end ends[static 2]) {
        for (int i = 0; i < 2; i++) {
                check_client(bus1_client_new_device(&ends[i].client, "/dev/bus1"), "/dev/bus1");
                ends[i].fd = bus1_client_get_fd(ends[i].client);
        }
        for (int i = 0; i < 2; i++) {
                struct bus1_transfer src = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}, dst = {};

                check_client(bus1_client_transfer(ends[!i].client, ends[i].client, 1, &src, &dst),
                             "transfer");
                ends[i].handle = dst.id;
        }
}

static void end_introduce_both(struct end ends[static 2]) {
        for (int i = 0; i < 2; i++)
                ends[i].handle = end_introduce(&ends[!i], &ends[i]);
}

void end_pair(enum end_kind kind, struct end ends[static 2]) {
        int one[2], two[2];

        ends[0] = ends[1] = (struct end){.kind = kind, .fd = -1, .out = -1};
        switch (kind) {
        case END_USERS:
        case END_CALLERS:
                /* The two users matter only when the peers are opened. */
                ends[0].kind = ends[1].kind = kind == END_USERS ? END_BUS1 : END_CALL;
                ends[0].fd = device_open();
                check(seteuid(OTHER_USER), "seteuid");
                ends[1].fd = device_open();
                check(seteuid(0), "seteuid");
                end_introduce_both(ends);
                return;
        case END_BUS1:
        case END_CALL:
                for (int i = 0; i < 2; i++)
                        ends[i].fd = device_open();
                end_introduce_both(ends);
                return;
        case END_LIBBUS1:
                client_pair(ends);
                return;
        case END_SOCKET:
        case END_BLOCKING:
                check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, one), "socketpair");
                ends[0].fd = one[0];
                ends[1].fd = one[1];
                return;
        case END_PIPE:
                check(pipe2(one, O_DIRECT | O_NONBLOCK | O_CLOEXEC), "pipe");
                check(pipe2(two, O_DIRECT | O_NONBLOCK | O_CLOEXEC), "pipe");
                ends[0].fd = one[0];
                ends[1].out = one[1];
                ends[1].fd = two[0];
                ends[0].out = two[1];
                return;
        default:
                raw_fail("no such kind");
        }
}

void end_open_close(enum end_kind kind) {
        struct end ends[2];

        if (kind == END_BUS1) {
                close(device_open());
                return;
        }
        end_pair(kind, ends);
        for (int i = 0; i < 2; i++)
                end_close(&ends[i]);
}

void end_close(struct end *end) {
        if (end->client)
                bus1_client_free(end->client);
        else
                close(end->fd);
        if (end->out >= 0)
                close(end->out);
}

/* messages */

void end_wait(const struct end *end) {
        if (end->kind != END_BLOCKING)
                check(poll(&(struct pollfd){end->fd, POLLIN, 0}, 1, -1), "poll");
}

void end_multicast(const struct end *end, const uint64_t *handles, size_t n_handles,
                   const void *data, size_t n) {
        struct iovec vec = {(void *)data, n};
        struct bus1_message_fds m = {
                .message.type = BUS1_MESSAGE_TYPE_USER,
                .message.n_data = n,
                .message.n_data_vecs = 1,
                .message.ptr_data_vecs = (uintptr_t)&vec,
        };

        if (end->client)
                check_client(bus1_client_send(end->client, n_handles, handles, NULL, &m.message),
                             "send");
        else
                device_send(end->fd, handles, n_handles, &m);
}

void end_send(const struct end *end, const void *data, size_t n) {
        ssize_t l = n;

        if (is_bus1(end))
                end_multicast(end, &end->handle, 1, data, n);
        else if (end->kind == END_PIPE)
                l = write(end->out, data, n);
        else
                l = send(end->fd, data, n, MSG_NOSIGNAL);
        if (check(l, "send") != (ssize_t)n)
                raw_fail("only a part was sent");
}

static bool bus1_recv(const struct end *end, void *data, size_t n) {
        struct iovec vec = {data, n};
        struct bus1_message_fds m = {
                .message.type = BUS1_INVALID,
                .message.n_data = n,
                .message.n_data_vecs = 1,
                .message.ptr_data_vecs = (uintptr_t)&vec,
        };
        struct bus1_metadata metadata;
        int r;

        if (!end->client)
                return device_recv(end->fd, &m);
        r = bus1_client_recv(end->client, 0, &metadata, &m.message);
        if (r != -EAGAIN)
                check_client(r, "recv");
        return r != -EAGAIN;
}

bool end_recv(const struct end *end, void *data, size_t n) {
        ssize_t l;

        if (is_bus1(end))
                return bus1_recv(end, data, n);
        if (end->kind == END_PIPE)
                l = read(end->fd, data, n);
        else
                l = recv(end->fd, data, n, end->kind == END_BLOCKING ? 0 : MSG_DONTWAIT);
        if (l < 0 && errno != EAGAIN)
                check(l, "recv");
        return l > 0;
}

unsigned end_exchange(const struct end *end, const void *out, size_t n_bytes_out, unsigned n_out,
                      void *in, size_t n_bytes_in, unsigned n_in) {
        unsigned n = 0;

        if (n_out > EXCHANGE_MAX || n_in > EXCHANGE_MAX)
                raw_fail("too many messages");
        if (end->kind == END_CALL)
                return device_exchange(end, out, n_bytes_out, n_out, in, n_bytes_in, n_in);
        for (unsigned i = 0; i < n_out; i++)
                end_send(end, out, n_bytes_out);
        do
                end_wait(end);
        while (!end_recv(end, in, n_bytes_in));
        for (n = 1; n < n_in && end->kind != END_BLOCKING && end_recv(end, in, n_bytes_in);)
                n++;
        return n;
}

/* descriptors */

void end_send_fd(const struct end *end, int fd) {
        union {
                struct cmsghdr header;
                char data[CMSG_SPACE(sizeof(fd))];
        } control = {};
        struct iovec vec = {(char[]){0}, 1};
        struct msghdr m = {
                .msg_iov = &vec,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };

        if (end->kind == END_BUS1) {
                struct bus1_message_fds message = {
                        .message.flags = BUS1_MESSAGE_FLAG_FDS,
                        .message.type = BUS1_MESSAGE_TYPE_USER,
                        .message.n_data = 1,
                        .message.n_data_vecs = 1,
                        .message.ptr_data_vecs = (uintptr_t)&vec,
                        .n_fds = 1,
                        .ptr_fds = (uintptr_t)&fd,
                };

                device_send(end->fd, &end->handle, 1, &message);
                return;
        }
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        check(sendmsg(end->fd, &m, MSG_NOSIGNAL), "sendmsg");
}

int end_recv_fd(const struct end *end) {
        union {
                struct cmsghdr header;
                char data[CMSG_SPACE(sizeof(int))];
        } control = {};
        char byte;
        struct iovec vec = {&byte, 1};
        struct msghdr m = {
                .msg_iov = &vec,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        int fd = -1;

        if (end->kind == END_BUS1) {
                struct bus1_message_fds message = {
                        .message.flags = BUS1_MESSAGE_FLAG_FDS,
                        .message.type = BUS1_INVALID,
                        .message.n_data = 1,
                        .message.n_data_vecs = 1,
                        .message.ptr_data_vecs = (uintptr_t)&vec,
                        .n_fds = 1,
                        .ptr_fds = (uintptr_t)&fd,
                };

                device_recv_one(end->fd, &message);
        } else {
                check(recvmsg(end->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC), "recvmsg");
                memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
        }
        if (fd < 0)
                raw_fail("no descriptor came");
        return fd;
}

/* capabilities */

/* Send a message with a handle, receive it, and release the received handle. */
static void device_pass(const struct end *from, const struct end *to,
                        struct bus1_transfer transfer) {
        char byte = 0;
        struct iovec vec = {&byte, 1};
        struct bus1_transfer received = {};
        struct bus1_message_fds m = {
                .message.type = BUS1_MESSAGE_TYPE_USER,
                .message.n_transfers = 1,
                .message.ptr_transfers = (uintptr_t)&transfer,
                .message.n_data = 1,
                .message.n_data_vecs = 1,
                .message.ptr_data_vecs = (uintptr_t)&vec,
        };
        struct bus1_cmd_release release = {.n_ids = 1, .ptr_ids = (uintptr_t)&received.id};

        device_send(from->fd, &from->handle, 1, &m);
        m.message.type = BUS1_INVALID;
        m.message.ptr_transfers = (uintptr_t)&received;
        device_recv_one(to->fd, &m);
        check(ioctl(to->fd, BUS1_CMD_RELEASE, &release), "release");
}

void capability_pass(const struct end *from, const struct end *to, uint64_t handle) {
        device_pass(from, to, (struct bus1_transfer){0, handle});
}

void capability_pass_new(const struct end *from, const struct end *to) {
        const struct end socket = {.kind = END_SOCKET, .fd = from->fd};
        int pair[2];
        char byte;

        if (from->kind == END_BUS1) {
                struct bus1_message_fds m = {.message.type = BUS1_INVALID};

                device_pass(from, to,
                            (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID});
                device_recv_one(from->fd, &m);
                if (m.message.type != BUS1_MESSAGE_TYPE_HANDLE_RELEASE)
                        raw_fail("the node is not released");
                return;
        }
        if (from->kind == END_PIPE)
                check(pipe2(pair, O_CLOEXEC), "pipe");
        else
                check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
        end_send_fd(&socket, pair[1]);
        close(pair[1]);
        close(end_recv_fd(&(struct end){.kind = END_SOCKET, .fd = to->fd}));
        if (read(pair[0], &byte, 1) != 0)
                raw_fail("the other end is not closed");
        close(pair[0]);
}
