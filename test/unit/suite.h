/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A test program that has one suite with one test case. */

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static inline int suite_run(const char *name, TCase *tcase) {
        Suite *suite = suite_create(name);
        SRunner *runner;
        int n_failed;

        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The next pseudo-random number. The same first *state gives the same numbers in every run. */
static inline uint32_t test_random(uint64_t *state) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return *state >> 33;
}
