/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Fuzz targets. Each file fuzz-NAME.c is one libFuzzer target:
 *
 *     clang -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. -Iinclude \
 *           test/fuzz/fuzz-NAME.c bridge/wire/?*.c
 *
 * Linked with driver.c instead of libFuzzer it is a program of its own that takes files, or makes
 * its inputs itself out of the target's seeds. A check that fails aborts.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct fuzz_seed {
        const void *data;
        size_t n;
};

/* What driver.c changes bytes of; terminated by one without data. */
extern const struct fuzz_seed fuzz_seeds[];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define FUZZ_SEED(s) \
        { s, sizeof(s) - 1 }

#define FUZZ_CHECK(condition)                                                            \
        do {                                                                             \
                if (!(condition)) {                                                      \
                        fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, \
                                #condition);                                             \
                        abort();                                                         \
                }                                                                        \
        } while (0)
