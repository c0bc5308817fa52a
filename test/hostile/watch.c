/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Watches: see watch.h. */

#include "test/hostile/watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "test/bench/proc.h"

/* From now on, VmHWM is the most since now. */
static void forget_peak(pid_t pid) {
        CLEANUP_CLOSE int fd = -1;
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d/clear_refs", (int)pid);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "5", 1) != 1)
                perror(path);
}

void watch_begin(struct watch *w, pid_t pid) {
        *w = (struct watch){.pid = pid, .before_mib = proc_status_kib(pid, "VmRSS") / 1024.0};
        forget_peak(pid);
        watch_look(w);
}

bool watch_look(struct watch *w) {
        double peak = proc_status_kib(w->pid, "VmHWM") / 1024.0;
        unsigned fds = proc_count_fds(w->pid);

        if (peak == 0)
                return false;
        if (peak - w->before_mib > w->grown_mib)
                w->grown_mib = peak - w->before_mib;
        if (fds > w->fds)
                w->fds = fds;
        return true;
}
