/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Quotas - what one client, and one user, may take of the bus
 *
 * The limits are those of the configuration, by dbus-daemon's names. What waits in a client's queue
 * is charged to that client: it is the one that does not read.
 */

#include "bridge/bus/client.h"

struct account {
        uint32_t uid;
        uint32_t n_refs; /* clients of this user */
        uint32_t n_registered;
        uint64_t outgoing_bytes;
        uint64_t outgoing_fds;
        UT_hash_handle hh;
};

/* The account of a user. -ENOMEM. */
int account_get(struct bus *bus, uint32_t uid, struct account **ret_account);
void account_put(struct bus *bus, struct account *account);

/*
 * Room for a message in the queue to the client. Control messages (answers and notices of the bus,
 * that the client caused itself) always have room; who does not read them is not read from either.
 * Returns 0 or CLIENT_E_QUOTA.
 */
int quota_charge_outgoing(struct client *client, size_t n_bytes, size_t n_fds, bool control);
/* When it was taken, with the same numbers. */
void quota_discharge_outgoing(struct client *client, size_t n_bytes, size_t n_fds, bool control);
/* Does so much control wait for the client that it must read before it is read from? */
bool quota_is_congested(const struct client *client);
/* May the client get its unique name: max_completed_connections, max_connections_per_user? */
bool quota_may_register(const struct client *client);
