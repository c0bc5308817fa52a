/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Compares bodies in different byte orders. */

#include <string.h>

#include "test/conformance/differential/world.h"

/* two bodies of the same length, in different byte orders, which are read in parallel */
struct pair {
        const struct received *a;
        const struct received *b;
        size_t at;
        bool same;
};

static void skip_padding(struct pair *pair, size_t alignment) {
        pair->at = (pair->at + alignment - 1) & ~(alignment - 1);
}

/* Compare the next number of n bytes. Returns its value, or 0 if n is not 4 or the body ends. */
static uint32_t take_number(struct pair *pair, size_t n) {
        const uint8_t *a, *b;

        skip_padding(pair, n);
        if (pair->at + n > pair->a->n_body) {
                pair->same = false;
                return 0;
        }
        a = pair->a->body + pair->at;
        b = pair->b->body + pair->at;
        for (size_t i = 0; i < n; i++)
                pair->same &= a[i] == b[n - 1 - i];
        pair->at += n;
        return n == 4 ? wire_load_u32(a, pair->a->big_endian) : 0;
}

static const char *take_text(struct pair *pair, size_t n) {
        const char *s = (const char *)pair->a->body + pair->at;

        if (pair->at + n + 1 > pair->a->n_body || memcmp(s, pair->b->body + pair->at, n + 1) != 0) {
                pair->same = false;
                return "";
        }
        pair->at += n + 1;
        return s;
}

static size_t alignment_of(char type) {
        return strchr("yvg", type) ? 1 : strchr("nq", type) ? 2 : strchr("xtd({", type) ? 8 : 4;
}

/* Find the end of the first complete type. */
static const char *type_end(const char *type) {
        unsigned depth = 0;

        for (;; type++) {
                depth += *type == '(' || *type == '{';
                depth -= *type == ')' || *type == '}';
                if (*type != 'a' && depth == 0)
                        return type + 1;
        }
}

static const char *walk(struct pair *pair, const char *type) {
        const char *end = type_end(type);
        size_t n, stop;

        if (!pair->same)
                return end;
        switch (*type) {
        case 'y':
                take_number(pair, 1);
                break;
        case 's':
        case 'o':
                n = take_number(pair, 4);
                take_text(pair, n);
                break;
        case 'g':
        case 'v':
                n = pair->at < pair->a->n_body ? pair->a->body[pair->at] : 0;
                take_number(pair, 1);
                if (*type == 'v')
                        walk(pair, take_text(pair, n));
                else
                        take_text(pair, n);
                break;
        case 'a':
                n = take_number(pair, 4);
                skip_padding(pair, alignment_of(type[1]));
                for (stop = pair->at + n; pair->same && pair->at < stop;)
                        walk(pair, type + 1);
                break;
        case '(':
        case '{':
                skip_padding(pair, 8);
                for (const char *t = type + 1; t < end - 1;)
                        t = walk(pair, t);
                break;
        default:
                take_number(pair, alignment_of(*type));
        }
        return end;
}

bool compare_swapped(const struct received *a, const struct received *b) {
        struct pair pair = {a, b, 0, true};

        if (a->big_endian == b->big_endian || a->n_body != b->n_body)
                return false;
        for (const char *type = a->signature; pair.same && *type;)
                type = walk(&pair, type);
        return pair.same && pair.at == a->n_body;
}
