/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The protocols between systemd and a service: readiness, passed sockets and the runtime directory
 *
 * sd_notify(3) and sd_listen_fds(3) say that the protocols are stable and may be implemented by
 * others. systemd.c implements them because libsystemd would bring six more libraries
 * (doc/internals/performance-time.md).
 */

#define SYSTEMD_LISTEN_FDS_START 3

/*
 * Send lines of KEY=VALUE to the service manager. Returns 0 if they were sent or if there is no
 * service manager ($NOTIFY_SOCKET is not set), else a negative errno.
 */
int systemd_notify(const char *state);

/*
 * The directory that systemd made for the service and that outlives the process, or NULL; the first
 * one, if there are several. The caller frees it. Removes the variable from the environment, so
 * that no child takes the directory for its own.
 */
char *systemd_runtime_directory(void);

/*
 * Return how many listening sockets systemd passed, numbered from SYSTEMD_LISTEN_FDS_START on. Sets
 * them close-on-exec and removes the variables from the environment, so that no child sees either.
 * Returns -EINVAL if a variable is not a number in range, or another negative errno if a descriptor
 * is not open.
 */
int systemd_listen_fds(void);
