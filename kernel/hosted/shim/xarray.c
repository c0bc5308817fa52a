// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shim: arrays of pointers
 *
 * This is a radix tree. Each level of nodes uses 6 bits of the index, and the root uses the highest
 * of the bits in use. When an index needs more bits, the tree gets a new root. A node is freed when
 * its last slot becomes empty. A reservation is a slot that holds a marker.
 */

#include <errno.h>
#include <linux/container_of.h>
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

/* Free the empty nodes on the way to an index. */
static void prune(struct xarray *xa, unsigned long index)
{
	struct shim_xa_node **path[MAX_HEIGHT], **link = &xa->root;
	unsigned int level = xa->height;

	while (level > 0 && *link) {
		path[--level] = link;
		link = (struct shim_xa_node **)&(*link)->slots[slot_of(index, level)];
	}
	for (; level < xa->height && (*path[level])->n_used == 0; level++) {
		kfree(*path[level]);
		*path[level] = NULL;
		if (level + 1 < xa->height)
			--(*path[level + 1])->n_used;
	}
	if (!xa->root)
		xa->height = 0;
}

static void clear_slot(struct xarray *xa, unsigned long index, void **slot)
{
	*slot = NULL;
	--container_of(slot - slot_of(index, 0), struct shim_xa_node, slots[0])->n_used;
	prune(xa, index);
}

/*
 * Find or make the slot at an index. Returns NULL when memory runs out. An empty slot is counted as
 * used, so the caller must fill it.
 */
static void **make_slot(struct xarray *xa, unsigned long index)
{
	struct shim_xa_node *node, **link = &xa->root;
	unsigned int level;

	while (xa->root && !fits(index, xa->height)) {
		node = kzalloc(sizeof(*node), GFP_KERNEL);
		if (!node)
			return NULL;
		node->n_used = 1;
		node->slots[0] = xa->root;
		xa->root = node;
		++xa->height;
	}
	while (!fits(index, xa->height) || xa->height == 0)
		++xa->height;

	for (level = xa->height, node = NULL; level > 0; --level) {
		if (!*link) {
			*link = kzalloc(sizeof(*node), GFP_KERNEL);
			if (!*link) {
				prune(xa, index);
				return NULL;
			}
			if (node)
				++node->n_used;
		}
		node = *link;
		link = (struct shim_xa_node **)&node->slots[slot_of(index, level - 1)];
	}
	if (!*link)
		++node->n_used;
	return (void **)link;
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
	clear_slot(xa, index, slot);
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
		clear_slot(xa, index, slot);
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

		/* Continue with the first index that belongs to the next slot of this level. */
		step = 1UL << (level * BITS);
		if ((i | (step - 1)) == ~0UL)
			break;
		i = (i | (step - 1)) + 1;
	}
	return NULL;
}

static void free_nodes(struct shim_xa_node *node, unsigned int level)
{
	for (unsigned int i = 0; level > 0 && i < SLOTS; i++)
		if (node->slots[i])
			free_nodes(node->slots[i], level - 1);
	kfree(node);
}

void xa_destroy(struct xarray *xa)
{
	if (xa->root)
		free_nodes(xa->root, xa->height - 1);
	xa_init(xa);
}
