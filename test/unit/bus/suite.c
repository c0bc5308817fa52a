/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The main part of a test program: see suite.h. */

#include "test/unit/bus/suite.h"

#include <stdlib.h>

int suite_run(const char *name, TCase *tcase) {
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
