/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What /proc tells of another process. All functions return 0 if it has ended. */

#include <sys/types.h>

/* A field of /proc/PID/status, such as "VmRSS", in KiB. */
unsigned long proc_status_kib(pid_t pid, const char *field);
/* How many descriptors it has. */
unsigned proc_count_fds(pid_t pid);
