/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Quotas - what one client, and one user, may take of the bus
 *
 * The limits are those of the configuration, by dbus-daemon's names. What waits in a client's queue
 * is charged to that client: it is the one that does not read. The queues of one user's clients
 * together are bounded, too: with many connections a user cannot have more than with a few.
 */

#include "bridge/bus/client.h"

struct account {
        uint32_t uid;
        uint32_t n_refs; /* clients of this user */
        uint32_t n_registered;
        uint32_t n_waiting; /* messages, for services that start */
        uint64_t outgoing_bytes;
        uint64_t outgoing_fds;
        UT_hash_handle hh;
};

/* The account of a user. -ENOMEM. */
int account_get(struct bus *bus, uint32_t uid, struct account **ret_account);
void account_put(struct bus *bus, struct account *account);

/*
 * What a client sent to others of its own accord, calls and signals to one of them, and still waits
 * in their queues. When it is more than max_incoming_bytes or max_incoming_unix_fds, the client is
 * not read from. Answers and broadcasts do not count, others asked for these: whoever does not read
 * must not be able to stop a service. Messages refer to it, so it stays until the last was taken.
 */
struct backlog {
        struct client *client; /* NULL: it has gone */
        uint64_t n_messages;
        uint64_t bytes;
        uint64_t fds;
        bool awaited; /* the client is not read from, until it is shorter */
};

/* -ENOMEM. */
int backlog_new(struct client *client, struct backlog **ret_backlog);
/* The client goes. NULL is fine. */
void backlog_abandon(struct backlog *backlog);

/* What a message is to the client in whose queue it waits. */
enum quota_kind {
        QUOTA_MESSAGE, /* of others: has room as the limits say */
        QUOTA_ANSWER,  /* of the bus to a call of the client: has room, but see quota_is_congested()
                        */
        QUOTA_NOTICE,  /* of the bus, about the client's names: others can cause any number */
};

/* What m is to the client. Monitors see answers to others; these are messages like any. */
enum quota_kind quota_kind_of(const struct client *client, const struct message *m);

/*
 * Room for a message in the queue to the client. Returns 0 or CLIENT_E_QUOTA; for a notice that
 * means that the client reads so little that it is to be dropped.
 */
int quota_charge_outgoing(struct client *client, const struct message *m);
/* Before m is delivered to its destination: while it waits there, it is in the sender's backlog. */
static inline void quota_charge_sender(struct client *sender, const struct client *destination,
                                       struct message *m) {
        m->backlog = sender->backlog;
        m->backlog_at = destination;
}
/*
 * m waits for its destination to come: it is in the sender's backlog, until quota_release().
 * CLIENT_E_QUOTA when that is too long already.
 */
int quota_hold(struct client *sender, const struct message *m);
void quota_release(struct client *sender, const struct message *m);
/* When it was taken. */
void quota_discharge_outgoing(struct client *client, const struct message *m);
/*
 * Is the client not to be read from: because it does not read so many answers, or because others do
 * not read what it sends? Its resume() is called when its backlog is short enough again.
 */
bool quota_is_congested(const struct client *client);
/* The limits are others now. */
void quota_recheck(struct client *client);
/* May the client get its unique name: max_completed_connections, max_connections_per_user? */
bool quota_may_register(const struct client *client);
