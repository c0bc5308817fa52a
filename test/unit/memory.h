/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lack of memory: a test can make one allocation of the program under test fail. */

/* How many allocations still succeed; negative: all. The one that fails makes it negative. */
extern long memory_left;

/*
 * Call attempt() until it succeeds, and let one more allocation succeed each time. It returns
 * -ENOMEM when one fails, and 0 when none does. At least n_least calls must fail. attempt() itself
 * uses no assertions, because they allocate memory; instead it returns -EPROTO when something is
 * wrong.
 */
void memory_check(int (*attempt)(void), long n_least);
