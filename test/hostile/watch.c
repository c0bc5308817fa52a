/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Watches: see watch.h. */

#include "test/hostile/watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

/* A field of /proc/PID/status in MiB; 0 if the process has ended. */
static double status_mib(pid_t pid, const char *field) {
        char path[64], line[256];
        CLEANUP_FCLOSE FILE *f = NULL;
        unsigned long kib;

        snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f))
                if (strncmp(line, field, strlen(field)) == 0 &&
                    sscanf(line + strlen(field), ": %lu kB", &kib) == 1)
                        return kib / 1024.0;
        return 0;
}

static unsigned count_fds(pid_t pid) {
        struct dirent *entry;
        char path[64];
        unsigned n = 0;
        DIR *dir;

        snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
        dir = opendir(path);
        while (dir && (entry = readdir(dir)))
                n += entry->d_name[0] != '.';
        if (dir)
                closedir(dir);
        return n;
}

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
        *w = (struct watch){.pid = pid, .before_mib = status_mib(pid, "VmRSS")};
        forget_peak(pid);
        watch_look(w);
}

bool watch_look(struct watch *w) {
        double peak = status_mib(w->pid, "VmHWM");
        unsigned fds = count_fds(w->pid);

        if (peak == 0)
                return false;
        if (peak - w->before_mib > w->grown_mib)
                w->grown_mib = peak - w->before_mib;
        if (fds > w->fds)
                w->fds = fds;
        return true;
}
