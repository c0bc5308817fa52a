/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <linux/slab.h>

/*
 * An array of pointers indexed by unsigned long, as a radix tree of 64-way nodes. Unlike the
 * kernel's, it has no lock of its own: callers serialise all access to one array.
 */

struct xarray {
	struct shim_xa_node *root;
	unsigned int height;
};

void xa_init(struct xarray *xa);
void xa_destroy(struct xarray *xa);
void *xa_load(struct xarray *xa, unsigned long index);
/*
 * Store an entry; NULL erases the index. Returns the old entry, or an error that xa_err() reads.
 * This never fails if the index has an entry or is reserved.
 */
void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void *xa_erase(struct xarray *xa, unsigned long index);
int xa_reserve(struct xarray *xa, unsigned long index, gfp_t gfp);
void xa_release(struct xarray *xa, unsigned long index);
int xa_err(void *entry);
/* Find the first entry from *index to max, and set *index to its index. Returns NULL if none. */
void *shim_xa_find(struct xarray *xa, unsigned long *index, unsigned long max);

#define XA_PRESENT 8U

static inline void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max,
			    unsigned int filter)
{
	return shim_xa_find(xa, index, max);
}

#define xa_for_each(xa, index, entry)                                  \
	for (index = 0, entry = shim_xa_find(xa, &index, ~0UL); entry; \
	     entry = index == ~0UL ? NULL : (++index, shim_xa_find(xa, &index, ~0UL)))
