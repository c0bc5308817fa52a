/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A native program without libbus1-dbus: it joins by hand, and can send what the library never
 * would. */

#include "test/interop/interop.h"

#include <bus1/bus1.h>

struct rogue {
        struct bus1_client *client;
        int peer_fd; /* of the client, which owns it */
        bool is_hosted;
        int socket_fd;
        uint64_t session;
};

/* Join, up to BEGIN; Hello is not said. */
bool rogue_join(struct rogue *rogue, const char *address);
void rogue_leave(struct rogue *rogue);
/* Send to a handle, rogue->session or another. */
int rogue_send(struct rogue *rogue, uint64_t to, const void *data, size_t n,
               struct bus1_transfer *transfers, size_t n_transfers, const int *fds, size_t n_fds);
