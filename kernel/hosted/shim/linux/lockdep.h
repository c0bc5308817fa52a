/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <linux/bug.h>

/* Checks only that some thread holds the lock. */
#define lockdep_assert_held(lock) WARN_ON(!shim_lock_is_taken(&(lock)->pthread))

#define SINGLE_DEPTH_NESTING 1
