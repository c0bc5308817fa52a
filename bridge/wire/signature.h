/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Signatures: how types follow one another, and what each type looks like in a message. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGNATURE_LENGTH_MAX 255
#define SIGNATURE_DEPTH_MAX 32       /* nested arrays, and nested structs, in one signature */
#define SIGNATURE_TOTAL_DEPTH_MAX 64 /* containers nested in one message, variants included */

/* How the values of a type lie in a message. The index is the first character of the type. */
struct signature_type {
        uint8_t alignment; /* 0: no type starts with this character */
        uint8_t size;      /* 0: not of fixed size */
        bool basic;
};

extern const struct signature_type signature_types[256];

/*
 * Are the n bytes at s a valid signature? Then *ret_n_types is the number of complete types in it.
 */
bool signature_check(const char *s, size_t n, unsigned *ret_n_types);
/* The end of the complete type at s, in a signature that was checked. */
const char *signature_skip(const char *s);
