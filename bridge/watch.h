/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Watch - changes in the directories of a configuration
 *
 * Those are what <includedir> and <servicedir> name. As with dbus-daemon, files that are named one
 * by one are not watched: who edits them asks for a reload. A package that brings many files causes
 * one reload: changes are reported once, a little after the first.
 */

#include "bridge/loop.h"
#include "policy/config.h"

struct watch_directory {
        char *path;
        int wd;
};

struct watch {
        struct loop *loop;
        struct loop_source source; /* inotify; fd -1 when it could not be had */
        struct loop_timer settle;
        struct watch_directory *directories;
        size_t n_directories;
        int (*changed)(void *userdata);
        void *userdata;
};

/* How long changes are gathered, in ns. */
#define WATCH_SETTLE INT64_C(100000000)

/*
 * A watch that watches nothing yet; changed returns as callbacks of the loop do. A negative errno
 * leaves one that never will: the bus can do without.
 */
int watch_init(struct watch *watch, struct loop *loop, int (*changed)(void *userdata),
               void *userdata);
/* Watch the directories of this configuration from now on. -ENOMEM. Missing ones are left out. */
int watch_set(struct watch *watch, const struct bus_config *config);
/* Also for a watch that is all zero but for its descriptor of -1. */
void watch_deinit(struct watch *watch);
