/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Permit keys - the header fields of the messages that a kept verdict is about
 *
 * A key has the interface and the member, and the path if a rule may depend on it. Messages have no
 * key if their interface, member and path together are longer than PERMIT_TEXT_MAX, or if they have
 * something else that a rule may depend on: descriptors, the field ERROR_NAME, or no interface.
 */

#include <string.h>

#include "bridge/wire/message.h"

#define PERMIT_TEXT_MAX 108

struct permit_key {
        uint32_t n_interface, n_member, n_path;
        char text[PERMIT_TEXT_MAX]; /* interface, member, path ("": no rule needs it) */
};

/* The same fields as they are in a message. */
struct permit_fields {
        const struct wire_string *interface, *member;
        struct wire_string path;
};

/* Returns false for a message that has no key. */
static inline bool permit_fields_of(const struct message *m, bool with_path,
                                    struct permit_fields *ret_fields) {
        struct wire_string path = with_path ? m->path : (struct wire_string){};

        if (m->n_fds > 0 || m->error_name.s || !m->interface.s ||
            m->interface.n + m->member.n + path.n > PERMIT_TEXT_MAX)
                return false;
        *ret_fields = (struct permit_fields){&m->interface, &m->member, path};
        return true;
}

/* Where a key with these fields is kept in a table with n slots. */
static inline size_t permit_fields_slot(const struct permit_fields *f, size_t n) {
        return (f->interface->n + 3 * f->member->n + 5 * f->path.n) % n;
}

static inline bool permit_key_equals(const struct permit_key *key, const struct permit_fields *f) {
        return key->n_interface == f->interface->n && key->n_member == f->member->n &&
               key->n_path == f->path.n && !memcmp(key->text, f->interface->s, f->interface->n) &&
               !memcmp(key->text + f->interface->n, f->member->s, f->member->n) &&
               (!f->path.n ||
                !memcmp(key->text + f->interface->n + f->member->n, f->path.s, f->path.n));
}

static inline void permit_key_set(struct permit_key *key, const struct permit_fields *f) {
        char *end;

        key->n_interface = f->interface->n;
        key->n_member = f->member->n;
        key->n_path = f->path.n;
        end = mempcpy(key->text, f->interface->s, f->interface->n);
        end = mempcpy(end, f->member->s, f->member->n);
        if (f->path.n)
                memcpy(end, f->path.s, f->path.n);
}
