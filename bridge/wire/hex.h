/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hex digits of bytes. */

#include <stddef.h>
#include <stdint.h>

/* The value of a hex digit, 0 to 15, or -1. */
static inline int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                return (c | 0x20) - 'a' + 10;
        return -1;
}

/* Write 2 * n digits and a NUL. */
static inline void hex_encode(const uint8_t *bytes, size_t n, char *ret_hex) {
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < n; i++) {
                *ret_hex++ = digits[bytes[i] >> 4];
                *ret_hex++ = digits[bytes[i] & 15];
        }
        *ret_hex = '\0';
}
