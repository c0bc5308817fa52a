/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_V2016_H
#define __BUS1_V2016_H

/*
 * The interface of 2016, as front ends see it
 *
 * There are two generations of the bus1 interface, those of 2016 and 2026. A peer speaks one of
 * them for all its life. bus1_v2016_enable(), before the first command, makes it a peer of 2016.
 * Such a peer has the commands of this header. Of the commands of core.h it has only
 * bus1_peer_disconnect(), and it can be the destination of bus1_peer_transfer(). Peers of both
 * generations can exchange handles and messages in any way.
 *
 * Like in core.h, all pointers are kernel memory, operations are serialised inside, each returns 0
 * or a negative errno, and a failed operation has had no effect. Each can also return -EINTR when
 * the task is killed while it waits.
 */

#include <linux/types.h>
#include <linux/bus1-2016.h>
#include "core.h"

/**
 * bus1_v2016_enable() - let a peer speak the generation of 2016
 * @peer:	peer that has had no command and no handles yet, or that is a peer of 2016 already
 * @memory:	memory of its pool; must be valid until the peer is freed
 * @data:	passed to @memory; not used after bus1_peer_disconnect() has returned
 *
 * Return: -ENOTTY for a peer that has had nodes or handles of 2026; -ENOMEM, -ESHUTDOWN.
 */
int bus1_v2016_enable(struct bus1_peer *peer, const struct bus1_pool_memory *memory, void *data);

/**
 * bus1_v2016_query() - report the limits and peer_flags that resets have set, or the defaults
 * @peer:	peer
 * @query:	field flags must be 0; all other fields are set
 *
 * Return: -EINVAL, -ESHUTDOWN.
 */
int bus1_v2016_query(struct bus1_peer *peer, struct bus1_2016_peer_reset *query);

/**
 * bus1_v2016_reset() - set limits and peer_flags; depending on flags, release what the peer has
 * @peer:	peer
 * @reset:	limits and flags. A limit, or peer_flags, that is -1 stays as it is.
 *
 * Return: -EINVAL, -ESHUTDOWN.
 */
int bus1_v2016_reset(struct bus1_peer *peer, const struct bus1_2016_peer_reset *reset);

/**
 * bus1_v2016_handle_release() - drop one reference of the user to a handle
 * @peer:	peer
 * @id:		handle
 *
 * Return: -ENXIO for an unknown handle; -EPERM when the only reference is that of the living node
 * itself; -ESHUTDOWN.
 */
int bus1_v2016_handle_release(struct bus1_peer *peer, u64 id);

/**
 * bus1_v2016_handle_transfer() - copy a handle to another peer, of either generation
 * @from:	source, a peer of 2016
 * @to:		destination, may be @from
 * @src:	handle of @from, or the ID for a new node
 * @ret_dst:	handle of @to
 *
 * Return: -ENXIO for an unknown handle; -EINVAL for an ID that no node can have; -EHOSTUNREACH when
 * the node is gone; -EACCES when security modules refuse it; -EDQUOT, -ENOMEM, -ESHUTDOWN.
 */
int bus1_v2016_handle_transfer(struct bus1_peer *from, struct bus1_peer *to, u64 src, u64 *ret_dst);

/**
 * bus1_v2016_nodes_destroy() - destroy nodes in one transaction
 * @peer:	peer
 * @flags:	BUS1_2016_DESTROY_RELEASE_HANDLES
 * @ids:	nodes
 * @n_ids:	number of @ids
 *
 * Return: -EINVAL for unknown flags, or an ID that is given twice; -EMSGSIZE for more than
 * BUS1_MAX_IDS; -ENXIO for an unknown ID; -EPERM for the node of another peer; -EHOSTUNREACH for a
 * node that is destroyed already; -ESHUTDOWN.
 */
int bus1_v2016_nodes_destroy(struct bus1_peer *peer, u64 flags, const u64 *ids, size_t n_ids);

/**
 * bus1_v2016_slice_release() - free a slice of the pool
 * @peer:	peer
 * @offset:	its offset
 *
 * Return: -ENXIO when no slice starts there; -ESHUTDOWN.
 */
int bus1_v2016_slice_release(struct bus1_peer *peer, u64 offset);

/**
 * struct bus1_v2016_send - arguments of bus1_v2016_send()
 * @flags:		BUS1_2016_SEND_*
 * @destinations:	handles to send through
 * @n_destinations:	number of @destinations
 * @errors:		array with one element for each destination, or NULL. On success, each is
 *			set to 0, or with BUS1_2016_SEND_CONTINUE to the reason why there is no
 *			message (-errno).
 * @handles:		handles that the message carries
 * @n_handles:		number of @handles
 * @payload:		data, files and credentials. The core takes references of its own.
 */
struct bus1_v2016_send {
	u64 flags;
	const u64 *destinations;
	size_t n_destinations;
	s32 *errors;
	const u64 *handles;
	size_t n_handles;
	struct bus1_payload *payload;
};

/**
 * bus1_v2016_check_destinations() - check that all destinations exist, or could be made
 * @peer:		sender
 * @destinations:	handles to send through
 * @n:			number of @destinations
 *
 * See bus1_peer_check_destinations().
 *
 * Return: -ENXIO and -EINVAL like bus1_v2016_send(); -ESHUTDOWN.
 */
int bus1_v2016_check_destinations(struct bus1_peer *peer, const u64 *destinations, size_t n);

/**
 * bus1_v2016_send() - send a message to all destinations in one transaction, or keep it as the seed
 * @peer:	sender
 * @send:	arguments
 *
 * A destination or handle may be an unused ID that a user is allowed to choose. This makes a node
 * with that ID. With BUS1_2016_SEND_CONTINUE, the send does not fail because a destination's node
 * has gone, the owner of the node has no room, or security modules refuse the message.
 *
 * Return: -EINVAL for unknown flags, for both flags together, for a seed with destinations, or for
 * an ID that no node can have; -ENXIO for an unknown handle; -EHOSTUNREACH when the node of a
 * destination has gone; -EACCES when security modules refuse it; -EMSGSIZE when over a limit;
 * -EDQUOT, -ENOMEM, -ESHUTDOWN.
 */
int bus1_v2016_send(struct bus1_peer *peer, const struct bus1_v2016_send *send);

/**
 * struct bus1_v2016_recv - arguments and results of bus1_v2016_recv()
 * @flags:	BUS1_2016_RECV_*
 * @max_offset:	offset in the pool where the slice has to end at the latest
 * @reserve:	reserve numbers for descriptors of files; used with BUS1_2016_RECV_INSTALL_FDS.
 *		Called with the lock of the peer held, so it must neither make nor close a
 *		descriptor.
 * @unreserve:	undo @reserve
 * @label:	set the following three to the security label of the sender. Called only if the peer
 *		wants labels. May be NULL.
 * @has_secctx:	the sender has a label
 * @secctx:	label
 * @n_secctx:	number of bytes in @secctx
 * @msg:	set on success, except the credentials
 * @payload:	set on success: payload with the credentials, and a reference for the caller; NULL
 *		in notifications
 * @fds:	set on success: @msg.n_fds numbers, for which the caller makes descriptors of the
 *		files of @payload. The caller frees it with kvfree().
 */
struct bus1_v2016_recv {
	u64 flags;
	u64 max_offset;
	int (*reserve)(s32 *fds, struct file *const *files, size_t n);
	void (*unreserve)(const s32 *fds, size_t n);
	int (*label)(struct bus1_v2016_recv *recv, const struct bus1_payload *payload);
	bool has_secctx;
	const void *secctx;
	size_t n_secctx;
	struct bus1_2016_msg msg;
	struct bus1_payload *payload;
	s32 *fds;
};

/**
 * bus1_v2016_recv() - receive the next entry; with BUS1_2016_RECV_SEED, the seed instead
 * @peer:	peer
 * @recv:	arguments and results
 *
 * The seed is a message that the peer keeps for itself, see BUS1_2016_SEND_SEED. With
 * BUS1_2016_RECV_PEEK, the entry stays in the queue, or the seed stays.
 *
 * Return: -EINVAL for unknown flags; -EAGAIN when there is no entry, or no seed; -ERANGE when the
 * slice would end behind @max_offset; -EDQUOT, -ENOMEM, -ESHUTDOWN; errors of @reserve, of @label
 * and of writing to the memory of the pool.
 */
int bus1_v2016_recv(struct bus1_peer *peer, struct bus1_v2016_recv *recv);

#endif /* __BUS1_V2016_H */
