/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The grammars of names.h for strings that are known to have a NUL at s[n]: what is in messages. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool name_check_bus(const char *s, size_t n);
bool name_check_interface(const char *s, size_t n); /* errors too */
bool name_check_member(const char *s, size_t n);
bool name_check_object_path(const char *s, size_t n);
