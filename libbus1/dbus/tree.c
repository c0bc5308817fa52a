/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/tree.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* The length of the path above; 0 for "/". */
static size_t path_parent_length(const char *path, size_t n) {
        if (n <= 1)
                return 0;
        while (path[n - 1] != '/')
                n--;
        return n > 1 ? n - 1 : 1;
}

static struct branch *tree_find_length(struct bus1_dbus *bus, const char *path, size_t n) {
        struct branch *branch;

        HASH_FIND(hh, bus->tree, path, n, branch);
        return branch;
}

static struct branch *tree_add(struct bus1_dbus *bus, const char *path, size_t n,
                               struct branch *parent) {
        struct branch *branch;

        branch = calloc(1, sizeof(*branch));
        if (!branch)
                return NULL;
        branch->path = strndup(path, n);
        if (branch->path)
                HASH_ADD_KEYPTR(hh, bus->tree, branch->path, n, branch);
        if (!branch->hh.tbl) {
                free(branch->path);
                free(branch);
                return NULL;
        }
        branch->parent = parent;
        if (parent)
                DL_APPEND(parent->children, branch);
        return branch;
}

struct branch *tree_grow(struct bus1_dbus *bus, const char *path) {
        struct branch *branch = tree_find_nearest(bus, path), *next;
        size_t n_path = strlen(path), n;

        while (!branch || strlen(branch->path) < n_path) {
                n = branch ? path_below(branch->path, path) - path : 1;
                if (branch)
                        n += strcspn(path + n, "/");
                next = tree_add(bus, path, n, branch);
                if (!next) {
                        tree_prune(bus, branch);
                        return NULL;
                }
                branch = next;
        }
        return branch;
}

void tree_prune(struct bus1_dbus *bus, struct branch *branch) {
        struct branch *parent;

        while (branch && !branch->children && !branch->object && !branch->fallbacks &&
               !branch->enumerators) {
                parent = branch->parent;
                if (parent)
                        DL_DELETE(parent->children, branch);
                HASH_DELETE(hh, bus->tree, branch);
                free(branch->path);
                free(branch);
                branch = parent;
        }
}

struct branch *tree_find(struct bus1_dbus *bus, const char *path) {
        return tree_find_length(bus, path, strlen(path));
}

struct branch *tree_find_nearest(struct bus1_dbus *bus, const char *path) {
        struct branch *branch = NULL;

        for (size_t n = strlen(path); n > 0 && !branch && bus->tree;
             n = path_parent_length(path, n))
                branch = tree_find_length(bus, path, n);
        return branch;
}

struct bus1_dbus_object *tree_find_object(struct bus1_dbus *bus, const char *path) {
        struct branch *branch = tree_find(bus, path);

        return branch ? branch->object : NULL;
}

struct branch *tree_next(const struct branch *top, struct branch *branch, bool deeper) {
        if (deeper && branch->children)
                return branch->children;
        while (branch != top && !branch->next)
                branch = branch->parent;
        return branch == top ? NULL : branch->next;
}

const char *path_below(const char *path, const char *candidate) {
        size_t n = strcmp(path, "/") == 0 ? 0 : strlen(path);

        if (strncmp(candidate, path, n) != 0 || candidate[n] != '/' || candidate[n + 1] == 0)
                return NULL;
        return candidate + n + 1;
}
