/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/dropin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/bus1ctl/output.h"
#include "tools/bus1ctl/tree.h"

struct list {
        const char *root;
        struct dropin *items;
        size_t n;
};

static void list_clear(struct list *list) {
        dropins_free(list->items, list->n);
}

/* The file in the directory that comes first counts. */
static bool has_name(const struct list *list, const char *name) {
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->items[i].name, name) == 0)
                        return true;
        return false;
}

static void note_key(void *userdata, const char *key, const char *value) {
        FILE *f = userdata;

        (void)value;
        fprintf(f, "%s%s=", ftell(f) > 0 ? ", " : "", key);
}

static int add(struct list *list, const char *directory, const char *name) {
        struct dropin item = {};
        size_t size;
        FILE *f;
        int r;

        check_memory(asprintf(&item.path, "%s/%s", directory, name) >= 0);
        item.name = strrchr(item.path, '/') + 1;
        f = open_memstream(&item.keys, &size);
        check_memory(f);
        r = unit_read_settings(list->root, item.path, note_key, f);
        check_memory(fclose(f) == 0);
        APPEND(list->items, list->n, item);
        /* A link to /dev/null masks other files of this name, and so does what systemd skips. */
        return r == -ENOENT || r == -ENODATA ? 0 : r;
}

static int add_directory(struct list *list, const char *directory) {
        int fd = tree_open(list->root, directory, O_RDONLY | O_DIRECTORY), r = 0;
        struct dirent *entry;
        DIR *d;

        if (fd < 0)
                return fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;
        d = fdopendir(fd);
        check_memory(d);
        while (r >= 0 && (entry = readdir(d))) {
                const char *dot = strrchr(entry->d_name, '.');

                if (dot && dot != entry->d_name && strcmp(dot, ".conf") == 0 &&
                    !has_name(list, entry->d_name))
                        r = add(list, directory, entry->d_name);
        }
        closedir(d);
        return r;
}

/*
 * The directories of a name: a-b.service.d, then a-.service.d, and last, for all services,
 * service.d.
 */
static int add_name(struct list *list, enum unit_scope scope, const char *name) {
        CLEANUP_FREE char *part = copy_text(name);
        const char *type = strrchr(name, '.');
        int r = 0;

        while (r >= 0 && type) {
                char *dash;

                for (const char *const *top = unit_search_path(scope); r >= 0 && *top; top++) {
                        CLEANUP_FREE char *directory = NULL;

                        check_memory(asprintf(&directory, "%s/%s.d", *top, part) >= 0);
                        r = add_directory(list, directory);
                }
                if (strcmp(part, type + 1) == 0)
                        break;
                /* the next shorter prefix, without the dash at its end */
                part[strlen(part) - strlen(type)] = '\0';
                if (*part && part[strlen(part) - 1] == '-')
                        part[strlen(part) - 1] = '\0';
                dash = strrchr(part, '-');
                if (dash)
                        strcpy(dash + 1, type);
                else
                        strcpy(part, type + 1);
        }
        return r;
}

static int compare(const void *a, const void *b) {
        const struct dropin *x = a, *y = b;

        return strcmp(x->name, y->name);
}

int dropins_list(const char *root, enum unit_scope scope, const char *const names[],
                 struct dropin **ret_dropins, size_t *ret_n) {
        CLEANUP(list_clear) struct list list = {.root = root};
        int r = 0;

        for (size_t i = 0; r >= 0 && names[i]; i++)
                r = add_name(&list, scope, names[i]);
        if (r < 0)
                return r;
        if (list.n > 1)
                qsort(list.items, list.n, sizeof(*list.items), compare);
        *ret_dropins = list.items;
        *ret_n = list.n;
        list = (struct list){};
        return 0;
}

void dropins_free(struct dropin *dropins, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(dropins[i].path);
                free(dropins[i].keys);
        }
        free(dropins);
}
