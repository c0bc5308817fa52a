/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Signatures, checked in one pass with a stack of the open brackets instead of recursion.
 *
 * Nesting is counted as the specification says ("Valid Signatures"). A dict entry counts as a
 * struct. An array is open until its element type is complete, so nested arrays are counted
 * together even if structs are between them.
 */

#include "bridge/wire/signature.h"
#include "bridge/wire/names.h"

const struct signature_type signature_types[256] = {
        ['y'] = {1, 1, true},  ['b'] = {4, 4, true},  ['n'] = {2, 2, true},  ['q'] = {2, 2, true},
        ['i'] = {4, 4, true},  ['u'] = {4, 4, true},  ['h'] = {4, 4, true},  ['x'] = {8, 8, true},
        ['t'] = {8, 8, true},  ['d'] = {8, 8, true},  ['s'] = {4, 0, true},  ['o'] = {4, 0, true},
        ['g'] = {1, 0, true},  ['v'] = {1, 0, false}, ['a'] = {4, 0, false}, ['('] = {8, 0, false},
        ['{'] = {8, 0, false},
};

/* An open struct or dict entry, or the signature itself. */
struct bracket {
        char open;         /* 0: the signature itself */
        uint8_t n_members; /* complete types in it so far */
        uint8_t n_arrays;  /* number of 'a' directly before it */
};

bool signature_check(const char *s, size_t n, unsigned *ret_n_types) {
        struct bracket stack[SIGNATURE_DEPTH_MAX + 1], *top = stack;
        unsigned array_depth = 0; /* number of arrays that this position is in */
        unsigned n_arrays = 0;    /* number of 'a' directly before this position */
        size_t i = 0;

        if (n > SIGNATURE_LENGTH_MAX)
                return false;

        /* most signatures are nothing but basic types */
        while (i < n && signature_types[(uint8_t)s[i]].basic)
                ++i;

        for (*top = (struct bracket){.n_members = i}; i < n; i++) {
                char c = s[i];

                /* the key of a dict entry must be of a basic type */
                if (top->open == '{' && top->n_members == 0 && !signature_types[(uint8_t)c].basic)
                        return false;

                switch (c) {
                case 'a':
                        if (++array_depth > SIGNATURE_DEPTH_MAX)
                                return false;
                        ++n_arrays;
                        continue;
                case '{':
                        if (n_arrays == 0)
                                return false;
                        __attribute__((fallthrough));
                case '(':
                        if (top == stack + SIGNATURE_DEPTH_MAX)
                                return false;
                        *++top = (struct bracket){.open = c, .n_arrays = n_arrays};
                        n_arrays = 0;
                        continue;
                case ')':
                        if (top->open != '(' || n_arrays > 0 || top->n_members == 0)
                                return false;
                        n_arrays = top->n_arrays;
                        --top;
                        break;
                case '}':
                        if (top->open != '{' || n_arrays > 0 || top->n_members != 2)
                                return false;
                        n_arrays = top->n_arrays;
                        --top;
                        break;
                default:
                        if (signature_types[(uint8_t)c].alignment == 0)
                                return false;
                        break;
                }

                /* a type is complete, and with it the arrays whose element type it is */
                array_depth -= n_arrays;
                n_arrays = 0;
                ++top->n_members;
        }

        if (top != stack || n_arrays > 0)
                return false;
        *ret_n_types = stack[0].n_members;
        return true;
}

const char *signature_skip(const char *s) {
        unsigned depth = 0;

        for (;; s++) {
                switch (*s) {
                case 'a':
                        continue;
                case '(':
                case '{':
                        ++depth;
                        continue;
                case ')':
                case '}':
                        --depth;
                        break;
                }
                if (depth == 0)
                        return s + 1;
        }
}

bool name_is_valid_signature(const char *s, size_t n) {
        unsigned n_types;

        return signature_check(s, n, &n_types);
}
