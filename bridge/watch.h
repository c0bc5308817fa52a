/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Watch - notice changes of the files that a configuration was read from
 *
 * The bus watches the main file, the files that it includes (existing or not), the directories of
 * <includedir>, and those of services, except the standard one below XDG_RUNTIME_DIR. If a
 * directory is missing, its closest existing parent is watched. If the configuration names users or
 * groups, /etc/passwd and /etc/group are watched, too; but they count as changed only when one of
 * these names has got or lost its number there, or has another one.
 *
 * Changes are reported together after a pause, so that a package that installs many files does not
 * cause many reloads. Until the configuration has been read that was there after all changes, the
 * watch is behind. Whoever cannot wait for the end of the pause calls watch_hurry().
 *
 *      change --> settle: no more changes for a while, or watch_hurry() --> changed()
 *      watch_begin() --> the configuration is read: with all changes seen until now --> watch_end()
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
        bool is_hurried;           /* further changes do not delay the report */
        int64_t begun;             /* when the last reading began; by loop_now() */
        int64_t duration;          /* of the last reading that has ended, in ns */
        uint64_t n_changes;        /* seen */
        uint64_t n_reading;        /* of these: before the last reading began */
        uint64_t n_read;           /* of these: before the last reading began that has ended */
        const struct bus_config *config; /* of the last watch_set(); NULL: none */
        int users_wd; /* of the directory of /etc/passwd and /etc/group; 0: not watched */
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
 * In ns: watch_hurry() leaves as much between the beginnings of two readings. If reading takes
 * long, it leaves four times as long, so that the bus does not spend its time on reading while
 * files change again and again, but at most WATCH_SETTLE_MAX.
 */
#define WATCH_DISTANCE INT64_C(50000000)

/*
 * Make a watch that watches nothing yet. It reports by changed(), which returns 0, or a negative
 * errno that ends the loop. After a failure of watch_init() the watch may still be used, but never
 * reports anything.
 */
int watch_init(struct watch *watch, struct loop *loop, int (*changed)(void *userdata),
               void *userdata);
/*
 * The inotify instance of a watch that another one replaces, in another program of this process:
 * its descriptor and those of its directories. The kernel takes some ten ms to close an instance,
 * in which the bus would serve nobody.
 */
struct watch_before {
        int fd; /* -1: none */
        uint32_t *wds;
        size_t n_wds;
};
/* The same as watch_init(), with this instance, which then watches nothing. On failure it stays. */
int watch_adopt(struct watch *watch, const struct watch_before *before, struct loop *loop,
                int (*changed)(void *userdata), void *userdata);
/*
 * watch_set() watches the files of this configuration in place of those before, watch_add() in
 * addition to them. The configuration of watch_set() must live until the next one. If that watches
 * anything new, changes since the configuration was read are reported, too. After -ENOMEM the
 * earlier files are still watched.
 */
int watch_set(struct watch *watch, const struct bus_config *config);
int watch_add(struct watch *watch, const struct bus_config *config);

/*
 * Does the configuration in force lack a change? Looks for changes that have just happened, which
 * costs one system call. Changes are also seen if inotify is not available: those of watch_note().
 */
bool watch_is_behind(struct watch *watch);
/* Report the changes that were seen as soon as possible. */
void watch_hurry(struct watch *watch);
/* Somebody says that something has changed, and has it read without a report. */
void watch_note(struct watch *watch);
/*
 * The configuration is read now, with all changes until now, which need not be reported any more;
 * and this reading has ended, whether the configuration was taken over or refused.
 */
void watch_begin(struct watch *watch);
void watch_end(struct watch *watch);

/* watch may be uninitialised if all of it is zero except source.fd, which must be -1. */
void watch_deinit(struct watch *watch);
