/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Frames: see frames.h. */

#include "test/hostile/frames.h"

#include <string.h>

#include "test/bench/raw.h"

#define FIXED 16 /* bytes that tell the size of a message */

static size_t smaller(size_t a, size_t b) {
        return a < b ? a : b;
}

static void keep(struct frames *f, const uint8_t *data, size_t n) {
        n = smaller(n, sizeof(f->head) - f->n_head);
        memcpy(f->head + f->n_head, data, n);
        f->n_head += n;
}

size_t frames_take(struct frames *f, const uint8_t *data, size_t n, bool *ret_complete) {
        size_t fixed = 0, rest;

        *ret_complete = false;
        if (f->size > 0 && f->done == f->size)
                f->n_head = f->size = f->done = 0;
        if (f->size == 0) {
                fixed = smaller(n, FIXED - f->done);
                keep(f, data, fixed);
                f->done += fixed;
                f->size = raw_message_size(f->head, f->done);
                if (f->size == 0)
                        return fixed;
        }
        rest = smaller(n - fixed, f->size - f->done);
        keep(f, data + fixed, rest);
        f->done += rest;
        *ret_complete = f->done == f->size;
        return fixed + rest;
}
