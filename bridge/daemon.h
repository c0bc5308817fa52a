/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What makes a process a daemon: background, pid file, user, limits. */

#include <stdbool.h>

/* Fill standard streams that are closed: else the next file opened would be taken for one. */
void daemon_fix_standard_streams(void);

/*
 * Go on in a child; the parent waits until the child calls daemon_ready() and exits with 0, or with
 * 1 when the child ends before. Returns in the child only. *ret_ready_fd is for daemon_ready().
 */
int daemon_fork(int *ret_ready_fd);
/* Detach: standard streams to /dev/null, working directory, umask; and let the parent go. */
int daemon_ready(int ready_fd, bool keep_umask);

/* Write the pid. -EEXIST when the file is there. */
int daemon_write_pidfile(const char *path);
/* Become the user (name or number) for good; with keep_audit the right to write to the audit log
 * stays. No effect when not root. -ENOENT when there is no such
 * user. */
int daemon_drop_privileges(const char *user, bool keep_audit);
/* As many descriptors as allowed; 65536 at least for root. */
void daemon_raise_fd_limit(void);
