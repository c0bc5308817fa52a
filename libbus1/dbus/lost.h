/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the program had in the former bus, and does not have in this one: fn is told, see restore.h
 */

#include "libbus1/dbus/membership.h"

struct lost_list {
        struct bus1_dbus_lost *items;
        size_t n;
        bool incomplete; /* there was no memory for more */
};

/* path and error can be NULL. */
void lost_add(struct lost_list *list, enum bus1_dbus_lost_kind kind, const char *what,
              const char *path, uint64_t handle, const char *error);
/* Forget what was lost so far: all, or only what will be asked for again when the program joins. */
void lost_forget(struct lost_list *list);
void lost_forget_tried(struct lost_list *list, struct bus1_dbus *bus);
/* The same for names that the program would wait for, but has released since. */
void lost_forget_released(struct lost_list *list, struct bus1_dbus *bus);
