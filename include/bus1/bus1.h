/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * libbus1 - the bus1 transport for programs
 *
 * A client is one bus1 peer: a queue, and the nodes and handles that belong to it. The peer is on
 * the kernel device, on a hosted core behind a socket, or on a hosted core in the same process. The
 * functions below work the same on all three, except where they say otherwise. The structures are
 * those of <linux/bus1.h>, the semantics those of bus1(7). Every function that can fail returns 0
 * (or a documented non-negative value) or a negative errno. A failed function has had no effect,
 * with two exceptions: bus1_client_call() and bus1_client_call_alloc() may have sent messages; and
 * after -EFAULT, or when a connection to a hosted core breaks (-ESHUTDOWN), the command may have
 * been carried out. Only one thread at a time may use a client.
 */

#include <linux/bus1.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bus1_client;

/* where the default hosted server listens, and the variable that overrides it */
#define BUS1_HOSTED_SOCKET_PATH "/run/bus1/hosted"
#define BUS1_HOSTED_SOCKET_ENV "BUS1_HOSTED_SOCKET"

/* creation */

/*
 * Make a new peer: on the hosted server at $BUS1_HOSTED_SOCKET when that is set and not empty
 * (set-user-ID programs ignore it), else on /dev/bus1 when the device is there, else on the hosted
 * server at BUS1_HOSTED_SOCKET_PATH. Returns -ENOENT or -ECONNREFUSED when there is no such server.
 */
int bus1_client_new(struct bus1_client **ret_client);
/* Make a new peer on a device node; the path NULL means /dev/bus1. */
int bus1_client_new_device(struct bus1_client **ret_client, const char *path);
/* Make a new peer on the hosted server that listens at the socket path. */
int bus1_client_new_hosted(struct bus1_client **ret_client, const char *path);
/*
 * Make a client for a descriptor that is a peer already: an open /dev/bus1 or the connected
 * SOCK_SEQPACKET socket of a hosted server. On success the client owns fd; on failure the caller
 * still does. Returns -EMEDIUMTYPE when fd is of another kind.
 */
int bus1_client_new_from_fd(struct bus1_client **ret_client, int fd);
/*
 * Free the client and close its descriptors. The peer ends, unless another descriptor, in this
 * process or in another one, still refers to the peer. NULL is fine; returns NULL.
 */
struct bus1_client *bus1_client_free(struct bus1_client *client);
/* For variables with __attribute__((cleanup(bus1_client_freep))), which own what they hold, or are
 * NULL. */
static inline void bus1_client_freep(struct bus1_client **client) {
        bus1_client_free(*client);
}

/*
 * Get a descriptor that is readable while a message waits. Only poll it, never read from it. The
 * client owns it.
 */
int bus1_client_get_fd(const struct bus1_client *client);
/*
 * Get the open device that is the peer. Any process to which this descriptor is passed can use the
 * peer, for example transfer handles to it. Returns -EOPNOTSUPP when the peer is not on the device.
 */
int bus1_client_get_peer_fd(const struct bus1_client *client);

/* commands */

/*
 * Create nodes, and copy handles from one peer to another, or within one (to is NULL). See bus1(7).
 * -EBADRQC for an ID that is no handle of from; -EINVAL for wrong flags; -EXDEV when the peers are
 * not on the same core; -EDQUOT when a quota is used up.
 */
int bus1_client_transfer(struct bus1_client *from, struct bus1_client *to, size_t n,
                         struct bus1_transfer *src, struct bus1_transfer *dst);
/*
 * Release nodes and handles in one transaction. Returns -EBADRQC when an ID is unknown or is given
 * twice.
 */
int bus1_client_release(struct bus1_client *client, size_t n, const uint64_t *ids);
/*
 * Send one message to all destinations in one transaction. message->type must be
 * BUS1_MESSAGE_TYPE_USER. With BUS1_MESSAGE_FLAG_FDS, message is the start of a struct
 * bus1_message_fds. errors may be NULL. Transfers with BUS1_TRANSFER_FLAG_CREATE get the ID of the
 * new node. -EBADRQC for an unknown destination or transfer, -EMSGSIZE when over a limit, -EDQUOT
 * when a quota is used up, -EACCES when a security module refuses the message, -ETOOMANYREFS when
 * the sender's user has too many descriptors in messages that were not received yet.
 */
int bus1_client_send(struct bus1_client *client, size_t n_destinations,
                     const uint64_t *destinations, int32_t *errors, struct bus1_message *message);
/*
 * Like bus1_client_send(), but with flags. With BUS1_SEND_FLAG_CONTINUE, all other destinations get
 * the message even if one cannot get it. The entry of that destination in errors is -EDQUOT if the
 * quota at its receiver is used up, -EACCES if a security module refuses the message, or
 * -EHOSTUNREACH if its node has gone. If its node is one-shot, the send still uses up the handle
 * with -EHOSTUNREACH, but not with the other two errors.
 */
int bus1_client_send_flags(struct bus1_client *client, uint64_t flags, size_t n_destinations,
                           const uint64_t *destinations, int32_t *errors,
                           struct bus1_message *message);
/*
 * Receive the next message into the buffers that message names, as in bus1(7). flags:
 *
 *  BUS1_RECV_FLAG_CREDENTIALS  metadata is the start of a struct bus1_metadata_credentials
 *  BUS1_RECV_FLAG_SECCTX       metadata is the start of a struct bus1_metadata_secctx. An n_secctx
 *                              of BUS1_INVALID says that there is no label, as on every hosted core
 *  BUS1_RECV_FLAG_DISCARD      the message is taken out of the queue, but not received: its handles
 *                              are released, its descriptors closed, and only its type, its sizes
 *                              and the metadata are set
 *  BUS1_RECV_FLAG_PEEK         the message stays queued. Its handles cannot be used yet, and its
 *                              descriptors are only counted
 *  BUS1_RECV_FLAG_WAIT         wait for a message; only on the device (BUS1_FEATURE_CALL)
 *
 * On the socket of a hosted core, a file descriptor is -1 if this process may not open another one,
 * or if the server could not send it. On other cores the receive then fails, and the message stays
 * queued. On the device (BUS1_FEATURE_POOL), message may have BUS1_MESSAGE_FLAG_POOL. Then message
 * is the start of a struct bus1_message_pool, and the data goes into the pool, see
 * bus1_client_slice_release().
 *
 * -EAGAIN if there is no message. -EMSGSIZE if the message or its label does not fit: the message
 * stays queued, and n_transfers, n_data, n_fds and n_secctx are set to the room that it needs.
 */
int bus1_client_recv(struct bus1_client *client, uint64_t flags, struct bus1_metadata *metadata,
                     struct bus1_message *message);
/*
 * Send messages, and then wait for messages, as BUS1_CMD_CALL does: see <linux/bus1.h>. A signal
 * that has a handler ends the wait with -EINTR. On a core without the command (BUS1_FEATURE_CALL),
 * this function sends, polls and receives instead. There call->node must be BUS1_INVALID, else the
 * function returns -EOPNOTSUPP.
 */
int bus1_client_call(struct bus1_client *client, struct bus1_cmd_call *call);
/*
 * Release the slice of the pool that begins at an offset. The pool is what mmap() of
 * bus1_client_get_peer_fd() maps, for reading only. -EBADRQC when there is no such slice;
 * -EOPNOTSUPP on a hosted core, which has no pools.
 */
int bus1_client_slice_release(struct bus1_client *client, uint64_t offset);
/*
 * End the peer, but keep the client. From now on poll() on its descriptor reports POLLHUP (on the
 * device) or POLLIN (on a hosted core), and further commands return -ESHUTDOWN, also a second
 * disconnect.
 */
int bus1_client_disconnect(struct bus1_client *client);
/* Release all nodes and handles in one transaction, and empty the queue and the pool. */
int bus1_client_reset(struct bus1_client *client);
/* Get the version, features, limits and usage. query->flags must be 0. */
int bus1_client_query(struct bus1_client *client, struct bus1_cmd_query *query);

/* helpers */

/*
 * Create one node. *ret_node is its ID, *ret_handle the ID of a handle to it, which the client
 * itself holds. flags may have BUS1_TRANSFER_FLAG_ONESHOT.
 */
int bus1_client_create_node(struct bus1_client *client, uint64_t flags, uint64_t *ret_node,
                            uint64_t *ret_handle);

static inline int bus1_client_release_one(struct bus1_client *client, uint64_t id) {
        return bus1_client_release(client, 1, &id);
}

/* A message in one allocation. Free it with bus1_received_free(). */
struct bus1_received {
        struct bus1_metadata_credentials metadata;
        uint64_t type;
        uint8_t *data;
        size_t n_data;
        struct bus1_transfer *transfers;
        size_t n_transfers;
        int *fds; /* closed by bus1_received_free(); set an element to -1 to keep its descriptor */
        size_t n_fds;
};

/*
 * Receive the next message, of any size, into allocated memory. Returns -ENOMEM, or an error of
 * bus1_client_recv().
 */
int bus1_client_recv_alloc(struct bus1_client *client, struct bus1_received **ret_received);
/*
 * Like bus1_client_call(), but receive one message, of any size, into allocated memory. The caller
 * sets n_sends, ptr_sends, node and timeout of call. This function sets n_recvs and ptr_recvs.
 * After a failure call->n_sends is the number of messages that were not sent.
 */
int bus1_client_call_alloc(struct bus1_client *client, struct bus1_cmd_call *call,
                           struct bus1_received **ret_received);
/* Closes the descriptors that are still there. Does not release the handles. Returns NULL. */
struct bus1_received *bus1_received_free(struct bus1_received *received);
static inline void bus1_received_freep(struct bus1_received **received) {
        bus1_received_free(*received);
}

#ifdef __cplusplus
}
#endif
