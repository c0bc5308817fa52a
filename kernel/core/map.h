/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_MAP_H
#define __BUS1_MAP_H

/*
 * Maps from IDs to objects
 *
 * IDs are given out in ascending order, and none is given out twice. So the objects of a peer that
 * are left after a while can have IDs that are far apart. The map is a tree whose links are part of
 * the objects: it needs no memory of its own, no matter which objects are left, and adding an
 * object cannot fail. (Peers of 2016 have maps of another kind, see v2016-peer.h.)
 *
 * The caller serialises everything here.
 */

#include <linux/rbtree.h>
#include <linux/types.h>

enum bus1_object_state {
	BUS1_OBJECT_NEW,    /* about to be created; or a handle in flight */
	BUS1_OBJECT_HELD,   /* the ID names it */
	BUS1_OBJECT_MARKED, /* like HELD, while a release command collects its arguments */
	BUS1_OBJECT_GONE,   /* the ID has ended, or the user will never see it */
};

/**
 * struct bus1_object - a node or a handle, which an ID can name
 * @rb:		link in the map while it is there
 * @id:		ID, also after it has ended; BUS1_INVALID before the object gets one
 * @state:	see above
 * @is_node:	it is part of a struct bus1_node, else of a struct bus1_handle
 *
 * The lock of its peer protects it. A handle in flight that has no ID yet belongs to the sender
 * until the message is queued, and then to the receiver.
 */
struct bus1_object {
	struct rb_node rb;
	u64 id;
	enum bus1_object_state state;
	bool is_node;
};

/**
 * struct bus1_map - objects by ID
 * @tree:	the objects
 * @last:	the object with the greatest ID; NULL when there is none
 * @last_id:	the last ID that was given out
 */
struct bus1_map {
	struct rb_root tree;
	struct rb_node *last;
	u64 last_id;
};

static inline struct bus1_object *bus1_object_from_rb(struct rb_node *rb)
{
	return rb ? rb_entry(rb, struct bus1_object, rb) : NULL;
}

/* The object with an ID, in any state; or NULL. */
static inline struct bus1_object *bus1_map_find(const struct bus1_map *map, u64 id)
{
	struct rb_node *rb = map->tree.rb_node;

	while (rb) {
		struct bus1_object *object = bus1_object_from_rb(rb);

		if (object->id == id)
			return object;
		rb = id < object->id ? rb->rb_left : rb->rb_right;
	}
	return NULL;
}

void bus1_map_init(struct bus1_map *map);
void bus1_map_add(struct bus1_map *map, struct bus1_object *object);
void bus1_map_remove(struct bus1_map *map, struct bus1_object *object);
struct bus1_object *bus1_map_from(const struct bus1_map *map, u64 first);

/* The object with the least ID; or NULL. */
static inline struct bus1_object *bus1_map_first(const struct bus1_map *map)
{
	return bus1_object_from_rb(rb_first(&map->tree));
}

/* The object with the next greater ID; or NULL. */
static inline struct bus1_object *bus1_map_next(const struct bus1_object *object)
{
	return bus1_object_from_rb(rb_next(&object->rb));
}

#endif /* __BUS1_MAP_H */
