/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A cgroup whose processes get little time: see slow.h. */

#include "slow.h"
#include "device.h"
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define CGROUP "/tmp/cgroup"
#define SLOW CGROUP "/slow"

void slow_begin(const char *cpu_max) {
        EXPECT(mkdir(CGROUP, 0755) == 0 || errno == EEXIST);
        /* A program that failed has not unmounted it. */
        EXPECT(mount("cgroup", CGROUP, "cgroup2", 0, NULL) == 0 || errno == EBUSY);
        write_file(CGROUP "/cgroup.subtree_control", "+cpu");
        /* The cgroup may still exist if a killed process of an earlier program is still in it. */
        EXPECT(mkdir(SLOW, 0755) == 0 || errno == EEXIST);
        slow_limit(cpu_max);
}

void slow_limit(const char *cpu_max) {
        write_file(SLOW "/cpu.max", cpu_max);
}

void slow_join(void) {
        write_file(SLOW "/cgroup.procs", "0");
}

void slow_end(void) {
        EXPECT(rmdir(SLOW) == 0 || errno == EBUSY);
        EXPECT(umount2(CGROUP, MNT_DETACH) == 0);
}
