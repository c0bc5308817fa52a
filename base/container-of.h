/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From a pointer to a member, such as a callback gets, to the structure that embeds it. */

#include <stddef.h>

/* The conditional never runs: it only has the compiler check that ptr is of the member's type. */
#define container_of(ptr, type, member) \
        ((type *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))
