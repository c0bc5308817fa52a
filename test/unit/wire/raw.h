/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Raw messages: bytes that a test puts together in either byte order, since no library writes
 * invalid messages; and the verdicts of message_parse() and of libdbus on these bytes.
 */

#include <dbus/dbus.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/wire/message.h"

struct raw {
        uint8_t *p; /* the n bytes that the message has so far */
        size_t n;
        bool big; /* the message is big-endian */
};

static inline void raw_put(struct raw *r, const void *data, size_t n) {
        r->p = realloc(r->p, r->n + n + 1);
        if (n > 0)
                memcpy(r->p + r->n, data, n);
        r->n += n;
}

static inline void raw_free(struct raw *r) {
        free(r->p);
        *r = (struct raw){};
}

static inline void raw_u8(struct raw *r, uint8_t v) {
        raw_put(r, &v, 1);
}

static inline void raw_align(struct raw *r, size_t alignment) {
        while (r->n % alignment)
                raw_u8(r, 0);
}

static inline void raw_set32(struct raw *r, size_t at, uint32_t v) {
        for (unsigned i = 0; i < 4; i++)
                r->p[at + i] = v >> (r->big ? 24 - 8 * i : 8 * i);
}

static inline void raw_u32(struct raw *r, uint32_t v) {
        raw_align(r, 4);
        raw_put(r, (uint8_t[4]){}, 4);
        raw_set32(r, r->n - 4, v);
}

static inline void raw_string_n(struct raw *r, const char *s, size_t n) {
        raw_u32(r, n);
        raw_put(r, s, n);
        raw_u8(r, 0);
}

static inline void raw_string(struct raw *r, const char *s) {
        raw_string_n(r, s, strlen(s));
}

static inline void raw_signature(struct raw *r, const char *s) {
        raw_u8(r, strlen(s));
        raw_put(r, s, strlen(s) + 1);
}

static inline void raw_begin(struct raw *r, bool big, uint8_t type) {
        *r = (struct raw){.big = big};
        raw_put(r, (uint8_t[]){big ? 'B' : 'l', type, 0, 1}, 4);
        raw_u32(r, 0);
        raw_u32(r, 7);
        raw_u32(r, 0);
}

static inline void raw_field(struct raw *r, uint8_t code, const char *signature) {
        raw_align(r, 8);
        raw_u8(r, code);
        raw_signature(r, signature);
}

static inline void raw_field_string(struct raw *r, uint8_t code, const char *signature,
                                    const char *s) {
        raw_field(r, code, signature);
        raw_string(r, s);
}

static inline void raw_field_u32(struct raw *r, uint8_t code, uint32_t v) {
        raw_field(r, code, "u");
        raw_u32(r, v);
}

static inline void raw_field_signature(struct raw *r, const char *s) {
        raw_field(r, 8, "g");
        raw_signature(r, s);
}

/* End the header fields: set the length of their array, and pad. */
static inline void raw_end_fields(struct raw *r) {
        raw_set32(r, 12, r->n - 16);
        raw_align(r, 8);
}

/* End the body, which started at offset start. */
static inline void raw_end_body(struct raw *r, size_t start) {
        raw_set32(r, 4, r->n - start);
}

/* The verdict of message_parse(): 0 or MESSAGE_E_*. If 0, *ret_m is set; ret_m may be NULL. */
static inline int raw_parse(const void *p, size_t n, struct message **ret_m) {
        struct message *m;
        int r;

        if (message_new(&m, n) < 0)
                abort();
        if (n > 0)
                memcpy(m->wire, p, n);
        r = message_parse(m);
        if (r) {
                message_unref(m);
                return r;
        }
        if (ret_m)
                *ret_m = m;
        else
                message_unref(m);
        return 0;
}

/* The verdict of message_parse_body_part() with parts of n_part bytes. *ret_n_parts may be NULL. */
static inline int raw_parse_in_parts(const void *p, size_t n, size_t n_part, size_t *ret_n_parts) {
        struct body_check *check = NULL;
        struct message *m;
        size_t n_parts = 0;
        int r;

        if (message_new(&m, n) < 0)
                abort();
        if (n > 0)
                memcpy(m->wire, p, n);
        r = message_parse_header(m);
        if (r == 0)
                do {
                        r = message_parse_body_part(m, n_part, &check);
                        ++n_parts;
                } while (check);
        message_unref(m);
        if (ret_n_parts)
                *ret_n_parts = n_parts;
        return r;
}

/* The verdict of libdbus: the message, or NULL when it refuses the bytes. */
static inline DBusMessage *raw_demarshal(const void *p, size_t n) {
        return dbus_message_demarshal(p, n, NULL);
}

static inline bool raw_libdbus_takes(const void *p, size_t n) {
        DBusMessage *message = raw_demarshal(p, n);

        if (!message)
                return false;
        dbus_message_unref(message);
        return true;
}
