// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the user
 *
 * Arrays are copied once and as a whole, before anything looks at them. The callers check counts
 * against their limits first, so no size overflows.
 */

#include <linux/err.h>
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include "module.h"

/* Up to this many bytes of data are copied word by word. */
#define BUS1_USER_FEW 256

/*
 * Copy an array from the user. Returns the copy, which the caller frees with kvfree(); NULL if the
 * array is empty; or an ERR_PTR().
 */
void *bus1_user_dup(u64 ptr, size_t n, size_t size)
{
	void *to;

	if (n == 0)
		return NULL;

	to = kvmalloc_array(n, size, GFP_KERNEL_ACCOUNT);
	if (!to)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(to, u64_to_user_ptr(ptr), n * size)) {
		kvfree(to);
		return ERR_PTR(-EFAULT);
	}
	return to;
}

/**
 * bus1_user_get_message() - copy the description of a message
 * @message:	set on success; without BUS1_MESSAGE_FLAG_FDS it has no descriptors
 * @ptr:	struct bus1_message or struct bus1_message_fds, depending on its flags
 * @flags:	flags that are allowed
 *
 * Return: 0; -EINVAL for a flag that is not allowed; -EFAULT.
 */
int bus1_user_get_message(struct bus1_message_fds *message, u64 ptr, u64 flags)
{
	const struct bus1_message_fds __user *from = u64_to_user_ptr(ptr);

	message->n_fds = 0;
	message->ptr_fds = 0;
	if (bus1_user_get_struct(&message->message, ptr, sizeof(message->message)) < 0)
		return -EFAULT;
	if (message->message.flags & ~flags)
		return -EINVAL;
	if (!(message->message.flags & BUS1_MESSAGE_FLAG_FDS))
		return 0;
	if (get_user(message->n_fds, &from->n_fds) || get_user(message->ptr_fds, &from->ptr_fds))
		return -EFAULT;
	return 0;
}

/* Write the description of a message back to the user. */
int bus1_user_put_message(u64 ptr, const struct bus1_message_fds *message)
{
	if (message->message.flags & BUS1_MESSAGE_FLAG_FDS)
		return bus1_user_put_struct(ptr, message, sizeof(*message));
	return bus1_user_put_struct(ptr, &message->message, sizeof(message->message));
}

/*
 * Import a single vector like import_iovec(), but only its first @n_data bytes. The bytes behind
 * these are not used, so their addresses are not checked. Returns the length of what is imported.
 */
static ssize_t bus1_user_import_one(struct bus1_user_data *data, int direction, u64 ptr, u64 n_data)
{
	struct iovec vec;

	if (bus1_user_get_struct(&vec, ptr, sizeof(vec)) < 0)
		return -EFAULT;
	if ((ssize_t)vec.iov_len < 0)
		return -EINVAL;
	vec.iov_len = min_t(u64, min_t(u64, vec.iov_len, n_data), MAX_RW_COUNT);
	if (!access_ok(vec.iov_base, vec.iov_len))
		return -EFAULT;
	data->vecs = NULL;
	iov_iter_ubuf(&data->iter, direction, vec.iov_base, vec.iov_len);
	return vec.iov_len;
}

/* The memory that an import of vectors takes. More than UIO_MAXIOV vectors are refused. */
size_t bus1_user_vecs_memory(u64 n_vecs)
{
	return min_t(u64, n_vecs, UIO_MAXIOV) * sizeof(struct iovec);
}

/**
 * bus1_user_import_data() - find the data of a message
 * @data:	set on success; must not be moved, because it points into itself
 * @direction:	ITER_SOURCE or ITER_DEST
 * @message:	message, which has the vectors
 *
 * Return: 0; -EINVAL when there are too many vectors, a length is negative, or the data does not
 * fit into the vectors; -EFAULT, -ENOMEM.
 */
int bus1_user_import_data(struct bus1_user_data *data, int direction,
			  const struct bus1_message *message)
{
	ssize_t n;

	if (message->n_data_vecs > UIO_MAXIOV)
		return -EINVAL;

	data->vecs = data->few;
	if (message->n_data_vecs == 1 && !in_compat_syscall())
		n = bus1_user_import_one(data, direction, message->ptr_data_vecs, message->n_data);
	else
		n = import_iovec(direction, u64_to_user_ptr(message->ptr_data_vecs),
				 message->n_data_vecs, ARRAY_SIZE(data->few), &data->vecs,
				 &data->iter);
	if (n < 0)
		return n;
	/*
	 * import_iovec() cuts off vectors that are longer together than MAX_RW_COUNT, but that is
	 * more than BUS1_MAX_DATA.
	 */
	if (min_t(u64, message->n_data, BUS1_MAX_DATA) > (u64)n) {
		kfree(data->vecs);
		return -EINVAL;
	}
	iov_iter_truncate(&data->iter, message->n_data);
	return 0;
}

/* A message can be large: between its parts let other tasks run, and let a killed task stop. */
static int bus1_user_pause(void)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/*
 * Copy few bytes without the steps that copy_from_iter() and copy_to_iter() take around the copy.
 * The memory of the kernel need not be checked: it is the data of a payload, and has n bytes.
 */
static int bus1_user_read_few(u8 *to, const u8 __user *from, size_t n)
{
	if (should_fail_usercopy() || !user_read_access_begin(from, n))
		return -EFAULT;
	for (; n >= sizeof(u64); n -= sizeof(u64), to += sizeof(u64), from += sizeof(u64))
		unsafe_get_user(*(u64 *)to, (const u64 __user *)from, fault);
	for (; n > 0; n--)
		unsafe_get_user(*to++, from++, fault);
	user_read_access_end();
	return 0;

fault:
	user_read_access_end();
	return -EFAULT;
}

static int bus1_user_write_few(const u8 *from, u8 __user *to, size_t n)
{
	if (should_fail_usercopy() || !user_write_access_begin(to, n))
		return -EFAULT;
	for (; n >= sizeof(u64); n -= sizeof(u64), to += sizeof(u64), from += sizeof(u64))
		unsafe_put_user(*(const u64 *)from, (u64 __user *)to, fault);
	for (; n > 0; n--)
		unsafe_put_user(*from++, to++, fault);
	user_write_access_end();
	return 0;

fault:
	user_write_access_end();
	return -EFAULT;
}

/* Copy data from the user. */
int bus1_user_read_data(u8 *to, size_t n, struct iov_iter *iter)
{
	if (IS_ENABLED(CONFIG_64BIT) && n <= BUS1_USER_FEW && iter_is_ubuf(iter))
		return bus1_user_read_few(to, iter->ubuf, n);
	while (n > 0) {
		size_t l = min_t(size_t, n, SZ_1M);

		if (copy_from_iter(to, l, iter) != l)
			return -EFAULT;
		to += l;
		n -= l;
		if (n > 0 && bus1_user_pause() < 0)
			return -EINTR;
	}
	return 0;
}

/* Copy data to the user. */
int bus1_user_write_data(const u8 *from, size_t n, struct iov_iter *iter)
{
	if (IS_ENABLED(CONFIG_64BIT) && n <= BUS1_USER_FEW && iter_is_ubuf(iter))
		return bus1_user_write_few(from, iter->ubuf, n);
	while (n > 0) {
		size_t l = min_t(size_t, n, SZ_1M);

		if (copy_to_iter(from, l, iter) != l)
			return -EFAULT;
		from += l;
		n -= l;
		if (n > 0 && bus1_user_pause() < 0)
			return -EINTR;
	}
	return 0;
}

/* Does any transfer create a node? If none does, the core does not change the array. */
bool bus1_transfers_create(const struct bus1_transfer *transfers, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (transfers[i].flags & BUS1_TRANSFER_FLAG_CREATE)
			return true;
	}
	return false;
}
