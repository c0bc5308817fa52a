/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by the files message-*.c and writer.c */

#include <assert.h>
#include <stddef.h>

#include "bridge/wire/message.h"

/*
 * Room in front of each new message, for the fields that message_stamp() adds: a sender and, if a
 * native program calls through a looked-up handle, a destination and path of usual length.
 */
#define MESSAGE_HEADROOM 256

/* The codes of header fields. In message.fields, the bit 1 << code stands for a field. */
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
        N_FIELDS,                  /* codes from here on are unknown */
        FIELD_BIT_STRIP = 1 << 15, /* in message.fields: there are fields that are not relayed */
};

/* The strings of the header are adjacent members of struct message. */
#define MESSAGE_N_STRINGS 7
static_assert(offsetof(struct message, signature) ==
                      offsetof(struct message, path) +
                              (MESSAGE_N_STRINGS - 1) * sizeof(struct wire_string),
              "the strings of struct message must be in one row");

/* The member of m for the string of a header field, or NULL if m has no member for the field. */
static inline struct wire_string *message_field(struct message *m, unsigned code) {
        static const uint16_t offsets[N_FIELDS] = {
                [FIELD_PATH] = offsetof(struct message, path),
                [FIELD_INTERFACE] = offsetof(struct message, interface),
                [FIELD_MEMBER] = offsetof(struct message, member),
                [FIELD_ERROR_NAME] = offsetof(struct message, error_name),
                [FIELD_DESTINATION] = offsetof(struct message, destination),
                [FIELD_SENDER] = offsetof(struct message, sender),
                [FIELD_SIGNATURE] = offsetof(struct message, signature),
        };

        return offsets[code] ? (struct wire_string *)((char *)m + offsets[code]) : NULL;
}

/* Adjust the strings of the header after its bytes have moved by shift. */
static inline void message_move_strings(struct message *m, ptrdiff_t shift) {
        struct wire_string *strings = &m->path;

        for (unsigned i = 0; i < MESSAGE_N_STRINGS - 1; i++)
                if (strings[i].s)
                        strings[i].s += shift;
        /* an absent signature is "", which is not in the message and does not move */
        if (m->fields & (1U << FIELD_SIGNATURE))
                m->signature.s += shift;
}

/*
 * Check values against a signature, which was checked before. The values start at the offset *pos
 * and must end at the offset end or before. data is the start of the message, from which offsets
 * are counted, so there are at least eight bytes before *pos. depth is the number of containers
 * around the values. Returns 0 after setting *pos to where the values end, or MESSAGE_E_*.
 */
int message_check_values(const uint8_t *data, size_t *pos, size_t end, const char *signature,
                         unsigned depth, bool big_endian);
/*
 * The same for the body of m, in parts: each call checks about n bytes (1 to MESSAGE_SIZE_MAX).
 * *check is NULL before the first part. If it is set afterwards, the result is 0, and the next call
 * goes on; the message must not move meanwhile. Otherwise the check is over. Returns 0, MESSAGE_E_*
 * or -ENOMEM. *ret_pos is set at the end of the values.
 */
int message_check_part(const struct message *m, size_t n, struct body_check **check,
                       size_t *ret_pos);
