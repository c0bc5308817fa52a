/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages for the differential test: see wire.h. */

#include "test/conformance/differential/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* building */

void bytes_raw(struct bytes *b, const void *data, size_t n) {
        if (n > sizeof(b->data) - b->n) {
                fprintf(stderr, "a generated message is too large\n");
                exit(1);
        }
        memcpy(b->data + b->n, data, n);
        b->n += n;
}

void bytes_u8(struct bytes *b, uint8_t v) {
        bytes_raw(b, &v, 1);
}

void bytes_align(struct bytes *b, size_t alignment) {
        while (b->n % alignment)
                bytes_u8(b, 0);
}

static void bytes_number(struct bytes *b, uint64_t v, size_t n) {
        uint8_t data[8];

        bytes_align(b, n);
        for (size_t i = 0; i < n; i++)
                data[b->big_endian ? n - 1 - i : i] = (uint8_t)(v >> (8 * i));
        bytes_raw(b, data, n);
}

void bytes_u16(struct bytes *b, uint16_t v) {
        bytes_number(b, v, 2);
}

void bytes_u32(struct bytes *b, uint32_t v) {
        bytes_number(b, v, 4);
}

void bytes_u64(struct bytes *b, uint64_t v) {
        bytes_number(b, v, 8);
}

void bytes_string(struct bytes *b, const char *s) {
        bytes_u32(b, strlen(s));
        bytes_raw(b, s, strlen(s) + 1);
}

void bytes_signature(struct bytes *b, const char *s) {
        bytes_u8(b, strlen(s));
        bytes_raw(b, s, strlen(s) + 1);
}

void bytes_set_u32(struct bytes *b, size_t at, uint32_t v) {
        size_t n = b->n;

        b->n = at;
        bytes_u32(b, v);
        b->n = n;
}

static void field_string(struct bytes *b, unsigned code, const char *type, const char *s) {
        if (!s)
                return;
        bytes_align(b, 8);
        bytes_u8(b, code);
        bytes_signature(b, type);
        if (*type == 'g')
                bytes_signature(b, s);
        else
                bytes_string(b, s);
}

static void field_u32(struct bytes *b, unsigned code, uint32_t v) {
        if (!v)
                return;
        bytes_align(b, 8);
        bytes_u8(b, code);
        bytes_signature(b, "u");
        bytes_u32(b, v);
}

static void put_field(const struct draft *draft, struct bytes *b, unsigned code) {
        switch (code) {
        case FIELD_PATH:
                field_string(b, code, "o", draft->path);
                break;
        case FIELD_INTERFACE:
                field_string(b, code, "s", draft->interface);
                break;
        case FIELD_MEMBER:
                field_string(b, code, "s", draft->member);
                break;
        case FIELD_ERROR_NAME:
                field_string(b, code, "s", draft->error_name);
                break;
        case FIELD_REPLY_SERIAL:
                field_u32(b, code, draft->reply_serial);
                break;
        case FIELD_DESTINATION:
                field_string(b, code, "s", draft->destination);
                break;
        case FIELD_SENDER:
                field_string(b, code, "s", draft->sender);
                break;
        case FIELD_SIGNATURE:
                field_string(b, code, "g", draft->signature);
                break;
        }
}

void draft_finish(const struct draft *draft, struct bytes *ret_message) {
        struct bytes *b = ret_message;

        b->n = 0;
        b->big_endian = draft->body.big_endian;
        bytes_u8(b, b->big_endian ? 'B' : 'l');
        bytes_u8(b, draft->type);
        bytes_u8(b, draft->flags);
        bytes_u8(b, 1);
        bytes_u32(b, draft->body.n);
        bytes_u32(b, draft->serial);
        bytes_u32(b, 0);
        for (unsigned i = 0; i < FIELD_SIGNATURE; i++) {
                /* 3 and 5 are coprime to 8, the number of fields, so each field comes once */
                put_field(draft, b, 1 + (i * (draft->order % 2 ? 3 : 5) + draft->order) % 8);
                if (i == draft->order % 8)
                        for (unsigned k = 0; k < draft->n_unknown_fields; k++)
                                field_string(b, 100 + 10 * k, "s", "unknown");
        }
        bytes_set_u32(b, 12, b->n - 16);
        bytes_align(b, 8);
        bytes_raw(b, draft->body.data, draft->body.n);
}

/* reading */

uint32_t wire_load_u32(const uint8_t *p, bool big_endian) {
        return big_endian ? (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]
                          : (uint32_t)p[3] << 24 | p[2] << 16 | p[1] << 8 | p[0];
}

size_t received_size(const uint8_t *data, size_t n) {
        bool big_endian;

        if (n < 16)
                return 0;
        big_endian = data[0] == 'B';
        return 16 + ((size_t)(wire_load_u32(data + 12, big_endian) + 7) & ~(size_t)7) +
               wire_load_u32(data + 4, big_endian);
}

static bool all_zero(const uint8_t *data, size_t from, size_t to) {
        while (from < to)
                if (data[from++])
                        return false;
        return true;
}

/* Take the string at *at, which begins with a length of n_length bytes. NULL if it is malformed. */
static const char *take_string(const uint8_t *data, size_t end, size_t *at, bool big_endian,
                               size_t n_length) {
        size_t n, from = *at + n_length;

        if (from > end)
                return NULL;
        n = n_length == 1 ? data[*at] : wire_load_u32(data + *at, big_endian);
        if (n >= end - from || data[from + n] != 0 || strlen((const char *)data + from) != n)
                return NULL;
        *at = from + n + 1;
        return (const char *)data + from;
}

static bool take_field(struct received *m, const uint8_t *data, size_t end, size_t *at) {
        static const char types[N_FIELDS] = {0, 'o', 's', 's', 's', 'u', 's', 's', 'g', 'u', 'o'};
        const char **slots[N_FIELDS] = {
                [FIELD_PATH] = &m->path,
                [FIELD_INTERFACE] = &m->interface,
                [FIELD_MEMBER] = &m->member,
                [FIELD_ERROR_NAME] = &m->error_name,
                [FIELD_DESTINATION] = &m->destination,
                [FIELD_SENDER] = &m->sender,
                [FIELD_SIGNATURE] = &m->signature,
        };
        unsigned code;

        if (*at + 6 > end)
                return false;
        code = data[*at];
        if (code > FIELD_CONTAINER_INSTANCE && !memcmp(data + *at + 1, "\1s", 3)) {
                *at += 4;
                return take_string(data, end, at, m->big_endian, 4) != NULL;
        }
        if (code == 0 || code >= FIELD_CONTAINER_INSTANCE || data[*at + 1] != 1 ||
            data[*at + 2] != types[code] || data[*at + 3] != 0)
                return false;
        *at += 4;
        if (slots[code]) {
                *slots[code] =
                        take_string(data, end, at, m->big_endian, types[code] == 'g' ? 1 : 4);
                return *slots[code] != NULL;
        }
        if (*at + 4 > end)
                return false;
        *(code == FIELD_UNIX_FDS ? &m->n_fds : &m->reply_serial) =
                wire_load_u32(data + *at, m->big_endian);
        *at += 4;
        return true;
}

bool received_parse(struct received *ret, const uint8_t *data, size_t n) {
        struct received m = {.wire = data, .n = n, .big_endian = data[0] == 'B', .signature = ""};
        size_t end, at = 16, body, n_fields = 0;

        if ((data[0] != 'l' && data[0] != 'B') || data[3] != 1)
                return false;
        m.type = data[1];
        m.flags = data[2];
        m.n_body = wire_load_u32(data + 4, m.big_endian);
        m.serial = wire_load_u32(data + 8, m.big_endian);
        end = 16 + wire_load_u32(data + 12, m.big_endian);
        body = (end + 7) & ~(size_t)7;
        if (m.serial == 0 || body + m.n_body != n || !all_zero(data, end, body))
                return false;
        m.body = data + body;

        while (at < end) {
                size_t aligned = (at + 7) & ~(size_t)7;

                if (!all_zero(data, at, aligned))
                        return false;
                at = aligned;
                if (n_fields < sizeof(m.order) - 1)
                        m.order[n_fields++] = data[at];
                if (!take_field(&m, data, end, &at))
                        return false;
        }
        *ret = m;
        return at == end;
}

bool received_is_from_bus(const struct received *m) {
        return !m->sender || !strcmp(m->sender, BUS_NAME);
}
