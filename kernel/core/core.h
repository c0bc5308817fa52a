/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_CORE_H
#define __BUS1_CORE_H

/*
 * The bus1 core, as its front ends see it
 *
 * A front end (the character device, the socket server, the in-process transport) turns what its
 * users ask for into calls of this header. All pointers here are kernel memory: copying from and to
 * the user, looking up files and capturing credentials are the front end's job.
 *
 * Every function may be called from any thread and may sleep unless it says otherwise. Operations
 * on one peer are serialised inside. Each returns 0 or a negative errno, and a failed operation
 * has had no effect.
 */

#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/bus1.h>

struct bus1_accounts;
struct bus1_peer;
struct bus1_queue_entry;
struct bus1_slice;
struct cred;
struct file;
struct pid;

/* limits of a single command, as reported by bus1_peer_query() */
#define BUS1_MAX_DATA ((size_t)256 * 1024 * 1024)
#define BUS1_MAX_TRANSFERS ((size_t)1024)
#define BUS1_MAX_FILES ((size_t)253)
/* what a payload can hold, which in 2016 was more */
#define BUS1_MAX_PAYLOAD_FILES ((size_t)256)
#define BUS1_MAX_DESTINATIONS ((size_t)16384)
#define BUS1_MAX_IDS ((size_t)65536)

/* accounting */

enum bus1_resource {
	BUS1_RESOURCE_BYTES,	/* data bytes in queued messages */
	BUS1_RESOURCE_OBJECTS,	/* nodes and handles, held or on their way */
	BUS1_RESOURCE_MESSAGES, /* queued messages */
	BUS1_RESOURCE_FILES,	/* files in queued messages */
	_BUS1_RESOURCE_N,
};

/* defaults of struct bus1_limits */
#define BUS1_DEFAULT_MAX_BYTES (2ULL * 1024 * 1024 * 1024)
#define BUS1_DEFAULT_MAX_OBJECTS (1024ULL * 1024)
#define BUS1_DEFAULT_MAX_MESSAGES (1024ULL * 1024)
#define BUS1_DEFAULT_MAX_FILES (16ULL * 1024)

/**
 * struct bus1_limits - what one user may have on all its peers together
 * @max:	limit for each resource; 0 selects the default
 */
struct bus1_limits {
	u64 max[_BUS1_RESOURCE_N];
};

/**
 * bus1_accounts_new() - make a table of accounts
 * @limits:	limits for every account of this table, or NULL for the defaults
 *
 * Peers whose accounts are in one table share its users. A front end has one table.
 *
 * Return: the table with one reference, or ERR_PTR(-ENOMEM).
 */
struct bus1_accounts *bus1_accounts_new(const struct bus1_limits *limits);

/**
 * bus1_accounts_unref() - drop a reference to a table of accounts
 * @accounts:	table, or NULL
 *
 * The table lives on until the last peer made from it is gone.
 *
 * Return: NULL.
 */
struct bus1_accounts *bus1_accounts_unref(struct bus1_accounts *accounts);

/**
 * bus1_accounts_usage() - report what is in use right now
 * @accounts:		table
 * @ret_n_accounts:	number of accounts, each of which has a peer or handle left, or a node that
 *			handles refer to
 * @ret_used:		sum over all accounts for each resource
 */
void bus1_accounts_usage(struct bus1_accounts *accounts, size_t *ret_n_accounts,
			 u64 ret_used[_BUS1_RESOURCE_N]);

/* payloads */

/**
 * struct bus1_creds - who sent a message, captured when it was sent
 * @uid:	user
 * @gid:	group
 * @pid:	process, may be NULL
 * @tid:	thread, may be NULL
 * @cred:	what its security label is asked of, may be NULL
 */
struct bus1_creds {
	kuid_t uid;
	kgid_t gid;
	struct pid *pid;
	struct pid *tid;
	const struct cred *cred;
};

/**
 * struct bus1_payload - what all recipients of a message share
 * @refs:	reference count
 * @account:	user that the peer which sends it is accounted on; set by the core
 * @addressed:	private to the core
 * @creds:	sender; set by the front end together with references to @pid, @tid and @cred,
 *		which the payload then owns
 * @n_data:	bytes in @data
 * @data:	the message's bytes, filled in by the front end
 * @n_files:	entries in @files
 * @files:	the message's files, filled in by the front end; the payload owns the references.
 *		Entries left NULL are fine until the payload is sent.
 *
 * It is sent once. Nothing in it changes any more then.
 */
struct bus1_payload {
	refcount_t refs;
	kuid_t account;
	bool addressed;
	struct bus1_creds creds;
	size_t n_data;
	u8 *data;
	size_t n_files;
	struct file *files[];
};

/**
 * bus1_payload_new() - allocate the payload of one message
 * @n_data:	number of data bytes, at most BUS1_MAX_DATA
 * @n_files:	number of files, at most BUS1_MAX_PAYLOAD_FILES
 *
 * The data is not initialised, the credentials and files are zero.
 *
 * Return: the payload with one reference, ERR_PTR(-EMSGSIZE) when over a limit, ERR_PTR(-ENOMEM).
 */
struct bus1_payload *bus1_payload_new(size_t n_data, size_t n_files);
struct bus1_payload *bus1_payload_ref(struct bus1_payload *payload);
/* Returns NULL. The last one puts files and pids and frees the data; may sleep. */
struct bus1_payload *bus1_payload_unref(struct bus1_payload *payload);

/* peers */

/**
 * typedef bus1_wake_t - the queue of a peer became readable, or the peer was disconnected
 * @peer:	the peer
 * @data:	what was given to bus1_peer_new()
 *
 * Called from whatever thread caused it, with a spinlock held: it must not sleep and must not call
 * the core. It is called on every change from not readable to readable, and once on disconnect;
 * never after bus1_peer_disconnect() has returned.
 */
typedef void (*bus1_wake_t)(struct bus1_peer *peer, void *data);

/**
 * bus1_peer_new() - make a peer
 * @accounts:	table its account is in
 * @uid:	user that everything of this peer is accounted on
 * @wake:	called when the queue becomes readable, or NULL
 * @data:	passed to @wake
 *
 * Return: the peer with one reference, or ERR_PTR(-ENOMEM). Whoever made it must call
 * bus1_peer_disconnect() before dropping that reference.
 */
struct bus1_peer *bus1_peer_new(struct bus1_accounts *accounts, kuid_t uid, bus1_wake_t wake,
				void *data);
struct bus1_peer *bus1_peer_ref(struct bus1_peer *peer);
/* Returns NULL. */
struct bus1_peer *bus1_peer_unref(struct bus1_peer *peer);

/**
 * bus1_peer_disconnect() - end a peer
 * @peer:	peer
 *
 * In one transaction all its nodes are released (their holders are told) and all its handles are
 * released (owners of nodes that lost their last handle are told). What is queued is dropped. Every
 * other operation on the peer returns -ESHUTDOWN from then on; messages to it are discarded. Doing
 * it again does nothing.
 *
 * Return: -ESHUTDOWN when it was disconnected before.
 */
int bus1_peer_disconnect(struct bus1_peer *peer);

/**
 * bus1_peer_reset() - let a peer begin anew
 * @peer:	peer
 *
 * Releases all nodes and handles in one transaction, as disconnecting does, and drops what is
 * queued, and what is in its pool; but the peer goes on. Its IDs are not used again.
 *
 * Return: -EINTR when interrupted by a signal while a receiver is at it; -ESHUTDOWN.
 */
int bus1_peer_reset(struct bus1_peer *peer);

/**
 * struct bus1_pool_memory - memory of a pool
 * @write:	write to it. Bytes that were never written are zero. May fail. One receiver at a
 *time does it, with or without the lock of the peer.
 * @discard:	what is in a range is not needed any more. Called with the lock of the peer held,
 *also while something is written elsewhere.
 */
struct bus1_pool_memory {
	int (*write)(void *data, u64 offset, const void *from, size_t n);
	void (*discard)(void *data, u64 offset, u64 n);
};

/**
 * bus1_peer_enable_pool() - give a peer a pool, unless it has one
 * @peer:	peer of 2026
 * @memory:	its memory
 * @data:	passed to @memory; must stay until the peer is disconnected and nobody receives from
 * it
 *
 * Return: -ENOMEM, -ESHUTDOWN.
 */
int bus1_peer_enable_pool(struct bus1_peer *peer, const struct bus1_pool_memory *memory,
			  void *data);

/* The user a peer is accounted on. */
kuid_t bus1_peer_uid(const struct bus1_peer *peer);

/* flags returned by bus1_peer_poll() */
#define BUS1_POLL_READABLE 0x1 /* bus1_peer_recv_begin() has something to look at */
#define BUS1_POLL_HANGUP 0x2   /* the peer was disconnected */

/**
 * bus1_peer_poll() - report readiness
 * @peer:	peer
 *
 * Never sleeps. A readable queue has something to receive, with one exception: what another peer is
 * sending at the very moment when this one releases its destination is queued in spite of that.
 * bus1_peer_recv_begin() then drops it, and returns -EAGAIN.
 *
 * Return: a set of BUS1_POLL_* flags.
 */
unsigned int bus1_peer_poll(struct bus1_peer *peer);

/* commands */

/**
 * bus1_peer_transfer() - create nodes, and copy handles from one peer to another
 * @from:	source; nodes are created in it, handles are looked up in it
 * @to:		destination, may be @from
 * @n:		number of transfers
 * @src:	what to transfer; entries with BUS1_TRANSFER_FLAG_CREATE are updated
 * @dst:	set to the new handles of @to
 *
 * A handle of a node that is gone already (its notification still waits in @from) yields a new
 * handle all the same, and a notification for it.
 *
 * Return: -EINVAL for unknown flags, or CREATE with an ID; -EBADRQC for an ID that is no handle of
 * @from; -EMSGSIZE for more than BUS1_MAX_TRANSFERS; -EDQUOT, -ENOMEM; -ESHUTDOWN when one of both
 * was disconnected.
 */
int bus1_peer_transfer(struct bus1_peer *from, struct bus1_peer *to, struct bus1_transfer *src,
		       struct bus1_transfer *dst, size_t n);

/**
 * bus1_peer_release() - release nodes and handles in one transaction
 * @peer:	peer
 * @ids:	IDs of nodes and handles of @peer
 * @n_ids:	number of @ids
 *
 * Return: -EBADRQC for an unknown ID, or one that is given twice; -EMSGSIZE for more than
 * BUS1_MAX_IDS; -ENOMEM, -ESHUTDOWN.
 */
int bus1_peer_release(struct bus1_peer *peer, const u64 *ids, size_t n_ids);

/**
 * struct bus1_send - arguments of bus1_peer_send()
 * @flags:		BUS1_SEND_FLAG_*
 * @destinations:	handles to send through
 * @n_destinations:	number of @destinations
 * @errors:		an entry for each destination, set on success: 0, or with
 *			BUS1_SEND_FLAG_CONTINUE why it gets no message; may be NULL
 * @transfers:		handles to send along; entries with BUS1_TRANSFER_FLAG_CREATE are updated
 * @n_transfers:	number of @transfers
 * @payload:		data, files and credentials. The core takes references of its own.
 */
struct bus1_send {
	u64 flags;
	const u64 *destinations;
	size_t n_destinations;
	s32 *errors;
	struct bus1_transfer *transfers;
	size_t n_transfers;
	struct bus1_payload *payload;
};

/**
 * bus1_peer_send() - send one message to all destinations in one transaction
 * @peer:	sender
 * @send:	arguments
 *
 * Every destination gets a message of its own, also when several are handles of one node or of
 * nodes of one peer; these are received one after the other. A destination whose node is gone
 * counts as a success: the notification for it is on its way.
 *
 * With BUS1_SEND_FLAG_CONTINUE, what fails at a receiver does not fail the send, but is its entry
 * in the errors: -EDQUOT, or -EHOSTUNREACH when the node is gone.
 *
 * Return: -EINVAL for unknown flags, or CREATE with an ID; -EBADRQC for an unknown destination or
 * transfer; -EMSGSIZE when over a limit; -EDQUOT, -ENOMEM, -ESHUTDOWN.
 */
int bus1_peer_send(struct bus1_peer *peer, const struct bus1_send *send);

/**
 * struct bus1_recv - a message being received
 * @type:		BUS1_MESSAGE_TYPE_*
 * @id:			node of a message or HANDLE_RELEASE, handle of a NODE_RELEASE
 * @has_account:	@account is set: this is a message, not a notification
 * @account:		user the sender is accounted on
 * @payload:		data, files and credentials; NULL in notifications. Borrowed: take a
 *			reference to keep it beyond the end of the receive.
 * @n_transfers:	number of handles, see bus1_recv_transfer()
 * @peer:		private to the core
 * @entry:		private to the core
 * @slice:		private to the core
 *
 * Valid from bus1_peer_recv_begin() until bus1_peer_recv_commit() or bus1_peer_recv_abort().
 */
struct bus1_recv {
	u64 type;
	u64 id;
	bool has_account;
	kuid_t account;
	const struct bus1_payload *payload;
	size_t n_transfers;

	struct bus1_peer *peer;
	struct bus1_queue_entry *entry;
	struct bus1_slice *slice;
};

/**
 * bus1_peer_recv_begin() - look at the next message
 * @peer:	peer
 * @recv:	filled in on success
 *
 * The message stays queued. On success exactly one of bus1_peer_recv_commit() and
 * bus1_peer_recv_abort() must follow, from the same thread. In between no spinlock and not the lock
 * of the peer is held, only one that keeps other receivers of the same peer out: copying to the
 * user may take as long as it likes.
 *
 * Return: -EAGAIN when there is none, -EINTR when interrupted by a signal while another receiver is
 * at it, -ENOMEM, -ESHUTDOWN.
 */
int bus1_peer_recv_begin(struct bus1_peer *peer, struct bus1_recv *recv);

/**
 * bus1_recv_transfer() - the handle at one position of a message being received
 * @recv:	message
 * @i:		position, less than @recv->n_transfers
 *
 * Return: the transfer as the receiver gets it to see. The ID is one of the receiver's as soon as
 * the receive is committed; it is BUS1_INVALID when the node is known to be gone.
 */
struct bus1_transfer bus1_recv_transfer(const struct bus1_recv *recv, size_t i);

/**
 * bus1_recv_to_pool() - put the data of a message being received into the peer's pool
 * @recv:	message, of a peer with a pool; not more than once
 * @max_offset:	nothing may be put behind this
 * @ret_offset:	where it is; BUS1_INVALID for a notification, or a message without data
 *
 * No lock is held but the one that keeps other receivers out. When the receive is committed, what
 * the peer is charged for the message stays charged for its slice, until that is released; else the
 * slice ends with the receive.
 *
 * Return: -ERANGE when there is no place before @max_offset; -ENOMEM; what the memory returns.
 */
int bus1_recv_to_pool(struct bus1_recv *recv, u64 max_offset, u64 *ret_offset);

/**
 * bus1_peer_recv_commit() - take the message out of the queue
 * @recv:	message
 *
 * Ends the receive in any case; @recv is not valid any more.
 *
 * Return: -ESTALE when the message ceased to exist because its node was released, or its
 * notification became moot, since bus1_peer_recv_begin(): start again. -ESHUTDOWN.
 */
int bus1_peer_recv_commit(struct bus1_recv *recv);

/**
 * bus1_peer_recv_abort() - leave the message queued
 * @recv:	message
 */
void bus1_peer_recv_abort(struct bus1_recv *recv);

/**
 * bus1_peer_release_slice() - free a slice of the pool
 * @peer:	peer of 2026
 * @offset:	its offset
 *
 * Return: -EBADRQC when no slice starts there; -ESHUTDOWN.
 */
int bus1_peer_release_slice(struct bus1_peer *peer, u64 offset);

/**
 * bus1_peer_query() - report version, features, limits and usage
 * @peer:	peer
 * @query:	flags must be 0; everything else is set
 *
 * Return: -EINVAL, -ESHUTDOWN.
 */
int bus1_peer_query(struct bus1_peer *peer, struct bus1_cmd_query *query);

/*
 * Files that are themselves bus1 peers must not be put into a payload: a peer whose file sits in
 * its own queue, or in that of a peer whose file sits in its queue, would never be closed. Only the
 * front end can tell such a file (in the module: file->f_op); it refuses it with -EINVAL before it
 * calls bus1_peer_send().
 */

#endif /* __BUS1_CORE_H */
