/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Children - programs that the bus starts, and how they end
 *
 * The bus starts a program with fork() and execve(). A close-on-exec pipe tells the loop whether
 * execve() succeeded, and SIGCHLD tells it that the program has ended. So the bus does not wait
 * until the program is read from disk. dbus-daemon keeps a process between itself and each service;
 * here there is none.
 *
 * A child gets
 *
 *  - standard output and error of the bus, or the journal; /dev/null as input; no other descriptor
 *  - the limit of descriptors that the bus was started with
 *  - no blocked signals, and default actions except that SIGPIPE is ignored, like services of
 *    dbus-daemon and systemd
 *  - no protection from the OOM killer
 *  - working directory, umask, session, process group and user of the bus
 */

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "bridge/base/loop.h"

struct child;

enum child_event {
        CHILD_RUNS, /* execve() succeeded, or a signal ended the child before that; value is 0 */
        /* the last event of a child is one of these */
        CHILD_NOT_EXECUTED, /* value is the errno of execve(), or of a step before it */
        CHILD_EXITED,       /* value is the exit status */
        CHILD_SIGNALED,     /* value is the signal */
};

/*
 * Called from the loop. CHILD_RUNS comes first; only CHILD_NOT_EXECUTED comes without it. child is
 * valid until the call for the last event returns. Returns 0, or a negative errno that ends the
 * loop.
 */
typedef int (*child_event_fn)(struct child *child, enum child_event event, int value,
                              void *userdata);

struct children {
        struct loop *loop;
        struct loop_source signals; /* SIGCHLD; fd -1: not initialised */
        struct rlimit fd_limit;     /* RLIMIT_NOFILE of each child */
        struct child *list;         /* all that have not been reaped, forgotten ones too */
};

/*
 * Blocks SIGCHLD. Call it after the process has gone to the background, and before its first
 * thread. fd_limit is the RLIMIT_NOFILE that the bus was started with.
 */
int children_init(struct children *children, struct loop *loop, const struct rlimit *fd_limit);
/*
 * Programs that still run go on running. children may be uninitialised if all of it is zero except
 * signals.fd, which must be -1.
 */
void children_deinit(struct children *children);

/*
 * Start the program with the path argv[0] (PATH is not searched) in this environment. Both arrays
 * end with NULL and are not needed later. An empty argv counts as a program that is not found. If
 * journal_name is not NULL and there is a journal, the output of the program goes there under this
 * name. On failure (-EAGAIN, -EMFILE, -ENOMEM and others) there is no child.
 */
int child_start(struct children *children, char *const *argv, char *const *environment,
                const char *journal_name, child_event_fn event, void *userdata,
                struct child **ret_child);
/*
 * For a bus that takes over from another one: the process pid is a child of this process, which
 * another program that this process has executed before has started. fd is what child_pipe()
 * returned there, or -1. event is NULL after child_forget(). On failure (-ENOMEM and others) there
 * is no child, and fd is the caller's.
 */
int child_adopt(struct children *children, pid_t pid, int fd, child_event_fn event, void *userdata,
                struct child **ret_child);
/* Have children ended meanwhile? Call this when all are there. Results of child_event_fn. */
int children_reap(struct children *children);
/* The next one (NULL: the first one), forgotten ones too; NULL after the last one. */
const struct child *child_next(const struct children *children, const struct child *child);
/* The pipe that tells whether the program was executed; -1: that is known. */
int child_pipe(const struct child *child);
/* NULL after child_forget() */
void *child_userdata(const struct child *child);
/*
 * The same for a program that the bus runs for itself. It gets these descriptors of the bus, under
 * the same numbers, its standard error, and its environment. All other descriptors of the bus must
 * be close-on-exec.
 */
int child_start_own(struct children *children, char *const *argv, const int *fds, size_t n_fds,
                    child_event_fn event, void *userdata, struct child **ret_child);
/* Report no more events. The program goes on, and is reaped. NULL is fine; returns NULL. */
struct child *child_forget(struct child *child);
pid_t child_pid(const struct child *child);
