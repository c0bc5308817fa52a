/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Get a structure from a pointer to one of its members. Callbacks often receive such a pointer. */

#include <stddef.h>

/*
 * The conditional makes the compiler compare the type of ptr with the type of the member. Its last
 * operand is never evaluated.
 */
#define container_of(ptr, type, member) \
        ((type *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))
