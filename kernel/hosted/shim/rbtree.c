// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shim: red-black trees
 *
 * The textbook algorithm over parent pointers. A missing child counts as black, which is why the
 * repair after a removal carries the parent along.
 */

#include <linux/rbtree.h>

static bool is_red(const struct rb_node *node)
{
	return node && node->shim_red;
}

static void replace_child(struct rb_root *root, struct rb_node *parent, struct rb_node *from,
			  struct rb_node *to)
{
	if (!parent)
		root->rb_node = to;
	else if (parent->rb_left == from)
		parent->rb_left = to;
	else
		parent->rb_right = to;
	if (to)
		to->shim_parent = parent;
}

/* Rotate: the right (or left) child of node takes the place of node, and node goes below it. */
static void rotate(struct rb_root *root, struct rb_node *node, bool left)
{
	struct rb_node *up = left ? node->rb_right : node->rb_left;
	struct rb_node *inner = left ? up->rb_left : up->rb_right;

	replace_child(root, node->shim_parent, node, up);
	if (left) {
		node->rb_right = inner;
		up->rb_left = node;
	} else {
		node->rb_left = inner;
		up->rb_right = node;
	}
	if (inner)
		inner->shim_parent = node;
	node->shim_parent = up;
}

void rb_insert_color(struct rb_node *node, struct rb_root *root)
{
	while (is_red(node->shim_parent)) {
		struct rb_node *parent = node->shim_parent;
		struct rb_node *grand = parent->shim_parent;
		bool left = parent == grand->rb_left;
		struct rb_node *uncle = left ? grand->rb_right : grand->rb_left;

		if (is_red(uncle)) {
			parent->shim_red = false;
			uncle->shim_red = false;
			grand->shim_red = true;
			node = grand;
			continue;
		}

		if (node == (left ? parent->rb_right : parent->rb_left)) {
			rotate(root, parent, left);
			parent = node;
		}
		parent->shim_red = false;
		grand->shim_red = true;
		rotate(root, grand, !left);
		break;
	}
	root->rb_node->shim_red = false;
}

/* Repair the tree when the paths through node, a child of parent, have one black node too few. */
static void repair_erase(struct rb_root *root, struct rb_node *node, struct rb_node *parent)
{
	while (parent && !is_red(node)) {
		bool left = node == parent->rb_left;
		struct rb_node *sibling = left ? parent->rb_right : parent->rb_left;
		struct rb_node *inner, *outer;

		if (is_red(sibling)) {
			sibling->shim_red = false;
			parent->shim_red = true;
			rotate(root, parent, left);
			sibling = left ? parent->rb_right : parent->rb_left;
		}

		inner = left ? sibling->rb_left : sibling->rb_right;
		outer = left ? sibling->rb_right : sibling->rb_left;
		if (!is_red(inner) && !is_red(outer)) {
			sibling->shim_red = true;
			node = parent;
			parent = node->shim_parent;
			continue;
		}

		if (!is_red(outer)) {
			inner->shim_red = false;
			sibling->shim_red = true;
			rotate(root, sibling, !left);
			outer = sibling;
			sibling = inner;
		}
		sibling->shim_red = parent->shim_red;
		parent->shim_red = false;
		outer->shim_red = false;
		rotate(root, parent, left);
		return;
	}
	if (node)
		node->shim_red = false;
}

void rb_erase(struct rb_node *node, struct rb_root *root)
{
	struct rb_node *child, *parent;
	bool removed_red;

	if (node->rb_left && node->rb_right) {
		/* The successor has no left child. It takes the place and colour of the node. */
		struct rb_node *next = node->rb_right;

		while (next->rb_left)
			next = next->rb_left;

		child = next->rb_right;
		parent = next->shim_parent;
		removed_red = next->shim_red;

		if (parent == node) {
			parent = next;
		} else {
			replace_child(root, parent, next, child);
			next->rb_right = node->rb_right;
			next->rb_right->shim_parent = next;
		}
		replace_child(root, node->shim_parent, node, next);
		next->rb_left = node->rb_left;
		next->rb_left->shim_parent = next;
		next->shim_red = node->shim_red;
	} else {
		child = node->rb_left ? node->rb_left : node->rb_right;
		parent = node->shim_parent;
		removed_red = node->shim_red;
		replace_child(root, parent, node, child);
	}

	if (!removed_red)
		repair_erase(root, child, parent);
}

struct rb_node *rb_first(const struct rb_root *root)
{
	struct rb_node *node = root->rb_node;

	while (node && node->rb_left)
		node = node->rb_left;
	return node;
}

struct rb_node *rb_next(const struct rb_node *node)
{
	struct rb_node *parent;

	if (node->rb_right) {
		node = node->rb_right;
		while (node->rb_left)
			node = node->rb_left;
		return (struct rb_node *)node;
	}

	for (parent = node->shim_parent; parent && node == parent->rb_right;
	     parent = node->shim_parent)
		node = parent;
	return parent;
}
