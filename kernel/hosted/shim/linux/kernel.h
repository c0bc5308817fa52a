/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include_next <linux/kernel.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/minmax.h>
#include <linux/types.h>

/* no option of the kernel is set */
#define IS_ENABLED(option) 0

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
