// SPDX-License-Identifier: GPL-2.0-only
/*
 * Maps from IDs to objects, see map.h
 */

#include <linux/container_of.h>
#include <linux/bus1.h>
#include "map.h"

void bus1_map_init(struct bus1_map *map)
{
	map->tree = RB_ROOT;
	map->last = NULL;
	map->last_id = 0;
}

/* Give the next ID to an object without an ID. This ID is the greatest, so there is no search. */
void bus1_map_add(struct bus1_map *map, struct bus1_object *object)
{
	struct rb_node **slot = map->last ? &map->last->rb_right : &map->tree.rb_node;

	map->last_id = (map->last_id + 2) | BUS1_MANAGED;
	object->id = map->last_id;
	rb_link_node(&object->rb, map->last, slot);
	rb_insert_color(&object->rb, &map->tree);
	map->last = &object->rb;
}

void bus1_map_remove(struct bus1_map *map, struct bus1_object *object)
{
	if (map->last == &object->rb)
		map->last = rb_prev(&object->rb);
	rb_erase(&object->rb, &map->tree);
}

/* The first object whose ID is not below @first; or NULL. */
struct bus1_object *bus1_map_from(const struct bus1_map *map, u64 first)
{
	struct rb_node *rb = map->tree.rb_node, *found = NULL;

	while (rb) {
		if (bus1_object_from_rb(rb)->id >= first) {
			found = rb;
			rb = rb->rb_left;
		} else {
			rb = rb->rb_right;
		}
	}
	return bus1_object_from_rb(found);
}
