/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lists of descriptors. */

#include <stddef.h>
#include <unistd.h>

/*
 * Close the descriptors, which must be valid. The kernel gives those of one message consecutive
 * numbers where it can, and such a row takes one system call. errno may change.
 */
static inline void fds_close(const int *fds, size_t n) {
        while (n > 0) {
                size_t row = 1;

                while (row < n && fds[row] == fds[0] + (int)row)
                        row++;
                /* Kernels before 5.9 do not have it, nor do some filters of system calls. */
                if (row == 1 || close_range(fds[0], fds[row - 1], 0) < 0)
                        for (size_t i = 0; i < row; i++)
                                close(fds[i]);
                fds += row;
                n -= row;
        }
}
