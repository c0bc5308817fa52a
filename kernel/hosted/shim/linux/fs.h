/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include_next <linux/fs.h>
#include <linux/refcount.h>

/* An open file: a descriptor of this process that is closed with the last reference. */
struct file {
	refcount_t count;
	int fd;
};

/* Make a file that owns fd. Returns NULL when memory runs out; then the caller still owns fd. */
struct file *shim_file_new(int fd);

static inline struct file *get_file(struct file *file)
{
	refcount_inc(&file->count);
	return file;
}
