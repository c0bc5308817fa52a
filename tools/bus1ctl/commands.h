/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Commands - each is a function with its own options, which returns an exit status (report.h) */

int policy_check_main(int argc, char *argv[]);
int policy_explain_main(int argc, char *argv[]);
