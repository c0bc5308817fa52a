/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_BUS1_2016_H
#define _UAPI_LINUX_BUS1_2016_H

/*
 * The binary interface of 2016, with names that begin with BUS1_2016_ and bus1_2016_
 *
 * This is for code that needs the interfaces of 2016 and 2026 in one file, such as the module.
 * Programs of 2016 include 2016/linux/bus1.h, which has the names of 2016. Some of the names of
 * 2016 are also names in <linux/bus1.h> of 2026, so no file can include both of those headers.
 * doc/programming/module-2016.md describes the commands.
 */

#include <linux/ioctl.h>
#include <linux/types.h>

#define BUS1_2016_FD_MAX			256

#define BUS1_2016_IOCTL_MAGIC			0x96

/* No handle, no offset. */
#define BUS1_2016_INVALID			((__u64)-1)

/* Set in IDs that bus1 chose. */
#define BUS1_2016_HANDLE_MANAGED		((__u64)0x1)
/* Set in IDs of other peers' nodes. */
#define BUS1_2016_HANDLE_REMOTE			((__u64)0x2)

#define BUS1_2016_PEER_WANT_SECCTX		((__u64)0x1)

#define BUS1_2016_RESET_FLUSH			((__u64)0x1)
#define BUS1_2016_RESET_FLUSH_SEED		((__u64)0x2)

#define BUS1_2016_DESTROY_RELEASE_HANDLES	((__u64)0x1)

#define BUS1_2016_SEND_CONTINUE			((__u64)0x1)
#define BUS1_2016_SEND_SEED			((__u64)0x2)

#define BUS1_2016_RECV_PEEK			((__u64)0x1)
#define BUS1_2016_RECV_SEED			((__u64)0x2)
#define BUS1_2016_RECV_INSTALL_FDS		((__u64)0x4)

#define BUS1_2016_MSG_DATA			((__u64)1)
#define BUS1_2016_MSG_NODE_DESTROY		((__u64)2)
#define BUS1_2016_MSG_NODE_RELEASE		((__u64)3)

#define BUS1_2016_MSG_HAS_SECCTX		((__u64)0x1)
#define BUS1_2016_MSG_CONTINUE			((__u64)0x2)

struct bus1_2016_peer_reset {
	__u64 flags;
	__u64 peer_flags;
	__u32 max_slices;
	__u32 max_handles;
	__u32 max_inflight_bytes;
	__u32 max_inflight_fds;
} __attribute__((__aligned__(8)));

struct bus1_2016_handle_transfer {
	__u64 flags;
	__u64 src_handle;
	__u64 dst_fd;
	__u64 dst_handle;
} __attribute__((__aligned__(8)));

struct bus1_2016_nodes_destroy {
	__u64 flags;
	__u64 ptr_nodes;	/* __u64 * */
	__u64 n_nodes;
} __attribute__((__aligned__(8)));

struct bus1_2016_send {
	__u64 flags;
	__u64 ptr_destinations;	/* __u64 * */
	__u64 ptr_errors;	/* __s32 *, may be 0 */
	__u64 n_destinations;
	__u64 ptr_vecs;		/* struct iovec * */
	__u64 n_vecs;
	__u64 ptr_handles;	/* __u64 * */
	__u64 n_handles;
	__u64 ptr_fds;		/* __s32 * */
	__u64 n_fds;
} __attribute__((__aligned__(8)));

struct bus1_2016_msg {
	__u64 type;
	__u64 flags;
	__u64 destination;
	__u32 uid;
	__u32 gid;
	__u32 pid;
	__u32 tid;
	__u64 offset;
	__u64 n_bytes;
	__u64 n_handles;
	__u64 n_fds;
	__u64 n_secctx;
} __attribute__((__aligned__(8)));

struct bus1_2016_recv {
	__u64 flags;
	__u64 max_offset;
	struct bus1_2016_msg msg;
} __attribute__((__aligned__(8)));

#define BUS1_2016_PEER_DISCONNECT \
	_IOWR(BUS1_2016_IOCTL_MAGIC, 0x00, __u64)
#define BUS1_2016_PEER_QUERY \
	_IOWR(BUS1_2016_IOCTL_MAGIC, 0x01, struct bus1_2016_peer_reset)
#define BUS1_2016_PEER_RESET \
	_IOWR(BUS1_2016_IOCTL_MAGIC, 0x02, struct bus1_2016_peer_reset)
#define BUS1_2016_HANDLE_RELEASE \
	_IOWR(BUS1_2016_IOCTL_MAGIC, 0x10, __u64)
#define BUS1_2016_HANDLE_TRANSFER \
	_IOWR(BUS1_2016_IOCTL_MAGIC, 0x11, struct bus1_2016_handle_transfer)
#define BUS1_2016_NODES_DESTROY \
	_IOWR(BUS1_2016_IOCTL_MAGIC, 0x20, struct bus1_2016_nodes_destroy)
#define BUS1_2016_SLICE_RELEASE \
	_IOWR(BUS1_2016_IOCTL_MAGIC, 0x30, __u64)
#define BUS1_2016_SEND \
	_IOWR(BUS1_2016_IOCTL_MAGIC, 0x40, struct bus1_2016_send)
#define BUS1_2016_RECV \
	_IOWR(BUS1_2016_IOCTL_MAGIC, 0x50, struct bus1_2016_recv)

#endif /* _UAPI_LINUX_BUS1_2016_H */
