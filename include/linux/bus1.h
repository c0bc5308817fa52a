/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_BUS1_H
#define _UAPI_LINUX_BUS1_H

/*
 * bus1 - capability-based IPC
 *
 * This is the contract between the bus1 core (the kernel module, or the same core hosted in user
 * space) and its users. Programs exchange messages as peers. A peer owns nodes, on which it
 * receives, and holds handles, through which it sends. Each node and each handle has an ID.
 * Messages can carry handles and files.
 *
 * The plain interface is that of bus1(7) of 2026: commands 0 to 3, with no flag except
 * BUS1_TRANSFER_FLAG_CREATE. All else is an extension that has a flag or a command number of its
 * own. Unknown flags are refused with EINVAL.
 *
 * Every command succeeds, or fails with an error number. A failed command has had no effect, with
 * these exceptions: EFAULT may also mean that the command was carried out, but its results could
 * not be written; BUS1_CMD_CALL may have sent messages; and a failed receive may have written to
 * the memory for its results.
 */

#include <linux/ioctl.h>
#include <linux/types.h>

#define BUS1_IOCTL_MAGIC		0x97

/* Stands for a value that is missing, for example no node, no handle or no account. */
#define BUS1_INVALID			((__u64)-1)

/* Set in every ID that bus1 makes. bus1 never gives one peer the same ID twice. */
#define BUS1_MANAGED			((__u64)0x1)

/* transfers */

/* Create a node of the source peer, and transfer a handle of this node. id must be BUS1_INVALID. */
#define BUS1_TRANSFER_FLAG_CREATE	((__u64)0x1)
/*
 * Extension, only with CREATE: the node ends with its first message. Sending through a handle of
 * the node ends the ID of the handle, unless the send fails, or with BUS1_SEND_FLAG_CONTINUE the
 * error of this destination is EDQUOT or EACCES. Receiving the message ends the ID of the node.
 * When all handles are released before there was a message, the owner receives a
 * BUS1_MESSAGE_TYPE_HANDLE_RELEASE.
 */
#define BUS1_TRANSFER_FLAG_ONESHOT	((__u64)0x2)

struct bus1_transfer {
	__u64 flags;
	__u64 id;
};

/* messages */

#define BUS1_MESSAGE_TYPE_USER			((__u64)0)
#define BUS1_MESSAGE_TYPE_NODE_RELEASE		((__u64)1)
#define BUS1_MESSAGE_TYPE_HANDLE_RELEASE	((__u64)2)

/* Extension, in send and in recv: ptr_message points to a struct bus1_message_fds. */
#define BUS1_MESSAGE_FLAG_FDS			((__u64)0x1)
/*
 * Extension, only in a recv without BUS1_RECV_FLAG_PEEK and BUS1_RECV_FLAG_DISCARD: ptr_message
 * points to a struct bus1_message_pool.
 */
#define BUS1_MESSAGE_FLAG_POOL			((__u64)0x2)

struct bus1_message {
	__u64 flags;
	__u64 type;
	__u64 n_transfers;
	__u64 ptr_transfers;	/* struct bus1_transfer * */
	__u64 n_data;
	__u64 n_data_vecs;
	__u64 ptr_data_vecs;	/* struct iovec * */
};

/*
 * A message with file descriptors. For a recv, n_fds is the capacity of the array, and is set to
 * the number of descriptors. The received descriptors are close-on-exec. A recv that takes the
 * message out of the queue without BUS1_MESSAGE_FLAG_FDS drops its descriptors.
 */
struct bus1_message_fds {
	struct bus1_message message;
	__u64 n_fds;
	__u64 ptr_fds;		/* __s32 * */
};

/*
 * A message whose data is received into the pool of the peer. mmap() of the peer's file maps the
 * pool for reading only. n_data_vecs must be 0; n_data is the greatest size that is wanted, as in
 * every recv. The caller sets offset to the position in the pool where the data has to end at the
 * latest (else ERANGE). On success, offset is set to the position where the data begins, or to
 * BUS1_INVALID when there is no data. The data is a slice of the pool, and does not change until
 * BUS1_CMD_SLICE_RELEASE, or until the peer is reset or ends. The peer is charged for one message,
 * and for the pages that the slice is in. Without BUS1_MESSAGE_FLAG_FDS, the fields for descriptors
 * are not used, and the message's descriptors are dropped.
 */
struct bus1_message_pool {
	struct bus1_message_fds fds;
	__u64 offset;
};

struct bus1_metadata {
	__u64 flags;
	__u64 id;		/* node of a message or HANDLE_RELEASE, handle of a NODE_RELEASE */
	/*
	 * uid of the sender's account. BUS1_INVALID in notifications, and when the uid does not
	 * exist in the user namespace of the receiver.
	 */
	__u64 account;
};

/*
 * Extension: metadata of a recv with BUS1_RECV_FLAG_CREDENTIALS. The kernel captures the
 * credentials when the message is sent; a hosted core may use those that the peer was made with.
 * An ID that does not exist in the namespaces of the receiver is BUS1_INVALID. In notifications,
 * all four are BUS1_INVALID.
 */
struct bus1_metadata_credentials {
	struct bus1_metadata metadata;
	__u64 uid;
	__u64 gid;
	__u64 pid;
	__u64 tid;
};

/*
 * Extension: metadata of a recv with BUS1_RECV_FLAG_SECCTX: the security label of the sender,
 * without a zero at its end. n_secctx is the room at ptr_secctx, and is set to the length of the
 * label. It is set to BUS1_INVALID when there is no label: in notifications, when no security
 * module provides labels, and always on a hosted core. A label that does not fit fails the recv
 * with EMSGSIZE.
 */
struct bus1_metadata_secctx {
	struct bus1_metadata_credentials credentials;
	__u64 n_secctx;
	__u64 ptr_secctx;	/* char * */
};

/* commands */

struct bus1_cmd_transfer {
	__u64 flags;		/* 0 */
	__u64 to;		/* descriptor of the destination peer, or (__u64)-1: this peer */
	__u64 n_transfers;
	__u64 ptr_src;		/* struct bus1_transfer * */
	__u64 ptr_dst;		/* struct bus1_transfer * */
};

struct bus1_cmd_release {
	__u64 flags;		/* 0 */
	__u64 n_ids;
	__u64 ptr_ids;		/* __u64 * */
};

/*
 * Extension: when the message cannot be delivered to one destination, all others still get it. The
 * entry of that destination in ptr_errors is a negative errno: -EDQUOT when the quota at the
 * receiver is used up, -EACCES when a security module refuses the message, -EHOSTUNREACH when the
 * node has gone (without this flag that is a success). All other errors still fail the whole
 * command.
 */
#define BUS1_SEND_FLAG_CONTINUE		((__u64)0x1)

struct bus1_cmd_send {
	__u64 flags;
	__u64 n_destinations;
	__u64 ptr_destinations;	/* __u64 * */
	__u64 ptr_errors;	/* __s32 *, may be 0 */
	__u64 ptr_message;	/* struct bus1_message * */
};

/* Extension: ptr_metadata points to a struct bus1_metadata_credentials. */
#define BUS1_RECV_FLAG_CREDENTIALS	((__u64)0x1)
/*
 * Extension: the message stays queued. The IDs of its handles name nothing until a recv takes the
 * message; that recv returns the same IDs. With BUS1_MESSAGE_FLAG_FDS, n_fds is set to the number
 * of descriptors, but no descriptors are made, and they need no room.
 */
#define BUS1_RECV_FLAG_PEEK		((__u64)0x2)
/* Extension: ptr_metadata points to a struct bus1_metadata_secctx. */
#define BUS1_RECV_FLAG_SECCTX		((__u64)0x4)
/*
 * Extension: refuse the message: it is taken out of the queue, but its data is not received, its
 * handles are released, and its descriptors are closed. n_transfers, n_data and, with
 * BUS1_MESSAGE_FLAG_FDS, n_fds are set, but handles, data and descriptors need no room. The
 * metadata is written. A notification is received as without the flag. Not together with
 * BUS1_RECV_FLAG_PEEK or BUS1_MESSAGE_FLAG_POOL.
 */
#define BUS1_RECV_FLAG_DISCARD		((__u64)0x8)
/*
 * Extension, only of the kernel module: wait while there is no message. A signal whose handler does
 * not have SA_RESTART ends the wait with EINTR. After other signals the wait goes on.
 */
#define BUS1_RECV_FLAG_WAIT		((__u64)0x10)

struct bus1_cmd_recv {
	__u64 flags;
	__u64 ptr_metadata;	/* struct bus1_metadata * */
	__u64 ptr_message;	/* struct bus1_message * */
};

/* Features, as reported by BUS1_CMD_QUERY. */
#define BUS1_FEATURE_FDS		((__u64)0x1)
#define BUS1_FEATURE_CREDENTIALS	((__u64)0x2)
#define BUS1_FEATURE_ONESHOT		((__u64)0x4)
#define BUS1_FEATURE_CONTINUE		((__u64)0x8)
#define BUS1_FEATURE_PEEK		((__u64)0x10)
#define BUS1_FEATURE_RESET		((__u64)0x20)	/* and BUS1_CMD_DISCONNECT */
#define BUS1_FEATURE_SECCTX		((__u64)0x40)
#define BUS1_FEATURE_POOL		((__u64)0x80)	/* and BUS1_CMD_SLICE_RELEASE */
#define BUS1_FEATURE_DISCARD		((__u64)0x100)
#define BUS1_FEATURE_CALL		((__u64)0x200)	/* BUS1_CMD_CALL and BUS1_RECV_FLAG_WAIT */

#define BUS1_VERSION			((__u64)1)

/* Extension: version, features, limits and the peer's own usage. */
struct bus1_cmd_query {
	__u64 flags;		/* 0 */
	__u64 version;		/* BUS1_VERSION */
	__u64 features;		/* BUS1_FEATURE_* */
	__u64 max_data;		/* bytes in one message */
	__u64 max_transfers;	/* handles in one message or transfer command */
	__u64 max_fds;		/* file descriptors in one message */
	__u64 max_destinations;	/* destinations of one send */
	__u64 n_nodes;		/* nodes this peer owns */
	__u64 n_handles;	/* handles this peer holds */
	__u64 n_messages;	/* messages and notifications queued on this peer */
	__u64 n_bytes;		/* data bytes queued on this peer, and memory of its pool */
	__u64 n_fds;		/* file descriptors queued on this peer */
};

/*
 * Extension: end the peer while descriptors of it are open, like closing the last one does. From
 * then on commands fail with ESHUTDOWN, and poll() on the device reports POLLHUP.
 */
struct bus1_cmd_disconnect {
	__u64 flags;		/* 0 */
};

/*
 * Extension: release all nodes and handles of the peer in one transaction, and empty its queue and
 * its pool. The peer can still be used. No ID is used again.
 */
struct bus1_cmd_reset {
	__u64 flags;		/* 0 */
};

/*
 * Extension: release the slice of the peer's pool that begins at an offset. Its place may be used
 * again at once. EBADRQC when no slice begins there.
 */
struct bus1_cmd_slice_release {
	__u64 flags;		/* 0 */
	__u64 offset;
};

/*
 * Extension: send messages, then wait for messages, in one command. A client makes a call with it;
 * a service sends the reply to one call, and receives the next call.
 *
 * The sends are carried out one after the other, each as by BUS1_CMD_SEND. If one fails, the
 * command fails with its error. Then the command receives up to n_recvs messages, each as by
 * BUS1_CMD_RECV, but waits only for the first one: EAGAIN when timeout is 0 and there is no
 * message, ETIMEDOUT when the time is over, EINTR after a signal that has a handler. After a
 * success, n_recvs is set to the number of messages received. The flags of the receives must not
 * have BUS1_RECV_FLAG_PEEK or BUS1_RECV_FLAG_WAIT. With n_recvs 0 the command only sends.
 *
 * If the command fails after it has begun, ptr_sends, n_sends and timeout are set to what is left.
 * So a program that gives the same structure again continues the command.
 */
struct bus1_cmd_call {
	__u64 flags;		/* 0 */
	__u64 n_sends;
	__u64 ptr_sends;	/* struct bus1_cmd_send * */
	__u64 n_recvs;
	__u64 ptr_recvs;	/* struct bus1_cmd_recv * */
	/*
	 * A node of the peer: receive only messages to this node, and the notification that its
	 * last handle has gone. BUS1_INVALID: receive anything.
	 */
	__u64 node;
	__u64 timeout;		/* nanoseconds; BUS1_INVALID: wait without a limit */
};

/* the greatest n_sends, and the greatest n_recvs, of one BUS1_CMD_CALL */
#define BUS1_CALL_MAX			((__u64)1024)

#define BUS1_CMD_TRANSFER	_IOWR(BUS1_IOCTL_MAGIC, 0x00, struct bus1_cmd_transfer)
#define BUS1_CMD_RELEASE	_IOWR(BUS1_IOCTL_MAGIC, 0x01, struct bus1_cmd_release)
#define BUS1_CMD_SEND		_IOWR(BUS1_IOCTL_MAGIC, 0x02, struct bus1_cmd_send)
#define BUS1_CMD_RECV		_IOWR(BUS1_IOCTL_MAGIC, 0x03, struct bus1_cmd_recv)
#define BUS1_CMD_QUERY		_IOWR(BUS1_IOCTL_MAGIC, 0x04, struct bus1_cmd_query)
#define BUS1_CMD_DISCONNECT	_IOWR(BUS1_IOCTL_MAGIC, 0x05, struct bus1_cmd_disconnect)
#define BUS1_CMD_RESET		_IOWR(BUS1_IOCTL_MAGIC, 0x06, struct bus1_cmd_reset)
#define BUS1_CMD_SLICE_RELEASE	_IOWR(BUS1_IOCTL_MAGIC, 0x07, struct bus1_cmd_slice_release)
#define BUS1_CMD_CALL		_IOWR(BUS1_IOCTL_MAGIC, 0x08, struct bus1_cmd_call)

#endif /* _UAPI_LINUX_BUS1_H */
