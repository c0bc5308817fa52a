/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What systemd and a service say to each other: the environment, one datagram, descriptors.
 *
 * The protocols are those of sd_notify(3) and sd_listen_fds(3), which are stable and meant to be
 * spoken without libsystemd where that is all that is wanted of it: it comes with six more
 * libraries, for compression and cryptography, that a bus has no business to have inside.
 */

#define SYSTEMD_LISTEN_FDS_START 3

/* Tell the service manager, if there is one, lines of KEY=VALUE. A negative errno when it could not
 * be told; 0 also when nobody asked. */
int systemd_notify(const char *state);

/*
 * How many listening sockets were passed to this process, from SYSTEMD_LISTEN_FDS_START on. From
 * now on no child inherits them, or is told of them. -EINVAL for an environment that says nonsense.
 */
int systemd_listen_fds(void);
