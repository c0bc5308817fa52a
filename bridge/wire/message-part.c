/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bodies, checked in parts: a walk that stops after each part. It keeps its place, and its stack of
 * open containers, in memory.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/wire/message-walk.h"

struct body_check {
        struct walk walk;
        struct stack stack;
};

const size_t body_check_memory = sizeof(struct body_check);

/*
 * Check about n bytes of the content of a string. If text is cut at any place that is not inside of
 * a character, it is valid if both parts are. In valid text, the next such place is at most three
 * bytes away.
 */
static int check_string_part(struct walk *w, size_t n) {
        size_t at = w->pos + n;

        for (unsigned i = 0; i < 3 && at < w->long_end && (w->data[at] & 0xc0) == 0x80; i++)
                ++at;
        if (!name_is_valid_utf8((const char *)w->data + w->pos, at - w->pos))
                return MESSAGE_E_STRING;
        w->pos = at;
        return 0;
}

/* Check about n bytes of the long value. */
static int check_long_part(struct walk *w, size_t n, bool big_endian) {
        size_t left = w->long_end - w->pos;
        int r = 0;

        if (n > left)
                n = left;
        switch (w->long_type) {
        case 's':
                r = check_string_part(w, n);
                break;
        case 'o':
                if (!name_check_object_path_part((const char *)w->data + w->pos, n))
                        return MESSAGE_E_OBJECT_PATH;
                w->pos += n;
                break;
        case 'b':
                r = check_booleans(w->data, &w->pos, wire_align(n, 4), big_endian);
                break;
        }
        if (r || w->pos < w->long_end)
                return r;

        if (w->long_type != 'b')
                ++w->pos; /* the NUL, which was checked first */
        w->long_type = 0;
        return close_containers(w);
}

/* Go on for about n bytes. The results are those of walk_on(). */
static int check_part(struct walk *w, size_t n, bool big_endian) {
        int r;

        w->stop = w->pos + n;
        if (w->long_type) {
                r = check_long_part(w, n, big_endian);
                if (r)
                        return r;
                if (w->long_type)
                        return STOPPED;
        }
        return big_endian ? walk_on(w, true, true) : walk_on(w, false, true);
}

/* The walk has stopped: keep it, and the part of its stack that is in use. */
static struct body_check *body_check_new(const struct walk *walk, const struct stack *stack) {
        struct body_check *check = malloc(sizeof(*check));
        size_t top = walk->top - stack->frames, measured = walk->measured - stack->measured;

        if (!check)
                return NULL;
        check->walk = *walk;
        check->walk.top = check->stack.frames + top;
        check->walk.measured = check->stack.measured + measured;
        memcpy(check->stack.frames, stack->frames, (top + 1) * sizeof(stack->frames[0]));
        memcpy(check->stack.measured, stack->measured, (measured + 1) * sizeof(stack->measured[0]));
        return check;
}

struct body_check *body_check_free(struct body_check *check) {
        free(check);
        return NULL;
}

/* Many large bodies need no more than one part, because they are numbers: nothing is allocated. */
static int check_first_part(const struct message *m, size_t n, struct body_check **ret_check,
                            size_t *ret_pos) {
        struct stack stack;
        struct walk walk =
                walk_begin(&stack, m->wire, m->n_wire - m->n_body, m->n_wire, m->signature.s, 0);
        int r;

        r = check_part(&walk, n, m->big_endian);
        if (r == STOPPED) {
                *ret_check = body_check_new(&walk, &stack);
                return *ret_check ? 0 : -ENOMEM;
        }
        *ret_pos = walk.pos;
        return r;
}

int message_check_part(const struct message *m, size_t n, struct body_check **check,
                       size_t *ret_pos) {
        int r;

        if (!*check)
                return check_first_part(m, n, check, ret_pos);
        r = check_part(&(*check)->walk, n, m->big_endian);
        if (r == STOPPED)
                return 0;
        *ret_pos = (*check)->walk.pos;
        *check = body_check_free(*check);
        return r;
}
