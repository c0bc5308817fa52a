/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Looking at the next message without taking it. This function has a file of its own, because
 * test/vm/core-on-device.c replaces it when the stress test runs on the device.
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
