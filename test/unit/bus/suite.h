/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The main part of a test program with one suite. */

#include <check.h>

/* Run the cases in a suite of this name. Returns the exit status. */
int suite_run(const char *name, TCase *tcase);
