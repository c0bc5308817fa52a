/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A transport of libbus1: the functions by which commands reach a core
 *
 * libbus1 contains the transports for the kernel device and for the hosted socket. libbus1-hosted
 * adds the one for a core in the same process (<bus1/hosted.h>).
 */

#include <bus1/bus1.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bus1_transport {
        const char *name;
        int (*get_fd)(void *peer);
        int (*get_peer_fd)(void *peer); /* NULL: bus1_client_get_peer_fd() fails */
        /* The peer "to" is of the same transport; NULL means the same peer as "from". */
        int (*transfer)(void *from, void *to, size_t n, struct bus1_transfer *src,
                        struct bus1_transfer *dst);
        int (*release)(void *peer, size_t n, const uint64_t *ids);
        int (*send)(void *peer, uint64_t flags, size_t n_destinations, const uint64_t *destinations,
                    int32_t *errors, struct bus1_message *message);
        int (*recv)(void *peer, uint64_t flags, struct bus1_metadata *metadata,
                    struct bus1_message *message);
        int (*query)(void *peer, struct bus1_cmd_query *query);
        int (*disconnect)(void *peer);
        int (*reset)(void *peer);
        int (*slice_release)(void *peer, uint64_t offset); /* NULL: there are no pools */
        void (*free)(void *peer);
        /*
         * If this is NULL, or returns -EOPNOTSUPP because the core lacks the command, libbus1
         * sends, polls and receives instead.
         */
        int (*call)(void *peer, struct bus1_cmd_call *call);
};

/*
 * Make a client over a transport. On success the client owns peer, and frees it with
 * transport->free.
 */
int bus1_client_new_transport(struct bus1_client **ret_client,
                              const struct bus1_transport *transport, void *peer);
/* Get the peer of a client. Returns NULL when the client is not on that transport. */
void *bus1_client_get_transport_peer(struct bus1_client *client,
                                     const struct bus1_transport *transport);

#ifdef __cplusplus
}
#endif
