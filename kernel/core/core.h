/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_CORE_H
#define __BUS1_CORE_H

/*
 * The bus1 core, as its front ends see it
 *
 * bus1 passes messages between peers. A peer owns nodes, on which it receives, and holds handles,
 * through which it sends. Each node and each handle has an ID. A message is sent through handles
 * and can carry handles. A notification tells the holder of a handle that the node has gone
 * (NODE_RELEASE), or the owner of a node that its last handle has gone (HANDLE_RELEASE). Messages
 * and notifications happen in one order of transactions, on which all peers agree (tx.h).
 *
 * A front end (the character device, the socket server, the in-process transport) turns the
 * requests of its users into calls of this header. In the kernel, all pointers here point to kernel
 * memory. The front end copies from and to the user, looks up files and captures credentials.
 *
 * Unless its comment says otherwise, a function may be called from any thread, may sleep, returns 0
 * or a negative errno, and has had no effect when it fails. Operations on one peer are serialised
 * inside. A command can also return -EINTR when the task is killed while it waits for a lock. This
 * does not apply to bus1_peer_disconnect() and to the functions that end a receive.
 */

#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/bus1.h>

struct bus1_account;
struct bus1_accounts;
struct bus1_peer;
struct bus1_queue_entry;
struct bus1_slice;
struct cred;
struct file;
struct pid;

/* limits of a single command */
#define BUS1_MAX_DATA ((size_t)256 * 1024 * 1024)
#define BUS1_MAX_TRANSFERS ((size_t)1024)
#define BUS1_MAX_FILES ((size_t)253)
/* The interface of 2016 allows more files in a message. */
#define BUS1_MAX_PAYLOAD_FILES ((size_t)256)
#define BUS1_MAX_DESTINATIONS ((size_t)16384)
#define BUS1_MAX_IDS ((size_t)65536)

/* accounting */

/* What peers are charged for. Here the seed of a peer of 2016 counts as a queued message. */
enum bus1_resource {
	BUS1_RESOURCE_BYTES,	/* data bytes in queued messages, and memory of the pool */
	BUS1_RESOURCE_OBJECTS,	/* nodes, and handles that are held or in queued messages */
	BUS1_RESOURCE_MESSAGES, /* queued messages, and slices of received ones in the pool */
	BUS1_RESOURCE_FILES,	/* files in queued messages */
	_BUS1_RESOURCE_N,
};

/*
 * The limit of bytes is one of memory: besides data, it counts these bytes for each message, object
 * and file. For messages and objects they are about the most that one can take, apart from data and
 * from bus1_payload.n_kept: one handle may be all that keeps an ended peer, its account and a dead
 * node, and one message may be all that keeps the credentials of its sender, half a kilobyte. Front
 * ends that capture larger credentials add what is beyond that to bus1_payload.n_kept.
 */
#define BUS1_COST_MESSAGE 768
#define BUS1_COST_OBJECT 1024
#define BUS1_COST_FILE 1024

/* defaults of struct bus1_limits */
#define BUS1_DEFAULT_MAX_BYTES (2ULL * 1024 * 1024 * 1024)
#define BUS1_DEFAULT_MAX_OBJECTS (1024ULL * 1024)
#define BUS1_DEFAULT_MAX_MESSAGES (1024ULL * 1024)
#define BUS1_DEFAULT_MAX_FILES (16ULL * 1024)
#define BUS1_DEFAULT_MAX_COPIES BUS1_MAX_DESTINATIONS

/**
 * struct bus1_limits - limits of each account (acct.h), for all its peers together
 * @max:	limit for each resource; 0 selects the default. The limit of BUS1_RESOURCE_BYTES
 *		is for the memory that all resources take together.
 * @max_copies:	limit of handles that another user than the owner of their node has passed on;
 *		0 selects the default. When a node ends, the command that ends it queues a
 *		notification for each handle. So the default is the number of messages that one
 *		send can queue.
 */
struct bus1_limits {
	u64 max[_BUS1_RESOURCE_N];
	u64 max_copies;
};

/**
 * bus1_limits_fill() - set the limits of resources that are 0 to what suits a machine
 * @limits:	limits; @limits->max_copies stays as it is
 * @memory:	size of the memory of the machine, in bytes
 *
 * One user must not get all memory: in the kernel, what is queued cannot be swapped out. A file in
 * a message may keep far more memory than BUS1_COST_FILE. So there is at most one file for each
 * 16 * BUS1_COST_FILE bytes.
 */
void bus1_limits_fill(struct bus1_limits *limits, u64 memory);

/**
 * bus1_accounts_new() - make a table of accounts
 * @limits:	limits for every account of this table, or NULL for the defaults
 *
 * All peers that are made with the table for the same user in the same user namespaces (struct
 * bus1_principal) share one account. The module has one table, and so has each hosted domain.
 *
 * Return: the table with one reference, or ERR_PTR(-ENOMEM).
 */
struct bus1_accounts *bus1_accounts_new(const struct bus1_limits *limits);

/**
 * bus1_accounts_unref() - drop a reference to a table of accounts
 * @accounts:	table, or NULL
 *
 * Each account has a reference to its table, so the table is freed when its last account has been
 * freed as well.
 *
 * Return: NULL.
 */
struct bus1_accounts *bus1_accounts_unref(struct bus1_accounts *accounts);

/**
 * bus1_accounts_usage() - report the current usage
 * @accounts:		table
 * @ret_n_accounts:	number of accounts. An account exists while it has a peer, files in a
 *			message that one of its peers has sent, or another account inside of it. A
 *			peer that has ended still exists while handles refer to its nodes.
 * @ret_used:		for each resource, the amount that all peers of the table use together
 */
void bus1_accounts_usage(struct bus1_accounts *accounts, size_t *ret_n_accounts,
			 u64 ret_used[_BUS1_RESOURCE_N]);

/* levels of user namespaces that are told apart, from the outermost one inwards */
#define BUS1_MAX_NAMESPACES 3
/* set in the key of the account of a namespace, not set in that of a user */
#define BUS1_KEY_NAMESPACE (1ULL << 32)

/**
 * struct bus1_principal - a user, and the user namespaces that it lives in
 * @uid:	user
 * @n_outer:	number of elements of @outer that are set
 * @outer:	keys of the accounts that the account of the user is inside of, from the outermost
 *		one inwards. For each namespace there are two: the uid of its owner, and the number
 *		of the namespace with BUS1_KEY_NAMESPACE.
 */
struct bus1_principal {
	kuid_t uid;
	size_t n_outer;
	u64 outer[2 * BUS1_MAX_NAMESPACES];
};

/* what a task does to another peer than the one that it uses */
#define BUS1_ACT_SEND 0x1     /* it sends a message to the peer */
#define BUS1_ACT_TRANSFER 0x2 /* it gives the peer a handle */

/**
 * typedef bus1_ask_t - ask security modules whether the current task may do something to a peer
 * @peer:	peer, which may have ended. bus1_peer_opener() tells who opened it.
 * @acts:	set of BUS1_ACT_*
 *
 * A send calls it with the lock of the sender held, a transfer without a lock. Both call it before
 * anything is sent or transferred.
 *
 * Return: 0; -EACCES; -ENOMEM.
 */
typedef int (*bus1_ask_t)(struct bus1_peer *peer, unsigned int acts);

/* Set the function to ask about the peers of a table, before the table has peers. Default: none. */
void bus1_accounts_set_ask(struct bus1_accounts *accounts, bus1_ask_t ask);

/*
 * The most bytes that kvmalloc() takes for @n bytes: less than twice as many. The least size of an
 * allocation is not taken into account.
 */
static inline size_t bus1_allocated(size_t n)
{
	if (n == 0)
		return 0;
	return n > KMALLOC_MAX_SIZE ? PAGE_ALIGN(n) : roundup_pow_of_two(n);
}

/* payloads */

/**
 * struct bus1_creds - credentials of the sender, as the front end knows them when it sends
 * @uid:	user
 * @gid:	group
 * @pid:	process; may be NULL
 * @tid:	thread; may be NULL
 * @cred:	credentials with the security label; may be NULL
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
 * @account:	user whose account the sender belongs to; set by the core
 * @addressed:	private to the core
 * @n_kept:	bytes of memory that the payload keeps beyond @n_data and BUS1_COST_*. The core
 *		sets it to what the allocator adds when it rounds sizes up. The front end adds what
 *		@creds keeps beyond BUS1_COST_MESSAGE. Each recipient is charged for these bytes.
 * @sender:	private to the core
 * @creds:	credentials of the sender, set by the front end. The payload owns their references.
 * @n_data:	number of bytes in @data
 * @data:	bytes of the message, set by the front end
 * @n_files:	number of entries in @files
 * @files:	files of the message, set by the front end before it sends. The payload owns the
 *		references. An entry may be NULL until then.
 *
 * A payload is sent only once, and does not change after that.
 */
struct bus1_payload {
	refcount_t refs;
	kuid_t account;
	bool addressed;
	u32 n_kept;
	struct bus1_account *sender;
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
 * The data is not initialised. The credentials and files are zero.
 *
 * Return: the payload with one reference; ERR_PTR(-EMSGSIZE) when over a limit; ERR_PTR(-ENOMEM).
 */
struct bus1_payload *bus1_payload_new(size_t n_data, size_t n_files);

/**
 * bus1_payload_charge_files() - charge a sender for files, before the payload gets them
 * @payload:	new payload
 * @sender:	peer that will send it
 * @max:	limit of the files in flight that peers of this user have sent; U64_MAX when there
 *		is no limit
 *
 * The files stay charged until the payload is freed, wherever it is queued. As with AF_UNIX
 * sockets, the limit counts the files of earlier messages only, so that the last message may exceed
 * it.
 *
 * Return: -ETOOMANYREFS when more than @max files are in flight, or the users of a namespace have
 * exceeded their limit (bus1_charge_files()).
 */
int bus1_payload_charge_files(struct bus1_payload *payload, struct bus1_peer *sender, u64 max);

struct bus1_payload *bus1_payload_ref(struct bus1_payload *payload);
/* Returns NULL. Dropping the last reference frees the payload and what it owns, and may sleep. */
struct bus1_payload *bus1_payload_unref(struct bus1_payload *payload);

/* peers */

/**
 * typedef bus1_wake_t - report that a peer can receive more entries, or that it has ended
 * @peer:	the peer
 * @n:		number of entries that have arrived, not 0
 * @data:	the argument of bus1_peer_new()
 *
 * A sender, or a receiver of the peer, calls this function with a spinlock held when it has made
 * entries final (queue.h). So the function must not sleep, and must not call the core. Each message
 * and notification is counted once, so that several receivers can each wait for one. One call may
 * report several entries, because it may take long to look at the tasks that wait.
 * bus1_peer_disconnect() also calls the function once, with @n = 1. The core does not call the
 * function after bus1_peer_disconnect() has returned.
 */
typedef void (*bus1_wake_t)(struct bus1_peer *peer, unsigned int n, void *data);

/**
 * bus1_peer_new() - make a peer
 * @accounts:	table with the accounts
 * @uid:	user whose account is charged for this peer
 * @wake:	called for messages and notifications, or NULL
 * @data:	passed to @wake
 *
 * The caller must call bus1_peer_disconnect() before it drops the reference that it gets.
 *
 * Return: the peer with one reference, or ERR_PTR(-ENOMEM).
 */
struct bus1_peer *bus1_peer_new(struct bus1_accounts *accounts, kuid_t uid, bus1_wake_t wake,
				void *data);
/* The same for a user that lives in user namespaces. */
struct bus1_peer *bus1_peer_new_for(struct bus1_accounts *accounts,
				    const struct bus1_principal *principal, bus1_wake_t wake,
				    void *data);
struct bus1_peer *bus1_peer_ref(struct bus1_peer *peer);
/* Returns NULL. */
struct bus1_peer *bus1_peer_unref(struct bus1_peer *peer);

/**
 * bus1_peer_disconnect() - end a peer
 * @peer:	peer
 *
 * One transaction releases all nodes and all handles of the peer. The holders of handles to its
 * nodes get notifications, and so does each owner whose node loses its last handle. The queue is
 * emptied. From then on commands on the peer fail with -ESHUTDOWN, and messages to it are
 * discarded.
 *
 * Return: -ESHUTDOWN when the peer was disconnected before.
 */
int bus1_peer_disconnect(struct bus1_peer *peer);

/**
 * bus1_peer_reset() - release everything that a peer has
 * @peer:	peer
 *
 * Releases all nodes and handles like bus1_peer_disconnect(), and empties the queue and the pool.
 * But the peer can still be used. The IDs that have ended are not used again.
 *
 * Return: -EINTR when a signal interrupts the wait for another receiver; -ESHUTDOWN.
 */
int bus1_peer_reset(struct bus1_peer *peer);

/**
 * struct bus1_pool_memory - memory of a pool, provided by the front end
 * @write:	write to the memory, or return a negative errno. Bytes that were never written are
 *		zero. Only one receiver at a time calls it, with or without the lock of the peer.
 * @discard:	free the memory of a range of whole pages, whose bytes are not needed any more.
 *		Called with the lock of the peer held; @write may write to another range at the
 *		same time.
 */
struct bus1_pool_memory {
	int (*write)(void *data, u64 offset, const void *from, size_t n);
	void (*discard)(void *data, u64 offset, u64 n);
};

/**
 * bus1_peer_enable_pool() - give a peer a pool, unless it has one
 * @peer:	peer of 2026
 * @memory:	memory of the pool
 * @data:	passed to @memory; must be valid until the peer is disconnected and its last receive
 *		has ended
 *
 * Return: -ENOMEM, -ESHUTDOWN.
 */
int bus1_peer_enable_pool(struct bus1_peer *peer, const struct bus1_pool_memory *memory,
			  void *data);

/* The user whose account is charged for a peer. */
kuid_t bus1_peer_uid(const struct bus1_peer *peer);

/*
 * The credentials of the opener, for bus1_ask_t; NULL when there are none. The core takes no
 * reference, so that a handle to a peer that has ended does not keep them. A front end sets NULL
 * before it frees the credentials, and frees them only when nobody reads them any more, for example
 * by RCU.
 */
void bus1_peer_set_opener(struct bus1_peer *peer, const struct cred *opener);
const struct cred *bus1_peer_opener(const struct bus1_peer *peer);

/* flags returned by bus1_peer_poll() */
#define BUS1_POLL_READABLE 0x1 /* a message or notification can be received */
#define BUS1_POLL_HANGUP 0x2   /* the peer was disconnected */

/**
 * bus1_peer_poll() - report whether the queue is readable, and whether the peer was disconnected
 * @peer:	peer
 *
 * Never sleeps. While no receive is under way, a readable queue has something to receive, with one
 * exception. This peer may release a node or handle, or be reset, while another peer sends to this
 * node, or ends this node or handle. Then the message or notification may still be queued
 * afterwards. The next receive drops it, and returns -EAGAIN if nothing else is queued.
 *
 * Return: a set of BUS1_POLL_* flags.
 */
unsigned int bus1_peer_poll(struct bus1_peer *peer);

/* commands */

/* bytes of memory that a command takes without a charge: less than the stack of its thread */
#define BUS1_COMMAND_FREE ((size_t)4096)

/**
 * bus1_peer_begin_command() - charge a peer for the memory of a command, before it is allocated
 * @peer:	peer that runs the command
 * @n_bytes:	memory that the front end and the core need for the arguments, see
 *		bus1_send_memory() and the like
 *
 * A front end calls this before it copies arguments from a user, who can make the copy take any
 * time. The charge goes to the account of the peer. Its limit is that of BUS1_RESOURCE_BYTES, but
 * it is counted separately. The first BUS1_COMMAND_FREE bytes are free.
 *
 * Return: -EDQUOT. After a success bus1_peer_end_command() must follow.
 */
int bus1_peer_begin_command(struct bus1_peer *peer, size_t n_bytes);

/**
 * bus1_peer_end_command() - end the charge of a command
 * @peer:	peer
 * @n_bytes:	argument of bus1_peer_begin_command()
 */
void bus1_peer_end_command(struct bus1_peer *peer, size_t n_bytes);

/**
 * bus1_peer_transfer() - create nodes, and copy handles from one peer to another
 * @from:	source. New nodes belong to it, and the handles in @src are its handles.
 * @to:		destination, may be @from
 * @src:	transfers. Entries with BUS1_TRANSFER_FLAG_CREATE are set to the new nodes.
 * @dst:	set to the handles of @to
 * @n:		number of transfers
 *
 * The node of a handle may have gone already, while @from has not received the notification yet.
 * Then @to gets a new handle and a notification about it.
 *
 * Return: -EINVAL for unknown flags, CREATE with an ID, or ONESHOT without CREATE; -EBADRQC for an
 * ID that is no handle of @from; -EMSGSIZE for more than BUS1_MAX_TRANSFERS; -EACCES when security
 * modules refuse it; -EDQUOT, -ENOMEM; -ESHUTDOWN when @from or @to was disconnected.
 */
int bus1_peer_transfer(struct bus1_peer *from, struct bus1_peer *to, struct bus1_transfer *src,
		       struct bus1_transfer *dst, size_t n);

/* The memory for the arrays of a transfer or a release: those of the front end and of the core. */
size_t bus1_transfer_memory(size_t n);
size_t bus1_release_memory(size_t n);

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
 * @errors:		an entry for each destination, or NULL. Set on success: to 0, or with
 *			BUS1_SEND_FLAG_CONTINUE to the reason why there is no message (-errno)
 * @transfers:		handles that the message carries. Entries with BUS1_TRANSFER_FLAG_CREATE are
 *			set to the new nodes.
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
 * bus1_send_memory() - return the memory that a send needs, with its payload
 * @n_data:		bytes of data, at most BUS1_MAX_DATA
 * @n_destinations:	number of destinations, at most BUS1_MAX_DESTINATIONS
 * @n_transfers:	number of transfers, at most BUS1_MAX_TRANSFERS
 *
 * This counts the payload, one delivery, and the arrays for destinations, errors and transfers:
 * those of the arguments, and those that the core needs while it sends. The deliveries to further
 * destinations are charged when they are made. Files are not counted, because they have a limit of
 * their own.
 */
size_t bus1_send_memory(size_t n_data, size_t n_destinations, size_t n_transfers);

/**
 * bus1_peer_check_destinations() - check that all destinations exist
 * @peer:		sender
 * @destinations:	handles to send through
 * @n:			number of @destinations
 *
 * A front end calls this before it copies a large message, so that it does not copy a message that
 * cannot be sent. bus1_peer_send() checks again.
 *
 * Return: -EBADRQC for an unknown destination; -ESHUTDOWN.
 */
int bus1_peer_check_destinations(struct bus1_peer *peer, const u64 *destinations, size_t n);

/**
 * bus1_peer_send() - send one message to all destinations in one transaction
 * @peer:	sender
 * @send:	arguments
 *
 * Each destination gets a message of its own, even if several destinations are handles of one node
 * (unless it is one-shot), or of nodes of one peer. This peer receives the messages one after the
 * other. A destination whose node has gone gets no message, but counts as a success. The sender
 * gets a notification about the node, unless the node is one-shot: then the send ends the handle.
 *
 * With BUS1_SEND_FLAG_CONTINUE a failure at one receiver does not fail the send, unless memory runs
 * out. The error of that destination is -EDQUOT, -EACCES when security modules refuse it, or
 * -EHOSTUNREACH when the node has gone.
 *
 * Return: -EINVAL for unknown flags, CREATE with an ID, or ONESHOT without CREATE; -EBADRQC for an
 * unknown destination or transfer; -EMSGSIZE when over a limit; -EACCES when security modules
 * refuse it; -EDQUOT, -ENOMEM, -ESHUTDOWN.
 */
int bus1_peer_send(struct bus1_peer *peer, const struct bus1_send *send);

/**
 * struct bus1_recv - a message or notification being received
 * @type:		BUS1_MESSAGE_TYPE_*
 * @id:			node of a message or HANDLE_RELEASE; handle of a NODE_RELEASE
 * @has_account:	@account is set: this is a message, not a notification
 * @account:		user whose account the sender belongs to
 * @payload:		data, files and credentials; NULL in notifications. The caller must take a
 *			reference if it uses the payload after the receive has ended.
 * @n_transfers:	number of handles, see bus1_recv_transfer()
 * @peer:		private to the core
 * @entry:		private to the core
 * @slice:		private to the core
 *
 * Valid from bus1_peer_recv_begin() until bus1_peer_recv_commit(), bus1_peer_recv_discard() or
 * bus1_peer_recv_abort().
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
 * bus1_peer_recv_begin() - look at the next message or notification
 * @peer:	peer
 * @recv:	filled in on success
 *
 * The message stays queued. After a success the same thread must call bus1_peer_recv_commit(),
 * bus1_peer_recv_discard() or bus1_peer_recv_abort(). In between, only the mutex is held that keeps
 * other receivers and resets of the same peer out. So copying to the user may take any time.
 *
 * Return: -EAGAIN when there is no message; -EINTR when a signal interrupts the wait for another
 * receiver; -ESHUTDOWN.
 */
int bus1_peer_recv_begin(struct bus1_peer *peer, struct bus1_recv *recv);

/**
 * struct bus1_recv_filter - receive only what concerns one node
 * @node:	ID of the node, which the receiver owns
 * @n_arrived:	private to the core
 *
 * The caller sets the private field to 0 before the first receive. The node remembers how far
 * receives have looked.
 */
struct bus1_recv_filter {
	u64 node;
	u64 n_arrived;
};

/**
 * bus1_peer_recv_begin_for() - look at the next message to one node
 * @peer:	peer
 * @recv:	filled in on success
 * @filter:	filter; NULL for any message
 *
 * Like bus1_peer_recv_begin(). But it finds only messages to the node of @filter, and the
 * notification that the last handle of this node has gone. What came before stays queued.
 *
 * Return: also -EBADRQC when the peer has no such node.
 */
int bus1_peer_recv_begin_for(struct bus1_peer *peer, struct bus1_recv *recv,
			     struct bus1_recv_filter *filter);

/**
 * bus1_peer_recv_try_begin() - look at the next message without waiting for another receiver
 * @peer:	peer
 * @recv:	filled in on success
 * @filter:	filter; NULL for any message
 *
 * Return: like bus1_peer_recv_begin_for(). But -EAGAIN also when another receive, or a reset, is
 * under way.
 */
int bus1_peer_recv_try_begin(struct bus1_peer *peer, struct bus1_recv *recv,
			     struct bus1_recv_filter *filter);

/**
 * bus1_peer_poll_for() - report whether a receive with a filter may find something
 * @peer:	peer
 * @filter:	filter of a receive that has found nothing
 *
 * Never sleeps.
 *
 * Return: whether since that receive anything was queued, or the peer has released nodes, was reset
 * or was disconnected. The core does not call bus1_wake_t for a release or a reset.
 */
bool bus1_peer_poll_for(struct bus1_peer *peer, const struct bus1_recv_filter *filter);

/**
 * bus1_recv_transfer() - return one handle of a message being received
 * @recv:	message
 * @i:		position, less than @recv->n_transfers
 *
 * Return: the transfer as the receiver sees it. Once the receive is committed, the ID names a
 * handle of the receiver. The ID is BUS1_INVALID when the receiver does not get the handle, because
 * the node had gone before the message arrived.
 */
struct bus1_transfer bus1_recv_transfer(const struct bus1_recv *recv, size_t i);

/**
 * bus1_recv_to_pool() - put the data of a message being received into the peer's pool
 * @recv:	message, of a peer with a pool; this must not be called again for it
 * @max_offset:	offset at which the data must end at the latest
 * @ret_offset:	offset of the data; BUS1_INVALID for a notification, or a message without data
 *
 * The peer is charged for the pages of the slice. When the receive is committed, the charge for the
 * data of the message ends, but the charge for one message stays until the slice is freed. When the
 * receive is not committed, the slice ends with the receive.
 *
 * Return: -ERANGE when the data would end behind @max_offset; -ENOMEM; the error of the memory's
 * write().
 */
int bus1_recv_to_pool(struct bus1_recv *recv, u64 max_offset, u64 *ret_offset);

/**
 * bus1_peer_recv_commit() - take the message out of the queue
 * @recv:	message
 *
 * Ends the receive also when it fails: @recv is not valid any more.
 *
 * Return: -ESTALE when the message or notification has become moot (moot.h) since
 * bus1_peer_recv_begin(): start again. -ESHUTDOWN.
 */
int bus1_peer_recv_commit(struct bus1_recv *recv);

/**
 * bus1_peer_recv_discard() - take the message out of the queue without receiving it
 * @recv:	message
 *
 * Ends the receive like bus1_peer_recv_commit(). But the handles of the message are released, and
 * the message's reference to its payload is dropped. A notification is taken as by
 * bus1_peer_recv_commit().
 *
 * Return: like bus1_peer_recv_commit().
 */
int bus1_peer_recv_discard(struct bus1_recv *recv);

/**
 * bus1_peer_recv_abort() - leave the message queued
 * @recv:	message
 */
void bus1_peer_recv_abort(struct bus1_recv *recv);

/**
 * bus1_peer_release_slice() - free a slice of the pool
 * @peer:	peer of 2026
 * @offset:	offset of the slice
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
 * A front end must not put a file that is a peer into a payload. While such a file is in the peer's
 * own queue, the peer is not closed, even if no process has a descriptor of it. The same is true
 * for two peers with each other's file in their queues. Only the front end can recognise such a
 * file (the module by file->f_op). It refuses the file before it calls bus1_peer_send().
 */

#endif /* __BUS1_CORE_H */
