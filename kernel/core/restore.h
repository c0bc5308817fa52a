/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_RESTORE_H
#define __BUS1_RESTORE_H

/*
 * Restoring a core
 *
 * These functions take the structures of save.h one by one, in their order, and make an equal table
 * of accounts from them. The structures are input from outside: whatever they say, the core stays
 * intact. What does not fit together is refused (-EBADMSG), and so are structures of a table that
 * could not exist: for example a node that is alive but has no handle, or a holder that nobody
 * tells about the end of a node.
 *
 * The charges are made by the same functions as for new messages, but without limits: a table that
 * was restored has what it had, even if it would exceed a limit now. References, shares, and the
 * lists of handles follow from the structures. Nobody is woken. Handles are linked to their nodes
 * at the very end, so until then no notification can arise, and a table that is given up goes
 * without an effect on anybody.
 *
 * Front ends get their peers with bus1_restore_claim(). After the end they set the function that
 * wakes them, with bus1_restore_wake().
 */

#include "core.h"
#include "map.h"
#include "save.h"

/*
 * The greatest timestamp, ID or number of a peer. A table that has used them up to here would take
 * centuries to use them all, and sums of them do not overflow.
 */
#define BUS1_RESTORE_MAX (1ULL << 60)

/**
 * struct bus1_restore_peer - a peer that is being restored
 * @peer:	the peer, with a reference
 * @claimed:	a front end has a reference of its own
 * @last:	the message or notification of its queue that was restored last; NULL before the
 *		first one
 */
struct bus1_restore_peer {
	struct bus1_peer *peer;
	bool claimed;
	struct bus1_queue_entry *last;
};

/**
 * struct bus1_restore_node - a node that is being restored
 * @node:	the node, with a reference
 * @owner:	position of its owner
 * @state:	enum bus1_frozen_node_state
 * @n_messages:	number of queued messages to it
 * @last:	the last one of them
 * @n_handles:	number of its handles
 * @n_linked:	number of those that will be linked
 * @notified:	the notification for its owner is queued
 */
struct bus1_restore_node {
	struct bus1_node *node;
	u32 owner;
	u32 state;
	u64 n_messages;
	const struct bus1_queue_entry *last;
	u64 n_handles;
	u64 n_linked;
	bool notified;
};

/**
 * struct bus1_restore_handle - a handle that is being restored
 * @handle:	the handle, with a reference. NULL while its message is missing.
 * @holder:	position of its holder
 * @node:	position of its node
 * @id:		its ID
 * @state:	enum bus1_frozen_handle_state
 * @copied:	another user than the owner of the node has passed it on
 * @notified:	the notification for its holder is queued
 */
struct bus1_restore_handle {
	struct bus1_handle *handle;
	u32 holder;
	u32 node;
	u64 id;
	u32 state;
	bool copied;
	bool notified;
};

/**
 * struct bus1_restore_payload - a payload that is being restored
 * @payload:	the payload, with a reference
 * @account:	user of its sender
 * @used:	a message has it
 */
struct bus1_restore_payload {
	struct bus1_payload *payload;
	u32 account;
	bool used;
};

/**
 * struct bus1_restore_array - an array that grows
 * @items:	elements
 * @n:		number of elements
 * @n_allocated: room
 */
struct bus1_restore_array {
	void *items;
	size_t n;
	size_t n_allocated;
};

/**
 * struct bus1_restore - a table that is being restored
 * @accounts:		the table
 * @limits:		its limits, which do not apply yet
 * @counts:		what it will have
 * @peers:		struct bus1_restore_peer
 * @nodes:		struct bus1_restore_node
 * @handles:		struct bus1_restore_handle
 * @payloads:		struct bus1_restore_payload
 * @n_messages:		number of queued messages so far
 * @n_notifications:	number of queued notifications so far
 * @failed:		the table can only be given up
 */
struct bus1_restore {
	struct bus1_accounts *accounts;
	struct bus1_limits limits;
	struct bus1_frozen_counts counts;
	struct bus1_restore_array peers;
	struct bus1_restore_array nodes;
	struct bus1_restore_array handles;
	struct bus1_restore_array payloads;
	u64 n_messages;
	u64 n_notifications;
	bool failed;
};

/* for the files of the restore: elements of the arrays by their position, NULL when there is none
 */

static inline struct bus1_restore_peer *bus1_restore_peer_at(const struct bus1_restore *restore,
							     u64 i)
{
	return i < restore->peers.n ? (struct bus1_restore_peer *)restore->peers.items + i : NULL;
}

static inline struct bus1_restore_node *bus1_restore_node_at(const struct bus1_restore *restore,
							     u64 i)
{
	return i < restore->nodes.n ? (struct bus1_restore_node *)restore->nodes.items + i : NULL;
}

static inline struct bus1_restore_handle *bus1_restore_handle_at(const struct bus1_restore *restore,
								 u64 i)
{
	return i < restore->handles.n ? (struct bus1_restore_handle *)restore->handles.items + i
				      : NULL;
}

static inline struct bus1_restore_payload *
bus1_restore_payload_at(const struct bus1_restore *restore, u64 i)
{
	return i < restore->payloads.n ? (struct bus1_restore_payload *)restore->payloads.items + i
				       : NULL;
}

/* Whether a handle is in a message. */
static inline bool bus1_restore_handle_is_carried(const struct bus1_restore_handle *handle)
{
	return handle->state == BUS1_FROZEN_IN_FLIGHT || handle->state == BUS1_FROZEN_LOST;
}

int bus1_restore_reserve(struct bus1_restore_array *array, size_t size);
int bus1_restore_find_peer(const struct bus1_restore *restore, u64 number, u32 *ret);
int bus1_restore_result(struct bus1_restore *restore, int r);
int bus1_restore_id(struct bus1_peer *peer, struct bus1_object *object, u64 id);

/* for front ends */

int bus1_restore_begin(struct bus1_restore *restore, struct bus1_accounts *accounts,
		       const struct bus1_frozen_counts *counts);
int bus1_restore_peer(struct bus1_restore *restore, const struct bus1_frozen_peer *frozen);
int bus1_restore_claim(struct bus1_restore *restore, u64 number, struct bus1_peer **ret_peer);
int bus1_restore_node(struct bus1_restore *restore, const struct bus1_frozen_node *frozen);
int bus1_restore_handle(struct bus1_restore *restore, const struct bus1_frozen_handle *frozen);
int bus1_restore_payload(struct bus1_restore *restore, struct bus1_payload *payload, u32 account);
int bus1_restore_message(struct bus1_restore *restore, const struct bus1_frozen_message *frozen);
int bus1_restore_notification(struct bus1_restore *restore,
			      const struct bus1_frozen_notification *frozen);
int bus1_restore_end(struct bus1_restore *restore);
void bus1_restore_abort(struct bus1_restore *restore);
void bus1_restore_wake(struct bus1_peer *peer, bus1_wake_t wake, void *data);

#endif /* __BUS1_RESTORE_H */
