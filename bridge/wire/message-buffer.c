/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Messages: making, freeing and checking them.
 *
 * A message and its bytes are one allocation, with free space (headroom) in front of the bytes for
 * the fields that message_stamp() adds. The bytes move to a buffer of their own only if these
 * fields do not fit there.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fds.h"
#include "bridge/wire/message-private.h"

static const char *const violations[] = {
        [MESSAGE_E_BYTE_ORDER] = "invalid byte-order mark",
        [MESSAGE_E_VERSION] = "unknown protocol version",
        [MESSAGE_E_TYPE] = "invalid message type",
        [MESSAGE_E_SERIAL] = "serial number is zero",
        [MESSAGE_E_SIZE] = "message is too long",
        [MESSAGE_E_HEADER_FIELDS] = "malformed header field array",
        [MESSAGE_E_FIELD_TYPE] = "header field has the wrong type",
        [MESSAGE_E_FIELD_DUPLICATE] = "header field occurs twice",
        [MESSAGE_E_FIELD_VALUE] = "header field has an invalid value",
        [MESSAGE_E_FIELD_MISSING] = "required header field is missing",
        [MESSAGE_E_PADDING] = "padding is not zero",
        [MESSAGE_E_SIGNATURE] = "invalid signature",
        [MESSAGE_E_BODY] = "body does not match its signature",
        [MESSAGE_E_STRING] = "invalid string",
        [MESSAGE_E_BOOLEAN] = "boolean is neither 0 nor 1",
        [MESSAGE_E_OBJECT_PATH] = "invalid object path",
        [MESSAGE_E_ARRAY] = "array has an invalid length",
        [MESSAGE_E_VARIANT] = "variant is not of one complete type",
        [MESSAGE_E_DEPTH] = "containers are nested too deeply",
        [MESSAGE_E_FDS] = "fewer file descriptors than the header says, or more than allowed",
        [MESSAGE_E_LOCAL] = "reserved path or interface org.freedesktop.DBus.Local",
};

const char *message_violation(int e) {
        if (e <= 0 || (size_t)e >= sizeof(violations) / sizeof(violations[0]))
                return "no violation";
        return violations[e];
}

int message_new(struct message **ret_m, size_t size) {
        return message_new_part(ret_m, size, size);
}

int message_new_part(struct message **ret_m, size_t size, size_t n_room) {
        struct message *m;
        size_t n_buffer;

        if (__builtin_add_overflow(n_room, MESSAGE_HEADROOM, &n_buffer) ||
            n_buffer > SIZE_MAX - sizeof(*m))
                return -ENOMEM;
        m = malloc(sizeof(*m) + n_buffer);
        if (!m)
                return -ENOMEM;

        *m = (struct message){
                .n_refs = 1,
                .buffer = (uint8_t *)(m + 1),
                .n_buffer = n_buffer,
                .wire = (uint8_t *)(m + 1) + MESSAGE_HEADROOM,
                .n_wire = size,
        };
        *ret_m = m;
        return 0;
}

int message_grow(struct message **m, size_t n_room) {
        size_t n_buffer = n_room + MESSAGE_HEADROOM;
        struct message *more = realloc(*m, sizeof(*more) + n_buffer);

        if (!more)
                return -ENOMEM;
        more->buffer = (uint8_t *)(more + 1);
        more->n_buffer = n_buffer;
        more->wire = more->buffer + MESSAGE_HEADROOM;
        *m = more;
        return 0;
}

struct message *message_ref(struct message *m) {
        ++m->n_refs;
        return m;
}

static void message_free(struct message *m) {
        fds_close(m->fds, m->n_fds);
        free(m->fds);
        if (m->attachment_free)
                m->attachment_free(m->attachment);
        free(m->args);
        if (m->buffer != (uint8_t *)(m + 1))
                free(m->buffer);
        free(m);
}

struct message *message_unref(struct message *m) {
        if (m && --m->n_refs == 0)
                message_free(m);
        return NULL;
}

static int copy_fds(struct message *copy, const struct message *m) {
        if (m->n_fds == 0)
                return 0;
        copy->fds = malloc(m->n_fds * sizeof(*copy->fds));
        if (!copy->fds)
                return -ENOMEM;
        for (; copy->n_fds < m->n_fds; copy->n_fds++) {
                int fd = fcntl(m->fds[copy->n_fds], F_DUPFD_CLOEXEC, 3);

                if (fd < 0)
                        return -errno;
                copy->fds[copy->n_fds] = fd;
        }
        return 0;
}

int message_copy(const struct message *m, struct message **ret_m) {
        CLEANUP(message_unrefp) struct message *copy = NULL;
        size_t n_buffer;
        uint8_t *wire;
        int r;

        r = message_new(&copy, m->n_wire);
        if (r < 0)
                return r;
        wire = copy->wire;
        n_buffer = copy->n_buffer;
        memcpy(wire, m->wire, m->n_wire);

        *copy = *m;
        copy->n_refs = 1;
        copy->buffer = (uint8_t *)(copy + 1);
        copy->n_buffer = n_buffer;
        copy->wire = wire;
        copy->body = wire + (m->body - m->wire);
        message_move_strings(copy, wire - m->wire);
        copy->args = NULL;
        copy->args_known = false;
        copy->attachment = NULL;
        copy->attachment_free = NULL;
        copy->charged = NULL;
        copy->charged_at = NULL;
        copy->fds = NULL;
        copy->n_fds = 0;
        r = copy_fds(copy, m);
        if (r == 0)
                *ret_m = steal_ptr(&copy);
        return r;
}

static int settle_fds(struct message *m) {
        if (m->n_fds < m->n_fds_declared)
                return MESSAGE_E_FDS;
        while (m->n_fds > m->n_fds_declared)
                close(m->fds[--m->n_fds]);
        return 0;
}

/* The values of the body are valid, and end at pos. */
static int end_body(struct message *m, size_t pos) {
        if (pos != m->n_wire)
                return MESSAGE_E_BODY;
        m->parsed = true;
        return 0;
}

int message_parse_body(struct message *m) {
        size_t pos = m->n_wire - m->n_body;
        int r;

        r = settle_fds(m);
        if (r)
                return r;
        r = message_check_values(m->wire, &pos, m->n_wire, m->signature.s, 0, m->big_endian);
        return r ? r : end_body(m, pos);
}

int message_parse_body_part(struct message *m, size_t n, struct body_check **check) {
        size_t pos;
        int r;

        if (!*check) {
                r = settle_fds(m);
                if (r)
                        return r;
        }
        r = message_check_part(m, n, check, &pos);
        return r || *check ? r : end_body(m, pos);
}

int message_parse(struct message *m) {
        int r;

        r = message_parse_header(m);
        return r ? r : message_parse_body(m);
}

int message_adopt(struct message *m) {
        int r;

        r = message_parse_header(m);
        if (r)
                return r;
        if (m->n_fds != m->n_fds_declared)
                return MESSAGE_E_FDS;
        m->parsed = true;
        return 0;
}
