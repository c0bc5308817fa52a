/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A cgroup whose processes get little of the processors' time. Needs root. */

/* Make the cgroup. cpu_max is "TIME PERIOD" in microseconds, as in the file cpu.max. */
void slow_begin(const char *cpu_max);
/* Change the limit. "max PERIOD" removes it. */
void slow_limit(const char *cpu_max);
/* Move this process into the cgroup. */
void slow_join(void);
/*
 * Remove the cgroup. All of its processes must have been killed. If one of them has not gone yet,
 * the cgroup stays.
 */
void slow_end(void);
