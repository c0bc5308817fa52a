/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lack of memory: malloc(), calloc() and realloc() of the test program, one of which fails */

/* Sanitizers have these functions themselves. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MEMORY_CAN_FAIL 1

/* The allocation with this number fails. Each allocation counts it down; 0: none fails. */
extern unsigned long fail_at;
#endif
