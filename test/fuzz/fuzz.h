/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Fuzz targets
 *
 * Each file fuzz-NAME.c is one libFuzzer target, with inputs to start from in corpus/NAME. meson
 * builds it with driver.c, as fuzz-NAME, which runs files as they are or changed at random. If
 * clang and its libFuzzer are installed, there is also the program libfuzzer-NAME. It is built by
 * default only if the build uses AddressSanitizer. A check that fails aborts the program.
 *
 *     libfuzzer-match -max_total_time=3600 -max_len=4096 DIRECTORY test/fuzz/corpus/match
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define FUZZ_CHECK(condition)                                                            \
        do {                                                                             \
                if (!(condition)) {                                                      \
                        fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, \
                                #condition);                                             \
                        abort();                                                         \
                }                                                                        \
        } while (0)
