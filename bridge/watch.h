/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Watch - notice changes of the files that a configuration was read from
 *
 * The bus watches the main file, the files that it includes (existing or not), the directories of
 * <includedir>, and those of services, except the standard one below XDG_RUNTIME_DIR. If a
 * directory is missing, its closest existing parent is watched. Changes are reported together after
 * a pause, so that a package that installs many files does not cause many reloads.
 */

#include "bridge/base/loop.h"
#include "policy/config.h"

struct watch_directory {
        int wd;
        bool whole;   /* all its *.conf and *.service files matter */
        char **names; /* of other entries that matter */
        size_t n_names;
};

struct watch {
        struct loop *loop;
        struct loop_source source; /* inotify; fd -1 if inotify is not available */
        struct loop_timer settle;  /* set: a change was seen; reported when the timer expires */
        int64_t latest;            /* greatest deadline that settle may have; by loop_now() */
        struct watch_directory *directories;
        size_t n_directories;
        bool grown; /* the last watch_add() has added a directory or entry */
        int (*changed)(void *userdata);
        void *userdata;
};

/*
 * In ns: a report waits until nothing has changed for WATCH_SETTLE, but no longer than
 * WATCH_SETTLE_MAX after the first change.
 */
#define WATCH_SETTLE INT64_C(100000000)
#define WATCH_SETTLE_MAX INT64_C(1000000000)

/*
 * Make a watch that watches nothing yet. It reports by changed(), which returns 0, or a negative
 * errno that ends the loop. After a failure of watch_init() the watch may still be used, but never
 * reports anything.
 */
int watch_init(struct watch *watch, struct loop *loop, int (*changed)(void *userdata),
               void *userdata);
/*
 * watch_set() watches the files of this configuration in place of those before, watch_add() in
 * addition to them. If that watches anything new, changes since the configuration was read are
 * reported, too. After -ENOMEM the earlier files are still watched.
 */
int watch_set(struct watch *watch, const struct bus_config *config);
int watch_add(struct watch *watch, const struct bus_config *config);
/* watch may be uninitialised if all of it is zero except source.fd, which must be -1. */
void watch_deinit(struct watch *watch);
