/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The header of a message, read in one pass: the fixed part, then the array of fields, each a code
 * and a variant, aligned to 8 (D-Bus spec, "Message Format", "Header Fields").
 *
 * A known field has one type, so its code and signature are compared as one word, and its value
 * follows directly. Only unknown fields go through the general check of values.
 */

#include <string.h>

#include "bridge/wire/byte-order.h"
#include "bridge/wire/message-private.h"
#include "bridge/wire/names.h"
#include "bridge/wire/signature.h"

#define LOCAL_PATH "/org/freedesktop/DBus/Local"
#define LOCAL_INTERFACE "org.freedesktop.DBus.Local"

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* containers around the value of a header field: the array, the struct, the variant */
#define FIELD_DEPTH 3

/* A known field. */
struct field {
        uint8_t start[4]; /* the code of the field, and the signature of its variant */
        uint16_t offset;  /* strings: of the member of struct message; 0: not stored there */
        bool (*check)(const char *s, size_t n); /* strings: their grammar */
};

#define STRING(code, type, member, check) \
        [code] = {{code, 1, type, 0}, offsetof(struct message, member), check}

static const struct field fields_known[N_FIELDS] = {
        STRING(FIELD_PATH, 'o', path, name_check_object_path),
        STRING(FIELD_INTERFACE, 's', interface, name_check_interface),
        STRING(FIELD_MEMBER, 's', member, name_check_member),
        STRING(FIELD_ERROR_NAME, 's', error_name, name_check_interface),
        STRING(FIELD_DESTINATION, 's', destination, name_check_bus),
        STRING(FIELD_SENDER, 's', sender, name_check_bus),
        [FIELD_REPLY_SERIAL] = {{FIELD_REPLY_SERIAL, 1, 'u', 0}},
        [FIELD_SIGNATURE] = {{FIELD_SIGNATURE, 1, 'g', 0}},
        [FIELD_UNIX_FDS] = {{FIELD_UNIX_FDS, 1, 'u', 0}},
        [FIELD_CONTAINER_INSTANCE] = {{FIELD_CONTAINER_INSTANCE, 1, 'o', 0},
                                      0,
                                      name_check_object_path},
};

/* The fields that a message of each type must have. Unknown types need none. */
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

/* Check an unknown field, and skip it. Its variant may hold a value of any type. */
static int skip_unknown(const struct message *m, size_t *pos, size_t end) {
        ++*pos;
        return message_check_values(m->wire, pos, end, "v", FIELD_DEPTH - 1, m->big_endian);
}

/* Read a string field at *pos: 4 bytes of code and signature, then the value. */
static ALWAYS_INLINE int read_string(const uint8_t *wire, size_t *pos, size_t end, bool big_endian,
                                     struct wire_string *ret_string) {
        size_t at = *pos + 8, n;

        if (at >= end)
                return MESSAGE_E_HEADER_FIELDS;
        n = wire_load32(wire + at - 4, big_endian);
        if (n >= end - at)
                return MESSAGE_E_HEADER_FIELDS;
        if (wire[at + n] != 0)
                return MESSAGE_E_STRING;

        *ret_string = (struct wire_string){(const char *)wire + at, n};
        *pos = at + n + 1;
        return 0;
}

static ALWAYS_INLINE int read_signature(const uint8_t *wire, size_t *pos, size_t end,
                                        struct wire_string *ret_string) {
        size_t at = *pos + 5, n;

        if (at >= end)
                return MESSAGE_E_HEADER_FIELDS;
        n = wire[at - 1];
        if (n >= end - at)
                return MESSAGE_E_HEADER_FIELDS;
        if (wire[at + n] != 0)
                return MESSAGE_E_STRING;
        if (!signature_check((const char *)wire + at, n))
                return MESSAGE_E_SIGNATURE;

        *ret_string = (struct wire_string){(const char *)wire + at, n};
        *pos = at + n + 1;
        return 0;
}

static ALWAYS_INLINE int read_u32(const uint8_t *wire, size_t *pos, size_t end, bool big_endian,
                                  uint32_t *ret_value) {
        if (end - *pos < 8)
                return MESSAGE_E_HEADER_FIELDS;
        *ret_value = wire_load32(wire + *pos + 4, big_endian);
        *pos += 8;
        return 0;
}

/* Read one of the fields SIGNATURE, UNIX_FDS and REPLY_SERIAL. */
static ALWAYS_INLINE int read_other(struct message *m, const uint8_t *wire, unsigned code,
                                    size_t *pos, size_t end, bool big_endian) {
        int r;

        switch (code) {
        case FIELD_SIGNATURE:
                return read_signature(wire, pos, end, &m->signature);
        case FIELD_UNIX_FDS:
                return read_u32(wire, pos, end, big_endian, &m->n_fds_declared);
        default:
                r = read_u32(wire, pos, end, big_endian, &m->reply_serial);
                if (r)
                        return r;
                return m->reply_serial ? 0 : MESSAGE_E_FIELD_VALUE;
        }
}

/*
 * Are the bytes from pos up to the next multiple of 8 zero? They are inside of the message, because
 * the header is padded.
 */
static ALWAYS_INLINE bool padding_is_zero(const uint8_t *wire, size_t pos) {
        uint64_t word;

        if ((pos & 7) == 0)
                return true;
        memcpy(&word, wire + (pos & ~(size_t)7), sizeof(word));
        return le64toh(word) >> 8 * (pos & 7) == 0;
}

/* Read the whole array of fields, and the padding behind it. */
static ALWAYS_INLINE int read_fields(struct message *m, size_t end, bool big_endian) {
        const uint8_t *wire = m->wire;
        size_t pos = MESSAGE_HEADER_SIZE;
        uint32_t fields = 0;
        int r;

        while (pos < end) {
                const struct field *field;
                unsigned code;

                if (!padding_is_zero(wire, pos))
                        return MESSAGE_E_PADDING;
                pos = wire_align(pos, 8);
                if (end < pos + 4)
                        return MESSAGE_E_HEADER_FIELDS;

                code = wire[pos];
                if (code >= N_FIELDS) {
                        r = skip_unknown(m, &pos, end);
                        if (r)
                                return r;
                        fields |= FIELD_BIT_STRIP;
                        continue;
                }

                field = &fields_known[code];
                if (code == 0)
                        return MESSAGE_E_HEADER_FIELDS;
                if (memcmp(wire + pos, field->start, 4) != 0)
                        return MESSAGE_E_FIELD_TYPE;
                if (fields & (1U << code))
                        return MESSAGE_E_FIELD_DUPLICATE;
                fields |= 1U << code;

                if (field->check) {
                        struct wire_string string;

                        r = read_string(wire, &pos, end, big_endian, &string);
                        if (r)
                                return r;
                        if (!field->check(string.s, string.n))
                                return MESSAGE_E_FIELD_VALUE;
                        if (field->offset)
                                *(struct wire_string *)((char *)m + field->offset) = string;
                        else
                                fields |= FIELD_BIT_STRIP;
                } else {
                        r = read_other(m, wire, code, &pos, end, big_endian);
                        if (r)
                                return r;
                }
        }

        m->fields = fields;
        return padding_is_zero(wire, end) ? 0 : MESSAGE_E_PADDING;
}

/* Checks that need all fields. */
static int check_fields(const struct message *m) {
        unsigned required = 0;

        if (m->type < sizeof(fields_required) / sizeof(fields_required[0]))
                required = fields_required[m->type];
        if ((m->fields & required) != required)
                return MESSAGE_E_FIELD_MISSING;
        if (m->n_body > 0 && m->signature.n == 0)
                return MESSAGE_E_FIELD_MISSING;
        if (string_equals(&m->path, LOCAL_PATH, sizeof(LOCAL_PATH) - 1) ||
            string_equals(&m->interface, LOCAL_INTERFACE, sizeof(LOCAL_INTERFACE) - 1))
                return MESSAGE_E_LOCAL;
        return 0;
}

int message_parse_header(struct message *m) {
        size_t size, end;
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
        m->signature = (struct wire_string){"", 0};

        end = MESSAGE_HEADER_SIZE + wire_load32(m->wire + 12, m->big_endian);
        r = m->big_endian ? read_fields(m, end, true) : read_fields(m, end, false);
        if (r)
                return r;

        return check_fields(m);
}
