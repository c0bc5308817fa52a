// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shim: red-black trees
 *
 * libbsd has the algorithms. As in the kernel, the callers search and link on their own. So the
 * functions of libbsd that find and insert a node are not used.
 */

#include <linux/rbtree.h>

/* Both headers have a macro of this name. This file needs that of libbsd. */
#undef RB_ROOT
#include <bsd/sys/tree.h>

static int shim_compare(const struct rb_node *a, const struct rb_node *b)
{
	return a < b ? -1 : a > b;
}

RB_GENERATE_INTERNAL(rb_root, rb_node, shim, shim_compare, static __attribute__((__unused__)))

void rb_link_node(struct rb_node *node, struct rb_node *parent, struct rb_node **link)
{
	RB_SET(node, parent, shim);
	*link = node;
}

void rb_insert_color(struct rb_node *node, struct rb_root *root)
{
	rb_root_RB_INSERT_COLOR(root, node);
}

void rb_erase(struct rb_node *node, struct rb_root *root)
{
	rb_root_RB_REMOVE(root, node);
}

struct rb_node *rb_first(const struct rb_root *root)
{
	return rb_root_RB_MINMAX((struct rb_root *)root, RB_NEGINF);
}

struct rb_node *rb_next(const struct rb_node *node)
{
	return rb_root_RB_NEXT((struct rb_node *)node);
}

struct rb_node *rb_prev(const struct rb_node *node)
{
	return rb_root_RB_PREV((struct rb_node *)node);
}
