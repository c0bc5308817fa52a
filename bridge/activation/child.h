/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Children - programs that the bus starts, and how they end
 *
 * A program is started with fork() and execve(). A close-on-exec pipe tells the loop whether
 * execve() succeeded, and SIGCHLD tells how the program ended. So the bus waits for no slow disk,
 * and, unlike with dbus-daemon, no process stays between the bus and its services.
 *
 * A child gets
 *
 *  - standard output and error of the bus, or the journal; /dev/null as input; no other descriptor
 *  - the limit of descriptors that the bus was started with
 *  - no blocked signals, and default actions; only SIGPIPE stays ignored, as with dbus-daemon and
 * systemd
 *  - no protection from the OOM killer
 *  - working directory, umask, session, process group and user of the bus
 */

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "bridge/base/loop.h"

struct child;

enum child_event {
        CHILD_RUNS, /* the program was executed; value is 0 */
        /* one of these is the last event */
        CHILD_NOT_EXECUTED, /* value is an errno, that of execve() */
        CHILD_EXITED,       /* value is the exit status */
        CHILD_SIGNALED,     /* value is the signal */
};

/*
 * Called from the loop. CHILD_RUNS comes first, if at all. child is valid until the call for the
 * last event returns. Returns 0, or a negative errno that ends the loop.
 */
typedef int (*child_event_fn)(struct child *child, enum child_event event, int value,
                              void *userdata);

struct children {
        struct loop *loop;
        struct loop_source signals; /* SIGCHLD; fd -1: not initialised */
        struct rlimit fd_limit;     /* of children */
        struct child *list;         /* all that have not been reaped, including forgotten ones */
};

/*
 * Blocks SIGCHLD. Call it after the process has gone to the background, and before its first
 * thread. fd_limit is the RLIMIT_NOFILE that the bus was started with.
 */
int children_init(struct children *children, struct loop *loop, const struct rlimit *fd_limit);
/*
 * Children that still run go on. Structures that were never initialised may be passed if they are
 * zero but for a descriptor of -1.
 */
void children_deinit(struct children *children);

/*
 * Start argv[0], which is not searched for in PATH, with this environment. Both arrays end with
 * NULL and are not needed later. An empty argv counts as a program that is not found. If
 * journal_name is not NULL and there is a journal, the output of the program goes there under this
 * name. On failure (-EAGAIN, -EMFILE, -ENOMEM and others) there is no child.
 */
int child_start(struct children *children, char *const *argv, char *const *environment,
                const char *journal_name, child_event_fn event, void *userdata,
                struct child **ret_child);
/* Report no more events. The child goes on, and is reaped. NULL is fine; returns NULL. */
struct child *child_forget(struct child *child);
pid_t child_pid(const struct child *child);
