/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_INSPECT_H
#define __BUS1_INSPECT_H

/*
 * Looking at a core from outside
 *
 * These functions walk over all accounts, all peers, and the objects of a peer. They help to find
 * out why a program hangs or a limit is used up. Each step finds the next element by its key,
 * number or ID, copies its data and releases every lock. So an operation waits for one step at
 * most, and a walk may miss concurrent changes.
 */

#include "core.h"

/**
 * struct bus1_account_info - data of an account
 * @uid:	user; not valid for the account of a namespace
 * @outer:	number of the account that it is inside of; 0 when there is none
 * @depth:	number of elements of @path
 * @path:	keys of the accounts that it is inside of, from the outermost one inwards, and of
 *		itself
 * @n_shares:	number of foreign users with messages in flight on the account (charge.h)
 * @used:	amount in use of each resource
 * @max:	limit of each resource
 * @memory:	bytes that count towards the limit of BUS1_RESOURCE_BYTES
 * @n_copies:	handles that another user than the owner of their node has passed on
 * @max_copies:	limit of @n_copies
 */
struct bus1_account_info {
	kuid_t uid;
	u64 outer;
	size_t depth;
	u64 path[2 * BUS1_MAX_NAMESPACES + 1];
	u64 n_shares;
	u64 used[_BUS1_RESOURCE_N];
	u64 max[_BUS1_RESOURCE_N];
	u64 memory;
	u64 n_copies;
	u64 max_copies;
};

/**
 * struct bus1_peer_info - data of a peer
 * @number:		its number; no two peers of a table ever have the same
 * @uid:		user whose account is charged
 * @disconnected:	it has ended, but there are still references to it
 * @n_nodes:		number of nodes that it owns; 0 for a peer of 2016
 * @n_handles:		number of handles that it holds; 0 for a peer of 2016
 * @used:		amount in use of each resource
 * @n_pending:		bytes of memory that its commands under way are charged for
 * @n_queued:		number of entries in its queue, including staged ones
 * @clock:		clock of its queue
 * @readable:		its queue has a final entry (queue.h)
 */
struct bus1_peer_info {
	u64 number;
	kuid_t uid;
	bool disconnected;
	u64 n_nodes;
	u64 n_handles;
	u64 used[_BUS1_RESOURCE_N];
	u64 n_pending;
	u64 n_queued;
	u64 clock;
	bool readable;
};

/**
 * struct bus1_object_info - data of a node or handle
 * @id:		its ID
 * @is_node:	it is a node, else a handle
 * @node:	ID by which its owner names the node
 * @owner:	number of the peer that owns the node
 * @oneshot:	the node accepts one message
 * @dead:	the node has ended (node.h)
 */
struct bus1_object_info {
	u64 id;
	bool is_node;
	u64 node;
	u64 owner;
	bool oneshot;
	bool dead;
};

bool bus1_inspect_account(struct bus1_accounts *accounts, u64 key, u64 outer,
			  struct bus1_account_info *ret_info);
void bus1_inspect_peer_now(struct bus1_peer *peer, struct bus1_peer_info *ret_info);
bool bus1_inspect_peer(struct bus1_accounts *accounts, u64 first, struct bus1_peer_info *ret_info);
bool bus1_inspect_object(struct bus1_accounts *accounts, u64 number, u64 first,
			 struct bus1_object_info *ret_info);

#endif /* __BUS1_INSPECT_H */
