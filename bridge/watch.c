/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/container-of.h"
#include "policy/array.h"
#include "policy/identity.h"

/*
 * Inotify watches the directories of the files, because editors and package managers replace a file
 * by renaming a new one. A new file is reported when its writer closes it or when it is renamed, a
 * new directory when it is made or renamed.
 */
#define DIRECTORY_GOES (IN_DELETE_SELF | IN_MOVE_SELF)
#define FILE_EVENTS (IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | DIRECTORY_GOES)
#define DIRECTORY_EVENTS (IN_CREATE | IN_MOVED_TO | DIRECTORY_GOES)

static bool has_suffix(const char *name, const char *suffix) {
        size_t n = strlen(name), k = strlen(suffix);

        return n > k && strcmp(name + n - k, suffix) == 0;
}

static struct watch_directory *find(struct watch_directory *directories, size_t n, int wd) {
        for (size_t i = 0; i < n; i++)
                if (directories[i].wd == wd)
                        return &directories[i];
        return NULL;
}

static bool has_name(const struct watch_directory *directory, const char *name) {
        for (size_t i = 0; i < directory->n_names; i++)
                if (strcmp(directory->names[i], name) == 0)
                        return true;
        return false;
}

static bool is_of_users(const struct watch *watch, const struct inotify_event *event) {
        return event->wd == watch->users_wd &&
               (strcmp(event->name, "passwd") == 0 || strcmp(event->name, "group") == 0);
}

/* False, for example, for most temporary files of package managers and editors. */
static bool is_relevant(const struct watch *watch, const struct inotify_event *event) {
        const struct watch_directory *directory;

        if (event->mask & IN_Q_OVERFLOW)
                return true;
        directory = find(watch->directories, watch->n_directories, event->wd);
        if (!directory)
                return false;
        if (event->mask & DIRECTORY_GOES)
                return true;
        if (event->len == 0 || ((event->mask & IN_CREATE) && !(event->mask & IN_ISDIR)))
                return false;
        if (directory->whole &&
            (has_suffix(event->name, ".conf") || has_suffix(event->name, ".service")))
                return true;
        if (is_of_users(watch, event))
                return watch->config && bus_config_identities_changed(watch->config);
        return has_name(directory, event->name);
}

/*
 * Report when nothing has changed for WATCH_SETTLE. Some directories change all the time, so report
 * after WATCH_SETTLE_MAX in any case.
 */
static int settle(struct watch *watch) {
        int64_t now = loop_now(), deadline = now + WATCH_SETTLE;

        watch->n_changes++;
        if (watch->settle.index == 0)
                watch->latest = now + WATCH_SETTLE_MAX;
        else if (watch->is_hurried)
                return 0;
        return loop_timer_set(watch->loop, &watch->settle,
                              deadline < watch->latest ? deadline : watch->latest);
}

/* Look at what inotify has to report, without waiting. */
static int look(struct watch *watch) {
        _Alignas(struct inotify_event) char buffer[8 * (sizeof(struct inotify_event) + NAME_MAX)];
        const struct inotify_event *event;
        bool changed = false;
        ssize_t n;

        do {
                n = read(watch->source.fd, buffer, sizeof(buffer));
                for (ssize_t at = 0; at < n; at += sizeof(*event) + event->len) {
                        event = (const struct inotify_event *)(buffer + at);
                        changed = changed || is_relevant(watch, event);
                }
                /* a short read has emptied it, and so the usual case is one system call */
        } while (n > (ssize_t)(sizeof(buffer) / 2));
        return changed ? settle(watch) : 0;
}

static int dispatch(struct loop_source *source, uint32_t events) {
        return look(container_of(source, struct watch, source));
}

static int settled(struct loop_timer *timer) {
        struct watch *watch = container_of(timer, struct watch, settle);

        return watch->changed(watch->userdata);
}

bool watch_is_behind(struct watch *watch) {
        /* Without memory for the timer, watch_hurry() tries again. */
        if (watch->n_changes == watch->n_read && watch->source.fd >= 0)
                look(watch);
        return watch->n_changes != watch->n_read;
}

void watch_hurry(struct watch *watch) {
        int64_t deadline = loop_now(), distance = 4 * watch->duration, earliest;

        if (watch->n_changes == watch->n_reading)
                return; /* they are being read */
        if (distance < WATCH_DISTANCE)
                distance = WATCH_DISTANCE;
        if (distance > WATCH_SETTLE_MAX)
                distance = WATCH_SETTLE_MAX;
        earliest = watch->begun + distance;
        if (deadline < earliest)
                deadline = earliest;
        watch->is_hurried = true;
        if (watch->settle.index == 0 || deadline < watch->settle.deadline)
                loop_timer_set(watch->loop, &watch->settle, deadline);
}

void watch_note(struct watch *watch) {
        watch->n_changes++;
}

void watch_begin(struct watch *watch) {
        if (watch->source.fd >= 0)
                look(watch);
        loop_timer_cancel(watch->loop, &watch->settle);
        watch->is_hurried = false;
        watch->begun = loop_now();
        watch->n_reading = watch->n_changes;
}

void watch_end(struct watch *watch) {
        watch->n_read = watch->n_reading;
        watch->duration = loop_now() - watch->begun;
}

static void init(struct watch *watch, struct loop *loop, int (*changed)(void *userdata),
                 void *userdata) {
        *watch = (struct watch){
                .loop = loop,
                .source = {.fd = -1, .dispatch = dispatch},
                .settle.expired = settled,
                .changed = changed,
                .userdata = userdata,
        };
}

int watch_init(struct watch *watch, struct loop *loop, int (*changed)(void *userdata),
               void *userdata) {
        init(watch, loop, changed, userdata);
        return loop_adopt(loop, &watch->source, inotify_init1(IN_CLOEXEC | IN_NONBLOCK), EPOLLIN);
}

int watch_adopt(struct watch *watch, const struct watch_before *before, struct loop *loop,
                int (*changed)(void *userdata), void *userdata) {
        int r;

        init(watch, loop, changed, userdata);
        for (size_t i = 0; i < before->n_wds; i++)
                inotify_rm_watch(before->fd, (int)before->wds[i]);
        watch->source.fd = before->fd;
        look(watch); /* nothing is watched, so whatever comes is of no interest */
        r = loop_add(loop, &watch->source, EPOLLIN);
        if (r < 0)
                watch->source.fd = -1;
        return r;
}

/* the watched directories */

static void free_directories(struct watch_directory *directories, size_t n) {
        for (size_t i = 0; i < n; i++) {
                for (size_t k = 0; k < directories[i].n_names; k++)
                        free(directories[i].names[k]);
                free(directories[i].names);
        }
        free(directories);
}

/*
 * Watch a directory as a whole (name NULL) or one entry of it, and add that to next. A directory
 * that has several paths is watched once. Returns 1 if the directory cannot be watched, for
 * instance because it is missing.
 */
static int add(struct watch *watch, struct watch *next, const char *path, uint32_t events,
               const char *name) {
        struct watch_directory new = {}, *directory;
        int r;

        new.wd = inotify_add_watch(watch->source.fd, path,
                                   events | IN_ONLYDIR | IN_EXCL_UNLINK | IN_MASK_ADD);
        if (new.wd < 0)
                return 1;
        directory = find(next->directories, next->n_directories, new.wd);
        if (!directory) {
                r = POLICY_ARRAY_APPEND(next->directories, next->n_directories, new);
                if (r < 0)
                        return r;
                directory = &next->directories[next->n_directories - 1];
        }
        if (name ? has_name(directory, name) : directory->whole)
                return 0;
        next->grown = true;
        if (!name) {
                directory->whole = true;
                return 0;
        }
        return policy_append_copy(&directory->names, &directory->n_names, name);
}

/*
 * Watch for the last element of an absolute path in its directory. If that directory is missing,
 * watch for it in its parent, and so on.
 */
static int add_entry(struct watch *watch, struct watch *next, const char *path, uint32_t events) {
        char *directory = strdup(path), *slash;
        int r = 1;

        if (!directory)
                return -ENOMEM;
        while (r == 1 && (slash = strrchr(directory, '/'))) {
                *slash = '\0';
                /* a path that ends with a slash has no name after it */
                if (slash[1])
                        r = add(watch, next, slash == directory ? "/" : directory, events,
                                slash + 1);
                events = DIRECTORY_EVENTS;
        }
        free(directory);
        return r < 0 ? r : 0;
}

static int add_directory(struct watch *watch, struct watch *next, const char *path) {
        int r;

        r = add(watch, next, path, FILE_EVENTS, NULL);
        return r > 0 ? add_entry(watch, next, path, DIRECTORY_EVENTS) : r;
}

/* Is the file in an <includedir>, which is watched as a whole? */
static bool is_in_includedir(const struct bus_config *config, const char *path) {
        size_t n = strrchr(path, '/') - path;

        for (size_t i = 0; i < config->inputs.n_includedirs; i++)
                if (strncmp(config->inputs.includedirs[i], path, n) == 0 &&
                    !config->inputs.includedirs[i][n])
                        return true;
        return false;
}

/* /etc/passwd and /etc/group, where the users and groups of the configuration are looked up. */
static int add_users(struct watch *watch, struct watch *next) {
        static const char *const names[] = {"passwd", "group"};
        int r = 0;

        for (size_t i = 0; i < 2 && r == 0; i++)
                r = add(watch, next, "/etc", FILE_EVENTS, names[i]);
        if (r != 0)
                return r < 0 ? r : 0;
        /* it is watched already, and this only tells its number */
        next->users_wd =
                inotify_add_watch(watch->source.fd, "/etc", FILE_EVENTS | IN_ONLYDIR | IN_MASK_ADD);
        return 0;
}

static int add_all(struct watch *watch, struct watch *next, const struct bus_config *config) {
        int r = 0;

        for (size_t i = 0; i < config->inputs.n_includedirs && r >= 0; i++)
                r = add_directory(watch, next, config->inputs.includedirs[i]);
        for (size_t i = 0; i < config->n_servicedirs && r >= 0; i++)
                if (config->servicedirs[i].kind != SERVICEDIR_RUNTIME)
                        r = add_directory(watch, next, config->servicedirs[i].path);
        for (size_t i = 0; i < config->inputs.n_files && r >= 0; i++)
                if (!is_in_includedir(config, config->inputs.files[i]))
                        r = add_entry(watch, next, config->inputs.files[i], FILE_EVENTS);
        for (size_t i = 0; i < config->inputs.n_missing && r >= 0; i++)
                r = add_entry(watch, next, config->inputs.missing[i], FILE_EVENTS);
        if (r >= 0 && config->inputs.n_identities > 0)
                r = add_users(watch, next);
        return r;
}

/*
 * Has a file or directory changed, appeared or gone since the configuration was read? If stat()
 * fails with an error other than ENOENT, the file counts as unchanged.
 */
static bool has_changed(const struct bus_config *config) {
        struct stat st;

        for (size_t i = 0; i < config->inputs.n_sources; i++) {
                const struct bus_config_source *source = &config->inputs.sources[i];

                if (stat(source->path, &st) >= 0 ? bus_config_stamp(&st) != source->stamp
                                                 : errno == ENOENT && source->stamp)
                        return true;
        }
        for (size_t i = 0; i < config->inputs.n_missing; i++)
                if (stat(config->inputs.missing[i], &st) >= 0)
                        return true;
        return false;
}

/*
 * A file may have changed after the bus read it and before it was watched. So has_changed() looks
 * at the files, but only when something new is watched: otherwise a refused configuration could be
 * read over and over.
 */
int watch_add(struct watch *watch, const struct bus_config *config) {
        int r;

        if (watch->source.fd < 0)
                return 0;
        watch->grown = false;
        r = add_all(watch, watch, config);
        return r >= 0 && watch->grown && has_changed(config) ? settle(watch) : r;
}

int watch_set(struct watch *watch, const struct bus_config *config) {
        struct watch next = {};
        int r;

        watch->config = config;
        if (watch->source.fd < 0)
                return 0;
        r = watch_add(watch, config);
        if (r >= 0)
                r = add_all(watch, &next, config);
        if (r < 0) {
                /* Directories that were added stay watched until the next configuration. */
                free_directories(next.directories, next.n_directories);
                return r;
        }

        for (size_t i = 0; i < watch->n_directories; i++)
                if (!find(next.directories, next.n_directories, watch->directories[i].wd))
                        inotify_rm_watch(watch->source.fd, watch->directories[i].wd);
        free_directories(watch->directories, watch->n_directories);
        watch->directories = next.directories;
        watch->n_directories = next.n_directories;
        watch->users_wd = next.users_wd;
        /* Until now, changes were compared with the configuration before. */
        return bus_config_identities_changed(config) ? settle(watch) : 0;
}

void watch_deinit(struct watch *watch) {
        loop_timer_cancel(watch->loop, &watch->settle);
        loop_close(watch->loop, &watch->source);
        free_directories(watch->directories, watch->n_directories);
        *watch = (struct watch){.source.fd = -1};
}
