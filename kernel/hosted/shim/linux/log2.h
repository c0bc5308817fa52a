/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* The greatest power of two that is not above n, which is not 0. */
#define ilog2(n) (63 - __builtin_clzll(n))
