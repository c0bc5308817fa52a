/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Common parts of the tests of the device, for the interfaces of 2016 and 2026. */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define EXPECT(condition)                                                                         \
        do {                                                                                      \
                if (!(condition)) {                                                               \
                        fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, \
                                errno);                                                           \
                        exit(1);                                                                  \
                }                                                                                 \
        } while (0)

static inline uint64_t ptr(const void *p) {
        return (uintptr_t)p;
}

/* Run an ioctl. Returns 0 or a negative errno. */
static inline int command(int fd, unsigned long request, void *argument) {
        return ioctl(fd, request, argument) < 0 ? -errno : 0;
}
