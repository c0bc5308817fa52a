/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The hosted transport
 *
 * This transport reaches a core in another process over a socket (hosted-protocol.h). The server
 * checks flags and IDs. This file checks the sizes that it needs to build a packet, and that both
 * peers of a transfer are on the same core. Programs poll the bell: a socket where the server
 * leaves a packet while a message waits, or when the peer was disconnected. The server closes its
 * end of the bell when it drops the peer.
 */

#include "base/fds.h"
#include "libbus1/hosted-socket.h"
#include "libbus1/iovec.h"
#include "libbus1/transports.h"
#include "libbus1/util.h"
#include <bus1/transport.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define RECV_FLAGS                                                                  \
        (BUS1_RECV_FLAG_CREDENTIALS | BUS1_RECV_FLAG_PEEK | BUS1_RECV_FLAG_SECCTX | \
         BUS1_RECV_FLAG_DISCARD)

/* The time that the server has to answer HELLO. Later requests have no limit. */
#define HELLO_TIMEOUT_MSEC 10000

struct hosted_peer {
        int bell_fd;
        struct bus1_hosted_hello hello;
        struct hosted_socket socket;
};

/* requests */

/* Begin a request: fill in its header. */
static struct bus1_hosted_request *hosted_request(struct hosted_peer *peer, uint32_t command) {
        struct bus1_hosted_request *request = &peer->socket.packet.request;

        *request = (struct bus1_hosted_request){
                .magic = BUS1_HOSTED_MAGIC,
                .command = command,
        };
        peer->socket.n_packet = sizeof(*request);
        return request;
}

static void hosted_append(struct hosted_peer *peer, const void *p, size_t n) {
        if (n > 0)
                memcpy(peer->socket.packet.bytes + peer->socket.n_packet, p, n);
        peer->socket.n_packet += n;
}

static int write_all(int fd, const uint8_t *p, size_t n) {
        while (n > 0) {
                ssize_t l = TEMP_FAILURE_RETRY(write(fd, p, n));

                if (l < 0)
                        return -errno;
                p += l;
                n -= l;
        }

        return 0;
}

/* Make a sealed memfd that contains the body of a request. */
static int memfd_from_request(const uint64_t *ids, size_t n_ids,
                              const struct bus1_transfer *transfers, size_t n_transfers,
                              const struct iovec *vecs, size_t n_data) {
        CLEANUP_CLOSE int fd = -1;
        int r;

        fd = memfd_create("bus1-send", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;

        r = write_all(fd, (const void *)ids, n_ids * sizeof(*ids));
        if (r < 0)
                return r;
        r = write_all(fd, (const void *)transfers, n_transfers * sizeof(*transfers));
        if (r < 0)
                return r;

        for (; n_data > 0; vecs++) {
                size_t n = min_size(n_data, vecs->iov_len);

                r = write_all(fd, vecs->iov_base, n);
                if (r < 0)
                        return r;
                n_data -= n;
        }

        if (fcntl(fd, F_ADD_SEALS, BUS1_HOSTED_SEALS) < 0)
                return -errno;

        return steal_fd(&fd);
}

/* Send a request and return the reply's result. The caller owns the reply's descriptors. */
static int hosted_exchange(struct hosted_peer *peer, const int *fds, size_t n_fds, int *ret_fds,
                           size_t *ret_n_fds) {
        uint8_t byte;
        ssize_t l;
        int r;

        r = hosted_socket_call(&peer->socket, fds, n_fds, -1, ret_fds, ret_n_fds);
        if (r < 0) {
                *ret_n_fds = 0;
                return r;
        }

        if (peer->socket.packet.reply.reply_flags & BUS1_HOSTED_REPLY_BELL) {
                /* The server sent this packet when the queue became readable. */
                l = recv(peer->bell_fd, &byte, sizeof(byte), MSG_DONTWAIT);
                (void)l;
        }

        return peer->socket.packet.reply.result;
}

/* Make a call whose reply has no file descriptors. Returns the reply's result. */
static int hosted_call(struct hosted_peer *peer, const int *fds, size_t n_fds) {
        int reply_fds[BUS1_HOSTED_FDS_MAX];
        size_t n_reply_fds;
        int r;

        r = hosted_exchange(peer, fds, n_fds, reply_fds, &n_reply_fds);
        fds_close(reply_fds, n_reply_fds);

        return r;
}

/*
 * Complete a request with its body and make the call. The body goes into the packet if it fits and
 * n_data is at most BUS1_HOSTED_DATA_INLINE_MAX, else into a memfd. The caller has checked that
 * n_fds is at most BUS1_HOSTED_MESSAGE_FDS_MAX.
 */
static int hosted_call_with(struct hosted_peer *peer, const uint64_t *ids, size_t n_ids,
                            const struct bus1_transfer *transfers, size_t n_transfers,
                            const struct iovec *vecs, size_t n_data, const int *fds, size_t n_fds) {
        struct bus1_hosted_request *request = &peer->socket.packet.request;
        size_t n_room = sizeof(peer->socket.packet) - sizeof(*request);
        CLEANUP_CLOSE int memfd = -1;
        int all_fds[BUS1_HOSTED_FDS_MAX];

        request->n_ids = n_ids;
        request->n_transfers = n_transfers;
        request->n_data = n_data;
        request->n_fds = n_fds;

        if (n_data <= BUS1_HOSTED_DATA_INLINE_MAX && n_ids <= n_room / sizeof(*ids) &&
            n_transfers <= n_room / sizeof(*transfers) &&
            n_ids * sizeof(*ids) + n_transfers * sizeof(*transfers) + n_data <= n_room) {
                hosted_append(peer, ids, n_ids * sizeof(*ids));
                hosted_append(peer, transfers, n_transfers * sizeof(*transfers));
                iovec_gather(peer->socket.packet.bytes + peer->socket.n_packet, vecs, n_data);
                peer->socket.n_packet += n_data;
                return hosted_call(peer, fds, n_fds);
        }

        /*
         * These numbers are far above the limits of any core. The check keeps sizes from
         * overflowing.
         */
        if (n_ids > UINT32_MAX || n_transfers > UINT32_MAX)
                return -EMSGSIZE;

        memfd = memfd_from_request(ids, n_ids, transfers, n_transfers, vecs, n_data);
        if (memfd < 0)
                return memfd;

        request->request_flags = BUS1_HOSTED_REQUEST_MEMFD;
        all_fds[0] = memfd;
        if (n_fds > 0)
                memcpy(all_fds + 1, fds, n_fds * sizeof(*fds));
        return hosted_call(peer, all_fds, n_fds + 1);
}

/* commands */

static int hosted_get_fd(void *p) {
        struct hosted_peer *peer = p;

        return peer->bell_fd;
}

static int hosted_transfer(void *from, void *to, size_t n, struct bus1_transfer *src,
                           struct bus1_transfer *dst) {
        struct hosted_peer *peer = from, *to_peer = to;
        struct bus1_hosted_request *request;
        const uint8_t *body;
        size_t n_bytes;
        int r;

        if (to_peer == peer)
                to_peer = NULL;
        if (to_peer &&
            memcmp(peer->hello.domain, to_peer->hello.domain, sizeof(peer->hello.domain)) != 0)
                return -EXDEV;

        request = hosted_request(peer, BUS1_HOSTED_TRANSFER);
        if (to_peer) {
                request->to = to_peer->hello.peer;
                memcpy(request->to_secret, to_peer->hello.secret, sizeof(request->to_secret));
        }

        r = hosted_call_with(peer, NULL, 0, src, n, NULL, 0, NULL, 0);
        if (r < 0)
                return r;

        n_bytes = n * sizeof(struct bus1_transfer);
        body = hosted_socket_reply_body(&peer->socket, 2 * n_bytes);
        if (!body)
                return hosted_socket_break(&peer->socket);

        if (n > 0) {
                memcpy(src, body, n_bytes);
                memcpy(dst, body + n_bytes, n_bytes);
        }
        return 0;
}

static int hosted_release(void *p, size_t n, const uint64_t *ids) {
        struct hosted_peer *peer = p;

        hosted_request(peer, BUS1_HOSTED_RELEASE);
        return hosted_call_with(peer, ids, n, NULL, 0, NULL, 0, NULL, 0);
}

static int hosted_send(void *p, uint64_t flags, size_t n_destinations, const uint64_t *destinations,
                       int32_t *errors, struct bus1_message *message) {
        struct hosted_peer *peer = p;
        struct bus1_transfer *transfers = ptr_from_u64(message->ptr_transfers);
        struct bus1_message_fds *with_fds = NULL;
        struct bus1_hosted_request *request;
        size_t n_bytes, n_errors;
        const uint8_t *body;
        int r;

        r = iovec_check_message(message);
        if (r < 0)
                return r;

        if (message->flags & BUS1_MESSAGE_FLAG_FDS)
                with_fds = (struct bus1_message_fds *)message;
        if (with_fds && with_fds->n_fds > BUS1_HOSTED_MESSAGE_FDS_MAX)
                return -EMSGSIZE;

        request = hosted_request(peer, BUS1_HOSTED_SEND);
        request->flags = flags;
        request->message_flags = message->flags;
        request->message_type = message->type;

        r = hosted_call_with(peer, destinations, n_destinations, transfers, message->n_transfers,
                             ptr_from_u64(message->ptr_data_vecs), message->n_data,
                             with_fds ? ptr_from_u64(with_fds->ptr_fds) : NULL,
                             with_fds ? with_fds->n_fds : 0);
        if (r < 0)
                return r;

        n_bytes = message->n_transfers * sizeof(*transfers);
        n_errors = flags & BUS1_SEND_FLAG_CONTINUE ? n_destinations * sizeof(*errors) : 0;
        body = hosted_socket_reply_body(&peer->socket, n_bytes + n_errors);
        if (!body)
                return hosted_socket_break(&peer->socket);

        if (n_bytes > 0)
                memcpy(transfers, body, n_bytes);
        if (errors && n_errors > 0)
                memcpy(errors, body + n_bytes, n_errors);
        else if (errors && n_destinations > 0)
                memset(errors, 0, n_destinations * sizeof(*errors));
        return 0;
}

/*
 * Copy a received message to the buffers of the caller, and set the sizes in message, which still
 * has the capacities. If has_read is true, the data is in the vectors already and not in the reply.
 */
static int hosted_recv_unpack(struct hosted_peer *peer, bool has_read, uint64_t flags,
                              struct bus1_metadata *metadata, struct bus1_message *message,
                              const int *fds, size_t n_fds) {
        const struct bus1_hosted_reply *reply = &peer->socket.packet.reply;
        const uint8_t *body = peer->socket.packet.bytes + sizeof(*reply);
        struct bus1_message_fds *with_fds = NULL;
        bool peek = flags & BUS1_RECV_FLAG_PEEK;
        bool discard = flags & BUS1_RECV_FLAG_DISCARD;
        size_t n_bytes, n_inline;

        if (message->flags & BUS1_MESSAGE_FLAG_FDS)
                with_fds = (struct bus1_message_fds *)message;

        if (!discard &&
            (reply->n_transfers > message->n_transfers || reply->n_data > message->n_data ||
             (!peek && reply->n_fds > (with_fds ? with_fds->n_fds : 0)) || n_fds > reply->n_fds))
                return hosted_socket_break(&peer->socket);
        if (discard && n_fds > 0)
                return hosted_socket_break(&peer->socket);

        n_bytes = discard ? 0 : reply->n_transfers * sizeof(struct bus1_transfer);
        n_inline = discard || has_read ? 0 : reply->n_data;
        if (peer->socket.n_packet != sizeof(*reply) + n_bytes + n_inline)
                return hosted_socket_break(&peer->socket);

        iovec_scatter(ptr_from_u64(message->ptr_data_vecs), 0, body + n_bytes, n_inline);
        if (n_bytes > 0)
                memcpy(ptr_from_u64(message->ptr_transfers), body, n_bytes);

        if (with_fds) {
                int32_t *user_fds = ptr_from_u64(with_fds->ptr_fds);

                /*
                 * The kernel drops the descriptors that this process may not open, and the server
                 * sends none if it cannot. Those are -1.
                 */
                for (size_t i = 0; i < reply->n_fds && !peek && !discard; i++)
                        user_fds[i] = i < n_fds ? fds[i] : -1;
                with_fds->n_fds = reply->n_fds;
        }

        message->type = reply->message_type;
        message->n_transfers = reply->n_transfers;
        message->n_data = reply->n_data;

        if (flags & BUS1_RECV_FLAG_SECCTX)
                ((struct bus1_metadata_secctx *)metadata)->n_secctx = BUS1_INVALID;
        if (flags & (BUS1_RECV_FLAG_CREDENTIALS | BUS1_RECV_FLAG_SECCTX))
                *(struct bus1_metadata_credentials *)metadata = reply->metadata;
        else
                *metadata = reply->metadata.metadata;
        return 0;
}

/* Read the data of the next message into the vectors, which have room. The message stays queued. */
static int hosted_read(struct hosted_peer *peer, const struct iovec *vecs, size_t n_data) {
        for (size_t offset = 0; offset < n_data;) {
                size_t n = min_size(n_data - offset, BUS1_HOSTED_READ_MAX);
                struct bus1_hosted_request *request;
                const void *body;
                int r;

                request = hosted_request(peer, BUS1_HOSTED_READ);
                request->offset = offset;
                request->n_data = n;
                r = hosted_call(peer, NULL, 0);
                if (r < 0)
                        return r;

                body = hosted_socket_reply_body(&peer->socket, n);
                if (!body)
                        return hosted_socket_break(&peer->socket);

                iovec_scatter(vecs, offset, body, n);
                offset += n;
        }

        return 0;
}

/*
 * Must a receive ask the server? The bell becomes readable before the send of a message returns to
 * the sender. So while the bell is not readable, there is no message whose send has returned. When
 * the bell has hung up, or the server will refuse the arguments, ask the server for the error.
 */
static bool hosted_recv_is_due(struct hosted_peer *peer, uint64_t flags,
                               const struct bus1_message *message) {
        struct pollfd p = {.fd = peer->bell_fd, .events = POLLIN};

        if (flags & ~RECV_FLAGS || message->flags & ~BUS1_MESSAGE_FLAG_FDS ||
            message->type != BUS1_INVALID)
                return true;

        return poll(&p, 1, 0) != 0;
}

static int hosted_recv(void *p, uint64_t flags, struct bus1_metadata *metadata,
                       struct bus1_message *message) {
        struct hosted_peer *peer = p;
        const struct bus1_hosted_reply *reply = &peer->socket.packet.reply;
        struct bus1_message_fds *with_fds = NULL;
        bool has_read = false;
        int r;

        r = flags & BUS1_RECV_FLAG_DISCARD ? 0 : iovec_check_message(message);
        if (r < 0)
                return r;

        if (!hosted_recv_is_due(peer, flags, message))
                return -EAGAIN;

        if (message->flags & BUS1_MESSAGE_FLAG_FDS)
                with_fds = (struct bus1_message_fds *)message;

        for (;;) {
                struct bus1_hosted_request *request;
                int fds[BUS1_HOSTED_FDS_MAX];
                size_t n_fds;

                request = hosted_request(peer, BUS1_HOSTED_RECV);
                request->request_flags = has_read ? BUS1_HOSTED_REQUEST_DATA_READ : 0;
                request->flags = flags;
                request->message_flags = message->flags;
                request->message_type = message->type;
                request->n_transfers = message->n_transfers;
                request->n_data = message->n_data;
                request->n_fds = with_fds ? with_fds->n_fds : 0;

                r = hosted_exchange(peer, NULL, 0, fds, &n_fds);
                if (r == 0)
                        r = hosted_recv_unpack(peer, has_read, flags, metadata, message, fds,
                                               n_fds);
                if (r == 0)
                        return 0;

                fds_close(fds, n_fds);

                has_read = false;
                if (r == -ENOBUFS && reply->n_data <= message->n_data) {
                        r = hosted_read(peer, ptr_from_u64(message->ptr_data_vecs), reply->n_data);
                        has_read = r == 0;
                }
                if (has_read || r == -ESTALE)
                        continue;

                if (r == -EMSGSIZE) {
                        message->n_transfers = reply->n_transfers;
                        message->n_data = reply->n_data;
                        if (with_fds)
                                with_fds->n_fds = reply->n_fds;
                }

                return r;
        }
}

static int hosted_query(void *p, struct bus1_cmd_query *query) {
        struct hosted_peer *peer = p;
        const void *body;
        int r;

        hosted_request(peer, BUS1_HOSTED_QUERY)->flags = query->flags;
        r = hosted_call(peer, NULL, 0);
        if (r < 0)
                return r;

        body = hosted_socket_reply_body(&peer->socket, sizeof(*query));
        if (!body)
                return hosted_socket_break(&peer->socket);

        memcpy(query, body, sizeof(*query));
        return 0;
}

static int hosted_disconnect(void *p) {
        hosted_request(p, BUS1_HOSTED_DISCONNECT);
        return hosted_call(p, NULL, 0);
}

static int hosted_reset(void *p) {
        hosted_request(p, BUS1_HOSTED_RESET);
        return hosted_call(p, NULL, 0);
}

static void hosted_free(void *p) {
        struct hosted_peer *peer = p;

        if (!peer)
                return;

        closep(&peer->bell_fd);
        closep(&peer->socket.fd);
        free(peer);
}

static const struct bus1_transport hosted_transport = {
        .name = "hosted",
        .get_fd = hosted_get_fd,
        .transfer = hosted_transfer,
        .release = hosted_release,
        .send = hosted_send,
        .recv = hosted_recv,
        .query = hosted_query,
        .disconnect = hosted_disconnect,
        .reset = hosted_reset,
        .free = hosted_free,
};

/* creation */

static int hosted_peer_hello(struct hosted_peer *peer) {
        int fds[BUS1_HOSTED_FDS_MAX];
        const void *body;
        size_t n_fds;
        int r;

        hosted_request(peer, BUS1_HOSTED_HELLO);
        r = hosted_socket_call(&peer->socket, NULL, 0, HELLO_TIMEOUT_MSEC, fds, &n_fds);
        if (r < 0)
                return r;

        body = hosted_socket_reply_body(&peer->socket, sizeof(peer->hello));
        if (peer->socket.packet.reply.result < 0 || !body || n_fds != 1) {
                fds_close(fds, n_fds);
                /* n_fds 0: this process may open no descriptor, or the server could not send it */
                return peer->socket.packet.reply.result < 0 ? peer->socket.packet.reply.result
                       : n_fds == 0                         ? -EMFILE
                                                            : -EPROTO;
        }

        memcpy(&peer->hello, body, sizeof(peer->hello));
        peer->bell_fd = fds[0];
        return 0;
}

int hosted_client_new_from_fd(struct bus1_client **ret_client, int fd) {
        struct hosted_peer *peer;
        int domain, type, r;
        socklen_t n;

        n = sizeof(domain);
        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) < 0)
                return -errno;
        n = sizeof(type);
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0)
                return -errno;
        if (domain != AF_UNIX || type != SOCK_SEQPACKET)
                return -EMEDIUMTYPE;

        peer = malloc(sizeof(*peer));
        if (!peer)
                return -ENOMEM;
        peer->bell_fd = -1;
        peer->socket.fd = fd;

        r = hosted_peer_hello(peer);
        if (r >= 0)
                r = bus1_client_new_transport(ret_client, &hosted_transport, peer);
        if (r < 0) {
                /* the caller still owns the socket */
                peer->socket.fd = -1;
                hosted_free(peer);
                return r;
        }

        return 0;
}

BUS1_EXPORT int bus1_client_new_hosted(struct bus1_client **ret_client, const char *path) {
        CLEANUP_CLOSE int fd = -1;
        int r;

        fd = hosted_socket_connect(path);
        if (fd < 0)
                return fd;

        r = hosted_client_new_from_fd(ret_client, fd);
        if (r < 0)
                /* the server refuses this process, is about to end, or breaks the protocol */
                return r == -ESHUTDOWN ? -ECONNREFUSED : r;

        steal_fd(&fd);
        return 0;
}
