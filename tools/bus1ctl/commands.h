/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Commands - each parses its own options and returns an exit status (output.h) */

int policy_check_main(int argc, char *argv[]);
int policy_explain_main(int argc, char *argv[]);
