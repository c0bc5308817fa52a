/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The service table: loading it reads the *.service files of all directories, then sorts them so
 * that for each name the file that counts comes first
 */

#include "bridge/activation/service-table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "bridge/base/owner.h"
#include "policy/array.h"

#define SUFFIX ".service"
/*
 * Most file systems take times from a clock that ticks every 10 ms or more often. If a file changes
 * after it was read, but within the same tick, its stamp may stay the same.
 */
#define SETTLED_NS INT64_C(20000000)

struct found {
        struct service *service;
        size_t directory;
};

struct loader {
        struct service_table *table;
        struct found *found;
        size_t n_found;
};

/* warnings */

#define WARN(table, ...)                                                             \
        ({                                                                           \
                char *text_;                                                         \
                if (asprintf(&text_, __VA_ARGS__) < 0)                               \
                        text_ = NULL;                                                \
                policy_append_text(&(table)->warnings, &(table)->n_warnings, text_); \
        })

/* Is it a lack of memory or descriptors? Other errors concern only one file or directory. */
static bool is_shortage(int r) {
        return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

/* stamps */

/* The stamp of a file or directory; 0 if stat() fails, for example because there is none. */
static uint64_t stamp(const char *path) {
        struct stat st;

        return stat(path, &st) < 0 ? 0 : bus_config_stamp(&st);
}

/*
 * The stamp of a file or directory that is about to be read; 0 if stat() fails. If it has just
 * changed, return a stamp that no file has, so that the table is not current, and it is read once
 * more.
 */
static uint64_t stamp_to_read(int fd, const char *name) {
        struct timespec now;
        struct stat st;
        int64_t age;

        if (fstatat(fd, name, &st, 0) < 0)
                return 0;
        clock_gettime(CLOCK_REALTIME, &now);
        age = (now.tv_sec - st.st_ctim.tv_sec) * INT64_C(1000000000) + now.tv_nsec -
              st.st_ctim.tv_nsec;
        return bus_config_stamp(&st) & ~(uint64_t)(age > -SETTLED_NS && age < SETTLED_NS);
}

/* files */

/*
 * Warn about a file with the wrong name if it must be left out, or if the service helper will not
 * find it. Returns 1 if it must be left out.
 */
static int check_misnamed(struct service_table *table, const struct bus_servicedir *directory,
                          const struct service *service) {
        bool is_runtime = directory->kind == SERVICEDIR_RUNTIME;
        int r;

        if (!service->misnamed || (!is_runtime && !table->has_servicehelper))
                return 0;
        r = WARN(table, "%s: Should be named %s" SUFFIX "%s", service->path, service->name,
                 is_runtime ? "; left out" : ", or the service helper will not find it");
        return r < 0 ? r : is_runtime;
}

static int leave_out(struct service_table *table, size_t directory, const char *file_name,
                     uint64_t file_stamp) {
        struct service_left_out left_out = {.stamp = file_stamp};
        int r;

        if (asprintf(&left_out.path, "%s/%s", table->directories[directory].path, file_name) < 0)
                return -ENOMEM;
        r = POLICY_ARRAY_APPEND(table->left_out, table->n_left_out, left_out);
        if (r < 0)
                free(left_out.path);
        return r;
}

static int add_file(struct loader *loader, size_t directory, int fd, const char *file_name) {
        const struct bus_servicedir *servicedir = &loader->table->directories[directory];
        struct found found = {.directory = directory};
        uint64_t file_stamp = stamp_to_read(fd, file_name);
        char *error;
        int r;

        r = service_file_read(fd, servicedir->path, file_name, servicedir->kind != SERVICEDIR_FIXED,
                              &found.service, &error);
        if (is_shortage(r)) {
                free(error);
                return r;
        }
        if (r < 0) {
                r = policy_append_text(&loader->table->warnings, &loader->table->n_warnings, error);
                return r < 0 ? r : leave_out(loader->table, directory, file_name, file_stamp);
        }
        r = check_misnamed(loader->table, servicedir, found.service);
        if (r == 0) {
                r = POLICY_ARRAY_APPEND(loader->found, loader->n_found, found);
                if (r == 0)
                        return 0;
        }
        service_free(found.service);
        return r < 0 ? r : leave_out(loader->table, directory, file_name, file_stamp);
}

/* directories */

static int is_service_file(const struct dirent *entry) {
        size_t n = strlen(entry->d_name), k = strlen(SUFFIX);

        return n >= k && strcmp(entry->d_name + n - k, SUFFIX) == 0;
}

static int add_files(struct loader *loader, size_t index, int fd) {
        struct dirent **entries;
        int n, r = 0;

        loader->table->stamps[index] = stamp_to_read(fd, ".");
        n = scandirat(fd, ".", &entries, is_service_file, NULL);
        if (n < 0)
                return -errno;
        for (int i = 0; i < n; i++) {
                if (r >= 0 && i < SERVICE_TABLE_FILES_MAX)
                        r = add_file(loader, index, fd, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        if (r >= 0 && n > SERVICE_TABLE_FILES_MAX)
                r = WARN(loader->table, "%s: More than %d service files; the others are left out",
                         loader->table->directories[index].path, SERVICE_TABLE_FILES_MAX);
        return r;
}

/* May the services in the directory be used? Returns 0, 1 if not, or a negative errno. */
static int check_owner(const struct bus_servicedir *directory, int fd, uid_t *ret_owner) {
        struct stat st;

        if (directory->kind == SERVICEDIR_FIXED)
                return 0;
        if (fstat(fd, &st) < 0)
                return -errno;
        *ret_owner = st.st_uid;
        return !owner_is_ours(st.st_uid);
}

static int add_directory(struct loader *loader, size_t index) {
        const struct bus_servicedir *directory = &loader->table->directories[index];
        const char *path = directory->path;
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        uid_t owner = 0;
        int r;

        r = fd < 0 ? -errno : check_owner(directory, fd, &owner);
        if (r > 0) {
                loader->table->stamps[index] = stamp(path);
                return WARN(loader->table,
                            "%s: Its services are left out, because it belongs to uid %u", path,
                            (unsigned)owner);
        }
        if (r >= 0)
                r = add_files(loader, index, fd);
        if (r >= 0 || is_shortage(r))
                return r;
        loader->table->stamps[index] = stamp(path);
        return r == -ENOENT ? 0 : WARN(loader->table, "%s: %s", path, strerror(-r));
}

static int copy_directories(struct service_table *table, const struct bus_servicedir *directories,
                            size_t n) {
        table->directories = calloc(n + 1, sizeof(*table->directories));
        table->stamps = calloc(n + 1, sizeof(*table->stamps));
        if (!table->directories || !table->stamps)
                return -ENOMEM;
        for (; table->n_directories < n; table->n_directories++) {
                struct bus_servicedir *copy = &table->directories[table->n_directories];

                copy->path = strdup(directories[table->n_directories].path);
                if (!copy->path)
                        return -ENOMEM;
                copy->kind = directories[table->n_directories].kind;
        }
        return 0;
}

/* precedence */

static int compare(const void *left, const void *right) {
        const struct found *a = left, *b = right;
        int r = strcmp(a->service->name, b->service->name);

        if (r)
                return r;
        if (a->directory != b->directory)
                return a->directory < b->directory ? -1 : 1;
        if (a->service->misnamed != b->service->misnamed)
                return a->service->misnamed ? 1 : -1;
        return strcmp(a->service->path, b->service->path);
}

/* For each name, move the service that counts to the table. */
static int choose(struct loader *loader) {
        struct service_table *table = loader->table;
        const struct service *last = NULL;
        size_t last_directory = 0;
        int r = 0;

        table->services = calloc(loader->n_found + 1, sizeof(*table->services));
        if (!table->services)
                return -ENOMEM;
        if (loader->n_found)
                qsort(loader->found, loader->n_found, sizeof(*loader->found), compare);
        for (size_t i = 0; i < loader->n_found && r >= 0; i++) {
                struct found *found = &loader->found[i];

                if (!last || strcmp(last->name, found->service->name) != 0) {
                        last = found->service;
                        last_directory = found->directory;
                        table->services[table->n_services++] = found->service;
                        found->service = NULL;
                } else if (last_directory == found->directory)
                        r = WARN(table, "%s: Left out, because %s is for the same name",
                                 found->service->path, last->path);
        }
        return r;
}

/* the table */

static int load(struct service_table *table) {
        struct loader loader = {.table = table};
        int r = 0;

        for (size_t i = 0; i < table->n_directories && r >= 0; i++)
                r = add_directory(&loader, i);
        if (r >= 0)
                r = choose(&loader);
        for (size_t i = 0; i < loader.n_found; i++)
                service_free(loader.found[i].service);
        free(loader.found);
        return r;
}

static void table_freep(struct service_table **table) {
        service_table_free(*table);
}

static int table_new(const struct bus_servicedir *directories, size_t n, bool has_servicehelper,
                     struct service_table **ret_table) {
        CLEANUP(table_freep) struct service_table *table = calloc(1, sizeof(*table));
        int r;

        if (!table)
                return -ENOMEM;
        table->has_servicehelper = has_servicehelper;
        r = copy_directories(table, directories, n);
        if (r >= 0)
                r = load(table);
        if (r < 0)
                return r;
        *ret_table = steal_ptr(&table);
        return 0;
}

int service_table_load(const struct bus_config *config, struct service_table **ret_table) {
        return table_new(config->servicedirs, config->n_servicedirs, config->servicehelper != NULL,
                         ret_table);
}

struct service_table *service_table_free(struct service_table *table) {
        if (!table)
                return NULL;
        for (size_t i = 0; i < table->n_services; i++)
                service_free(table->services[i]);
        free(table->services);
        for (size_t i = 0; i < table->n_directories; i++)
                free(table->directories[i].path);
        free(table->directories);
        free(table->stamps);
        for (size_t i = 0; i < table->n_left_out; i++)
                free(table->left_out[i].path);
        free(table->left_out);
        for (size_t i = 0; i < table->n_warnings; i++)
                free(table->warnings[i]);
        free(table->warnings);
        free(table);
        return NULL;
}

/* use */

static int compare_name(const void *name, const void *item) {
        const struct service *const *service = item;

        return strcmp(name, (*service)->name);
}

const struct service *service_table_find(const struct service_table *table, const char *name) {
        struct service **service;

        service = bsearch(name, table->services, table->n_services, sizeof(*table->services),
                          compare_name);
        return service ? *service : NULL;
}

bool service_table_is_current(const struct service_table *table, const char *name) {
        const struct service *service = service_table_find(table, name);

        if (service)
                return stamp(service->path) == service->stamp;
        for (size_t i = 0; i < table->n_directories; i++)
                if (stamp(table->directories[i].path) != table->stamps[i])
                        return false;
        for (size_t i = 0; i < table->n_left_out; i++)
                if (stamp(table->left_out[i].path) != table->left_out[i].stamp)
                        return false;
        return true;
}
