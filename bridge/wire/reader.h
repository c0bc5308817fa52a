/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reading the arguments of a checked message: align, take a value and move on to the next
 *
 * The caller has compared m->signature with the values that it reads, so nothing here can fail.
 */

#include "bridge/wire/byte-order.h"
#include "bridge/wire/message.h"

struct reader {
        const struct message *m;
        const uint8_t *at;
};

static inline void reader_align(struct reader *r, size_t alignment) {
        r->at = r->m->body + wire_align(r->at - r->m->body, alignment);
}

static inline void reader_init(struct reader *r, const struct message *m) {
        *r = (struct reader){.m = m, .at = m->body};
}

static inline uint8_t reader_u8(struct reader *r) {
        return *r->at++;
}

static inline uint16_t reader_u16(struct reader *r) {
        uint16_t v;

        reader_align(r, 2);
        memcpy(&v, r->at, sizeof(v));
        r->at += 2;
        return r->m->big_endian ? be16toh(v) : le16toh(v);
}

static inline uint32_t reader_u32(struct reader *r) {
        uint32_t v;

        reader_align(r, 4);
        v = wire_load32(r->at, r->m->big_endian);
        r->at += 4;
        return v;
}

static inline uint64_t reader_u64(struct reader *r) {
        uint64_t v;

        reader_align(r, 8);
        v = wire_load64(r->at, r->m->big_endian);
        r->at += 8;
        return v;
}

/* s and o */
static inline struct wire_string reader_string(struct reader *r) {
        struct wire_string string;

        string.n = reader_u32(r);
        string.s = (const char *)r->at;
        r->at += (size_t)string.n + 1;
        return string;
}

static inline struct wire_string reader_signature(struct reader *r) {
        struct wire_string string;

        string.n = *r->at++;
        string.s = (const char *)r->at;
        r->at += (size_t)string.n + 1;
        return string;
}

/* Enter an array that ends at *ret_end: read elements while r->at < *ret_end. */
static inline void reader_array(struct reader *r, size_t element_alignment,
                                const uint8_t **ret_end) {
        uint32_t n = reader_u32(r);

        reader_align(r, element_alignment);
        *ret_end = r->at + n;
}

static inline void reader_struct(struct reader *r) {
        reader_align(r, 8);
}

/*
 * Step over one complete value of the type at the beginning of signature. Returns the rest of the
 * signature.
 */
const char *reader_skip(struct reader *r, const char *signature);
