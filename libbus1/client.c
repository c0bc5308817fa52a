/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Clients
 *
 * A client is a transport and a peer on it. Most functions here only call a function of the
 * transport. The core that the transport leads to decides what a command means.
 */

#include "libbus1/client.h"
#include "libbus1/util.h"
#include <bus1/transport.h>
#include <errno.h>

struct bus1_client {
        const struct bus1_transport *transport;
        void *peer;
};

BUS1_EXPORT int bus1_client_new_transport(struct bus1_client **ret_client,
                                          const struct bus1_transport *transport, void *peer) {
        struct bus1_client *client;

        client = malloc(sizeof(*client));
        if (!client)
                return -ENOMEM;

        client->transport = transport;
        client->peer = peer;
        *ret_client = client;
        return 0;
}

BUS1_EXPORT void *bus1_client_get_transport_peer(struct bus1_client *client,
                                                 const struct bus1_transport *transport) {
        return client->transport == transport ? client->peer : NULL;
}

BUS1_EXPORT struct bus1_client *bus1_client_free(struct bus1_client *client) {
        if (!client)
                return NULL;

        client->transport->free(client->peer);
        free(client);
        return NULL;
}

BUS1_EXPORT int bus1_client_get_fd(const struct bus1_client *client) {
        return client->transport->get_fd(client->peer);
}

BUS1_EXPORT int bus1_client_get_peer_fd(const struct bus1_client *client) {
        if (!client->transport->get_peer_fd)
                return -EOPNOTSUPP;

        return client->transport->get_peer_fd(client->peer);
}

/* commands */

BUS1_EXPORT int bus1_client_transfer(struct bus1_client *from, struct bus1_client *to, size_t n,
                                     struct bus1_transfer *src, struct bus1_transfer *dst) {
        if (to && to->transport != from->transport)
                return -EXDEV;

        return from->transport->transfer(from->peer, to ? to->peer : NULL, n, src, dst);
}

BUS1_EXPORT int bus1_client_release(struct bus1_client *client, size_t n, const uint64_t *ids) {
        return client->transport->release(client->peer, n, ids);
}

BUS1_EXPORT int bus1_client_send(struct bus1_client *client, size_t n_destinations,
                                 const uint64_t *destinations, int32_t *errors,
                                 struct bus1_message *message) {
        return bus1_client_send_flags(client, 0, n_destinations, destinations, errors, message);
}

BUS1_EXPORT int bus1_client_send_flags(struct bus1_client *client, uint64_t flags,
                                       size_t n_destinations, const uint64_t *destinations,
                                       int32_t *errors, struct bus1_message *message) {
        return client->transport->send(client->peer, flags, n_destinations, destinations, errors,
                                       message);
}

BUS1_EXPORT int bus1_client_recv(struct bus1_client *client, uint64_t flags,
                                 struct bus1_metadata *metadata, struct bus1_message *message) {
        return client->transport->recv(client->peer, flags, metadata, message);
}

int client_call_core(struct bus1_client *client, struct bus1_cmd_call *call) {
        return client->transport->call ? client->transport->call(client->peer, call) : -EOPNOTSUPP;
}

BUS1_EXPORT int bus1_client_query(struct bus1_client *client, struct bus1_cmd_query *query) {
        return client->transport->query(client->peer, query);
}

BUS1_EXPORT int bus1_client_disconnect(struct bus1_client *client) {
        return client->transport->disconnect(client->peer);
}

BUS1_EXPORT int bus1_client_reset(struct bus1_client *client) {
        return client->transport->reset(client->peer);
}

BUS1_EXPORT int bus1_client_slice_release(struct bus1_client *client, uint64_t offset) {
        if (!client->transport->slice_release)
                return -EOPNOTSUPP;

        return client->transport->slice_release(client->peer, offset);
}

/* helpers */

BUS1_EXPORT int bus1_client_create_node(struct bus1_client *client, uint64_t flags,
                                        uint64_t *ret_node, uint64_t *ret_handle) {
        struct bus1_transfer src = {.flags = flags | BUS1_TRANSFER_FLAG_CREATE, .id = BUS1_INVALID};
        struct bus1_transfer dst;
        int r;

        r = bus1_client_transfer(client, NULL, 1, &src, &dst);
        if (r < 0)
                return r;

        *ret_node = src.id;
        *ret_handle = dst.id;
        return 0;
}
