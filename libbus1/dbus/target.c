/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libbus1/dbus/tree.h"

struct target target_at_path(struct bus1_dbus *bus, const char *path) {
        return (struct target){bus, tree_find_object(bus, path), path};
}

struct target target_of_object(struct bus1_dbus_object *object) {
        return (struct target){object->bus, object, bus1_dbus_object_get_path(object)};
}

/* walking */

void walk_begin(struct walk *walk, const struct target *target, const char *name) {
        *walk = (struct walk){.target = target, .name = name};
}

/* Find the next interface, without asking find. Sets *ret_fallback to NULL for an object's own. */
static bool walk_step(struct walk *walk, struct fallback **ret_fallback) {
        const struct target *target = walk->target;

        if (!walk->began) {
                walk->began = true;
                walk->next = target->object ? target->object->interfaces : NULL;
                if (!target->object || target->object->path)
                        walk->branch = tree_find_nearest(target->bus, target->path);
                walk->next_fallback = walk->branch ? walk->branch->fallbacks : NULL;
        }
        *ret_fallback = NULL;
        if (walk->next) {
                walk->interface = walk->next;
                walk->next = walk->next->next;
                return true;
        }
        while (walk->branch && !walk->next_fallback) {
                walk->branch = walk->branch->parent;
                walk->next_fallback = walk->branch ? walk->branch->fallbacks : NULL;
        }
        if (!walk->next_fallback)
                return false;
        *ret_fallback = walk->next_fallback;
        walk->interface = walk->next_fallback->interface;
        walk->next_fallback = walk->next_fallback->next;
        return true;
}

static int fallback_find(const struct fallback *fallback, const struct target *target,
                         void **ret_found, DBusError *error) {
        const struct interface *interface = fallback->interface;
        DBusError own = DBUS_ERROR_INIT;
        int r;

        *ret_found = interface->userdata;
        if (!fallback->find)
                return 1;
        r = fallback->find(target->bus, target->path, interface->name, interface->userdata,
                           ret_found, &own);
        if (r >= 0 && dbus_error_is_set(&own))
                r = -EIO;
        if (dbus_error_is_set(&own) && error && !dbus_error_is_set(error))
                dbus_move_error(&own, error);
        dbus_error_free(&own);
        return r;
}

int walk_next(struct walk *walk, enum member_kind kind, const char *member, DBusError *error) {
        struct fallback *fallback;
        int r;

        while (walk_step(walk, &fallback)) {
                if (walk->name && strcmp(walk->name, walk->interface->name) != 0)
                        continue;
                if (member && !table_find(walk->interface->table, kind, member))
                        continue;
                walk->userdata = walk->interface->userdata;
                r = fallback ? fallback_find(fallback, walk->target, &walk->userdata, error) : 1;
                if (r != 0)
                        return r < 0 ? r : 1;
        }
        return 0;
}

int walk_is_first(const struct walk *walk, DBusError *error) {
        struct walk before;
        int r;

        if (walk->interface->table->flags & BUS1_DBUS_VTABLE_HIDDEN)
                return 0;
        walk_begin(&before, walk->target, walk->interface->name);
        while ((r = walk_next(&before, MEMBER_METHOD, NULL, error)) > 0) {
                if (before.interface == walk->interface)
                        return 1;
                if (!(before.interface->table->flags & BUS1_DBUS_VTABLE_HIDDEN))
                        return 0;
        }
        return r;
}

int target_exists(const struct target *target, DBusError *error) {
        struct walk walk;

        if (target->object)
                return 1;
        walk_begin(&walk, target, NULL);
        return walk_next(&walk, MEMBER_METHOD, NULL, error);
}

int target_find_member(const struct target *target, const char *name, enum member_kind kind,
                       const char *member, struct walk *ret_walk, const struct member **ret_member,
                       DBusError *error) {
        int r;

        walk_begin(ret_walk, target, name);
        r = walk_next(ret_walk, kind, member, error);
        if (r > 0)
                *ret_member = table_find(ret_walk->interface->table, kind, member);
        return r;
}

void *member_userdata(const struct member *member, void *userdata) {
        if (member->flags & BUS1_DBUS_VTABLE_ABSOLUTE_OFFSET)
                return (void *)(uintptr_t)member->offset;
        /* with a userdata of NULL, an offset of 0 is usual, and another one is on purpose */
        return (void *)((uintptr_t)userdata + member->offset);
}

/* enumerating */

void paths_free(struct paths *paths) {
        for (size_t i = 0; i < paths->n; i++)
                free(paths->items[i]);
        free(paths->items);
}

int paths_add(struct paths *paths, const char *path, size_t n) {
        char **items;

        if (paths->n == paths->n_allocated) {
                size_t more = paths->n_allocated ? paths->n_allocated * 2 : 16;

                items = realloc(paths->items, more * sizeof(*items));
                if (!items)
                        return -ENOMEM;
                paths->items = items;
                paths->n_allocated = more;
        }
        paths->items[paths->n] = strndup(path, n);
        if (!paths->items[paths->n])
                return -ENOMEM;
        paths->n++;
        return 0;
}

static int path_compare(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

void paths_sort(struct paths *paths) {
        size_t n = 0;

        if (paths->n == 0)
                return;
        qsort(paths->items, paths->n, sizeof(*paths->items), path_compare);
        for (size_t i = 1; i < paths->n; i++) {
                if (strcmp(paths->items[i], paths->items[n]) == 0)
                        free(paths->items[i]);
                else
                        paths->items[++n] = paths->items[i];
        }
        paths->n = n + 1;
}

static int add_enumerated(struct paths *paths, struct bus1_dbus *bus,
                          const struct enumerator *enumerator, const char *path, DBusError *error) {
        DBusError own = DBUS_ERROR_INIT;
        char **found = NULL;
        int r;

        r = enumerator->fn(bus, enumerator->prefix, enumerator->userdata, &found, &own);
        if (r >= 0)
                r = dbus_error_is_set(&own) ? -EIO : 0;
        if (dbus_error_is_set(&own) && error && !dbus_error_is_set(error))
                dbus_move_error(&own, error);
        dbus_error_free(&own);
        for (char **p = found; p && *p; p++) {
                if (r == 0 && dbus_validate_path(*p, NULL) && path_below(enumerator->prefix, *p) &&
                    path_below(path, *p))
                        r = paths_add(paths, *p, strlen(*p));
                free(*p);
        }
        free(found);
        return r;
}

int paths_enumerate(struct paths *paths, struct bus1_dbus *bus, const char *path, bool deeper,
                    DBusError *error) {
        struct branch *nearest = tree_find_nearest(bus, path), *b;
        int r = 0;

        if (bus->n_enumerators == 0)
                return 0;
        for (b = nearest; b && r == 0; b = b->parent)
                for (struct enumerator *e = b->enumerators; e && r == 0; e = e->next)
                        r = add_enumerated(paths, bus, e, path, error);
        if (!deeper || !nearest || strcmp(nearest->path, path) != 0)
                return r;
        for (b = tree_next(nearest, nearest, true); b && r == 0; b = tree_next(nearest, b, true))
                for (struct enumerator *e = b->enumerators; e && r == 0; e = e->next)
                        r = add_enumerated(paths, bus, e, path, error);
        return r;
}
