/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The daemon process - standard streams, background, pid file, user and descriptor limit
 *
 * Functions return a negative errno on failure.
 */

#include <stdbool.h>
#include <stdint.h>

/* Open /dev/null for each closed standard stream, so that no other file gets its number. */
void daemon_fix_standard_streams(void);

/*
 * Fork. On success, return in the child only. The parent waits: it exits with 0 once the child
 * calls daemon_ready() with *ret_ready_fd, and with 1 if the child ends before that.
 */
int daemon_fork(int *ret_ready_fd);
/*
 * Replace the standard streams with /dev/null, change to the directory /, reset the umask unless
 * keep_umask is set, and let the parent exit. On success, ready_fd is closed.
 */
int daemon_ready(int ready_fd, bool keep_umask);

/*
 * Write the pid to the file, and lock it for as long as *ret_fd is open. A file that a bus left
 * behind which has ended is used again. -EEXIST if a bus that runs has locked it; -EINVAL if it is
 * no file of root or of this user.
 */
int daemon_write_pidfile(const char *path, int *ret_fd);
/*
 * Become this user (a name or number) for good. With keep_audit the process keeps the capability to
 * write to the audit log. Does nothing if the process is not root's. -ENOENT: no such user.
 */
int daemon_drop_privileges(const char *user, bool keep_audit);
/*
 * Capabilities that a program gets when the process executes it, one bit for each. They are those
 * that are inheritable, and of these those that are ambient.
 */
struct daemon_capabilities {
        uint64_t inheritable;
        uint64_t ambient;
};

void daemon_get_capabilities(struct daemon_capabilities *ret_capabilities);
/*
 * A user other than root loses all capabilities with execve(), unless they are ambient. Make those
 * that the process has ambient, just before it executes itself.
 */
int daemon_pass_capabilities(void);
/* Set them as they were before that. Children must not inherit capabilities of the bus. */
int daemon_set_capabilities(const struct daemon_capabilities *capabilities);
/*
 * Raise the soft limit of descriptors to the hard limit. As root, first raise a hard limit below
 * 65536 to 65536, if the kernel allows it.
 */
void daemon_raise_fd_limit(void);
