/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Held messages: the three things that they are charged with. */

#include "bridge/bus/held.h"

#include "bridge/bus/descriptors.h"
#include "bridge/bus/quota.h"

static void take(struct client *client, const struct message *m) {
        client->account->n_waiting++;
        fds_take(client->bus, client->account, FDS_HELD, m->n_fds);
}

int held_charge(struct client *client, const struct message *m) {
        struct account *account = client->account;
        struct bus *bus = client->bus;

        if ((int64_t)account->n_waiting >= bus->limits.max_pending_service_starts)
                return HELD_E_COUNT;
        if (m->n_fds > 0 && !fds_may_take(bus, account, FDS_HELD, m->n_fds))
                return HELD_E_FDS;
        if (quota_hold(client, m) != 0)
                return HELD_E_BACKLOG;
        take(client, m);
        return 0;
}

void held_restore(struct client *client, const struct message *m) {
        quota_restore_hold(client, m);
        take(client, m);
}

void held_discharge(struct client *client, const struct message *m) {
        client->account->n_waiting--;
        fds_drop(client->bus, client->account, FDS_HELD, m->n_fds);
        quota_release(client, m);
}
