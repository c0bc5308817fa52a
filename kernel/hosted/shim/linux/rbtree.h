/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <linux/container_of.h>
#include <linux/types.h>

/* The kernel's interface to the red-black trees of libbsd, see rbtree.c. */

struct rb_node {
	union {
		struct { /* RB_ENTRY(rb_node) of <bsd/sys/tree.h> */
			struct rb_node *rbe_left, *rbe_right, *rbe_parent;
			int rbe_color;
		} shim;
		struct {
			struct rb_node *rb_left, *rb_right;
		};
	};
};

struct rb_root {
	union {
		struct rb_node *rb_node;
		struct rb_node *rbh_root; /* the name in RB_HEAD() */
	};
};

struct rb_root_cached {
	struct rb_root rb_root;
	struct rb_node *rb_leftmost;
};

#define RB_ROOT ((struct rb_root){})
#define RB_ROOT_CACHED ((struct rb_root_cached){})
#define RB_EMPTY_ROOT(root) ((root)->rb_node == NULL)
/* A node that is its own parent is in no tree. */
#define RB_EMPTY_NODE(node) ((node)->shim.rbe_parent == (node))
#define RB_CLEAR_NODE(node) ((node)->shim.rbe_parent = (node))
#define rb_entry(ptr, type, member) container_of(ptr, type, member)

void rb_link_node(struct rb_node *node, struct rb_node *parent, struct rb_node **link);
void rb_insert_color(struct rb_node *node, struct rb_root *root);
void rb_erase(struct rb_node *node, struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);
struct rb_node *rb_first(const struct rb_root *root);

static inline struct rb_node *rb_first_cached(const struct rb_root_cached *root)
{
	return root->rb_leftmost;
}

static inline void rb_insert_color_cached(struct rb_node *node, struct rb_root_cached *root,
					  bool leftmost)
{
	if (leftmost)
		root->rb_leftmost = node;
	rb_insert_color(node, &root->rb_root);
}

static inline void rb_erase_cached(struct rb_node *node, struct rb_root_cached *root)
{
	if (root->rb_leftmost == node)
		root->rb_leftmost = rb_next(node);
	rb_erase(node, &root->rb_root);
}
