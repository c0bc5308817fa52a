/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Watch: inotify on directories. */

#include "bridge/watch.h"
#include "bridge/container.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* a file is there once it is closed or renamed to its name */
#define EVENTS \
        (IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR | IN_EXCL_UNLINK)

static bool has_suffix(const char *name, const char *suffix) {
        size_t n = strlen(name), k = strlen(suffix);

        return n > k && !strcmp(name + n - k, suffix);
}

/* Not what package managers and editors put next to files for a moment. */
static bool is_relevant(const struct inotify_event *event) {
        if (event->mask & IN_Q_OVERFLOW)
                return true;
        return event->len > 0 &&
               (has_suffix(event->name, ".conf") || has_suffix(event->name, ".service"));
}

static int dispatch(struct loop_source *source, uint32_t events) {
        struct watch *watch = container(struct watch, source, source);
        _Alignas(struct inotify_event) char buffer[8 * (sizeof(struct inotify_event) + NAME_MAX)];
        const struct inotify_event *event;
        bool changed = false;
        ssize_t n;

        n = read(source->fd, buffer, sizeof(buffer));
        for (ssize_t at = 0; at < n; at += sizeof(*event) + event->len) {
                event = (const struct inotify_event *)(buffer + at);
                changed = changed || is_relevant(event);
        }
        /* the first change sets the time: a directory that never rests is seen, too */
        if (!changed || watch->settle.index > 0)
                return 0;
        return loop_timer_set(watch->loop, &watch->settle, loop_now() + WATCH_SETTLE);
}

static int settled(struct loop_timer *timer) {
        struct watch *watch = container(struct watch, settle, timer);

        return watch->changed(watch->userdata);
}

int watch_init(struct watch *watch, struct loop *loop, int (*changed)(void *userdata),
               void *userdata) {
        int r;

        *watch = (struct watch){
                .loop = loop,
                .source.dispatch = dispatch,
                .settle.expired = settled,
                .changed = changed,
                .userdata = userdata,
        };
        watch->source.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (watch->source.fd < 0)
                return -errno;
        r = loop_add(loop, &watch->source, EPOLLIN);
        if (r < 0) {
                close(watch->source.fd);
                watch->source.fd = -1;
        }
        return r;
}

static void free_directories(struct watch_directory *directories, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(directories[i].path);
        free(directories);
}

static bool is_watched(const struct watch_directory *directories, size_t n, int wd) {
        for (size_t i = 0; i < n; i++)
                if (directories[i].wd == wd)
                        return true;
        return false;
}

/* Several paths may lead to one directory, which is watched once. */
static int add(struct watch *watch, struct watch_directory *directories, size_t *n,
               const char *path) {
        struct watch_directory directory;

        directory.wd = inotify_add_watch(watch->source.fd, path, EVENTS);
        if (directory.wd < 0 || is_watched(directories, *n, directory.wd))
                return 0;
        directory.path = strdup(path);
        if (!directory.path)
                return -ENOMEM;
        directories[(*n)++] = directory;
        return 0;
}

int watch_set(struct watch *watch, const struct bus_config *config) {
        struct watch_directory *directories;
        size_t n = 0;
        int r = 0;

        if (watch->source.fd < 0)
                return 0;
        directories =
                calloc(config->n_includedirs + config->n_servicedirs + 1, sizeof(*directories));
        if (!directories)
                return -ENOMEM;
        for (size_t i = 0; i < config->n_includedirs && r >= 0; i++)
                r = add(watch, directories, &n, config->includedirs[i]);
        for (size_t i = 0; i < config->n_servicedirs && r >= 0; i++)
                if (!config->servicedirs[i].is_runtime)
                        r = add(watch, directories, &n, config->servicedirs[i].path);
        if (r < 0) {
                /* what was added in vain is watched until the next configuration */
                free_directories(directories, n);
                return r;
        }

        for (size_t i = 0; i < watch->n_directories; i++)
                if (!is_watched(directories, n, watch->directories[i].wd))
                        inotify_rm_watch(watch->source.fd, watch->directories[i].wd);
        free_directories(watch->directories, watch->n_directories);
        watch->directories = directories;
        watch->n_directories = n;
        return 0;
}

void watch_deinit(struct watch *watch) {
        if (watch->loop)
                loop_timer_cancel(watch->loop, &watch->settle);
        if (watch->source.fd >= 0) {
                if (watch->source.added)
                        loop_remove(watch->loop, &watch->source);
                close(watch->source.fd);
        }
        free_directories(watch->directories, watch->n_directories);
        *watch = (struct watch){.source.fd = -1};
}
