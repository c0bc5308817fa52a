/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A native program without libbus1-dbus: it can send messages that the library never sends */

#include "test/interop/interop.h"

#include <bus1/bus1.h>

struct rogue {
        struct bus1_client *client;
        int peer_fd; /* owned by the client */
        bool is_hosted;
        int socket_fd;
        uint64_t session;
};

/* Authenticate, negotiate and send BEGIN, but do not call Hello. Fill in *rogue. */
bool rogue_join(struct rogue *rogue, const char *address);
void rogue_leave(struct rogue *rogue);
/* Send a message to the handle "to", which is rogue->session or another handle of the rogue. */
int rogue_send(struct rogue *rogue, uint64_t to, const void *data, size_t n,
               struct bus1_transfer *transfers, size_t n_transfers, const int *fds, size_t n_fds);
