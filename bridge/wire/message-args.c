/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The arguments of a message as match rules see them: strings, object paths and signatures among
 * the first 64. When the first rule asks for an argument, one walk over the body finds all of them
 * and stores them in a table.
 */

#include <stdlib.h>

#include "bridge/wire/message-private.h"
#include "bridge/wire/reader.h"
#include "bridge/wire/signature.h"

/* A place in a body that was checked, and the signature from there on. */
struct cursor {
        struct reader reader;
        const char *signature;
};

static struct cursor cursor_init(const struct message *m) {
        return (struct cursor){{m, m->body}, m->signature.s};
}

static struct message_arg take_arg(struct cursor *c) {
        struct message_arg arg = {.type = *c->signature};

        switch (arg.type) {
        case 's':
        case 'o':
                c->signature++;
                arg.value = reader_string(&c->reader);
                return arg;
        case 'g':
                c->signature++;
                arg.value = reader_signature(&c->reader);
                return arg;
        default:
                c->signature = reader_skip(&c->reader, c->signature);
                return (struct message_arg){};
        }
}

/* Walk to argument i. This is needed if there is no memory for the table. */
static struct message_arg find_arg(const struct message *m, unsigned i) {
        struct cursor c = cursor_init(m);

        while (*c.signature) {
                struct message_arg arg = take_arg(&c);

                if (i-- == 0)
                        return arg;
        }
        return (struct message_arg){};
}

static bool know_args(struct message *m) {
        struct cursor c = cursor_init(m);
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
