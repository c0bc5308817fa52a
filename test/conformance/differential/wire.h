/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages for the differential test
 *
 * Building: values are appended one by one, in either byte order. They need not be valid, because
 * the treatment of malformed messages is compared too. Reading: the header of a message is parsed,
 * and checked only as far as the test relies on it. No code of the tested bus is used.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        TYPE_CALL = 1,
        TYPE_RETURN = 2,
        TYPE_ERROR = 3,
        TYPE_SIGNAL = 4,
};

enum {
        FLAG_NO_REPLY = 1,
        FLAG_NO_AUTO_START = 2,
};

enum {
        FIELD_PATH = 1,
        FIELD_INTERFACE,
        FIELD_MEMBER,
        FIELD_ERROR_NAME,
        FIELD_REPLY_SERIAL,
        FIELD_DESTINATION,
        FIELD_SENDER,
        FIELD_SIGNATURE,
        FIELD_UNIX_FDS,
        FIELD_CONTAINER_INSTANCE,
        N_FIELDS,
};

#define BUS_NAME "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"

/* the bytes of one message, or of its body */
struct bytes {
        uint8_t data[16384];
        size_t n;
        bool big_endian;
};

/* Append values. If the fixed buffer is full, the program ends. */
void bytes_align(struct bytes *b, size_t alignment);
void bytes_raw(struct bytes *b, const void *data, size_t n);
void bytes_u8(struct bytes *b, uint8_t v);
void bytes_u16(struct bytes *b, uint16_t v);
void bytes_u32(struct bytes *b, uint32_t v);
void bytes_u64(struct bytes *b, uint64_t v);
void bytes_string(struct bytes *b, const char *s);    /* types s and o */
void bytes_signature(struct bytes *b, const char *s); /* type g */
/* Overwrite a number. */
void bytes_set_u32(struct bytes *b, size_t at, uint32_t v);

/* The parts of a message. Fields from reply_serial to signature are left out if NULL or 0. */
struct draft {
        uint8_t type;
        uint8_t flags;
        uint32_t serial;
        uint32_t reply_serial;
        const char *path;
        const char *interface;
        const char *member;
        const char *error_name;
        const char *destination;
        const char *sender;
        const char *signature;
        unsigned order;            /* selects one of the orders of header fields */
        unsigned n_unknown_fields; /* how many header fields with unknown codes are added */
        struct bytes body;         /* in the byte order of the message */
};
void draft_finish(const struct draft *draft, struct bytes *ret_message);

/* A parsed message. Strings point into its bytes. If a field is absent, it is NULL or 0 here. */
struct received {
        const uint8_t *wire;
        size_t n;
        bool big_endian;
        uint8_t type;
        uint8_t flags;
        uint32_t serial;
        uint32_t reply_serial;
        const char *path;
        const char *interface;
        const char *member;
        const char *error_name;
        const char *destination;
        const char *sender;
        const char *signature; /* "" if absent */
        uint32_t n_fds;
        uint8_t order[16]; /* the codes of the first 15 header fields; ends with 0 */
        const uint8_t *body;
        size_t n_body;
};

/* The size of the message at data, or 0 if n, the number of bytes there, is less than 16. */
size_t received_size(const uint8_t *data, size_t n);
/* Parse a message of n bytes. Returns false if the header is malformed or gives another size. */
bool received_parse(struct received *ret, const uint8_t *data, size_t n);
bool received_is_from_bus(const struct received *m);
uint32_t wire_load_u32(const uint8_t *p, bool big_endian);
