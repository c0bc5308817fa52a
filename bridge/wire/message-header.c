/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The header of a message, read in one pass: the fixed part, then the array of fields, each a code
 * and a variant, aligned to 8 (D-Bus spec, "Message Format", "Header Fields").
 *
 * A known field has one type, so its code and signature are compared as one 32-bit word, and its
 * value always lies right behind. Only unknown fields go through the general check of values.
 */

#include <string.h>

#include "bridge/wire/byte-order.h"
#include "bridge/wire/message-private.h"
#include "bridge/wire/names-private.h"
#include "bridge/wire/names.h"
#include "bridge/wire/signature.h"

#define LOCAL_PATH "/org/freedesktop/DBus/Local"
#define LOCAL_INTERFACE "org.freedesktop.DBus.Local"

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* containers around the value of a header field: the array, the struct, the variant */
#define FIELD_DEPTH 3

/* How a known field begins: its code, and the signature of its variant. */
#define START(code, type) [code] = { code, 1, type, 0 }
static const uint8_t field_starts[N_FIELDS][4] = {
        START(FIELD_PATH, 'o'),         START(FIELD_INTERFACE, 's'),  START(FIELD_MEMBER, 's'),
        START(FIELD_ERROR_NAME, 's'),   START(FIELD_REPLY_SERIAL, 'u'), START(FIELD_DESTINATION, 's'),
        START(FIELD_SENDER, 's'),       START(FIELD_SIGNATURE, 'g'),  START(FIELD_UNIX_FDS, 'u'),
        START(FIELD_CONTAINER_INSTANCE, 'o'),
};

/* The fields that a message of a type must have; of unknown types none. */
static const uint16_t fields_required[] = {
        [MESSAGE_TYPE_METHOD_CALL] = 1 << FIELD_PATH | 1 << FIELD_MEMBER,
        [MESSAGE_TYPE_METHOD_RETURN] = 1 << FIELD_REPLY_SERIAL,
        [MESSAGE_TYPE_ERROR] = 1 << FIELD_ERROR_NAME | 1 << FIELD_REPLY_SERIAL,
        [MESSAGE_TYPE_SIGNAL] = 1 << FIELD_PATH | 1 << FIELD_INTERFACE | 1 << FIELD_MEMBER,
};

int message_frame(const uint8_t *header, size_t max, size_t *ret_size) {
        uint64_t n_body, n_fields, size;
        bool big_endian;

        if (header[0] != 'l' && header[0] != 'B')
                return MESSAGE_E_BYTE_ORDER;
        if (header[1] == MESSAGE_TYPE_INVALID)
                return MESSAGE_E_TYPE;
        if (header[3] != 1)
                return MESSAGE_E_VERSION;

        big_endian = header[0] == 'B';
        if (wire_load32(header + 8, big_endian) == 0)
                return MESSAGE_E_SERIAL;

        n_body = wire_load32(header + 4, big_endian);
        n_fields = wire_load32(header + 12, big_endian);
        size = ((MESSAGE_HEADER_SIZE + n_fields + 7) & ~UINT64_C(7)) + n_body;
        if (n_fields > MESSAGE_ARRAY_MAX || size > MESSAGE_SIZE_MAX || size > max)
                return MESSAGE_E_SIZE;

        *ret_size = size;
        return 0;
}

static bool string_equals(const struct wire_string *string, const char *s, size_t n) {
        return string->n == n && memcmp(string->s, s, n) == 0;
}

/* A field the specification does not define: any variant, checked and forgotten. */
static int skip_unknown(struct message *m, size_t *pos, size_t end) {
        size_t at = *pos + 1;
        int r;

        r = message_check_values(m->wire, &at, end, "v", FIELD_DEPTH - 1, m->big_endian);
        if (r)
                return r;
        m->fields |= FIELD_BIT_STRIP;
        *pos = at;
        return 0;
}

/* The value of a known string field with 4 bytes of code and signature at pos. */
static ALWAYS_INLINE int read_string(struct message *m, size_t *pos, size_t end, bool big_endian,
                                     struct wire_string *ret_string) {
        size_t at = *pos + 8, n;

        if (at >= end)
                return MESSAGE_E_HEADER_FIELDS;
        n = wire_load32(m->wire + at - 4, big_endian);
        if (n >= end - at)
                return MESSAGE_E_HEADER_FIELDS;
        if (m->wire[at + n] != 0)
                return MESSAGE_E_STRING;

        *ret_string = (struct wire_string){ (const char *)m->wire + at, n };
        *pos = at + n + 1;
        return 0;
}

static ALWAYS_INLINE int read_u32(struct message *m, size_t *pos, size_t end, bool big_endian,
                                  uint32_t *ret_value) {
        if (end - *pos < 8)
                return MESSAGE_E_HEADER_FIELDS;
        *ret_value = wire_load32(m->wire + *pos + 4, big_endian);
        *pos += 8;
        return 0;
}

static int read_signature(struct message *m, size_t *pos, size_t end) {
        size_t at = *pos + 5, n;
        unsigned n_types;

        if (at >= end)
                return MESSAGE_E_HEADER_FIELDS;
        n = m->wire[at - 1];
        if (n >= end - at)
                return MESSAGE_E_HEADER_FIELDS;
        if (m->wire[at + n] != 0)
                return MESSAGE_E_STRING;

        m->signature = (struct wire_string){ (const char *)m->wire + at, n };
        if (!signature_check(m->signature.s, n, &n_types))
                return MESSAGE_E_SIGNATURE;
        *pos = at + n + 1;
        return 0;
}

/* One known field at *pos, which is aligned; moves *pos behind it. */
static ALWAYS_INLINE int read_field(struct message *m, unsigned code, size_t *pos, size_t end,
                                    bool big_endian) {
        struct wire_string *string, instance;
        bool valid;
        int r;

        switch (code) {
        case FIELD_REPLY_SERIAL:
                r = read_u32(m, pos, end, big_endian, &m->reply_serial);
                if (r)
                        return r;
                return m->reply_serial ? 0 : MESSAGE_E_FIELD_VALUE;
        case FIELD_UNIX_FDS:
                return read_u32(m, pos, end, big_endian, &m->n_fds_declared);
        case FIELD_SIGNATURE:
                return read_signature(m, pos, end);
        case FIELD_CONTAINER_INSTANCE:
                m->fields |= FIELD_BIT_STRIP;
                string = &instance;
                break;
        default:
                string = message_field(m, code);
                break;
        }

        r = read_string(m, pos, end, big_endian, string);
        if (r)
                return r;

        switch (code) {
        case FIELD_PATH:
                if (string_equals(string, LOCAL_PATH, sizeof(LOCAL_PATH) - 1))
                        return MESSAGE_E_LOCAL;
                __attribute__((fallthrough));
        case FIELD_CONTAINER_INSTANCE:
                valid = name_check_object_path(string->s, string->n);
                break;
        case FIELD_INTERFACE:
                if (string_equals(string, LOCAL_INTERFACE, sizeof(LOCAL_INTERFACE) - 1))
                        return MESSAGE_E_LOCAL;
                __attribute__((fallthrough));
        case FIELD_ERROR_NAME:
                valid = name_check_interface(string->s, string->n);
                break;
        case FIELD_MEMBER:
                valid = name_check_member(string->s, string->n);
                break;
        default:
                valid = name_check_bus(string->s, string->n);
                break;
        }
        return valid ? 0 : MESSAGE_E_FIELD_VALUE;
}

/* Whether the rest of the 8 bytes that pos is in is zero. The header is always there up to its padding. */
static ALWAYS_INLINE bool padding_is_zero(const uint8_t *wire, size_t pos) {
        uint64_t word;

        memcpy(&word, wire + (pos & ~(size_t)7), sizeof(word));
        return (pos & 7) == 0 || le64toh(word) >> 8 * (pos & 7) == 0;
}

/* The whole array of fields, and the padding behind it. */
static ALWAYS_INLINE int read_fields(struct message *m, size_t end, bool big_endian) {
        size_t pos = MESSAGE_HEADER_SIZE;
        int r;

        while (pos < end) {
                const uint8_t *p;
                unsigned code;

                if (!padding_is_zero(m->wire, pos))
                        return MESSAGE_E_PADDING;
                pos = wire_align(pos, 8);
                if (end < pos + 4)
                        return MESSAGE_E_HEADER_FIELDS;

                p = m->wire + pos;
                code = p[0];
                if (code >= N_FIELDS) {
                        r = skip_unknown(m, &pos, end);
                } else {
                        if (code == 0)
                                return MESSAGE_E_HEADER_FIELDS;
                        if (memcmp(p, field_starts[code], 4) != 0)
                                return MESSAGE_E_FIELD_TYPE;
                        if (m->fields & (1U << code))
                                return MESSAGE_E_FIELD_DUPLICATE;
                        m->fields |= 1U << code;
                        r = read_field(m, code, &pos, end, big_endian);
                }
                if (r)
                        return r;
        }
        /* without fields there is no padding, and perhaps nothing to look at */
        return (end & 7) == 0 || padding_is_zero(m->wire, end) ? 0 : MESSAGE_E_PADDING;
}

int message_parse_header(struct message *m) {
        size_t size, end;
        uint16_t required;
        int r;

        if (m->n_wire < MESSAGE_HEADER_SIZE)
                return MESSAGE_E_SIZE;
        r = message_frame(m->wire, MESSAGE_SIZE_MAX, &size);
        if (r)
                return r;
        if (size != m->n_wire)
                return MESSAGE_E_SIZE;

        m->big_endian = m->wire[0] == 'B';
        m->type = m->wire[1];
        m->flags = m->wire[2];
        m->serial = wire_load32(m->wire + 8, m->big_endian);
        m->n_body = wire_load32(m->wire + 4, m->big_endian);
        m->body = m->wire + size - m->n_body;
        m->signature = (struct wire_string){ "", 0 };

        end = MESSAGE_HEADER_SIZE + wire_load32(m->wire + 12, m->big_endian);
        r = m->big_endian ? read_fields(m, end, true) : read_fields(m, end, false);
        if (r)
                return r;

        if (m->type < sizeof(fields_required) / sizeof(fields_required[0])) {
                required = fields_required[m->type];
                if ((m->fields & required) != required)
                        return MESSAGE_E_FIELD_MISSING;
        }
        if (m->n_body > 0 && m->signature.n == 0)
                return MESSAGE_E_FIELD_MISSING;
        return 0;
}
