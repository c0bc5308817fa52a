/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <assert.h>
#include <linux/types.h>

/*
 * In the kernel these only warn, unless panic_on_warn is set. Here they end the process, so that
 * tests notice.
 */
bool shim_warn(bool condition, const char *text, const char *file, int line);

#define WARN_ON(condition) shim_warn(!!(condition), #condition, __FILE__, __LINE__)
#define WARN(condition, text) shim_warn(!!(condition), text, __FILE__, __LINE__)
#define WARN_ON_ONCE(condition) WARN_ON(condition)

#ifndef static_assert
#define static_assert _Static_assert
#endif
