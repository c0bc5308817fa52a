/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waiters: the two lists, and what they are charged to. */

#include "bridge/bus/waiter.h"

#include <errno.h>
#include <stdlib.h>

#include "bridge/bus/descriptors.h"
#include "bridge/bus/quota.h"

/* The number of waiters of the client's user, or, if client is NULL, of the bus itself. */
static uint32_t *count_of(struct activation *activation, struct client *client) {
        return client ? &client->account->n_waiting : &activation->n_own;
}

bool waiter_is_full(struct activation *activation, struct client *client) {
        return (int64_t)*count_of(activation, client) >=
               activation->bus->limits.max_pending_service_starts;
}

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
        ++*count_of(start->activation, client);
        if (client) {
                DL_APPEND2(client->waiters, waiter, client_prev, client_next);
                waiter->n_fds = m->n_fds;
                fds_take(client->bus, client->account, FDS_HELD, waiter->n_fds);
        }
        return 0;
}

void waiter_free(struct waiter *waiter) {
        DL_DELETE(waiter->start->waiters, waiter);
        --*count_of(waiter->start->activation, waiter->client);
        if (waiter->client) {
                fds_drop(waiter->client->bus, waiter->client->account, FDS_HELD, waiter->n_fds);
                DL_DELETE2(waiter->client->waiters, waiter, client_prev, client_next);
                quota_release(waiter->client, waiter->m);
        }
        message_unref(waiter->m);
        free(waiter);
}
