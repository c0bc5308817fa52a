// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shim: arrays of pointers
 *
 * A radix tree: each level of nodes consumes 6 bits of the index, the root the highest ones in use.
 * The tree grows upwards as higher indices are stored; a node is freed when its last slot empties,
 * so memory follows the number of entries. A reservation is a slot that holds a marker.
 */

#include <errno.h>
#include <linux/bug.h>
#include <linux/err.h>
#include <linux/xarray.h>

#define BITS 6
#define SLOTS (1u << BITS)
#define MAX_HEIGHT ((64 + BITS - 1) / BITS)

struct shim_xa_node {
	unsigned int n_used;
	void *slots[SLOTS];
};

static char reserved;

static unsigned int slot_of(unsigned long index, unsigned int level)
{
	return (index >> (level * BITS)) % SLOTS;
}

static bool fits(unsigned long index, unsigned int height)
{
	return height >= MAX_HEIGHT || index >> (height * BITS) == 0;
}

void xa_init(struct xarray *xa)
{
	xa->root = NULL;
	xa->height = 0;
}

int xa_err(void *entry)
{
	return IS_ERR(entry) ? (int)PTR_ERR(entry) : 0;
}

static void **find_slot(struct xarray *xa, unsigned long index)
{
	struct shim_xa_node *node = xa->root;
	unsigned int level;

	if (!node || !fits(index, xa->height))
		return NULL;
	for (level = xa->height - 1; level > 0; --level) {
		node = node->slots[slot_of(index, level)];
		if (!node)
			return NULL;
	}
	return &node->slots[slot_of(index, 0)];
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	void **slot = find_slot(xa, index);

	return slot && *slot != &reserved ? *slot : NULL;
}

/* Empty a slot, and free the nodes that become empty with it. */
static void clear_slot(struct xarray *xa, unsigned long index)
{
	struct shim_xa_node *path[MAX_HEIGHT];
	struct shim_xa_node *node = xa->root;
	unsigned int level;

	for (level = xa->height - 1; level > 0; --level) {
		path[level] = node;
		node = node->slots[slot_of(index, level)];
	}
	path[0] = node;

	for (level = 0; level < xa->height; level++) {
		path[level]->slots[slot_of(index, level)] = NULL;
		if (--path[level]->n_used > 0)
			return;
		kfree(path[level]);
	}
	xa->root = NULL;
	xa->height = 0;
}

/* Find or make the slot at an index. An unused slot counts as used from now on. */
static void **make_slot(struct xarray *xa, unsigned long index)
{
	void **link, **fresh = NULL;
	struct shim_xa_node *node;
	unsigned int level;

	if (!xa->root) {
		unsigned int height = 1;

		while (!fits(index, height))
			++height;
		xa->root = kzalloc(sizeof(*node), GFP_KERNEL);
		if (!xa->root)
			return NULL;
		xa->height = height;
		fresh = (void **)&xa->root;
	}
	while (!fits(index, xa->height)) {
		node = kzalloc(sizeof(*node), GFP_KERNEL);
		if (!node)
			return NULL;
		node->n_used = 1;
		node->slots[0] = xa->root;
		xa->root = node;
		++xa->height;
	}

	node = xa->root;
	for (level = xa->height - 1; level > 0; --level) {
		link = &node->slots[slot_of(index, level)];
		if (!*link) {
			struct shim_xa_node *child = kzalloc(sizeof(*child), GFP_KERNEL);

			if (!child)
				goto error;
			*link = child;
			++node->n_used;
			if (!fresh)
				fresh = link;
		}
		node = *link;
	}

	link = &node->slots[slot_of(index, 0)];
	if (!*link)
		++node->n_used;
	return link;

error:
	/* Free the nodes that this call added: a chain, each with at most one child. */
	if (fresh) {
		struct shim_xa_node *chain = *fresh;

		if (fresh == (void **)&xa->root) {
			level = xa->height;
			xa->height = 0;
		} else {
			struct shim_xa_node *parent = xa->root;

			for (level = xa->height - 1; &parent->slots[slot_of(index, level)] != fresh;
			     --level)
				parent = parent->slots[slot_of(index, level)];
			--parent->n_used;
		}
		*fresh = NULL;
		while (chain) {
			struct shim_xa_node *child;

			--level;
			child = chain->n_used ? chain->slots[slot_of(index, level)] : NULL;
			kfree(chain);
			chain = child;
		}
	}
	return NULL;
}

static void *get_entry(void **slot)
{
	return *slot == &reserved ? NULL : *slot;
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
	void **slot = find_slot(xa, index);
	void *old;

	if (!slot || !*slot)
		return NULL;
	old = get_entry(slot);
	clear_slot(xa, index);
	return old;
}

void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	void **slot, *old;

	if (!entry)
		return xa_erase(xa, index);
	slot = make_slot(xa, index);
	if (!slot)
		return ERR_PTR(-ENOMEM);
	old = get_entry(slot);
	*slot = entry;
	return old;
}

int xa_reserve(struct xarray *xa, unsigned long index, gfp_t gfp)
{
	void **slot = make_slot(xa, index);

	if (!slot)
		return -ENOMEM;
	if (!*slot)
		*slot = &reserved;
	return 0;
}

void xa_release(struct xarray *xa, unsigned long index)
{
	void **slot = find_slot(xa, index);

	if (slot && *slot == &reserved)
		clear_slot(xa, index);
}

void *shim_xa_find(struct xarray *xa, unsigned long *index, unsigned long max)
{
	unsigned long i = *index;

	while (xa->root && fits(i, xa->height) && i <= max) {
		struct shim_xa_node *node = xa->root;
		unsigned int level = xa->height - 1;
		unsigned long step;

		while (level > 0 && node->slots[slot_of(i, level)])
			node = node->slots[slot_of(i, level--)];
		if (level == 0 && node->slots[slot_of(i, 0)] &&
		    node->slots[slot_of(i, 0)] != &reserved) {
			*index = i;
			return node->slots[slot_of(i, 0)];
		}

		/* Go on with the first index below the next slot of this level. */
		step = 1UL << (level * BITS);
		if ((i | (step - 1)) == ~0UL)
			break;
		i = (i | (step - 1)) + 1;
	}
	return NULL;
}

void xa_destroy(struct xarray *xa)
{
	struct shim_xa_node *path[MAX_HEIGHT];
	unsigned int position[MAX_HEIGHT] = {};
	unsigned int level;

	if (!xa->root)
		return;

	level = xa->height - 1;
	path[level] = xa->root;
	for (;;) {
		if (level > 0 && position[level] < SLOTS) {
			struct shim_xa_node *child = path[level]->slots[position[level]++];

			if (child) {
				path[--level] = child;
				position[level] = 0;
			}
			continue;
		}
		kfree(path[level]);
		if (++level == xa->height)
			break;
	}
	xa_init(xa);
}
