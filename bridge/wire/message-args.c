/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The arguments of a message as match rules see them: strings, object paths and signatures among
 * the first 64, found in one walk over the body when the first rule asks.
 */

#include <stdlib.h>

#include "bridge/wire/byte-order.h"
#include "bridge/wire/message-private.h"
#include "bridge/wire/signature.h"

/* A place in a body that was checked. */
struct cursor {
        const struct message *m;
        size_t at;
        const char *signature;
};

static struct wire_string take_string(struct cursor *c) {
        struct wire_string string;

        c->at = wire_align(c->at, 4);
        string.n = wire_load32(c->m->body + c->at, c->m->big_endian);
        string.s = (const char *)c->m->body + c->at + 4;
        c->at += 4 + (size_t)string.n + 1;
        return string;
}

static struct wire_string take_signature(struct cursor *c) {
        struct wire_string string;

        string.n = c->m->body[c->at];
        string.s = (const char *)c->m->body + c->at + 1;
        c->at += 1 + (size_t)string.n + 1;
        return string;
}

/*
 * Step over one complete value. Variants interrupt a signature by another one; the signatures
 * interrupted are on a stack, of which the check of the body has limited the depth.
 */
static void skip_value(struct cursor *c) {
        struct {
                const char *signature;
                unsigned n_brackets;
        } stack[SIGNATURE_TOTAL_DEPTH_MAX];
        unsigned depth = 0, n_brackets = 0;

        for (;;) {
                char type = *c->signature++;
                const struct signature_type *t = &signature_types[(uint8_t)type];
                size_t n;

                switch (type) {
                case 's':
                case 'o':
                        take_string(c);
                        break;
                case 'g':
                        take_signature(c);
                        break;
                case 'a':
                        c->at = wire_align(c->at, 4);
                        n = wire_load32(c->m->body + c->at, c->m->big_endian);
                        t = &signature_types[(uint8_t)*c->signature];
                        c->at = wire_align(c->at + 4, t->alignment) + n;
                        c->signature = signature_skip(c->signature);
                        break;
                case 'v':
                        stack[depth].signature = c->signature;
                        stack[depth].n_brackets = n_brackets;
                        ++depth;
                        n_brackets = 0;
                        c->signature = take_signature(c).s;
                        continue;
                case '(':
                case '{':
                        c->at = wire_align(c->at, 8);
                        ++n_brackets;
                        continue;
                case ')':
                case '}':
                        --n_brackets;
                        break;
                default:
                        c->at = wire_align(c->at, t->alignment) + t->size;
                        break;
                }

                while (n_brackets == 0) {
                        if (depth == 0)
                                return;
                        --depth;
                        c->signature = stack[depth].signature;
                        n_brackets = stack[depth].n_brackets;
                }
        }
}

static struct message_arg take_arg(struct cursor *c) {
        struct message_arg arg = {.type = *c->signature};

        switch (arg.type) {
        case 's':
        case 'o':
                ++c->signature;
                arg.value = take_string(c);
                return arg;
        case 'g':
                ++c->signature;
                arg.value = take_signature(c);
                return arg;
        default:
                skip_value(c);
                return (struct message_arg){};
        }
}

/* Without memory for the table: walk up to the one that is asked for. */
static struct message_arg find_arg(const struct message *m, unsigned i) {
        struct cursor c = {m, 0, m->signature.s};

        while (*c.signature) {
                struct message_arg arg = take_arg(&c);

                if (i-- == 0)
                        return arg;
        }
        return (struct message_arg){};
}

static bool know_args(struct message *m) {
        struct cursor c = {m, 0, m->signature.s};
        const char *signature;
        unsigned n_args = 0;

        for (signature = m->signature.s; *signature && n_args < MESSAGE_ARGS_MAX; ++n_args)
                signature = signature_skip(signature);

        if (n_args > 0) {
                m->args = malloc(n_args * sizeof(m->args[0]));
                if (!m->args)
                        return false;
                for (unsigned i = 0; i < n_args; i++)
                        m->args[i] = take_arg(&c);
        }
        m->n_args = n_args;
        m->args_known = true;
        return true;
}

struct message_arg message_get_arg(struct message *m, unsigned i) {
        if (i >= MESSAGE_ARGS_MAX)
                return (struct message_arg){};
        if (!m->args_known && !know_args(m))
                return find_arg(m, i);
        return i < m->n_args ? m->args[i] : (struct message_arg){};
}
