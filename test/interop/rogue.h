/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A native program that joins by hand, so it can send messages that libbus1-dbus never sends */

#include "test/interop/interop.h"

#include <bus1/bus1.h>

struct rogue {
        struct bus1_client *client;
        int peer_fd; /* owned by the client */
        bool is_hosted;
        int socket_fd;
        uint64_t session;
};

/* Join, up to BEGIN, without Hello. */
bool rogue_join(struct rogue *rogue, const char *address);
void rogue_leave(struct rogue *rogue);
/* Send to a handle: rogue->session or another one. */
int rogue_send(struct rogue *rogue, uint64_t to, const void *data, size_t n,
               struct bus1_transfer *transfers, size_t n_transfers, const int *fds, size_t n_fds);
