/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The transports inside libbus1
 *
 * Both functions take over fd on success only, like bus1_client_new_from_fd(). They return
 * -EMEDIUMTYPE when fd is no bus1 device, or no AF_UNIX socket of type SOCK_SEQPACKET.
 */

#include <bus1/bus1.h>

int device_client_new_from_fd(struct bus1_client **ret_client, int fd);
int hosted_client_new_from_fd(struct bus1_client **ret_client, int fd);
