/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Signatures, checked in one pass with a stack of the open brackets instead of recursion.
 *
 * An automaton says which character may follow which. It uses tables, not branches: a client can
 * send random signatures, in which a processor would often predict branches wrongly.
 *
 * Nesting is counted as the specification says ("Valid Signatures"). A dict entry counts as a
 * struct. An array is open until its element type is complete, so nested arrays are counted
 * together even if structs are between them.
 */

#include <string.h>

#include "bridge/wire/names.h"
#include "bridge/wire/signature.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

const struct signature_type signature_types[256] = {
        ['y'] = {1, 1, true},  ['b'] = {4, 4, true},  ['n'] = {2, 2, true},  ['q'] = {2, 2, true},
        ['i'] = {4, 4, true},  ['u'] = {4, 4, true},  ['h'] = {4, 4, true},  ['x'] = {8, 8, true},
        ['t'] = {8, 8, true},  ['d'] = {8, 8, true},  ['s'] = {4, 0, true},  ['o'] = {4, 0, true},
        ['g'] = {1, 0, true},  ['v'] = {1, 0, false}, ['a'] = {4, 0, false}, ['('] = {8, 0, false},
        ['{'] = {8, 0, false},
};

/*
 * What a position is in, and what is before it there. The values are multiples of 6, the offsets of
 * the states in transitions[].
 */
enum state {
        ERROR = 0,
        OUTSIDE = 6,        /* in no bracket, behind a complete type or nothing */
        OUTSIDE_ARRAY = 12, /* the same, behind 'a' */
        EMPTY = 18,         /* in a struct without members so far */
        STRUCT = 24,        /* in a struct, behind a member */
        STRUCT_ARRAY = 30,
        KEY = 36, /* in a dict entry, before its key */
        VALUE = 42,
        VALUE_ARRAY = 48,
        FULL = 54, /* in a dict entry, behind its value */
};

#define NEXT(from, to) ((uint64_t)(to) << (from))

/* the states behind a complete type that is not basic, so it cannot be a key */
#define BEHIND_TYPE                                                                    \
        (NEXT(OUTSIDE, OUTSIDE) | NEXT(OUTSIDE_ARRAY, OUTSIDE) | NEXT(EMPTY, STRUCT) | \
         NEXT(STRUCT, STRUCT) | NEXT(STRUCT_ARRAY, STRUCT) | NEXT(VALUE, FULL) |       \
         NEXT(VALUE_ARRAY, FULL))
#define BEHIND_ARRAY                                                         \
        (NEXT(OUTSIDE, OUTSIDE_ARRAY) | NEXT(OUTSIDE_ARRAY, OUTSIDE_ARRAY) | \
         NEXT(EMPTY, STRUCT_ARRAY) | NEXT(STRUCT, STRUCT_ARRAY) |            \
         NEXT(STRUCT_ARRAY, STRUCT_ARRAY) | NEXT(VALUE, VALUE_ARRAY) |       \
         NEXT(VALUE_ARRAY, VALUE_ARRAY))
#define IN_STRUCT                                                                 \
        (NEXT(OUTSIDE, EMPTY) | NEXT(OUTSIDE_ARRAY, EMPTY) | NEXT(EMPTY, EMPTY) | \
         NEXT(STRUCT, EMPTY) | NEXT(STRUCT_ARRAY, EMPTY) | NEXT(VALUE, EMPTY) |   \
         NEXT(VALUE_ARRAY, EMPTY))
#define IN_DICT (NEXT(OUTSIDE_ARRAY, KEY) | NEXT(STRUCT_ARRAY, KEY) | NEXT(VALUE_ARRAY, KEY))

#define BEHIND_BASIC (BEHIND_TYPE | NEXT(KEY, VALUE))

/*
 * For each character, six bits for each state: the state behind the character, or ERROR. Behind the
 * start of a bracket, it is that of an empty bracket. Behind its end, the state is the one that the
 * stack has; the table only says in which states the end may be.
 */
static const uint64_t transitions[256] = {
        ['y'] = BEHIND_BASIC, ['b'] = BEHIND_BASIC,         ['n'] = BEHIND_BASIC,
        ['q'] = BEHIND_BASIC, ['i'] = BEHIND_BASIC,         ['u'] = BEHIND_BASIC,
        ['h'] = BEHIND_BASIC, ['x'] = BEHIND_BASIC,         ['t'] = BEHIND_BASIC,
        ['d'] = BEHIND_BASIC, ['s'] = BEHIND_BASIC,         ['o'] = BEHIND_BASIC,
        ['g'] = BEHIND_BASIC,

        ['v'] = BEHIND_TYPE,  ['a'] = BEHIND_ARRAY,         ['('] = IN_STRUCT,
        ['{'] = IN_DICT,      [')'] = NEXT(STRUCT, STRUCT), ['}'] = NEXT(FULL, FULL),
};

/* What a character does besides. The masks are 0 or 0xff; they select without a branch. */
static const struct effect {
        int16_t depth;  /* change of the number of open brackets */
        uint8_t array;  /* mask: an array begins */
        uint8_t closes; /* mask: a bracket ends */
} effects[256] = {
        ['a'] = {.array = 0xff},
        ['('] = {.depth = 1},
        ['{'] = {.depth = 1},
        [')'] = {.depth = -1, .closes = 0xff},
        ['}'] = {.depth = -1, .closes = 0xff},
};

/* An open struct or dict entry. */
struct bracket {
        uint8_t state_behind; /* the state behind its end */
        uint8_t n_arrays;     /* number of arrays around it */
};

/* mask is 0 or 0xff. */
static inline unsigned select(uint8_t mask, unsigned a, unsigned b) {
        return b ^ ((a ^ b) & mask);
}

/*
 * The state behind the n characters at s, if the state before them is the given one. ERROR if a
 * character may not be where it is, or if brackets are open at the end. Short signatures cannot
 * exceed the limits of nesting, so these are not checked.
 */
static ALWAYS_INLINE unsigned walk(const char *s, size_t n, unsigned state, bool is_short) {
        /* stack[0] is no bracket; it stands for the outermost types */
        struct bracket stack[SIGNATURE_DEPTH_MAX + 2];
        size_t depth = 0;
        unsigned row = 0; /* number of 'a' directly before the position */

        stack[0] = (struct bracket){ERROR, 0};
        for (size_t i = 0; i < n; i++) {
                uint8_t c = s[i], next = transitions[c] >> (state & 63) & 63;
                unsigned n_arrays;

                if (next == ERROR || (!is_short && depth > SIGNATURE_DEPTH_MAX))
                        return ERROR;
                n_arrays = stack[depth].n_arrays + row;
                if (!is_short && n_arrays > SIGNATURE_DEPTH_MAX)
                        return ERROR;

                /* has an effect only if a bracket opens here */
                stack[depth + 1].state_behind = BEHIND_TYPE >> (state & 63);
                stack[depth + 1].n_arrays = n_arrays;

                state = select(effects[c].closes, stack[depth].state_behind, next);
                depth += effects[c].depth;
                row = (row + 1) & effects[c].array;
        }
        return depth == 0 ? state & 63 : ERROR;
}

static unsigned walk_any(const char *s, size_t n, unsigned state) {
        if (n <= SIGNATURE_DEPTH_MAX)
                return walk(s, n, state, true);
        return walk(s, n, state, false);
}

bool signature_check_long(const char *s, size_t n) {
        size_t i = 0;

        if (n > SIGNATURE_LENGTH_MAX)
                return false;

        /* most signatures are nothing but basic types and arrays of them; NUL ends the loops */
        for (;;) {
                while (signature_is_basic(s[i]))
                        ++i;
                if (s[i] != 'a' || !signature_is_basic(s[i + 1]))
                        break;
                i += 2;
        }
        return i == n || walk_any(s + i, n - i, OUTSIDE) == OUTSIDE;
}

/* A type that stands alone is like the value of a dict entry: no other type may follow it. */
bool signature_check_one(const char *s, size_t n) {
        return n <= SIGNATURE_LENGTH_MAX && walk_any(s, n, VALUE) == FULL;
}

const char *signature_skip(const char *s) {
        unsigned depth = 0;
        uint8_t c;

        do {
                c = *s++;
                depth += effects[c].depth;
        } while (c == 'a' || depth > 0);
        return s;
}

/* Characters of one group may form a row. */
static const uint8_t groups[256] = {
        ['('] = '(', [')'] = ')', ['}'] = ')', ['y'] = 'y', ['n'] = 'n', ['q'] = 'q',
        ['i'] = 'i', ['u'] = 'u', ['h'] = 'h', ['x'] = 'x', ['t'] = 't', ['d'] = 'd',
};

/* The walk goes backwards, so that it knows what is behind each character. */
void signature_measure(const char *s, uint8_t steps[static SIGNATURE_LENGTH_MAX]) {
        uint8_t stack[SIGNATURE_DEPTH_MAX]; /* the ends of open brackets */
        unsigned depth = 0;
        unsigned type_end = 0; /* of the type behind the character */
        uint8_t last = 0, row = 0;

        for (unsigned i = strlen(s); i-- > 0;) {
                uint8_t group = groups[(uint8_t)s[i]];

                row = group && group == last ? row + 1 : 1;
                last = group;
                steps[i] = row;

                if (s[i] == ')' || s[i] == '}')
                        stack[depth++] = i + 1;
                else if (s[i] == '(' || s[i] == '{')
                        type_end = stack[--depth];
                else if (s[i] == 'a')
                        steps[i] = type_end - i;
                else
                        type_end = i + 1;
        }
}

bool name_is_valid_signature(const char *s, size_t n) {
        return n <= SIGNATURE_LENGTH_MAX && walk_any(s, n, OUTSIDE) == OUTSIDE;
}
