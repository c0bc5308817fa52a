/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include_next <linux/limits.h>
#include <limits.h>
#include <linux/types.h>

#define U32_MAX ((u32)~0U)
#define U64_MAX ((u64)~0ULL)
