/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The kernel transport
 *
 * An open /dev/bus1 is a peer; every command is one ioctl on it. The descriptor itself can be
 * polled and passed on. A command that a signal has interrupted has had no effect, except for
 * BUS1_CMD_CALL. So all commands but BUS1_CMD_CALL are repeated after EINTR.
 */

#include "libbus1/transports.h"
#include "libbus1/util.h"
#include <bus1/transport.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define DEVICE_PATH "/dev/bus1"

struct device_peer {
        int fd;
        bool has_call; /* older modules have no BUS1_CMD_CALL */
};

static int device_command(struct device_peer *peer, unsigned long command, void *argument) {
        return TEMP_FAILURE_RETRY(ioctl(peer->fd, command, argument)) < 0 ? -errno : 0;
}

static int device_get_fd(void *p) {
        struct device_peer *peer = p;

        return peer->fd;
}

static int device_transfer(void *from, void *to, size_t n, struct bus1_transfer *src,
                           struct bus1_transfer *dst) {
        struct device_peer *to_peer = to;
        struct bus1_cmd_transfer command = {
                .to = to_peer ? (uint64_t)to_peer->fd : UINT64_MAX,
                .n_transfers = n,
                .ptr_src = ptr_to_u64(src),
                .ptr_dst = ptr_to_u64(dst),
        };

        return device_command(from, BUS1_CMD_TRANSFER, &command);
}

static int device_release(void *peer, size_t n, const uint64_t *ids) {
        struct bus1_cmd_release command = {
                .n_ids = n,
                .ptr_ids = ptr_to_u64(ids),
        };

        return device_command(peer, BUS1_CMD_RELEASE, &command);
}

static int device_send(void *peer, uint64_t flags, size_t n_destinations,
                       const uint64_t *destinations, int32_t *errors,
                       struct bus1_message *message) {
        struct bus1_cmd_send command = {
                .flags = flags,
                .n_destinations = n_destinations,
                .ptr_destinations = ptr_to_u64(destinations),
                .ptr_errors = ptr_to_u64(errors),
                .ptr_message = ptr_to_u64(message),
        };

        return device_command(peer, BUS1_CMD_SEND, &command);
}

static int device_recv(void *peer, uint64_t flags, struct bus1_metadata *metadata,
                       struct bus1_message *message) {
        struct bus1_cmd_recv command = {
                .flags = flags,
                .ptr_metadata = ptr_to_u64(metadata),
                .ptr_message = ptr_to_u64(message),
        };

        return device_command(peer, BUS1_CMD_RECV, &command);
}

/* A signal with a handler ends a call, so that the program can see what the handler has done. */
static int device_call(void *p, struct bus1_cmd_call *call) {
        struct device_peer *peer = p;

        if (!peer->has_call)
                return -EOPNOTSUPP;
        return ioctl(peer->fd, BUS1_CMD_CALL, call) < 0 ? -errno : 0;
}

static int device_query(void *peer, struct bus1_cmd_query *query) {
        return device_command(peer, BUS1_CMD_QUERY, query);
}

static int device_disconnect(void *peer) {
        struct bus1_cmd_disconnect command = {};

        return device_command(peer, BUS1_CMD_DISCONNECT, &command);
}

static int device_reset(void *peer) {
        struct bus1_cmd_reset command = {};

        return device_command(peer, BUS1_CMD_RESET, &command);
}

static int device_slice_release(void *peer, uint64_t offset) {
        struct bus1_cmd_slice_release command = {.offset = offset};

        return device_command(peer, BUS1_CMD_SLICE_RELEASE, &command);
}

static void device_free(void *p) {
        struct device_peer *peer = p;

        close(peer->fd);
        free(peer);
}

static const struct bus1_transport device_transport = {
        .name = "device",
        .get_fd = device_get_fd,
        .get_peer_fd = device_get_fd,
        .transfer = device_transfer,
        .release = device_release,
        .send = device_send,
        .recv = device_recv,
        .query = device_query,
        .disconnect = device_disconnect,
        .reset = device_reset,
        .slice_release = device_slice_release,
        .free = device_free,
        .call = device_call,
};

int device_client_new_from_fd(struct bus1_client **ret_client, int fd) {
        CLEANUP_FREE struct device_peer *peer = NULL;
        struct bus1_cmd_query query = {};
        int r;

        peer = malloc(sizeof(*peer));
        if (!peer)
                return -ENOMEM;

        peer->fd = fd;

        /* Other devices do not know the command, and peers of 2016 refuse it. */
        r = device_command(peer, BUS1_CMD_QUERY, &query);
        if (r < 0)
                return r == -ENOTTY || r == -EINVAL ? -EMEDIUMTYPE : r;

        peer->has_call = query.features & BUS1_FEATURE_CALL;
        r = bus1_client_new_transport(ret_client, &device_transport, peer);
        if (r < 0)
                return r;

        steal_ptr(&peer);
        return 0;
}

BUS1_EXPORT int bus1_client_new_device(struct bus1_client **ret_client, const char *path) {
        CLEANUP_CLOSE int fd = -1;
        int r;

        fd = open(path ?: DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;

        r = device_client_new_from_fd(ret_client, fd);
        if (r < 0)
                return r;

        steal_fd(&fd);
        return 0;
}
