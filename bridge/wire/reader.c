/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading: stepping over a value of any type. */

#include "bridge/wire/reader.h"

#include "bridge/wire/signature.h"

/*
 * A variant has a signature of its own. Meanwhile the stack keeps the signatures outside of the
 * variant. The check of the body has made sure that the stack is deep enough.
 */
const char *reader_skip(struct reader *r, const char *signature) {
        struct {
                const char *signature;
                unsigned n_brackets;
        } stack[SIGNATURE_TOTAL_DEPTH_MAX];
        unsigned depth = 0, n_brackets = 0;

        for (;;) {
                char type = *signature++;
                const struct signature_type *t = &signature_types[(uint8_t)type];
                const uint8_t *end;

                switch (type) {
                case 's':
                case 'o':
                        reader_string(r);
                        break;
                case 'g':
                        reader_signature(r);
                        break;
                case 'a':
                        t = &signature_types[(uint8_t)*signature];
                        reader_array(r, t->alignment, &end);
                        r->at = end;
                        signature = signature_skip(signature);
                        break;
                case 'v':
                        stack[depth].signature = signature;
                        stack[depth].n_brackets = n_brackets;
                        ++depth;
                        n_brackets = 0;
                        signature = reader_signature(r).s;
                        continue;
                case '(':
                case '{':
                        reader_struct(r);
                        ++n_brackets;
                        continue;
                case ')':
                case '}':
                        --n_brackets;
                        break;
                default:
                        reader_align(r, t->alignment);
                        r->at += t->size;
                        break;
                }

                while (n_brackets == 0) {
                        if (depth == 0)
                                return signature;
                        --depth;
                        signature = stack[depth].signature;
                        n_brackets = stack[depth].n_brackets;
                }
        }
}
