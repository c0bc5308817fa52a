/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The socket of a hosted peer
 *
 * This file sends a request and waits for its reply. The wait blocks the calling thread, and only
 * HELLO has a time-out. The reply overwrites the request, so one buffer is enough.
 */

#include "libbus1/hosted-socket.h"
#include "base/fds.h"
#include "libbus1/util.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int hosted_socket_connect(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        CLEANUP_CLOSE int fd = -1;
        size_t n;

        n = strlen(path);
        if (n >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, n + 1);

        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;

        if (TEMP_FAILURE_RETRY(connect(fd, (struct sockaddr *)&address, sizeof(address))) < 0)
                return -errno;

        return steal_fd(&fd);
}

int hosted_socket_break(struct hosted_socket *socket) {
        shutdown(socket->fd, SHUT_RDWR);
        return -ESHUTDOWN;
}

static int hosted_socket_wait(struct hosted_socket *socket, short events, int timeout) {
        struct pollfd p = {.fd = socket->fd, .events = events};
        int r = TEMP_FAILURE_RETRY(poll(&p, 1, timeout));

        return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

static int hosted_socket_write(struct hosted_socket *socket, const int *fds, size_t n_fds) {
        union scm_buffer control;
        struct iovec vec = {socket->packet.bytes, socket->n_packet};
        struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};
        int r;

        scm_attach(&message, &control, fds, n_fds);
        while (TEMP_FAILURE_RETRY(sendmsg(socket->fd, &message, MSG_NOSIGNAL)) < 0) {
                if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
                        return -ESHUTDOWN;
                if (errno != EAGAIN)
                        return -errno;

                /* A program can pass a non-blocking socket to the library. */
                r = hosted_socket_wait(socket, POLLOUT, -1);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int hosted_socket_read(struct hosted_socket *socket, int timeout, int *ret_fds,
                              size_t *ret_n_fds) {
        union scm_buffer control;
        struct iovec vec = {socket->packet.bytes, sizeof(socket->packet.bytes)};
        struct msghdr message = {
                .msg_iov = &vec,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t l;
        int r;

        if (timeout >= 0) {
                r = hosted_socket_wait(socket, POLLIN, timeout);
                if (r < 0)
                        return r;
        }

        while ((l = TEMP_FAILURE_RETRY(recvmsg(socket->fd, &message, MSG_CMSG_CLOEXEC))) < 0) {
                if (errno != EAGAIN)
                        return hosted_socket_break(socket);

                r = hosted_socket_wait(socket, POLLIN, timeout);
                if (r < 0)
                        return hosted_socket_break(socket);
        }

        *ret_n_fds = scm_take(&message, ret_fds);
        if (l == 0 || (message.msg_flags & MSG_TRUNC) ||
            (size_t)l < sizeof(struct bus1_hosted_reply) ||
            socket->packet.reply.magic != BUS1_HOSTED_MAGIC || socket->packet.reply.result > 0) {
                fds_close(ret_fds, *ret_n_fds);
                return hosted_socket_break(socket);
        }

        socket->n_packet = l;
        return 0;
}

int hosted_socket_call(struct hosted_socket *socket, const int *fds, size_t n_fds, int timeout,
                       int *ret_fds, size_t *ret_n_fds) {
        int r;

        r = hosted_socket_write(socket, fds, n_fds);
        if (r < 0)
                return r;

        return hosted_socket_read(socket, timeout, ret_fds, ret_n_fds);
}
