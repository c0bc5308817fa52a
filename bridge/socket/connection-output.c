/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections: the queue of messages to the socket. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/container-of.h"
#include "base/scm.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/reply.h"
#include "bridge/bus/tell.h"
#include "bridge/socket/connection.h"

#define BATCH_MAX 64
#define QUEUE_SIZE_MIN 8
#define QUEUE_SIZE_IDLE 64 /* an empty queue larger than this is given back */
#define STALL_DELAY (20 * INT64_C(1000000))

static struct message *queue_at(const struct connection *connection, size_t i) {
        return connection->queue[(connection->queue_head + i) & (connection->queue_size - 1)];
}

static int queue_grow(struct connection *connection) {
        size_t size = connection->queue_size ? connection->queue_size * 2 : QUEUE_SIZE_MIN;
        struct message **queue;

        queue = malloc(size * sizeof(*queue));
        if (!queue)
                return -ENOMEM;
        for (size_t i = 0; i < connection->queue_n; i++)
                queue[i] = queue_at(connection, i);
        free(connection->queue);
        connection->queue = queue;
        connection->queue_size = size;
        connection->queue_head = 0;
        return 0;
}

static int queue_push(struct connection *connection, struct message *m) {
        int r;

        if (connection->queue_n == connection->queue_size) {
                r = queue_grow(connection);
                if (r < 0)
                        return r;
        }
        connection->queue[(connection->queue_head + connection->queue_n++) &
                          (connection->queue_size - 1)] = message_ref(m);
        loop_defer(connection->server->loop, &connection->flush);
        return 0;
}

static void queue_pop(struct connection *connection) {
        struct message *m = queue_at(connection, 0);

        /* What belongs to the handshake is not charged. */
        if (m->sender.s)
                quota_discharge_outgoing(&connection->client, m);
        message_unref(m);
        connection->queue_head = (connection->queue_head + 1) & (connection->queue_size - 1);
        connection->n_written = 0;
        if (--connection->queue_n == 0 && connection->queue_size > QUEUE_SIZE_IDLE) {
                free(connection->queue);
                connection->queue = NULL;
                connection->queue_size = 0;
        }
}

void connection_output_break(struct connection *connection) {
        connection->output_broken = true;
        while (connection->queue_n > 0)
                queue_pop(connection);
}

void connection_output_deinit(struct connection *connection) {
        connection_output_break(connection);
        free(connection->queue);
        connection->queue = NULL;
        connection->queue_size = 0;
}

int connection_deliver(struct client *client, struct message *m, struct reply *reply,
                       uint64_t cookie) {
        struct connection *connection = container_of(client, struct connection, client);
        int r;

        if (connection->output_broken || connection->close_reason)
                return CLIENT_E_GONE;

        r = quota_charge_outgoing(client, m);
        if (r != 0) {
                if (quota_kind_of(client, m) == QUOTA_NOTICE)
                        client->ops->close(client, "it does not read what happens to its names");
                return r;
        }
        r = queue_push(connection, m);
        if (r < 0)
                quota_discharge_outgoing(client, m);
        return r;
}

int connection_send_bytes(struct connection *connection, const char *bytes, size_t n, int fd) {
        struct message *m;
        int r;

        r = message_new(&m, n);
        if (r < 0)
                return r;
        memcpy(m->wire, bytes, n);
        if (fd >= 0) {
                m->fds = malloc(sizeof(*m->fds));
                if (!m->fds) {
                        message_unref(m);
                        return -ENOMEM;
                }
                m->fds[0] = fd;
                m->n_fds = 1;
        }
        r = queue_push(connection, m);
        message_unref(m);
        return r;
}

/* writing */

/*
 * As many messages as one call takes. Descriptors go with the first byte of their message, and such
 * a message goes alone, so that every reader can tell whose they are.
 */
static size_t gather(struct connection *connection, struct iovec iov[BATCH_MAX]) {
        size_t n;

        for (n = 0; n < connection->queue_n && n < BATCH_MAX; n++) {
                struct message *m = queue_at(connection, n);
                size_t skip = n == 0 ? connection->n_written : 0;

                if (n > 0 && m->n_fds > 0)
                        break;
                iov[n] = (struct iovec){.iov_base = m->wire + skip, .iov_len = m->n_wire - skip};
                if (m->n_fds > 0)
                        return n + 1;
        }
        return n;
}

/* A single message is the common case, and the kernel has less to copy in for it. */
static ssize_t write_single(struct connection *connection) {
        const struct message *m = queue_at(connection, 0);
        ssize_t n;

        n = send(connection->source.fd, m->wire + connection->n_written,
                 m->n_wire - connection->n_written, MSG_DONTWAIT | MSG_NOSIGNAL);
        return n < 0 ? -errno : n;
}

static ssize_t write_batch(struct connection *connection) {
        struct iovec iov[BATCH_MAX];
        struct msghdr header = {.msg_iov = iov};
        const struct message *head = queue_at(connection, 0);
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(SCM_FDS_MAX * sizeof(int))];
        } control;
        ssize_t n;

        header.msg_iovlen = gather(connection, iov);
        if (head->n_fds > 0 && connection->n_written == 0) {
                struct cmsghdr *cmsg = &control.header;

                header.msg_control = &control;
                header.msg_controllen = CMSG_SPACE(head->n_fds * sizeof(int));
                memset(&control, 0, header.msg_controllen);
                cmsg->cmsg_level = SOL_SOCKET;
                cmsg->cmsg_type = SCM_RIGHTS;
                cmsg->cmsg_len = CMSG_LEN(head->n_fds * sizeof(int));
                memcpy(CMSG_DATA(cmsg), head->fds, head->n_fds * sizeof(int));
        }

        n = sendmsg(connection->source.fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
        return n < 0 ? -errno : n;
}

static void written(struct connection *connection, size_t n) {
        while (n > 0) {
                size_t left = queue_at(connection, 0)->n_wire - connection->n_written;

                if (n < left) {
                        connection->n_written += n;
                        return;
                }
                n -= left;
                queue_pop(connection);
        }
}

/* The head, with its descriptors, cannot be sent; without them it would be another message. */
static int drop_head(struct connection *connection) {
        struct message *m = message_ref(queue_at(connection, 0));
        int r = 0;

        complain(&connection->server->bus->complaints, connection->peer_uid,
                 "Dropped a message to %s: too many file descriptors in flight",
                 connection->has_client ? client_name(&connection->client) : "?");
        queue_pop(connection);
        if (connection->has_client && m->sender.s)
                r = tell_reply_lost(&connection->client, m,
                                    "Too many file descriptors are in flight for the message");
        message_unref(m);
        return r;
}

/* It is not the socket that is full: there is no event to wait for. */
static int stall(struct connection *connection) {
        struct server *server = connection->server;

        connection->is_stalled = true;
        return server->stall.index
                       ? 0
                       : loop_timer_set(server->loop, &server->stall, loop_now() + STALL_DELAY);
}

void connection_output_retry(struct server *server) {
        struct connection *connection;

        DL_FOREACH(server->connections, connection) {
                if (connection->is_stalled)
                        loop_defer(server->loop, &connection->flush);
        }
}

int connection_flush(struct loop_deferred *deferred) {
        struct connection *connection = container_of(deferred, struct connection, flush);

        connection->is_stalled = false;
        while (connection->queue_n > 0) {
                bool is_single = connection->queue_n == 1 && queue_at(connection, 0)->n_fds == 0;
                ssize_t n = is_single ? write_single(connection) : write_batch(connection);
                int r = 0;

                if (n >= 0)
                        written(connection, n);
                else if (n == -EAGAIN || n == -EWOULDBLOCK)
                        break;
                else if (n == -ENOBUFS || n == -ENOMEM) {
                        r = stall(connection);
                        if (r < 0)
                                return r;
                        break;
                } else if (n == -ETOOMANYREFS && connection->n_written == 0)
                        r = drop_head(connection);
                else if (n != -EINTR) {
                        /* It has gone; what it wrote before is still to be read. */
                        connection_output_break(connection);
                        break;
                }
                if (r < 0)
                        return r;
        }

        if (connection->state == CONNECTION_DRAINING && connection->queue_n == 0)
                connection_close(connection, NULL);
        if (connection->rest) {
                int r = connection_take_rest(connection);

                if (r < 0)
                        return r;
        }
        return connection_update_events(connection);
}
