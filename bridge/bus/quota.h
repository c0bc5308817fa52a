/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Quotas - how much of the bus one client and one user may use
 *
 * The limits max_* come from the configuration and have the names that dbus-daemon gives them.
 *
 *     sender  --- message --->  queue of the receiver
 *       |                         |
 *     backlog                   account
 *     max_incoming_*:           max_outgoing_*: a full queue
 *     a long backlog stops      refuses the message
 *     reading from the sender
 *
 * A message in a queue is charged to the receiver, because the receiver is the one that does not
 * read. All queues of one user together are bounded as well, because a user can open many
 * connections, and so is what one user may put into the queues of another (account.h). Only legacy
 * receivers have such queues; bus1 limits those of native clients.
 *
 * A client gets more only while it has less than its user has left. So one client gets at most half
 * of what its user may have, and the others can go on. A client that holds little
 * (QUOTA_RESERVE) can always go on.
 */

#include "bridge/bus/account.h"

/* Bytes that a client may always have of each of these, whatever its user has. */
#define QUOTA_RESERVE ((uint64_t)32 * 1024)

/*
 * The backlog of a client: its calls and unicast signals that still wait in the queues of legacy
 * receivers, and what it sent that waits for a service to start, in its docket (docket.h), or for
 * the end of a service that has not read it (unread.h). While the backlog of a legacy client has
 * max_incoming_bytes or max_incoming_unix_fds or more, the bus does not read from this client.
 * Answers and broadcasts in a queue do not count, because their receivers asked for them: a client
 * that does not read must not be able to stop a service. Messages point to the backlog of their
 * sender. So the backlog outlives the sender until the last of these messages has left its queue.
 */
struct backlog {
        struct client *client; /* NULL: it has gone */
        struct bus *bus;
        struct account *account; /* of its user; referenced */
        uint64_t n_messages;
        uint64_t bytes; /* in wire format */
        uint64_t fds;
        uint64_t memory;
        bool awaited; /* the client is not read from until the backlog is shorter */
};

/* Make the backlog of a client; NULL without memory. */
struct backlog *backlog_new(struct client *client);
/* Call this when the client ends. The backlog is freed with its last message. NULL is fine. */
void backlog_abandon(struct backlog *backlog);
/*
 * A bus that takes over from another one: make the backlog of a client that had gone there, whose
 * messages are charged to it next. NULL without memory.
 */
struct backlog *backlog_restore(struct bus *bus, struct account *account);
/* Free such a backlog, if no message was charged to it. */
void backlog_restored(struct backlog *backlog);

/* The user who caused m, and its memory, are those of this client. */
static inline void quota_set_cause(const struct client *client, struct message *m) {
        m->caused_by = client->account->uid;
        m->cost = message_memory(m);
}

/* Why a message is in the queue of a client; this decides how it is limited. */
enum quota_kind {
        QUOTA_MESSAGE, /* anything that is not listed below: max_outgoing_* apply */
        QUOTA_ANSWER,  /* an answer or call of the bus: always fits, but see quota_is_congested() */
        QUOTA_NOTICE,  /* NameAcquired or NameLost: NOTICES_MAX applies */
};

/* The kind of m in the queue of client. Copies for a monitor are QUOTA_MESSAGE. */
enum quota_kind quota_kind_of(const struct client *client, const struct message *m);

/* From now on, the message is that of the user whose job is running, if it is new. */
void quota_note_cause(struct bus *bus, struct message *m);
/*
 * Charge a message before it enters the queue of the client. CLIENT_E_QUOTA if there is no room for
 * the message. If it is a QUOTA_NOTICE, the calling function then closes the connection, because
 * the client does not read.
 */
int quota_charge_outgoing(struct client *client, struct message *m);
/*
 * Do the queues of the client's user take n more descriptors? Together they hold as many as 8 full
 * queues (max_outgoing_unix_fds), and each can always hold 1.
 */
bool quota_has_room_for_fds(const struct client *client, size_t n);
/* m was refused: because the queue is full, and not only for the user who caused m? */
bool quota_is_full(const struct client *client, const struct message *m);
/*
 * Call before m is delivered: while m waits in the queue of destination, the backlog of sender
 * counts it.
 */
static inline void quota_charge_sender(struct client *sender, const struct client *destination,
                                       struct message *m) {
        m->charged = sender->backlog;
        m->charged_at = destination;
}
/*
 * Count m, which waits as above but in no queue, in the sender's backlog until quota_release().
 * CLIENT_E_QUOTA if the backlog is too long already.
 */
int quota_hold(struct client *sender, const struct message *m);
void quota_release(struct client *sender, const struct message *m);
/*
 * A bus that takes over from another one: these charge like quota_charge_sender(),
 * quota_charge_outgoing() and quota_hold(), but without limits. The first one is called for the
 * whole queue of client before the second one. It returns false if m is charged to another backlog
 * already. The second one returns 0, or -ENOMEM: then nothing is charged.
 */
bool quota_restore_sender(struct backlog *backlog, const struct client *client, struct message *m);
int quota_restore_outgoing(struct client *client, struct message *m);
void quota_restore_hold(struct client *sender, const struct message *m);
/* The backlog that counts m, which is in the queue of client; NULL: none. */
static inline struct backlog *quota_backlog_of(const struct client *client,
                                               const struct message *m) {
        return m->charged_at == client ? m->charged : NULL;
}
/* Undo quota_charge_outgoing() when the message has left the queue. */
void quota_discharge_outgoing(struct client *client, const struct message *m);
/*
 * Must the front end stop reading from the client? Yes if its backlog is too long, or if its user
 * has too many answers of the bus, or too much that others have not read, and the client holds a
 * part of it. resume() is called when that may have changed. When answers of the client have left
 * its queue, resume() is not called: the front end asks again after it has written them.
 */
bool quota_is_congested(struct client *client);
/* The front end holds n bytes of the client that it has read and not passed on. */
void quota_set_unfinished(struct client *client, uint64_t n);
/*
 * Others of its user wait until the client has sent the rest of a large message, and it sends
 * nothing for 5 s. The front end disconnects it.
 */
bool quota_is_stalling(const struct client *client, int64_t now);
/* Should the front end read no more than it must? Most of what the user may send waits already. */
bool quota_is_scarce(const struct client *client);
/* The client ends: it holds and awaits nothing any more. */
void quota_forget(struct client *client);
/*
 * The limits have changed: if the client is not read from because of its backlog, and the backlog
 * is within the new limits, call resume().
 */
void quota_recheck(struct client *client);
