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

static inline bool signature_is_basic(char c) {
        return signature_types[(uint8_t)c].basic;
}

/* For signature_check() only. */
bool signature_check_long(const char *s, size_t n);

/*
 * Are the n bytes at s a valid signature, that is any number of complete types? s must be inside of
 * a message: the caller has checked that s[n] is NUL, and there are three bytes before s to read.
 */
static inline bool signature_check(const char *s, size_t n) {
        /*
         * Most values of type g are short. For up to three basic types, no branch depends on their
         * number, which a processor often cannot predict. If there are fewer, bytes before s are
         * looked at too, but do not count.
         */
        const char *end = s + n;
        unsigned last, second, third;

        if (n <= 3) {
                last = (n < 1) | signature_is_basic(end[-1]);
                second = (n < 2) | signature_is_basic(end[-2]);
                third = (n < 3) | signature_is_basic(end[-3]);
                if (last & second & third)
                        return true;
        }
        return signature_check_long(s, n);
}

/* Are the n bytes at s one complete type? */
bool signature_check_one(const char *s, size_t n);
/* The end of the complete type at s, in a signature that was checked. */
const char *signature_skip(const char *s);

/*
 * Measure a signature that was checked, for a walk that takes many characters in one step. For a
 * character that may be part of a row, steps[i] is the number of characters from s[i] to the end of
 * the row. Rows are of '(', of ')' and '}', or of one type of fixed size other than 'b'. If s[i] is
 * 'a', steps[i] is the length of the array type. For all other characters it is 1.
 */
void signature_measure(const char *s, uint8_t steps[static SIGNATURE_LENGTH_MAX]);
