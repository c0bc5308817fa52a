/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The socket of a hosted peer: one packet out, one packet in, with file descriptors. */

#include "libbus1/hosted-protocol.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hosted_socket {
        int fd;
        size_t n_packet; /* bytes of the packet that are valid */
        union {
                struct bus1_hosted_request request;
                struct bus1_hosted_reply reply;
                uint8_t bytes[BUS1_HOSTED_PACKET_MAX];
        } packet;
};

/* Connect to the server at path; returns the socket. */
int hosted_socket_connect(const char *path);

/*
 * Send the n_packet bytes of the packet and n_fds descriptors, and wait for the reply, which
 * overwrites the packet. Returns 0 when a reply has come, whatever its result. ret_fds has room for
 * BUS1_HOSTED_FDS_MAX descriptors, which the caller closes. -ETIMEDOUT after the time-out (in
 * milliseconds; -1: none).
 *
 * -ESHUTDOWN when the connection has ended; this function also ends it when it cannot read the
 * reply, or the server breaks the protocol. Without a time-out, any other error means that nothing
 * was sent.
 */
int hosted_socket_call(struct hosted_socket *socket, const int *fds, size_t n_fds, int timeout,
                       int *ret_fds, size_t *ret_n_fds);

/* End the connection, for example because the server broke the protocol. Returns -ESHUTDOWN. */
int hosted_socket_break(struct hosted_socket *socket);

/* Get the body of the reply if the body has exactly n bytes, else NULL. */
static inline const void *hosted_socket_reply_body(const struct hosted_socket *socket, size_t n) {
        if (socket->n_packet != sizeof(struct bus1_hosted_reply) + n)
                return NULL;

        return socket->packet.bytes + sizeof(struct bus1_hosted_reply);
}
