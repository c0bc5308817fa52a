/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Watch - changes in what a configuration was read from
 *
 * Those are its files, the main one and what they include, be they there or not, and the
 * directories that <includedir> and <servicedir> name. For a directory that is missing the one is
 * watched in which it would appear. A package that brings many files causes one reload: changes are
 * reported once they rest.
 */

#include "bridge/base/loop.h"
#include "policy/config.h"

/* Of which all configurations and services concern us, or single entries. */
struct watch_directory {
        int wd;
        bool whole;
        char **names;
        size_t n_names;
};

struct watch {
        struct loop *loop;
        struct loop_source source; /* inotify; fd -1 when it could not be had */
        struct loop_timer settle;
        int64_t latest; /* when to report at the latest, while settle is set */
        struct watch_directory *directories;
        size_t n_directories;
        bool grown; /* something has been added */
        int (*changed)(void *userdata);
        void *userdata;
};

/* How long nothing must have changed, and how long that is waited for, in ns. */
#define WATCH_SETTLE INT64_C(100000000)
#define WATCH_SETTLE_MAX INT64_C(1000000000)

/*
 * A watch that watches nothing yet; changed returns as callbacks of the loop do. A negative errno
 * leaves one that never will: the bus can do without.
 */
int watch_init(struct watch *watch, struct loop *loop, int (*changed)(void *userdata),
               void *userdata);
/*
 * Watch what this configuration was read from, from now on, instead of what was watched before, or
 * besides. What has changed since it was read is reported like what changes later. -ENOMEM: what
 * was watched still is.
 */
int watch_set(struct watch *watch, const struct bus_config *config);
int watch_add(struct watch *watch, const struct bus_config *config);
/* Also for a watch that is all zero but for its descriptor of -1. */
void watch_deinit(struct watch *watch);
