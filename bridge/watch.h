/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Watch - notice changes of the files that a configuration was read from
 *
 * These are the main file, the files that it includes (existing or not), and the directories named
 * by <includedir> and <servicedir>. In place of a missing directory its closest existing parent is
 * watched. Changes are reported together, after a pause, so that a package that installs many files
 * causes one reload.
 */

#include "bridge/base/loop.h"
#include "policy/config.h"

/* A watched directory: all its *.conf and *.service files matter, or only the entries named. */
struct watch_directory {
        int wd;
        bool whole;
        char **names;
        size_t n_names;
};

struct watch {
        struct loop *loop;
        struct loop_source source; /* inotify; fd -1 if inotify is not available */
        struct loop_timer settle;
        int64_t latest; /* while settle is set: the time of the report at the latest */
        struct watch_directory *directories;
        size_t n_directories;
        bool grown; /* a directory or entry was added */
        int (*changed)(void *userdata);
        void *userdata;
};

/* Length of the pause before a report, and the longest wait for such a pause, in ns. */
#define WATCH_SETTLE INT64_C(100000000)
#define WATCH_SETTLE_MAX INT64_C(1000000000)

/*
 * Make a watch that watches nothing yet. changed() returns like callbacks of the loop. After a
 * negative errno the watch may still be used, but never reports anything.
 */
int watch_init(struct watch *watch, struct loop *loop, int (*changed)(void *userdata),
               void *userdata);
/*
 * watch_set() watches the files of this configuration instead of those before, watch_add() in
 * addition to them. A change since the configuration was read is reported, too. After -ENOMEM the
 * files before are still watched.
 */
int watch_set(struct watch *watch, const struct bus_config *config);
int watch_add(struct watch *watch, const struct bus_config *config);
/* A watch that was never initialised may be passed if it is zero but for a descriptor of -1. */
void watch_deinit(struct watch *watch);
