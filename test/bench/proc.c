/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /proc: see proc.h. */

#include "test/bench/proc.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

unsigned long proc_status_kib(pid_t pid, const char *field) {
        char path[64], line[256];
        CLEANUP_FCLOSE FILE *f = NULL;
        unsigned long kib;

        snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f))
                if (strncmp(line, field, strlen(field)) == 0 &&
                    sscanf(line + strlen(field), ": %lu kB", &kib) == 1)
                        return kib;
        return 0;
}

unsigned proc_count_fds(pid_t pid) {
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
