/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Writing a header: the fields follow each other from offset MESSAGE_HEADER_SIZE on, each with
 * padding in front of it that aligns it to 8. The message starts at p, and the caller makes sure
 * that there is enough room. pos is the offset behind what is written already.
 */

#include "bridge/wire/byte-order.h"
#include "bridge/wire/message-private.h"

/* The most bytes that a field with its padding takes, apart from the length of its string. */
#define HEADER_FIELD_MAX 16

static inline size_t header_pad(uint8_t *p, size_t pos) {
        while (pos & 7)
                p[pos++] = 0;
        return pos;
}

static inline size_t header_begin_field(uint8_t *p, size_t pos, unsigned code, char type) {
        pos = header_pad(p, pos);
        memcpy(p + pos, (uint8_t[]){code, 1, type, 0}, 4);
        return pos + 4;
}

static inline size_t header_put_string(uint8_t *p, size_t pos, unsigned code, const char *s,
                                       size_t n, bool big_endian) {
        pos = header_begin_field(p, pos, code, code == FIELD_PATH ? 'o' : 's');
        wire_store32(p + pos, n, big_endian);
        memcpy(p + pos + 4, s, n);
        p[pos + 4 + n] = 0;
        return pos + 4 + n + 1;
}

static inline size_t header_put_u32(uint8_t *p, size_t pos, unsigned code, uint32_t v,
                                    bool big_endian) {
        pos = header_begin_field(p, pos, code, 'u');
        wire_store32(p + pos, v, big_endian);
        return pos + 4;
}

static inline size_t header_put_signature(uint8_t *p, size_t pos, const char *s, size_t n) {
        pos = header_begin_field(p, pos, FIELD_SIGNATURE, 'g');
        p[pos] = n;
        memcpy(p + pos + 1, s, n);
        p[pos + 1 + n] = 0;
        return pos + 1 + n + 1;
}

/* Finish the header after its last field. Returns the offset of the body. */
static inline size_t header_end(uint8_t *p, size_t pos, bool big_endian) {
        wire_store32(p + 12, pos - MESSAGE_HEADER_SIZE, big_endian);
        return header_pad(p, pos);
}
