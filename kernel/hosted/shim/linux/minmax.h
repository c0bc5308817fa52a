/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#define min_t(type, a, b)                          \
	({                                         \
		type _min_a = (a);                 \
		type _min_b = (b);                 \
		_min_a < _min_b ? _min_a : _min_b; \
	})
#define max_t(type, a, b)                          \
	({                                         \
		type _max_a = (a);                 \
		type _max_b = (b);                 \
		_max_a > _max_b ? _max_a : _max_b; \
	})
#define min(a, b) min_t(__typeof__(a), (a), (b))
#define max(a, b) max_t(__typeof__(a), (a), (b))
