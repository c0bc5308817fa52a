/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The places in the module that a program has reached, see coverage.h
 */

#include "coverage.h"
#include <fcntl.h>
#include <linux/kcov.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_PLACES (1UL << 16)
/* The module has less code than this, so the lower bits of an address identify a place in it. */
#define MODULE_SIZE (1UL << 20)

static _Atomic uint8_t seen[MODULE_SIZE];

void coverage_start(struct coverage *coverage) {
        void *p;

        *coverage = (struct coverage){.fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC)};
        if (coverage->fd < 0)
                return;
        if (ioctl(coverage->fd, KCOV_INIT_TRACE, MAX_PLACES) < 0)
                return;
        p = mmap(NULL, MAX_PLACES * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED,
                 coverage->fd, 0);
        if (p == MAP_FAILED || ioctl(coverage->fd, KCOV_ENABLE, KCOV_TRACE_PC) < 0)
                return;
        coverage->places = p;
}

void coverage_collect(struct coverage *coverage) {
        uint64_t n;

        if (!coverage->places)
                return;
        n = coverage->places[0];
        for (uint64_t i = 1; i <= n; i++)
                seen[coverage->places[i] % MODULE_SIZE] = 1;
        coverage->places[0] = 0;
}

size_t coverage_count(void) {
        size_t n = 0;

        for (size_t i = 0; i < MODULE_SIZE; i++)
                n += seen[i];
        return n;
}
