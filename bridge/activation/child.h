/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Children - programs that the bus starts, and how they end
 *
 * A program is started with fork() and execve(), and the loop hears of both: that the program runs,
 * or why not, by a close-on-exec pipe; that it has ended by SIGCHLD. Thus nothing waits for a slow
 * disk, and no process has to stay between the bus and what it started, as with dbus-daemon: a bus
 * that ends leaves its services to init, and the exit status is had from the kernel all the same.
 *
 * Children get the standard error and output of the bus or of the journal, /dev/null to read from,
 * and no other descriptor; the limit on descriptors that the bus itself was started with; no
 * blocked signal and default signal actions, but SIGPIPE stays ignored, as dbus-daemon and systemd
 * have it for services; an OOM score that does not protect them as it may protect the bus; working
 * directory, umask, session, process group and user of the bus.
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
 * Called from the loop, in this order, CHILD_RUNS at most once. child is valid during the call, and
 * until the last event returns. Returns 0, or a negative errno that ends the loop.
 */
typedef int (*child_event_fn)(struct child *child, enum child_event event, int value,
                              void *userdata);

struct children {
        struct loop *loop;
        struct loop_source signals; /* SIGCHLD; fd -1: not initialised */
        struct rlimit fd_limit;     /* what children get */
        struct child *list;         /* all that have not been reaped, forgotten ones too */
};

/*
 * After the last fork of the process itself and before its first thread: blocks SIGCHLD. fd_limit
 * is the RLIMIT_NOFILE that the bus was started with.
 */
int children_init(struct children *children, struct loop *loop, const struct rlimit *fd_limit);
/* Those that still run go on; nobody hears of them. Also for one that is all zero but for its
 * descriptor of -1. */
void children_deinit(struct children *children);

/*
 * Start argv[0], which is not looked up in PATH, with this environment; both end with NULL and are
 * not needed later. An empty argv is a program that is not found. What it writes goes to the
 * journal under this name, where there is a journal and journal_name is not NULL. -EAGAIN, -EMFILE,
 * -ENOMEM and the like: there is no child.
 */
int child_start(struct children *children, char *const *argv, char *const *environment,
                const char *journal_name, child_event_fn event, void *userdata,
                struct child **ret_child);
/* It runs on, and is reaped; but nobody hears of it any more. NULL is fine; returns NULL. */
struct child *child_forget(struct child *child);
pid_t child_pid(const struct child *child);
