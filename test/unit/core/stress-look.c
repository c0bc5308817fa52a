/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Looking at a message without taking it. This has its own file because other implementations of
 * the interface of the core replace it.
 */

#include "stress.h"

bool look_at_message(struct bus1_peer *peer) {
        struct bus1_recv recv;
        int r = bus1_peer_recv_begin(peer, &recv);

        if (r == -EAGAIN)
                return false;
        if (r < 0)
                fail("receive: %s", strerror(-r));
        bus1_peer_recv_abort(&recv);
        return true;
}
