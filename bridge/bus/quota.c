/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Quotas: accounts per user, and charges for what waits in queues. */

#include "bridge/bus/quota.h"

#include <errno.h>
#include <stdlib.h>

#include "bridge/bus/bus.h"

/* How much the bus itself may have to say to a client that does not listen. */
#define CONTROL_BYTES_MAX (16 * 1024 * 1024)

int account_get(struct bus *bus, uint32_t uid, struct account **ret_account) {
        struct account *account;

        HASH_FIND(hh, bus->accounts, &uid, sizeof(uid), account);
        if (!account) {
                account = calloc(1, sizeof(*account));
                if (!account)
                        return -ENOMEM;
                account->uid = uid;
                HASH_ADD(hh, bus->accounts, uid, sizeof(account->uid), account);
                if (!account->hh.tbl) {
                        free(account);
                        return -ENOMEM;
                }
        }

        account->n_refs++;
        *ret_account = account;
        return 0;
}

void account_put(struct bus *bus, struct account *account) {
        if (!account || --account->n_refs > 0)
                return;

        HASH_DEL(bus->accounts, account);
        free(account);
}

int quota_charge_outgoing(struct client *client, size_t n_bytes, size_t n_fds, bool control) {
        const struct bus_limits *limits = &client->bus->limits;

        /*
         * As dbus-daemon: a message is let in as long as the queue is not full yet, so one message
         * of any size fits into an empty queue.
         */
        if (!control && ((int64_t)client->outgoing_bytes >= limits->max_outgoing_bytes ||
                         (n_fds > 0 &&
                          (int64_t)(client->outgoing_fds + n_fds) > limits->max_outgoing_unix_fds)))
                return CLIENT_E_QUOTA;

        client->outgoing_bytes += n_bytes;
        if (control)
                client->control_bytes += n_bytes;
        client->outgoing_fds += n_fds;
        client->account->outgoing_bytes += n_bytes;
        client->account->outgoing_fds += n_fds;
        if (client->outgoing_bytes > client->stats.peak_outgoing_bytes)
                client->stats.peak_outgoing_bytes = client->outgoing_bytes;
        if (client->outgoing_fds > client->stats.peak_outgoing_fds)
                client->stats.peak_outgoing_fds = client->outgoing_fds;
        return 0;
}

void quota_discharge_outgoing(struct client *client, size_t n_bytes, size_t n_fds, bool control) {
        client->outgoing_bytes -= n_bytes;
        if (control)
                client->control_bytes -= n_bytes;
        client->outgoing_fds -= n_fds;
        client->account->outgoing_bytes -= n_bytes;
        client->account->outgoing_fds -= n_fds;
}

bool quota_is_congested(const struct client *client) {
        return client->control_bytes >= CONTROL_BYTES_MAX;
}

bool quota_may_register(const struct client *client) {
        const struct bus_limits *limits = &client->bus->limits;

        return (int64_t)client->bus->n_registered < limits->max_completed_connections &&
               (int64_t)client->account->n_registered < limits->max_connections_per_user;
}
