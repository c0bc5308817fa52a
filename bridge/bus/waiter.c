/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waiters: the two lists. */

#include "bridge/bus/waiter.h"

#include <errno.h>
#include <stdlib.h>

#include "bridge/bus/held.h"

int waiter_new(struct start *start, struct client *client, struct message *m,
               uint64_t caller_cookie, enum waiter_kind kind) {
        struct waiter *waiter;

        waiter = malloc(sizeof(*waiter));
        if (!waiter)
                return -ENOMEM;
        *waiter = (struct waiter){
                .start = start,
                .client = client,
                .m = message_ref(m),
                .caller_cookie = caller_cookie,
                .kind = kind,
        };
        DL_APPEND(start->waiters, waiter);
        if (client)
                DL_APPEND2(client->waiters, waiter, client_prev, client_next);
        else
                start->activation->n_own++;
        return 0;
}

void waiter_free(struct waiter *waiter) {
        DL_DELETE(waiter->start->waiters, waiter);
        if (waiter->client) {
                DL_DELETE2(waiter->client->waiters, waiter, client_prev, client_next);
                held_discharge(waiter->client, waiter->m);
        } else {
                waiter->start->activation->n_own--;
        }
        message_unref(waiter->m);
        free(waiter);
}
