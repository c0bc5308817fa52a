/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lack of memory: a test can make one allocation of the program under test fail. */

/* How many allocations still succeed; negative: all. The one that fails makes it negative. */
extern long memory_left;
