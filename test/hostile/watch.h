/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Watches - what a bus holds: its memory and its descriptors */

#include <stdbool.h>
#include <sys/types.h>

struct watch {
        pid_t pid;
        double before_mib; /* resident memory at the beginning */
        double grown_mib;  /* the most by which it has grown */
        unsigned fds;      /* the most descriptors that were seen */
};

void watch_begin(struct watch *w, pid_t pid);
/* Look again. Returns false if the process has ended. */
bool watch_look(struct watch *w);
