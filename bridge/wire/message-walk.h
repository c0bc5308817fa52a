/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The walk over the values of a message, which checks them against their signature in one pass
 * (D-Bus spec, "Marshaling (Wire Format)"). message-body.c and message-part.c compile it for their
 * purposes, once for each byte order.
 *
 * The walk goes through signature and bytes at the same time. It keeps open arrays and variants on
 * a stack that is as deep as the specification allows, so it does not recurse. Structs are only
 * counted. An array of numbers is one step, whatever its length.
 *
 * The time for a byte must not depend much on what a client sends (test/bench/validate.c). But
 * brackets, and the element types of empty arrays, are characters of a signature for which there
 * are no bytes, and an array repeats them for each of its elements. So when an array goes on to its
 * second element, the walk measures the signature that the array is in (signature_measure()). From
 * then on, a row of brackets is one step, and so are a row of numbers and an empty array. The
 * signatures of the message and of each open variant are measured at most once.
 *
 * A walk that can stop does so after a number of bytes, and goes on later. If a value that takes
 * long, such as a string, does not end before this place, the walk stops at the beginning of its
 * content, and whoever called checks the content piece by piece.
 */

#include <limits.h>

#include "bridge/wire/byte-order.h"
#include "bridge/wire/message-private.h"
#include "bridge/wire/names.h"
#include "bridge/wire/signature.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* If fewer bytes are left of an array, it takes longer to measure the signature than to go on. */
#define MEASURE_MIN 16

/* An array or variant whose end has not been reached. */
struct frame {
        enum {
                FRAME_ARRAY,
                FRAME_VARIANT,
        } kind;
        bool is_complex;       /* array: the type of its element has more than one character */
        unsigned depth;        /* number of open containers directly inside */
        const char *signature; /* array: that of its element; variant: that behind the variant */
        size_t end;            /* array: where it ends */
};

/* A signature that the walk is in: that of the outermost values, or of an open variant. */
struct measured {
        const char *signature;
        bool done;                           /* steps is set */
        uint8_t steps[SIGNATURE_LENGTH_MAX]; /* see signature_measure() */
};

/*
 * Skip the padding at *pos. No branch depends on whether there is any: behind values of variable
 * size, a processor often cannot predict this. There are always eight bytes before *pos to read.
 */
static ALWAYS_INLINE int align(const uint8_t *data, size_t *pos, size_t end, size_t alignment) {
        size_t at = wire_align(*pos, alignment), n = at - *pos;

        if (at > end)
                return MESSAGE_E_BODY;
        /* the last n bytes before at are the upper ones of this number; n is 0 to 7 */
        if (wire_load64(data + at - 8, false) >> 8 >> (56 - 8 * n) != 0)
                return MESSAGE_E_PADDING;
        *pos = at;
        return 0;
}

/* The same, with fewer instructions where there is usually no padding. */
static ALWAYS_INLINE int align_rarely(const uint8_t *data, size_t *pos, size_t end,
                                      size_t alignment) {
        return *pos & (alignment - 1) ? align(data, pos, end, alignment) : 0;
}

static ALWAYS_INLINE int check_boolean(const uint8_t *p, bool big_endian) {
        return wire_load32(p, big_endian) > 1 ? MESSAGE_E_BOOLEAN : 0;
}

/* Read the length of a string or path, and go to its first byte. */
static ALWAYS_INLINE int read_string(const uint8_t *data, size_t *pos, size_t end, bool big_endian,
                                     size_t *ret_n) {
        size_t at, n;
        int r;

        r = align(data, pos, end, 4);
        if (r)
                return r;
        if (end - *pos < 5)
                return MESSAGE_E_BODY;
        at = *pos + 4;
        n = wire_load32(data + *pos, big_endian);
        if (n >= end - at)
                return MESSAGE_E_BODY;
        if (data[at + n] != 0)
                return MESSAGE_E_STRING;

        *ret_n = n;
        *pos = at;
        return 0;
}

static ALWAYS_INLINE int check_string(const uint8_t *data, size_t *pos, size_t n, char type) {
        const char *s = (const char *)data + *pos;

        if (type == 's') {
                if (!name_is_valid_utf8(s, n))
                        return MESSAGE_E_STRING;
        } else {
                if (!name_check_object_path(s, n))
                        return MESSAGE_E_OBJECT_PATH;
        }
        *pos += n + 1;
        return 0;
}

/* Read a value of type g, or the signature of a variant, without checking its types. */
static ALWAYS_INLINE int read_signature(const uint8_t *data, size_t *pos, size_t end,
                                        const char **ret_signature, size_t *ret_n) {
        size_t at, n;

        if (end - *pos < 2)
                return MESSAGE_E_BODY;
        at = *pos + 1;
        n = data[*pos];
        if (n >= end - at)
                return MESSAGE_E_BODY;
        if (data[at + n] != 0)
                return MESSAGE_E_STRING;

        *ret_signature = (const char *)data + at;
        *ret_n = n;
        *pos = at + n + 1;
        return 0;
}

static ALWAYS_INLINE int check_signature(const uint8_t *data, size_t *pos, size_t end) {
        const char *signature;
        size_t n;
        int r;

        r = read_signature(data, pos, end, &signature, &n);
        if (r)
                return r;
        return signature_check(signature, n) ? 0 : MESSAGE_E_SIGNATURE;
}

/* Most variants have a type of one character. */
static ALWAYS_INLINE bool is_variant_signature(const char *signature, size_t n) {
        const struct signature_type *type = &signature_types[(uint8_t)signature[0]];

        if (n == 1)
                return type->basic || signature[0] == 'v';
        return signature_check_one(signature, n);
}

/* Check n values of the same fixed size. For booleans, n is 1. */
static ALWAYS_INLINE int check_fixed(const uint8_t *data, size_t *pos, size_t end, char type,
                                     size_t n, bool big_endian) {
        size_t size = signature_types[(uint8_t)type].size;
        int r;

        r = align(data, pos, end, size);
        if (r)
                return r;
        if (end - *pos < n * size)
                return MESSAGE_E_BODY;
        if (type == 'b' && check_boolean(data + *pos, big_endian))
                return MESSAGE_E_BOOLEAN;
        *pos += n * size;
        return 0;
}

/* Read the length of an array and the padding behind it. Sets *ret_n to the length in bytes. */
static ALWAYS_INLINE int check_array(const uint8_t *data, size_t *pos, size_t end,
                                     const struct signature_type *element, bool big_endian,
                                     size_t *ret_n) {
        size_t n;
        int r;

        r = align_rarely(data, pos, end, 4);
        if (r)
                return r;
        if (end - *pos < 4)
                return MESSAGE_E_BODY;
        n = wire_load32(data + *pos, big_endian);
        if (n > MESSAGE_ARRAY_MAX)
                return MESSAGE_E_ARRAY;
        *pos += 4;
        r = align_rarely(data, pos, end, element->alignment);
        if (r)
                return r;
        if (n > end - *pos)
                return MESSAGE_E_ARRAY;
        *ret_n = n;
        return 0;
}

/* Check n bytes of an array of booleans. */
static ALWAYS_INLINE int check_booleans(const uint8_t *data, size_t *pos, size_t n,
                                        bool big_endian) {
        for (size_t i = 0; i < n; i += 4)
                if (check_boolean(data + *pos + i, big_endian))
                        return MESSAGE_E_BOOLEAN;
        *pos += n;
        return 0;
}

/* The position of the walk. */
struct walk {
        const uint8_t *data;
        size_t pos, end;
        const char *signature; /* of the rest of the innermost signature */
        unsigned depth;        /* number of open containers */
        struct frame *top;
        struct measured *measured; /* the innermost signature */
        /* for a walk that can stop */
        size_t stop;    /* where it stops; an offset like end */
        char long_type; /* pos is in a string (s), a path (o), or an array of booleans (b); 0: no */
        size_t long_end; /* where the content of this value ends */
};

enum {
        /* The result of a step that is not the end of a value. */
        OPENED = -1,
        /* The result of a walk that has stopped before the end of the values. */
        STOPPED = -2,
};

/* The number of characters that the walk can take in one step, as far as that was measured. */
static ALWAYS_INLINE unsigned step_length(const struct walk *w) {
        if (!w->measured->done)
                return 1;
        return w->measured->steps[w->signature - w->measured->signature];
}

static ALWAYS_INLINE int open_structs(struct walk *w) {
        unsigned n = step_length(w);
        int r;

        r = align(w->data, &w->pos, w->end, 8);
        if (r)
                return r;
        if (!w->measured->done)
                while (w->signature[n] == '(')
                        ++n;
        w->depth += n;
        w->signature += n;
        return w->depth > SIGNATURE_TOTAL_DEPTH_MAX ? MESSAGE_E_DEPTH : OPENED;
}

/*
 * The row goes on behind the end of an array element if structs around the array end there too.
 * These are closed later.
 */
static ALWAYS_INLINE void close_structs(struct walk *w) {
        unsigned n = step_length(w), n_open = w->depth - w->top->depth;

        if (!w->measured->done)
                while (n < n_open && (w->signature[n] == ')' || w->signature[n] == '}'))
                        ++n;
        if (n > n_open)
                n = n_open;
        w->depth -= n;
        w->signature += n;
}

/* The content of n bytes at pos does not end before the walk has to stop: it is checked later. */
static ALWAYS_INLINE int open_long(struct walk *w, char type, size_t n) {
        w->long_type = type;
        w->long_end = w->pos + n;
        w->stop = w->pos;
        return OPENED;
}

static ALWAYS_INLINE int open_long_string(struct walk *w, char type, size_t n) {
        int r = open_long(w, type, n);

        if (type == 'o') {
                if (!name_check_object_path_ends((const char *)w->data + w->pos, n))
                        return MESSAGE_E_OBJECT_PATH;
                ++w->pos;
        }
        return r;
}

/*
 * Check an array of fixed-size elements. Only booleans have to be checked one by one. The other
 * elements cost nothing, so they do not count for a walk that can stop.
 */
static ALWAYS_INLINE int check_fixed_array(struct walk *w, size_t n, char type, bool big_endian,
                                           bool can_stop) {
        if (n & (signature_types[(uint8_t)type].size - 1U))
                return MESSAGE_E_ARRAY;
        if (type == 'b') {
                if (can_stop && w->pos + n > w->stop)
                        return open_long(w, type, n);
                return check_booleans(w->data, &w->pos, n, big_endian);
        }
        w->pos += n;
        if (can_stop)
                w->stop += n;
        return 0;
}

static ALWAYS_INLINE int open_array(struct walk *w, bool big_endian, bool can_stop) {
        const char *element = w->signature + 1;
        const struct signature_type *type = &signature_types[(uint8_t)*element];
        size_t n;
        int r;

        r = check_array(w->data, &w->pos, w->end, type, big_endian, &n);
        if (r)
                return r;
        if (type->size) {
                w->signature += 2;
                return check_fixed_array(w, n, *element, big_endian, can_stop);
        }
        if (n == 0) {
                if (w->measured->done)
                        w->signature += step_length(w);
                else
                        w->signature = signature_skip(w->signature);
                return 0;
        }
        if (w->depth == SIGNATURE_TOTAL_DEPTH_MAX)
                return MESSAGE_E_DEPTH;
        *++w->top = (struct frame){
                .kind = FRAME_ARRAY,
                .is_complex = !type->basic && *element != 'v',
                .depth = ++w->depth,
                .signature = element,
                .end = w->pos + n,
        };
        w->signature = element;
        return OPENED;
}

static ALWAYS_INLINE int open_variant(struct walk *w, bool big_endian) {
        const char *inner;
        size_t n;
        int r;

        r = read_signature(w->data, &w->pos, w->end, &inner, &n);
        if (r)
                return r;
        if (!is_variant_signature(inner, n))
                return MESSAGE_E_VARIANT;
        if (w->depth == SIGNATURE_TOTAL_DEPTH_MAX)
                return MESSAGE_E_DEPTH;
        ++w->signature;
        if (signature_types[(uint8_t)*inner].size)
                return check_fixed(w->data, &w->pos, w->end, *inner, 1, big_endian);

        *++w->top = (struct frame){
                .kind = FRAME_VARIANT,
                .depth = ++w->depth,
                .signature = w->signature,
        };
        ++w->measured;
        w->measured->signature = inner;
        w->measured->done = false;
        w->signature = inner;
        return OPENED;
}

/* The walk is about to repeat a part of the innermost signature. */
static ALWAYS_INLINE void measure(struct measured *m) {
        if (m->done)
                return;
        signature_measure(m->signature, m->steps);
        m->done = true;
}

/* A value is complete. Close the arrays and variants that end with it. */
static ALWAYS_INLINE int close_containers(struct walk *w) {
        while (w->depth == w->top->depth) {
                if (w->top->kind == FRAME_VARIANT) {
                        w->signature = w->top->signature;
                        --w->measured;
                } else if (w->pos < w->top->end) {
                        w->signature = w->top->signature;
                        if (w->top->is_complex && w->top->end - w->pos >= MEASURE_MIN)
                                measure(w->measured);
                        return 0;
                } else if (w->pos > w->top->end) {
                        return MESSAGE_E_ARRAY;
                }
                --w->top;
                --w->depth;
        }
        return 0;
}

/*
 * Go on with the walk. Returns 0 at the end of the values, STOPPED, or MESSAGE_E_*. A walk that can
 * stop takes at least one step.
 */
static ALWAYS_INLINE int walk_on(struct walk *walk, bool big_endian, bool can_stop) {
        struct walk w = *walk;
        size_t n;
        char type;
        int r;

        for (;;) {
                switch (*w.signature) {
                case 0: /* only the outermost values are followed by the end of their signature */
                        *walk = w;
                        return 0;
                case 's':
                case 'o':
                        type = *w.signature++;
                        r = read_string(w.data, &w.pos, w.end, big_endian, &n);
                        if (r)
                                return r;
                        if (can_stop && w.pos + n > w.stop)
                                r = open_long_string(&w, type, n);
                        else
                                r = check_string(w.data, &w.pos, n, type);
                        break;
                case 'g':
                        r = check_signature(w.data, &w.pos, w.end);
                        ++w.signature;
                        break;
                case 'v':
                        r = open_variant(&w, big_endian);
                        break;
                case 'a':
                        r = open_array(&w, big_endian, can_stop);
                        break;
                case '(':
                case '{':
                        r = open_structs(&w);
                        break;
                case ')':
                case '}':
                        close_structs(&w);
                        r = 0;
                        break;
                default: /* a type of fixed size */
                        n = step_length(&w);
                        r = check_fixed(w.data, &w.pos, w.end, *w.signature, n, big_endian);
                        w.signature += n;
                        break;
                }

                if (r == 0)
                        r = close_containers(&w);
                if (r > 0)
                        return r;
                if (can_stop && w.pos >= w.stop) {
                        *walk = w;
                        return STOPPED;
                }
        }
}

/* The open containers of a walk. */
struct stack {
        struct frame frames[SIGNATURE_TOTAL_DEPTH_MAX + 1];
        struct measured measured[SIGNATURE_TOTAL_DEPTH_MAX + 1];
};

static ALWAYS_INLINE struct walk walk_begin(struct stack *stack, const uint8_t *data, size_t pos,
                                            size_t end, const char *signature, unsigned depth) {
        /* no container; stands for the outermost values, behind which there is nothing to close */
        stack->frames[0].depth = UINT_MAX;
        stack->measured[0].signature = signature;
        stack->measured[0].done = false;
        return (struct walk){
                .data = data,
                .pos = pos,
                .end = end,
                .signature = signature,
                .depth = depth,
                .top = stack->frames,
                .measured = stack->measured,
        };
}
