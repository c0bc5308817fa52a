/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Children - work that another process does: programs, and functions inside of another tree */

#include <sys/types.h>

/*
 * Run a program, which the function looks for in PATH, with the standard streams of this process.
 * argv ends with NULL. Returns 0 if it exits with status 0; else prints a message, and returns
 * STATUS_FAILED.
 */
int child_run(char *const argv[]);

/*
 * Call a function in a child whose root directory is root, so that absolute paths in the files of
 * that tree lead to files of that tree. Users and groups are those in its /etc/passwd and
 * /etc/group. If root is "", the function is called in this process. The function returns an exit
 * status, which this function also returns; on failure it prints a message and returns
 * STATUS_FAILED.
 */
int child_call_in_tree(const char *root, int (*function)(void *userdata), void *userdata);

/*
 * Become another user for good, which only root can. A process that has done this may touch what
 * belongs to the user without being tricked by links that the user makes. Returns 0 or a negative
 * errno.
 */
int child_become(uid_t uid);
/*
 * Call a function in a child that has become this user, and has no terminal. It returns an exit
 * status, which this function also returns; on failure it prints a message and returns
 * STATUS_FAILED. It fails, too, if the child needs more than 5 seconds; the child is then killed.
 */
int child_call_as(uid_t uid, int (*function)(void *userdata), void *userdata);

/*
 * Start a bus of the program bridge with this configuration, on a socket of its own, and end it as
 * soon as it is ready. Returns 0; or prints what the bus said, and returns STATUS_NO if the bus
 * does not start, else STATUS_FAILED.
 */
int child_try_bus(const char *bridge, const char *config);
