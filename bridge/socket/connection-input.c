/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections: messages out of the stream of bytes, each with its descriptors. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/scm.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/receive.h"
#include "bridge/socket/connection.h"

void connection_drop_fds(struct connection *connection) {
        for (size_t i = 0; i < connection->n_fds; i++)
                close(connection->fds[i]);
        free(connection->fds);
        connection->fds = NULL;
        connection->n_fds = 0;
        loop_timer_cancel(connection->server->loop, &connection->fd_timer);
}

void connection_input_deinit(struct connection *connection) {
        connection->partial = message_unref(connection->partial);
        free(connection->rest);
        connection->rest = NULL;
        connection->n_rest = 0;
        connection_drop_fds(connection);
}

int connection_violate(struct connection *connection, const char *rule) {
        if (connection->close_reason)
                return 1;
        if (connection->has_client)
                client_violation(&connection->client, rule);
        else
                complain(&connection->server->bus->complaints, connection->peer_uid,
                         "A connection (uid=%d pid=%d) is dropped, it broke the protocol: %s",
                         (int)connection->peer_uid, (int)connection->peer_pid, rule);
        connection_close(connection, rule);
        return 1;
}

bool connection_input_waits(const struct connection *connection) {
        return connection->has_client && !connection->output_broken &&
               (connection->client.later || quota_is_congested(&connection->client));
}

/* descriptors */

static int keep_fds(struct connection *connection, const int *fds, size_t n) {
        int *more;

        more = reallocarray(connection->fds, connection->n_fds + n, sizeof(*more));
        if (!more) {
                for (size_t i = 0; i < n; i++)
                        close(fds[i]);
                return -ENOMEM;
        }
        memcpy(more + connection->n_fds, fds, n * sizeof(*fds));
        connection->fds = more;
        connection->n_fds += n;
        return 0;
}

static int receive_fds(struct connection *connection, struct msghdr *header) {
        const struct bus_limits *limits = &connection->server->bus->limits;
        int64_t max = limits->max_incoming_unix_fds;
        int r;

        /* One message may always come, and what the kernel brings at once can be more. */
        if (max < limits->max_message_unix_fds)
                max = limits->max_message_unix_fds;

        for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
                int fds[SCM_FDS_MAX];
                size_t n;

                if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
                        continue;
                n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                memcpy(fds, CMSG_DATA(cmsg), n * sizeof(int));
                r = keep_fds(connection, fds, n);
                if (r < 0)
                        return r;
        }

        if (header->msg_flags & MSG_CTRUNC)
                return connection_violate(connection, "descriptors were lost on the way");
        if (connection->n_fds == 0)
                return 0;
        if (connection->state == CONNECTION_MESSAGES && !connection->client.fds_negotiated)
                return connection_violate(connection, "descriptors without NEGOTIATE_UNIX_FD");
        if (connection->state == CONNECTION_MESSAGES && connection->n_fds > max + SCM_FDS_MAX)
                return connection_violate(connection, "more descriptors than messages declare");
        return 0;
}

/* Give the message the descriptors that came first, as many as it declares. */
static int take_fds(struct connection *connection, struct message *m) {
        size_t n = m->n_fds_declared;

        if (n == 0)
                return 0;
        if (n > connection->n_fds ||
            (int64_t)n > connection->server->bus->limits.max_message_unix_fds)
                return MESSAGE_E_FDS;

        m->fds = malloc(n * sizeof(*m->fds));
        if (!m->fds)
                return -ENOMEM;
        memcpy(m->fds, connection->fds, n * sizeof(*m->fds));
        m->n_fds = n;
        connection->n_fds -= n;
        memmove(connection->fds, connection->fds + n, connection->n_fds * sizeof(*connection->fds));
        /* What is left waits for another message: its time starts anew. */
        loop_timer_cancel(connection->server->loop, &connection->fd_timer);
        return 0;
}

static int parse_message(struct connection *connection, struct message *m) {
        int r;

        r = message_parse_header(m);
        if (r == 0)
                r = take_fds(connection, m);
        if (r == 0)
                r = message_parse_body(m);
        return r;
}

/* reading */

int connection_read(struct connection *connection, size_t *ret_n, bool *ret_eof) {
        struct message *partial = connection->partial;
        struct iovec iov[2];
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(SCM_FDS_MAX * sizeof(int))];
        } control;
        struct msghdr header = {
                .msg_iov = iov,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        size_t n_missing = 0;
        ssize_t n;
        int r;

        *ret_n = 0;
        *ret_eof = false;

        /* The rest of a message goes where it belongs, what follows it into the common buffer. */
        if (partial) {
                n_missing = partial->n_wire - connection->n_partial;
                iov[header.msg_iovlen++] = (struct iovec){
                        .iov_base = partial->wire + connection->n_partial,
                        .iov_len = n_missing,
                };
        }
        iov[header.msg_iovlen++] = (struct iovec){
                .iov_base = connection->server->buffer,
                .iov_len = SERVER_BUFFER_SIZE,
        };

        n = recvmsg(connection->source.fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0) {
                if (errno == EAGAIN || errno == EINTR)
                        return 0;
                *ret_eof = true;
                return 0;
        }
        r = receive_fds(connection, &header);
        if (r != 0)
                return r;
        if (n == 0) {
                *ret_eof = true;
                return 0;
        }

        if ((size_t)n > n_missing) {
                *ret_n = n - n_missing;
                n = n_missing;
        }
        if (partial)
                connection->n_partial += n;
        return 0;
}

/* messages */

/* The message in partial is complete. */
static int finish_message(struct connection *connection) {
        struct message *m = connection->partial;
        int r;

        connection->partial = NULL;
        connection->n_partial = 0;

        r = parse_message(connection, m);
        if (r > 0)
                connection_violate(connection, message_violation(r));
        else if (r == 0) {
                r = client_receive(&connection->client, m, 0);
                if (r == CLIENT_E_VIOLATION)
                        connection_close(connection, "protocol violation");
                else if (r == 0)
                        connection_received(connection);
        }
        message_unref(m);
        return r < 0 ? r : 0;
}

/* The fixed part is there: frame the message. */
static int begin_message(struct connection *connection, const uint8_t *header) {
        size_t size;
        int r;

        r = message_frame(header, connection->server->bus->limits.max_message_size, &size);
        if (r > 0)
                return connection_violate(connection, message_violation(r));
        r = message_new(&connection->partial, size);
        if (r < 0) {
                /* Whether there is memory for it depends on the client's own number. */
                return connection_violate(connection, "no memory for the message");
        }
        memcpy(connection->partial->wire, header, MESSAGE_HEADER_SIZE);
        connection->n_partial = MESSAGE_HEADER_SIZE;
        connection->n_header = 0;
        return 0;
}

/* Descriptors wait for a message that is on its way, and not for ever; others are nobody's. */
static int settle_fds(struct connection *connection) {
        struct server *server = connection->server;

        if (connection->n_fds == 0 || (!connection->partial && connection->n_header == 0)) {
                connection_drop_fds(connection);
                return 0;
        }
        if (connection->fd_timer.index != 0)
                return 0;
        return loop_timer_set(server->loop, &connection->fd_timer,
                              loop_now() + server->bus->limits.pending_fd_timeout * 1000000);
}

static size_t copy_some(uint8_t *to, size_t *at, size_t wanted, const uint8_t *from, size_t n) {
        if (n > wanted - *at)
                n = wanted - *at;
        memcpy(to + *at, from, n);
        *at += n;
        return n;
}

/*
 * What one read brought can be thousands of messages. Once too much of what they caused waits to be
 * read, those that follow have to wait, too.
 */
int connection_keep_rest(struct connection *connection, const uint8_t *bytes, size_t n) {
        connection->rest = malloc(n);
        if (!connection->rest) {
                connection_close(connection, "no memory for what it sent");
                return 0;
        }
        memcpy(connection->rest, bytes, n);
        connection->n_rest = n;
        return 0;
}

int connection_take_rest(struct connection *connection) {
        uint8_t *rest = connection->rest;
        size_t n = connection->n_rest;
        int r;

        if (!rest || connection->close_reason || connection_handshake_waits(connection) ||
            connection_input_waits(connection))
                return 0;
        connection->rest = NULL;
        connection->n_rest = 0;
        if (connection->state == CONNECTION_HANDSHAKE)
                r = connection_shake_hands(connection, rest, n);
        else
                r = connection_take(connection, rest, n);
        free(rest);
        return r;
}

int connection_take(struct connection *connection, const uint8_t *bytes, size_t n) {
        int r;

        for (;;) {
                struct message *partial = connection->partial;
                size_t taken;

                if (connection->close_reason)
                        return 0;
                if (!partial && n > 0 && connection_input_waits(connection))
                        return connection_keep_rest(connection, bytes, n);
                if (partial) {
                        taken = copy_some(partial->wire, &connection->n_partial, partial->n_wire,
                                          bytes, n);
                        if (connection->n_partial == partial->n_wire) {
                                r = finish_message(connection);
                                if (r < 0)
                                        return r;
                        } else if (n == taken)
                                break;
                } else if (connection->n_header == 0 && n >= MESSAGE_HEADER_SIZE) {
                        if (begin_message(connection, bytes) != 0)
                                return 0;
                        taken = MESSAGE_HEADER_SIZE;
                } else {
                        taken = copy_some(connection->header, &connection->n_header,
                                          MESSAGE_HEADER_SIZE, bytes, n);
                        if (connection->n_header == MESSAGE_HEADER_SIZE) {
                                if (begin_message(connection, connection->header) != 0)
                                        return 0;
                        } else
                                break;
                }
                bytes += taken;
                n -= taken;
        }
        return settle_fds(connection);
}
