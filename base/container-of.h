/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Get the structure from a pointer to its member, which is what a callback often receives. */

#include <stddef.h>

/* The conditional makes the compiler check that ptr has the member's type; it never runs. */
#define container_of(ptr, type, member) \
        ((type *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))
