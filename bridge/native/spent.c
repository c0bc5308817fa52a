/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reply handles that the bus has used
 *
 * The node of a reply handle is one-shot, so the handle ends with the reply. But a program can send
 * the handle of any other node in this place, even of the same node in each call, and bus1 does not
 * tell the receiver which kind it is. The handles that stay would be charged to the bus.
 *
 * To release each handle would cost a command per reply. So the bus tries to release one of
 * NATIVE_SPENT_MAX, chosen at random. If it is still there, all handles of this session are
 * released from then on. Before it is found out, a session has left about NATIVE_SPENT_MAX handles,
 * whichever share of its handles is of the wrong kind. They end with its peer.
 */

#include "bridge/native/native-private.h"

#include "base/pick.h"

void native_spent_add(struct native_session *session, uint64_t handle) {
        struct native *native = session->native;
        uint64_t *spent = session->spent;
        size_t i;

        if (session->leaves_handles) {
                native_release(native, handle);
                return;
        }
        spent[session->n_spent++] = handle;
        if (session->n_spent < NATIVE_SPENT_MAX)
                return;
        session->n_spent = 0;
        i = pick(NATIVE_SPENT_MAX);
        if (bus1_client_release(native->peer, 1, &spent[i]) < 0)
                return; /* it has ended with the reply */
        session->leaves_handles = true;
        complain(&native->bus->complaints, session->client.credentials.uid,
                 "Session %s (uid=%d pid=%d) sends reply handles that are not one-shot.",
                 client_name(&session->client), (int)session->client.credentials.uid,
                 (int)session->client.credentials.pid);
        for (i = 0; i < NATIVE_SPENT_MAX; i++)
                native_release(native, spent[i]);
}
