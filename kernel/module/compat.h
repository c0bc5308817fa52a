/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_COMPAT_H
#define __BUS1_COMPAT_H

/*
 * Differences between kernels
 *
 * No other file of kernel/ looks at the version of the kernel: `tools/lint` checks that. When the
 * module moves into the kernel's tree, the branches for the newest kernel replace the functions and
 * types of this file.
 */

#include <linux/cred.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/security.h>
#include <linux/shmem_fs.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#include <linux/io_uring.h>
#include <linux/io_uring_types.h>
#else
#include <linux/io_uring/cmd.h>
#endif

/* whether receive_fd() writes the number to the user before it makes the descriptor */
#define BUS1_RECEIVE_FD_WRITES (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0))

/* the device that the callback class.devnode gets */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
typedef struct device bus1_devnode_device_t;
#else
typedef const struct device bus1_devnode_device_t;
#endif

/* Whether a file can be mapped. */
static inline bool bus1_compat_can_map(const struct file_operations *op)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
	return op->mmap;
#else
	return op->mmap || op->mmap_prepare;
#endif
}

/* The bytes for the command in an entry of io_uring. */
static inline const void *bus1_compat_uring_data(const struct io_uring_cmd *command)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	return command->cmd;
#else
	return command->sqe->cmd;
#endif
}

/* Whether a 32-bit program has submitted a command. A worker of io_uring may run the command. */
static inline bool bus1_compat_uring_is_32bit(struct io_uring_cmd *command, unsigned int flags)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
	return cmd_to_io_kiocb(command)->ctx->compat;
#else
	return flags & IO_URING_F_COMPAT;
#endif
}

/* A file in shared memory, for whose size no memory is reserved. */
static inline struct file *bus1_compat_shmem_file(const char *name)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
	return shmem_file_setup(name, 0, VM_NORESERVE);
#else
	return shmem_file_setup(name, 0, mk_vma_flags(VMA_NORESERVE_BIT));
#endif
}

/* Change the flags of a mapping that is being made. */
static inline void bus1_compat_change_flags(struct vm_area_struct *vma, unsigned long set,
					    unsigned long clear)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#else
	vm_flags_mod(vma, set, clear);
#endif
}

/* A security label, as a security module returns it: @context with @len bytes. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
typedef struct {
	char *context;
	u32 len;
} bus1_label_t;
#else
typedef struct lsm_context bus1_label_t;
#endif

/* Spell the label of credentials. Fails with a negative errno, also when there is no label. */
static inline int bus1_compat_spell_label(bus1_label_t *label, const struct cred *cred)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
	u32 secid;

	security_cred_getsecid(cred, &secid);
	return security_secid_to_secctx(secid, &label->context, &label->len);
#else
	struct lsm_prop prop;

	security_cred_getlsmprop(cred, &prop);
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
	return security_lsmprop_to_secctx(&prop, label);
#else
	return security_lsmprop_to_secctx(&prop, label, LSM_ID_UNDEF);
#endif
#endif
}

static inline void bus1_compat_release_label(bus1_label_t *label)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
	security_release_secctx(label->context, label->len);
#else
	security_release_secctx(label);
#endif
}

#endif /* __BUS1_COMPAT_H */
