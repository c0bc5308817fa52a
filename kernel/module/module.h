/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_MODULE_H
#define __BUS1_MODULE_H

/*
 * The character device
 *
 * An open /dev/bus1 is a peer of the core. Every command is an ioctl; io_uring can run those of
 * 2026, too. The commands are in ioctl-*.c, and the names of their functions begin with
 * bus1_ioctl_. A command has three steps:
 *
 *	collect	copy the arguments from the user, each once, and check them
 *	commit	call the core, which carries the command out, or refuses it without effect. A send
 *		leaves out destinations whose nodes have gone. With BUS1_SEND_FLAG_CONTINUE it also
 *		leaves out those that it cannot reach for other reasons.
 *	report	copy the results to the user
 *
 * BUS1_CMD_RECV reports before it commits: it takes a message out of the queue only after the user
 * has got the message. BUS1_CMD_CALL is several sends and receives, each with three steps of its
 * own. If one of them fails, those before it have happened.
 *
 * While data is copied from or to the user, at most one lock of the core is held: the one that
 * keeps other receivers of the same peer out.
 */

#include <linux/fault-inject-usercopy.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include "../core/core.h"
#include "compat.h"

struct cred;
struct file;
struct seq_file;
struct vm_area_struct;

/* peers (file.c) */

/* The generation of the interface that a peer speaks. Once chosen, it does not change. */
enum bus1_generation {
	BUS1_GENERATION_OPEN, /* not chosen yet */
	BUS1_GENERATION_2016,
	BUS1_GENERATION_2026,
};

/**
 * struct bus1_file - an open device
 * @peer:	its peer
 * @lock:	protects @generation and @pool until they are set
 * @generation:	interface that the peer speaks
 * @pool:	memory of the pool, NULL until it is first needed
 * @waitq:	tasks that poll the peer, or wait for a message in a command
 */
struct bus1_file {
	struct bus1_peer *peer;
	struct mutex lock;
	enum bus1_generation generation;
	struct file *pool;
	wait_queue_head_t waitq;
};

extern const struct file_operations bus1_fops;

/* Get the open device of a file. Returns NULL when the file is not a bus1 device. */
struct bus1_file *bus1_file_from_file(struct file *file);
int bus1_file_speak(struct bus1_file *bus1_file, enum bus1_generation generation);
int bus1_file_be_spoken_to(struct bus1_file *bus1_file, enum bus1_generation generation);
int bus1_file_shut_down(struct bus1_file *bus1_file);

/* commands (ioctl-*.c); those of 2016 are in ioctl-2016.h */

int bus1_ioctl_transfer(struct bus1_peer *peer, void __user *argp);
int bus1_ioctl_release(struct bus1_peer *peer, void __user *argp);
int bus1_ioctl_send(struct bus1_peer *peer, void __user *argp);
int bus1_ioctl_recv(struct bus1_file *bus1_file, void __user *argp, bool nowait);
int bus1_ioctl_call(struct bus1_file *bus1_file, void __user *argp, bool nowait);
int bus1_ioctl_slice_release(struct bus1_peer *peer, void __user *argp);
int bus1_ioctl_disconnect(struct bus1_file *bus1_file, void __user *argp);
int bus1_ioctl_reset(struct bus1_peer *peer, void __user *argp);
int bus1_ioctl_query(struct bus1_peer *peer, void __user *argp);

int bus1_ioctl_send_cmd(struct bus1_peer *peer, const struct bus1_cmd_send *cmd);
struct bus1_payload *bus1_ioctl_send_payload(struct bus1_peer *peer, struct iov_iter *data,
					     size_t n_data, u64 ptr_fds, size_t n_fds);

/* waiting (wait.c) */

int bus1_file_wait(struct bus1_file *bus1_file, const struct bus1_recv_filter *filter,
		   ktime_t deadline);
void bus1_file_poke(struct bus1_file *bus1_file);
void bus1_file_pass_on(struct bus1_file *bus1_file);

/* pools (pool.c) */

extern const struct bus1_pool_memory bus1_pool_memory;
int bus1_pool_open(struct bus1_file *bus1_file);
int bus1_pool_enable(struct bus1_file *bus1_file);
int bus1_pool_mmap(struct file *file, struct vm_area_struct *vma);

/* memory of the user (user.c) */

void *bus1_user_dup(u64 ptr, size_t n, size_t size);

/*
 * Copy an array to the user. Inline, so that copy_to_user() does not check the source at run time
 * when the number of bytes is constant. The destination is always checked.
 */
static __always_inline int bus1_user_put(u64 ptr, const void *from, size_t n, size_t size)
{
	if (n == 0)
		return 0;
	return copy_to_user(u64_to_user_ptr(ptr), from, n * size) ? -EFAULT : 0;
}

/*
 * Copy a structure from or to the user. All structures of the interface of 2026 consist of words of
 * 64 bits. Inline, because for the few words of a structure the steps of copy_from_user() around
 * the copy take longer than the copy.
 */
static __always_inline int bus1_user_get_struct(void *to, u64 ptr, size_t size)
{
	const u64 __user *from = u64_to_user_ptr(ptr);
	u64 *words = to;
	size_t i;

	BUILD_BUG_ON(size % sizeof(*words) != 0);
	/* Some machines of 32 bits cannot read 64 bits in this way. */
	if (!IS_ENABLED(CONFIG_64BIT))
		return copy_from_user(to, from, size) ? -EFAULT : 0;
	if (should_fail_usercopy() || !user_read_access_begin(from, size))
		return -EFAULT;
	for (i = 0; i < size / sizeof(*words); i++)
		unsafe_get_user(words[i], from + i, fault);
	user_read_access_end();
	return 0;

fault:
	user_read_access_end();
	return -EFAULT;
}

static __always_inline int bus1_user_put_struct(u64 ptr, const void *from, size_t size)
{
	u64 __user *to = u64_to_user_ptr(ptr);
	const u64 *words = from;
	size_t i;

	BUILD_BUG_ON(size % sizeof(*words) != 0);
	if (!IS_ENABLED(CONFIG_64BIT))
		return copy_to_user(to, from, size) ? -EFAULT : 0;
	if (should_fail_usercopy() || !user_write_access_begin(to, size))
		return -EFAULT;
	for (i = 0; i < size / sizeof(*words); i++)
		unsafe_put_user(words[i], to + i, fault);
	user_write_access_end();
	return 0;

fault:
	user_write_access_end();
	return -EFAULT;
}

/**
 * struct bus1_user_data - the data of a message, in memory of the user
 * @iter:	iterates over exactly the bytes that the message may hold
 * @few:	room for a few vectors
 * @vecs:	the vectors when there are more, to be freed with kfree(); else NULL
 */
struct bus1_user_data {
	struct iov_iter iter;
	struct iovec few[UIO_FASTIOV];
	struct iovec *vecs;
};

size_t bus1_user_vecs_memory(u64 n_vecs);
int bus1_user_import_data(struct bus1_user_data *data, int direction,
			  const struct bus1_message *message);
int bus1_user_read_data(u8 *to, size_t n, struct iov_iter *iter);
int bus1_user_write_data(const u8 *from, size_t n, struct iov_iter *iter);
bool bus1_transfers_create(const struct bus1_transfer *transfers, size_t n);

/* messages (user.c) */

int bus1_user_get_message(struct bus1_message_fds *message, u64 ptr, u64 flags);
int bus1_user_put_message(u64 ptr, const struct bus1_message_fds *message);

/* credentials (creds.c) */

void bus1_creds_capture(struct bus1_creds *creds);
size_t bus1_creds_kept(const struct bus1_creds *creds);
void bus1_principal_fill(struct bus1_principal *principal, const struct cred *cred);
void bus1_metadata_fill(struct bus1_metadata_credentials *metadata, const struct bus1_recv *recv,
			bool credentials);

/* security labels (secctx.c) */

/**
 * struct bus1_secctx - security label
 * @data:	its bytes, NULL when there are none
 * @n:		number of bytes, BUS1_INVALID when there is no label
 * @label:	what the security module returned
 */
struct bus1_secctx {
	char *data;
	u64 n;
	bus1_label_t label;
};

int bus1_secctx_get(struct bus1_secctx *secctx, const struct bus1_recv *recv);
void bus1_secctx_put(struct bus1_secctx *secctx);

/* descriptors (files.c) */

int bus1_files_charge(struct bus1_payload *payload, struct bus1_peer *sender);
int bus1_files_collect(struct file **files, u64 ptr_fds, size_t n);
int bus1_files_reserve(s32 *fds, struct file *const *files, size_t n);
void bus1_files_unreserve(const s32 *fds, size_t n);
void bus1_files_install(const s32 *fds, struct file *const *files, size_t n);

/*
 * Ask security modules if the current task may have a file (file-ask.c). Returns 0 or a negative
 * errno.
 */
int bus1_file_ask(struct file *file);

/* /proc/PID/fdinfo (fdinfo.c) */

void bus1_fdinfo_show(struct seq_file *seq, struct file *file);

/* security modules (security.c) */

/*
 * Returns the function that asks whether the current task may do something to a peer; NULL if the
 * module cannot ask.
 */
bus1_ask_t bus1_security(void);

/* debugfs (debugfs.c) */

void bus1_debugfs_init(void);
void bus1_debugfs_exit(void);

/* the module (main.c) */

struct bus1_accounts *bus1_module_accounts(void);

#endif /* __BUS1_MODULE_H */
