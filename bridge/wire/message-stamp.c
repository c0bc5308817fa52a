/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Stamping: write a new header in front of the body, which usually stays where it is.
 *
 *      before    [ headroom ........ | header | body ]
 *      after     [ ..... | header | SENDER    | body ]
 *
 * Usually the stamped fields are not in the header yet, and no field has to be left out. Then the
 * header moves forward by a multiple of 8, which keeps its alignment, and the new fields are
 * written behind its last field. Otherwise the header is first written field by field to a scratch
 * buffer. If the new header does not fit into the headroom, header and body get a new buffer.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "bridge/wire/header-private.h"

/* a header that surely fits into this size is rebuilt on the stack, not in allocated memory */
#define SCRATCH_SIZE 2048

struct stamped_field {
        unsigned code;
        const char *s;
        size_t n;
};

static struct stamped_field stamped_field(unsigned code, const char *s) {
        return (struct stamped_field){code, s, strlen(s)};
}

static size_t string_field_end(size_t pos, size_t n) {
        return wire_align(pos, 8) + 8 + n + 1;
}

/*
 * Give the message a new buffer, with room for a header of n_header bytes, and with the headroom.
 */
static int move_body(struct message *m, size_t n_header) {
        size_t n_front = MESSAGE_HEADROOM + n_header, n_old = m->body - m->wire;
        uint8_t *buffer;

        buffer = malloc(n_front + m->n_body);
        if (!buffer)
                return -ENOMEM;
        memcpy(buffer + n_front - n_old, m->wire, n_old + m->n_body);

        /* the arguments point into the old body */
        m->args_known = false;
        free(m->args);
        m->args = NULL;

        message_move_strings(m, buffer + n_front - n_old - m->wire);

        if (m->buffer != (uint8_t *)(m + 1))
                free(m->buffer);
        m->buffer = buffer;
        m->n_buffer = n_front + m->n_body;
        m->wire = buffer + n_front - n_old;
        m->body = buffer + n_front;
        return 0;
}

static int reserve_header(struct message *m, size_t n_header) {
        if (n_header + m->n_body > MESSAGE_SIZE_MAX || n_header > MESSAGE_ARRAY_MAX)
                return MESSAGE_E_SIZE;
        if ((size_t)(m->body - m->buffer) >= n_header)
                return 0;
        return move_body(m, n_header);
}

/* Move the header forward. It has no stamped field yet, and no field is to be left out. */
static int append_fields(struct message *m, const struct stamped_field *stamped, size_t n_stamped) {
        size_t n_old = m->body - m->wire, old_end, end, n_header;
        ptrdiff_t shift;
        int r;

        old_end = MESSAGE_HEADER_SIZE + wire_load32(m->wire + 12, m->big_endian);
        end = old_end;
        for (size_t i = 0; i < n_stamped; i++)
                end = string_field_end(end, stamped[i].n);
        n_header = wire_align(end, 8);

        r = reserve_header(m, n_header);
        if (r)
                return r;

        shift = n_header - n_old;
        memmove(m->wire - shift, m->wire, old_end);
        m->wire -= shift;
        m->n_wire += shift;
        message_move_strings(m, -shift);

        end = old_end;
        for (size_t i = 0; i < n_stamped; i++) {
                const struct stamped_field *field = &stamped[i];

                end = header_put_string(m->wire, end, field->code, field->s, field->n,
                                        m->big_endian);
                *message_field(m, field->code) =
                        (struct wire_string){(const char *)m->wire + end - field->n - 1, field->n};
                m->fields |= 1U << field->code;
        }
        header_end(m->wire, end, m->big_endian);
        return 0;
}

/*
 * Write all fields anew, except unknown ones and CONTAINER_INSTANCE. Stamped fields replace those
 * in the message.
 */
static int rebuild_header(struct message *m, const struct stamped_field *stamped,
                          size_t n_stamped) {
        struct wire_string strings[N_FIELDS] = {};
        uint8_t scratch[SCRATCH_SIZE], *header = scratch;
        uint16_t fields;
        size_t end, n_header;
        int r;

        fields = m->fields & ~(1U << FIELD_CONTAINER_INSTANCE | FIELD_BIT_STRIP);
        for (unsigned code = 1; code < N_FIELDS; code++) {
                const struct wire_string *string = message_field(m, code);

                if (string && (fields & (1U << code)))
                        strings[code] = *string;
        }
        for (size_t i = 0; i < n_stamped; i++) {
                strings[stamped[i].code] = (struct wire_string){stamped[i].s, stamped[i].n};
                fields |= 1U << stamped[i].code;
        }

        /* n_header is an upper bound: no field takes more than is added for it here */
        n_header = MESSAGE_HEADER_SIZE + 8;
        for (unsigned code = 1; code < N_FIELDS; code++)
                n_header += HEADER_FIELD_MAX + (size_t)strings[code].n;
        if (n_header > sizeof(scratch)) {
                header = malloc(n_header);
                if (!header)
                        return -ENOMEM;
        }

        memcpy(header, m->wire, MESSAGE_HEADER_SIZE);
        end = MESSAGE_HEADER_SIZE;
        for (unsigned code = 1; code < N_FIELDS; code++) {
                struct wire_string *string = &strings[code];

                if (!(fields & (1U << code)))
                        continue;
                if (code == FIELD_REPLY_SERIAL)
                        end = header_put_u32(header, end, code, m->reply_serial, m->big_endian);
                else if (code == FIELD_UNIX_FDS)
                        end = header_put_u32(header, end, code, m->n_fds_declared, m->big_endian);
                else if (code == FIELD_SIGNATURE)
                        end = header_put_signature(header, end, string->s, string->n);
                else
                        end = header_put_string(header, end, code, string->s, string->n,
                                                m->big_endian);
                if (string->s)
                        string->s = (const char *)header + end - string->n - 1;
        }
        n_header = header_end(header, end, m->big_endian);

        r = reserve_header(m, n_header);
        if (r == 0) {
                m->wire = (uint8_t *)m->body - n_header;
                m->n_wire = n_header + m->n_body;
                m->fields = fields;
                memcpy(m->wire, header, n_header);
                for (unsigned code = 1; code < N_FIELDS; code++)
                        if (strings[code].s)
                                *message_field(m, code) = (struct wire_string){
                                        (const char *)m->wire + (strings[code].s - (char *)header),
                                        strings[code].n,
                                };
        }
        if (header != scratch)
                free(header);
        return r;
}

int message_stamp(struct message *m, const struct message_stamp *stamp) {
        struct stamped_field stamped[3];
        size_t n_stamped = 0;
        uint16_t fields = FIELD_BIT_STRIP;

        assert(m->parsed && m->n_refs == 1);

        if (stamp->path)
                stamped[n_stamped++] = stamped_field(FIELD_PATH, stamp->path);
        if (stamp->destination)
                stamped[n_stamped++] = stamped_field(FIELD_DESTINATION, stamp->destination);
        if (stamp->sender)
                stamped[n_stamped++] = stamped_field(FIELD_SENDER, stamp->sender);
        for (size_t i = 0; i < n_stamped; i++)
                fields |= 1U << stamped[i].code;

        if (m->fields & fields)
                return rebuild_header(m, stamped, n_stamped);
        return append_fields(m, stamped, n_stamped);
}
