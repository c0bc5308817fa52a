/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How often the bus of a test has executed its program again: its log tells */

/* The log of all programs that this process starts from now on goes to a file. 0 or an errno. */
int executions_begin(void);
/* What this process says goes to the terminal again. */
void executions_end(void);
/* How often the bus has executed its program again since executions_begin(). */
unsigned executions(void);
/*
 * The last line of the log that says that the bus did not, or NULL; and how many there are. On a
 * machine that has too much to do, the check of the program may take too long.
 */
const char *executions_refused(void);
unsigned executions_refusals(void);
