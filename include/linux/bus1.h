/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_BUS1_H
#define _UAPI_LINUX_BUS1_H

/*
 * bus1 - capability-based IPC
 *
 * The only contract between the bus1 core (the kernel module, or the same core hosted in user
 * space) and its users. The plain interface is that of bus1(7) of 2026: commands 0 to 3 with all
 * flags 0. Everything else is an extension behind a flag or a command number of its own, so a plain
 * program never sees it. Unknown flags are always refused with EINVAL.
 *
 * Every command returns 0 on success and a negative errno on failure; a failed command has had no
 * effect (EFAULT excepted).
 */

#include <linux/ioctl.h>
#include <linux/types.h>

#define BUS1_IOCTL_MAGIC		0x97

/* No node, no handle, no account. */
#define BUS1_INVALID			((__u64)-1)

/* Set in every ID that was made by bus1; such IDs are never reused. */
#define BUS1_MANAGED			((__u64)0x1)

/* transfers */

/* Create a node in the source peer and transfer a handle to it. id must be BUS1_INVALID. */
#define BUS1_TRANSFER_FLAG_CREATE	((__u64)0x1)
/*
 * Extension, only with CREATE: the node takes one message and is gone. A send through a handle to
 * it ends that handle's ID; receiving the message ends the node's ID; the owner is told with
 * BUS1_MESSAGE_TYPE_HANDLE_RELEASE when every handle went without a message.
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

/* Extension: the structure is a struct bus1_message_fds. In send and in recv. */
#define BUS1_MESSAGE_FLAG_FDS			((__u64)0x1)
/* Extension: the structure is a struct bus1_message_pool. Only in a recv that takes the message. */
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
 * A message with file descriptors. On recv n_fds is the capacity going in and the number coming
 * out; the descriptors are close-on-exec. A recv without BUS1_MESSAGE_FLAG_FDS drops them.
 */
struct bus1_message_fds {
	struct bus1_message message;
	__u64 n_fds;
	__u64 ptr_fds;		/* __s32 * */
};

/*
 * A message whose data is received into the pool of the peer, which is what mmap() of the peer's file
 * maps, for reading only. n_data_vecs must be 0; n_data, as ever, is the most that is wanted. offset is
 * where in the pool the data has to end at the latest going in, else the error is ERANGE, and where it
 * begins coming out; it is BUS1_INVALID when there is none. That slice of the pool stays as it is, and
 * accounted as the message was, until BUS1_CMD_SLICE_RELEASE. Without BUS1_MESSAGE_FLAG_FDS descriptors
 * are dropped, but their fields are there.
 */
struct bus1_message_pool {
	struct bus1_message_fds fds;
	__u64 offset;
};

struct bus1_metadata {
	__u64 flags;
	__u64 id;		/* node of a message or HANDLE_RELEASE, handle of a NODE_RELEASE */
	__u64 account;		/* uid of the sender's account, BUS1_INVALID in notifications */
};

/*
 * Extension: metadata of a recv with BUS1_RECV_FLAG_CREDENTIALS. Captured when the message was
 * sent. All are BUS1_INVALID in notifications.
 */
struct bus1_metadata_credentials {
	struct bus1_metadata metadata;
	__u64 uid;
	__u64 gid;
	__u64 pid;
	__u64 tid;
};

/*
 * Extension: metadata of a recv with BUS1_RECV_FLAG_SECCTX. The security label of who sent the
 * message, without a zero at its end. n_secctx is the room at ptr_secctx going in. What comes out is
 * the length, or BUS1_INVALID when there is no label: in notifications, where no security module
 * gives labels, and always when the core is hosted. When the label does not fit, EMSGSIZE is
 * returned as for any other part of a message.
 */
struct bus1_metadata_secctx {
	struct bus1_metadata_credentials credentials;
	__u64 n_secctx;
	__u64 ptr_secctx;	/* char * */
};

/* commands */

struct bus1_cmd_transfer {
	__u64 flags;		/* 0 */
	__u64 to;		/* file descriptor of the destination peer, or (__u64)-1 for the same */
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
 * Extension: what cannot be delivered to one destination is reported in its entry of the errors, as
 * a negative errno, and all others get the message: EDQUOT when the receiver may not have more,
 * EHOSTUNREACH when the node is gone (which without this flag counts as a success). All other
 * errors still fail the command as a whole.
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
 * Extension: the message stays queued. IDs of its handles are those that a recv will return, unless
 * a node goes before, and name nothing until then. File descriptors are counted in n_fds, but not
 * made, and need no room.
 */
#define BUS1_RECV_FLAG_PEEK		((__u64)0x2)
/* Extension: ptr_metadata points to a struct bus1_metadata_secctx. */
#define BUS1_RECV_FLAG_SECCTX		((__u64)0x4)

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

#define BUS1_VERSION			((__u64)1)

/* Extension: versions, features, limits and the peer's own usage. */
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
	__u64 n_bytes;		/* data bytes queued on this peer, and in slices of its pool */
	__u64 n_fds;		/* file descriptors queued on this peer */
};

/*
 * Extension: end the peer, as closing its last descriptor does, while descriptors are still open.
 * From then on every command returns ESHUTDOWN, and poll() reports POLLHUP.
 */
struct bus1_cmd_disconnect {
	__u64 flags;		/* 0 */
};

/*
 * Extension: begin anew. In one transaction all nodes and handles of the peer are released, and what
 * is queued on it, or in its pool, is dropped. The peer can be used as before; no ID returns.
 */
struct bus1_cmd_reset {
	__u64 flags;		/* 0 */
};

/*
 * Extension: release a slice of the peer's pool, which may be used again at once. EBADRQC when none
 * begins there.
 */
struct bus1_cmd_slice_release {
	__u64 flags;		/* 0 */
	__u64 offset;
};

#define BUS1_CMD_TRANSFER	_IOWR(BUS1_IOCTL_MAGIC, 0x00, struct bus1_cmd_transfer)
#define BUS1_CMD_RELEASE	_IOWR(BUS1_IOCTL_MAGIC, 0x01, struct bus1_cmd_release)
#define BUS1_CMD_SEND		_IOWR(BUS1_IOCTL_MAGIC, 0x02, struct bus1_cmd_send)
#define BUS1_CMD_RECV		_IOWR(BUS1_IOCTL_MAGIC, 0x03, struct bus1_cmd_recv)
#define BUS1_CMD_QUERY		_IOWR(BUS1_IOCTL_MAGIC, 0x04, struct bus1_cmd_query)
#define BUS1_CMD_DISCONNECT	_IOWR(BUS1_IOCTL_MAGIC, 0x05, struct bus1_cmd_disconnect)
#define BUS1_CMD_RESET		_IOWR(BUS1_IOCTL_MAGIC, 0x06, struct bus1_cmd_reset)
#define BUS1_CMD_SLICE_RELEASE	_IOWR(BUS1_IOCTL_MAGIC, 0x07, struct bus1_cmd_slice_release)

#endif /* _UAPI_LINUX_BUS1_H */
