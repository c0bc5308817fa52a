/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Output: a ring of messages, written with as few system calls as possible. */

#include "bridge/socket/output.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/scm.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/descriptors.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/unread.h"

#define BATCH_MAX 64
#define QUEUE_SIZE_MIN 8
#define QUEUE_SIZE_IDLE 64 /* a larger ring is freed when it is empty */
/* A larger message that is written is not kept, because what is kept is charged to nobody. */
#define LAST_SIZE_MAX QUOTA_RESERVE

int output_grow(struct output *output) {
        size_t size = output->queue_size ? output->queue_size * 2 : QUEUE_SIZE_MIN;
        struct message **queue;

        queue = malloc(size * sizeof(*queue));
        if (!queue)
                return -ENOMEM;
        for (size_t i = 0; i < output->n_queued; i++)
                queue[i] = output_at(output, i);
        free(output->queue);
        output->queue = queue;
        output->queue_size = size;
        output->queue_head = 0;
        return 0;
}

static void queue_pop(struct output *output) {
        struct message *m = output_at(output, 0);

        /* Bytes of the handshake are not charged. */
        if (m->sender.s)
                quota_discharge_outgoing(output->client, m);
        message_unref(m);
        output->queue_head = (output->queue_head + 1) & (output->queue_size - 1);
        output->n_written = 0;
        if (--output->n_queued == 0 && output->queue_size > QUEUE_SIZE_IDLE) {
                free(output->queue);
                output->queue = NULL;
                output->queue_size = 0;
        }
}

static void forget_last(struct output *output) {
        output->last = message_unref(output->last);
}

/* Was the other end closed? Else its program only reads no more. */
static bool has_closed(int fd) {
        struct pollfd pollfd = {.fd = fd};

        return poll(&pollfd, 1, 0) > 0 && (pollfd.revents & POLLHUP);
}

void output_break(struct output *output) {
        if (!output->is_broken && output->client && has_closed(output->fd))
                output->client->is_closing = true;
        output->is_broken = true;
        /* Its last byte is not the last one in the socket. */
        if (output->n_written > 0)
                forget_last(output);
        while (output->n_queued > 0) {
                CLEANUP(message_unrefp) struct message *m = message_ref(output_at(output, 0));

                queue_pop(output);
                if (output->client && unread_concerns(output->client, m))
                        unread_hold(output->client, m, false);
        }
}

void output_end_unread(struct output *output) {
        output_break(output);
        if (output->last)
                unread_hold(output->client, output->last, true);
        forget_last(output);
}

void output_deinit(struct output *output) {
        output_break(output);
        forget_last(output);
        free(output->queue);
        output->queue = NULL;
        output->queue_size = 0;
}

int output_push_bytes(struct output *output, const char *bytes, size_t n, int fd) {
        CLEANUP(message_unrefp) struct message *m = NULL;
        CLEANUP_CLOSE int own_fd = fd;
        int r;

        r = message_new(&m, n);
        if (r < 0)
                return r;
        memcpy(m->wire, bytes, n);
        if (fd >= 0) {
                m->fds = malloc(sizeof(*m->fds));
                if (!m->fds)
                        return -ENOMEM;
                m->fds[0] = steal_fd(&own_fd);
                m->n_fds = 1;
        }
        return output_push(output, m);
}

/* descriptors */

bool socket_has_unread(int fd) {
        int n;

        return ioctl(fd, SIOCOUTQ, &n) == 0 && n > 0;
}

bool output_has_fds_unread(struct output *output) {
        if (output->n_fds_sent == 0)
                return false;
        if (socket_has_unread(output->fd))
                return true;
        fds_drop(output->client->bus, output->client->account, FDS_SENT, output->n_fds_sent);
        output->n_fds_sent = 0;
        return false;
}

/* May the descriptors of the head go out now? 0, or OUTPUT_E_*. */
static int check_fds(struct output *output, size_t n) {
        const struct client *client = output->client;

        if (!client || n == 0 || output->n_written > 0)
                return 0;
        /* The socket is writable again when the client has read the last byte. */
        if (output_has_fds_unread(output) &&
            (int64_t)(output->n_fds_sent + n) > client->bus->limits.max_outgoing_unix_fds)
                return OUTPUT_E_FULL;
        /* Whether others of the user have read theirs is found out later. */
        return fds_may_take(client->bus, client->account, FDS_SENT, n) ? 0 : OUTPUT_E_STALLED;
}

static void fds_written(struct output *output, size_t n) {
        if (!output->client || n == 0 || output->n_written > 0)
                return;
        output->n_fds_sent += n;
        fds_take(output->client->bus, output->client->account, FDS_SENT, n);
}

/* writing */

/*
 * Gather as many messages as one call takes. A message with descriptors is sent alone, and its
 * first byte carries them, so that every reader can tell which message they belong to.
 */
static size_t gather(struct output *output, struct iovec iov[BATCH_MAX]) {
        size_t n;

        for (n = 0; n < output->n_queued && n < BATCH_MAX; n++) {
                struct message *m = output_at(output, n);
                size_t skip = n == 0 ? output->n_written : 0;

                if (n > 0 && m->n_fds > 0)
                        break;
                iov[n] = (struct iovec){.iov_base = m->wire + skip, .iov_len = m->n_wire - skip};
                if (m->n_fds > 0)
                        return n + 1;
        }
        return n;
}

/* send() has less to copy into the kernel than sendmsg(), and one message is the common case. */
static ssize_t write_single(struct output *output) {
        const struct message *m = output_at(output, 0);
        ssize_t n;

        n = send(output->fd, m->wire + output->n_written, m->n_wire - output->n_written,
                 MSG_DONTWAIT | MSG_NOSIGNAL);
        return n < 0 ? -errno : n;
}

static ssize_t write_batch(struct output *output) {
        struct iovec iov[BATCH_MAX];
        struct msghdr header = {.msg_iov = iov};
        const struct message *head = output_at(output, 0);
        union scm_buffer control;
        ssize_t n;

        header.msg_iovlen = gather(output, iov);
        if (output->n_written == 0)
                scm_attach(&header, &control, head->fds, head->n_fds);
        n = sendmsg(output->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
        return n < 0 ? -errno : n;
}

/*
 * Keep the message that is written now, in case its reader leaves without it; but not with
 * descriptors: whoever waits for the end of a pipe must not wait for the bus.
 */
static void keep_last(struct output *output, struct message *m) {
        if (output->last)
                forget_last(output);
        if (output->client && unread_concerns(output->client, m) && m->n_fds == 0 &&
            m->cost <= LAST_SIZE_MAX)
                output->last = message_ref(m);
}

static void written(struct output *output, size_t n) {
        while (n > 0) {
                size_t left = output_at(output, 0)->n_wire - output->n_written;

                if (n < left) {
                        output->n_written += n;
                        return;
                }
                n -= left;
                keep_last(output, output_at(output, 0));
                queue_pop(output);
        }
}

struct message *output_drop_head(struct output *output) {
        struct message *m = message_ref(output_at(output, 0));

        queue_pop(output);
        return m;
}

int output_write(struct output *output) {
        while (output->n_queued > 0) {
                size_t n_fds = output_at(output, 0)->n_fds;
                bool is_single = output->n_queued == 1 && n_fds == 0;
                ssize_t n;
                int r;

                r = n_fds > 0 ? check_fds(output, n_fds) : 0;
                if (r > 0)
                        return r;
                n = is_single ? write_single(output) : write_batch(output);
                if (n >= 0) {
                        if (n_fds > 0)
                                fds_written(output, n_fds);
                        written(output, n);
                } else if (n == -EAGAIN || n == -EWOULDBLOCK)
                        return OUTPUT_E_FULL;
                else if (n == -ENOBUFS || n == -ENOMEM)
                        return OUTPUT_E_STALLED;
                else if (n == -ETOOMANYREFS && output->n_written == 0)
                        return OUTPUT_E_FDS;
                else if (n != -EINTR)
                        /* The client does not read any more, but what it sent can still be read. */
                        output_break(output);
        }
        return 0;
}
