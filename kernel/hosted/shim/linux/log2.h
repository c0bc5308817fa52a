/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* The logarithm of n to the base 2, rounded down. n must not be 0. */
#define ilog2(n) (63 - __builtin_clzll(n))

/* n must be neither 0 nor above 2 to the power of 63. */
#define roundup_pow_of_two(n) ((n) == 1 ? 1 : 2ULL << ilog2((n)-1))
