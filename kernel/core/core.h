/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_CORE_H
#define __BUS1_CORE_H

/*
 * The bus1 core, as its front ends see it
 *
 * bus1 passes messages between peers. A peer owns nodes, where it receives, and holds handles,
 * through which it sends; an ID names each. A message is sent through handles and can carry others.
 * A notification tells the holder of a handle that its node has gone (NODE_RELEASE), and the owner
 * of a node that its last handle has gone (HANDLE_RELEASE). All of this happens in one order of
 * transactions on which all peers agree (tx.h).
 *
 * A front end (the character device, the socket server, the in-process transport) turns the
 * requests of its users into calls of this header. All pointers here are kernel memory. The front
 * end copies from and to the user, looks up files and captures credentials.
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
/* The interface of 2016 allows more files in a message. */
#define BUS1_MAX_PAYLOAD_FILES ((size_t)256)
#define BUS1_MAX_DESTINATIONS ((size_t)16384)
#define BUS1_MAX_IDS ((size_t)65536)

/* accounting */

enum bus1_resource {
	BUS1_RESOURCE_BYTES,	/* data bytes in queued messages */
	BUS1_RESOURCE_OBJECTS,	/* nodes and handles, held or in queued messages */
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
 * struct bus1_limits - limits of one user, for all its peers together
 * @max:	limit for each resource; 0 selects the default
 */
struct bus1_limits {
	u64 max[_BUS1_RESOURCE_N];
};

/**
 * bus1_accounts_new() - make a table of accounts
 * @limits:	limits for every account of this table, or NULL for the defaults
 *
 * All peers of a user that were made from one table share the account of the user. A front end has
 * one table.
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
 * bus1_accounts_usage() - report what is in use now
 * @accounts:		table
 * @ret_n_accounts:	number of accounts. An account exists while a peer of its user does, or a
 *			handle, or a node that handles refer to.
 * @ret_used:		sum over all accounts for each resource
 */
void bus1_accounts_usage(struct bus1_accounts *accounts, size_t *ret_n_accounts,
			 u64 ret_used[_BUS1_RESOURCE_N]);

/* payloads */

/**
 * struct bus1_creds - credentials of the sender, captured when it sends
 * @uid:	user
 * @gid:	group
 * @pid:	process, may be NULL
 * @tid:	thread, may be NULL
 * @cred:	credentials that have its security label, may be NULL
 */
struct bus1_creds {
	kuid_t uid;
	kgid_t gid;
	struct pid *pid;
	struct pid *tid;
	const struct cred *cred;
};

/**
 * struct bus1_payload - the part of a message that all recipients share
 * @refs:	reference count
 * @account:	user of the sender's account; set by the core
 * @addressed:	private to the core
 * @creds:	sender; set by the front end. The payload owns the references to @pid, @tid and
 *		@cred.
 * @n_data:	bytes in @data
 * @data:	the message's bytes, filled in by the front end
 * @n_files:	entries in @files
 * @files:	the message's files, filled in by the front end; the payload owns the references.
 *		Entries left NULL are fine until the payload is sent.
 *
 * A payload is sent once, and does not change after that.
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
/* Returns NULL. The last reference frees files, pids and data, and may sleep. */
struct bus1_payload *bus1_payload_unref(struct bus1_payload *payload);

/* peers */

/**
 * typedef bus1_wake_t - report that the queue of a peer became readable, or that the peer ended
 * @peer:	the peer
 * @data:	the argument of bus1_peer_new()
 *
 * The thread that caused it calls this with a spinlock held: it must not sleep and must not call
 * the core. It is called each time that the queue becomes readable, and once on disconnect, but
 * never after bus1_peer_disconnect() has returned.
 */
typedef void (*bus1_wake_t)(struct bus1_peer *peer, void *data);

/**
 * bus1_peer_new() - make a peer
 * @accounts:	table that has its account
 * @uid:	user whose account is charged for this peer
 * @wake:	called when the queue becomes readable, or NULL
 * @data:	passed to @wake
 *
 * Return: the peer with one reference, or ERR_PTR(-ENOMEM). The caller must call
 * bus1_peer_disconnect() before it drops that reference.
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
 * One transaction releases all nodes, which notifies the holders of their handles, and all handles,
 * which notifies the owner of a node that loses its last handle. The queue is emptied. From then on
 * every other operation on the peer returns -ESHUTDOWN, and messages to it are discarded.
 *
 * Return: -ESHUTDOWN when it was disconnected before.
 */
int bus1_peer_disconnect(struct bus1_peer *peer);

/**
 * bus1_peer_reset() - release all that a peer has
 * @peer:	peer
 *
 * Like bus1_peer_disconnect() it releases all nodes and handles in one transaction and empties the
 * queue, and the pool. But the peer goes on. Its IDs are not used again.
 *
 * Return: -EINTR when a signal interrupts the wait for a receiver to end; -ESHUTDOWN.
 */
int bus1_peer_reset(struct bus1_peer *peer);

/**
 * struct bus1_pool_memory - memory of a pool, provided by the front end
 * @write:	write to it. Bytes that were never written are zero. It may fail. One receiver at a
 *		time calls it, with or without the lock of the peer.
 * @discard:	the bytes of a range are not needed any more. Called with the lock of the peer held,
 *		also while @write writes to another range.
 */
struct bus1_pool_memory {
	int (*write)(void *data, u64 offset, const void *from, size_t n);
	void (*discard)(void *data, u64 offset, u64 n);
};

/**
 * bus1_peer_enable_pool() - give a peer a pool, unless it has one
 * @peer:	peer of 2026
 * @memory:	its memory
 * @data:	passed to @memory; must stay until the peer is disconnected and no receive is under
 * way
 *
 * Return: -ENOMEM, -ESHUTDOWN.
 */
int bus1_peer_enable_pool(struct bus1_peer *peer, const struct bus1_pool_memory *memory,
			  void *data);

/* The user whose account is charged for a peer. */
kuid_t bus1_peer_uid(const struct bus1_peer *peer);

/* flags returned by bus1_peer_poll() */
#define BUS1_POLL_READABLE 0x1 /* bus1_peer_recv_begin() has something to look at */
#define BUS1_POLL_HANGUP 0x2   /* the peer was disconnected */

/**
 * bus1_peer_poll() - report readiness
 * @peer:	peer
 *
 * Never sleeps. A readable queue has something to receive, with one exception: another peer sends
 * at the moment when this one releases the destination. Its message may then be queued all the
 * same. bus1_peer_recv_begin() drops it and returns -EAGAIN.
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
 * The node of a handle may have gone already, while the notification still waits in @from. Then @to
 * gets a new handle and a notification for it.
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
 * nodes of one peer. That peer receives them one after the other. A destination whose node has gone
 * counts as a success: a notification tells the sender.
 *
 * With BUS1_SEND_FLAG_CONTINUE a failure at one receiver does not fail the send. The entry of that
 * destination in the errors is -EDQUOT, or -EHOSTUNREACH when the node has gone.
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
 * bus1_peer_recv_abort() must follow, from the same thread. In between, only a mutex is held that
 * keeps other receivers of the same peer out. So copying to the user may take any time.
 *
 * Return: -EAGAIN when there is no message; -EINTR when a signal interrupts the wait for another
 * receiver to end; -ENOMEM, -ESHUTDOWN.
 */
int bus1_peer_recv_begin(struct bus1_peer *peer, struct bus1_recv *recv);

/**
 * bus1_recv_transfer() - the handle at one position of a message being received
 * @recv:	message
 * @i:		position, less than @recv->n_transfers
 *
 * Return: the transfer as the receiver sees it. The ID names a handle of the receiver once the
 * receive is committed. It is BUS1_INVALID when the node has gone before the message arrived.
 */
struct bus1_transfer bus1_recv_transfer(const struct bus1_recv *recv, size_t i);

/**
 * bus1_recv_to_pool() - put the data of a message being received into the peer's pool
 * @recv:	message, of a peer with a pool; not more than once
 * @max_offset:	offset at which the data must end at the latest
 * @ret_offset:	offset of the data; BUS1_INVALID for a notification, or a message without data
 *
 * When the receive is committed, the charge for the message stays as the charge for its slice,
 * until the slice is released. When it is not committed, the slice ends with the receive.
 *
 * Return: -ERANGE when there is no room before @max_offset; -ENOMEM; the error of the memory's
 * write().
 */
int bus1_recv_to_pool(struct bus1_recv *recv, u64 max_offset, u64 *ret_offset);

/**
 * bus1_peer_recv_commit() - take the message out of the queue
 * @recv:	message
 *
 * Ends the receive also when it fails: @recv is not valid any more.
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
 * A front end must not put the file of a peer into a payload. A peer whose file is in its own queue
 * would never be closed, nor would two peers with each other's file in their queues. Only the
 * front end can recognise such a file (the module by file->f_op). It refuses the file with -EINVAL
 * before it calls bus1_peer_send().
 */

#endif /* __BUS1_CORE_H */
