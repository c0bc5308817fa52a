/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * UTF-8 as D-Bus has it: no overlong forms, no surrogates, nothing above U+10FFFF and no NUL
 * (D-Bus spec, "Basic types"). Noncharacters are allowed.
 *
 * Runs of ASCII are taken eight bytes at a time. All other text goes through an automaton without
 * branches, because a processor cannot predict the lengths of its characters.
 */

#include <stdint.h>
#include <string.h>

#include "bridge/wire/names.h"

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/*
 * What is expected next. The values are multiples of 6, the offsets of the states in the rows
 * below. A malformed character leads to ERROR, from which no byte leads away.
 */
enum state {
        ERROR = 0,
        START = 6,  /* a character */
        LAST1 = 12, /* the last byte of a character */
        LAST2 = 18, /* the last two bytes */
        LAST3 = 24,
        AFTER_E0 = 30,
        AFTER_ED = 36,
        AFTER_F0 = 42,
        AFTER_F4 = 48,
};

#define NEXT(from, to) ((uint64_t)(to) << (from))
#define CONTINUE (NEXT(LAST1, START) | NEXT(LAST2, LAST1) | NEXT(LAST3, LAST2))

/*
 * For each byte, six bits for each state: the state behind the byte. The ranges are those of the
 * Unicode standard's table of well-formed byte sequences (3-7).
 */
static const uint64_t rows[256] = {
        [0x01 ... 0x7f] = NEXT(START, START),
        [0x80 ... 0x8f] = CONTINUE | NEXT(AFTER_ED, LAST1) | NEXT(AFTER_F4, LAST2),
        [0x90 ... 0x9f] = CONTINUE | NEXT(AFTER_ED, LAST1) | NEXT(AFTER_F0, LAST2),
        [0xa0 ... 0xbf] = CONTINUE | NEXT(AFTER_E0, LAST1) | NEXT(AFTER_F0, LAST2),
        [0xc2 ... 0xdf] = NEXT(START, LAST1),
        [0xe0] = NEXT(START, AFTER_E0),
        [0xe1 ... 0xec] = NEXT(START, LAST2),
        [0xed] = NEXT(START, AFTER_ED),
        [0xee ... 0xef] = NEXT(START, LAST2),
        [0xf0] = NEXT(START, AFTER_F0),
        [0xf1 ... 0xf3] = NEXT(START, LAST3),
        [0xf4] = NEXT(START, AFTER_F4),
};

static inline unsigned step(unsigned state, uint8_t byte) {
        return rows[byte] >> state & 63;
}

/* Are eight bytes ASCII without NUL? */
static inline bool are_ascii(const uint8_t *p) {
        uint64_t word;

        memcpy(&word, p, sizeof(word));
        /*
         * A high bit is set if a byte is not ASCII, or if a byte is NUL, so that subtracting 1 from
         * it borrows.
         */
        return ((word | (word - ONES)) & HIGHS) == 0;
}

/* Skip ASCII without NUL. May stop up to seven bytes early, but not if all bytes up to end are
 * such. */
static inline const uint8_t *skip_ascii(const uint8_t *p, const uint8_t *end) {
        while (end - p >= 8) {
                if (!are_ascii(p))
                        return p;
                p += 8;
        }
        while (p < end && *p - 1U < 0x7f)
                ++p;
        return p;
}

bool name_is_valid_utf8(const char *s, size_t n) {
        const uint8_t *p = (const uint8_t *)s, *end = p + n;
        unsigned state = START;

        p = skip_ascii(p, end);
        while (end - p >= 8) {
                for (unsigned i = 0; i < 8; i++)
                        state = step(state, *p++);
                if (state == START)
                        p = skip_ascii(p, end);
        }
        while (p < end)
                state = step(state, *p++);
        return state == START;
}
