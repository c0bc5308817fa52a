/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Memory that runs out: the allocation functions of the program under test can be told to fail. */

/* The allocations that still succeed; negative: all. It gets negative with the one that fails. */
extern long memory_left;
