/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * UTF-8 as D-Bus has it: no overlong forms, no surrogates, nothing above U+10FFFF and no NUL
 * (D-Bus spec, "Basic types"). Noncharacters are allowed. Runs of ASCII are taken eight bytes at a
 * time.
 */

#include <stdint.h>
#include <string.h>

#include "bridge/wire/names.h"

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/*
 * The length of the multi-byte character at p, 0 when it is malformed. The ranges are those of the
 * Unicode standard's table of well-formed byte sequences (3-7). The first byte decides the range of
 * the second; the other bytes have the range 80 to BF.
 */
static size_t character_length(const uint8_t *p, size_t n) {
        uint8_t low = 0x80, high = 0xbf;
        size_t length;

        if (p[0] < 0xc2)
                return 0;
        if (p[0] < 0xe0) {
                length = 2;
        } else if (p[0] < 0xf0) {
                length = 3;
                if (p[0] == 0xe0)
                        low = 0xa0;
                else if (p[0] == 0xed)
                        high = 0x9f;
        } else if (p[0] < 0xf5) {
                length = 4;
                if (p[0] == 0xf0)
                        low = 0x90;
                else if (p[0] == 0xf4)
                        high = 0x8f;
        } else {
                return 0;
        }

        if (n < length || p[1] < low || p[1] > high)
                return 0;
        for (size_t i = 2; i < length; i++)
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        return length;
}

bool name_is_valid_utf8(const char *s, size_t n) {
        const uint8_t *p = (const uint8_t *)s, *end = p + n;

        while (p < end) {
                uint64_t word;
                size_t length;

                while (end - p >= 8) {
                        memcpy(&word, p, sizeof(word));
                        /*
                         * A high bit is set if a byte is not ASCII, or if a byte is NUL, so that
                         * subtracting 1 from it borrows.
                         */
                        if ((word | (word - ONES)) & HIGHS)
                                break;
                        p += 8;
                }
                /* skip ASCII byte by byte, up to a NUL or a byte that is not ASCII */
                while (p < end && *p - 1U < 0x7f)
                        ++p;
                if (p == end)
                        return true;
                length = character_length(p, end - p);
                if (length == 0)
                        return false;
                p += length;
        }
        return true;
}
