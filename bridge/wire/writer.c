/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Writing messages. The writer collects the body in itself, or in a buffer that grows by doubling.
 * At the end all fields are known, and the header and the body are written to a new message.
 * It is checked like any message, so writer_finish() never returns an invalid one.
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fds.h"
#include "bridge/wire/header-private.h"
#include "bridge/wire/writer.h"

static void writer_clear(struct writer *w) {
        memset(w, 0, offsetof(struct writer, first)); /* the array "first" need not be cleared */
        w->body = w->first;
        w->n_allocated = sizeof(w->first);
}

void writer_init(struct writer *w, uint8_t type, uint8_t flags, uint32_t serial,
                 const char *signature) {
        writer_clear(w);
        w->type = type;
        w->flags = flags;
        w->serial = serial;
        w->signature = signature;
}

/*
 * Append zeros up to the alignment, and n bytes for the caller to fill. Returns NULL if this or an
 * earlier step has failed.
 */
static uint8_t *writer_extend(struct writer *w, size_t alignment, size_t n) {
        size_t start, end;

        if (w->error)
                return NULL;

        start = wire_align(w->n_body, alignment);
        if (n > MESSAGE_SIZE_MAX || start + n > MESSAGE_SIZE_MAX) {
                w->error = -EMSGSIZE;
                return NULL;
        }
        end = start + n;
        if (end > w->n_allocated) {
                size_t n_allocated = w->n_allocated;
                uint8_t *body;

                while (n_allocated < end)
                        n_allocated *= 2;
                body = realloc(w->body == w->first ? NULL : w->body, n_allocated);
                if (!body) {
                        w->error = -ENOMEM;
                        return NULL;
                }
                if (w->body == w->first)
                        memcpy(body, w->first, w->n_body);
                w->body = body;
                w->n_allocated = n_allocated;
        }

        if (start > w->n_body)
                memset(w->body + w->n_body, 0, start - w->n_body);
        w->n_body = end;
        return w->body + start;
}

static void writer_put(struct writer *w, size_t alignment, const void *v, size_t n) {
        uint8_t *p = writer_extend(w, alignment, n);

        if (p)
                memcpy(p, v, n);
}

void writer_u8(struct writer *w, uint8_t v) {
        writer_put(w, 1, &v, sizeof(v));
}

void writer_bool(struct writer *w, bool v) {
        writer_u32(w, v);
}

void writer_u16(struct writer *w, uint16_t v) {
        writer_put(w, 2, &v, sizeof(v));
}

void writer_u32(struct writer *w, uint32_t v) {
        writer_put(w, 4, &v, sizeof(v));
}

void writer_u64(struct writer *w, uint64_t v) {
        writer_put(w, 8, &v, sizeof(v));
}

void writer_string(struct writer *w, const char *s) {
        size_t n = strlen(s);

        if (n > MESSAGE_SIZE_MAX) {
                w->error = w->error ?: -EMSGSIZE;
                return;
        }
        writer_u32(w, n);
        writer_put(w, 1, s, n + 1);
}

void writer_signature(struct writer *w, const char *s) {
        size_t n = strlen(s);

        writer_u8(w, n);
        writer_put(w, 1, s, n + 1);
}

void writer_array_begin(struct writer *w, size_t element_alignment) {
        size_t length_at;

        assert(w->depth < sizeof(w->arrays) / sizeof(w->arrays[0]));

        writer_u32(w, 0);
        length_at = w->n_body - sizeof(uint32_t);
        writer_extend(w, element_alignment, 0);
        w->arrays[w->depth].length_at = length_at;
        w->arrays[w->depth++].start = w->n_body;
}

void writer_array_end(struct writer *w) {
        size_t n;

        assert(w->depth > 0);
        w->depth--;
        if (w->error)
                return;

        n = w->n_body - w->arrays[w->depth].start;
        if (n > MESSAGE_ARRAY_MAX) {
                w->error = -EMSGSIZE;
                return;
        }
        wire_store32(w->body + w->arrays[w->depth].length_at, n, WIRE_NATIVE_BIG_ENDIAN);
}

void writer_struct(struct writer *w) {
        writer_extend(w, 8, 0);
}

void writer_variant(struct writer *w, const char *signature) {
        writer_signature(w, signature);
}

void writer_take_fd(struct writer *w, int fd) {
        int *fds;

        fds = w->error ? NULL : realloc(w->fds, (w->n_fds + 1) * sizeof(fds[0]));
        if (!fds) {
                w->error = w->error ?: -ENOMEM;
                close(fd);
                return;
        }
        w->fds = fds;
        w->fds[w->n_fds] = fd;
        writer_u32(w, w->n_fds++);
}

void writer_fd(struct writer *w, int fd) {
        int copy;

        if (w->error)
                return;
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0)
                w->error = -errno;
        else
                writer_take_fd(w, copy);
}

struct writer_body *writer_copy_body(const struct writer *w) {
        struct writer_body *body = w->error ? NULL : malloc(sizeof(*body) + w->n_body);

        assert(w->depth == 0 && w->n_fds == 0);
        if (!body)
                return NULL;
        body->n = w->n_body;
        memcpy(body->bytes, w->body, w->n_body);
        return body;
}

void writer_whole_body(struct writer *w, const struct writer_body *body) {
        assert(w->n_body == 0);
        writer_put(w, 1, body->bytes, body->n);
        w->is_checked = true;
}

/* Write the header at p. Returns the offset of the body. */
static size_t lay_header(const struct writer *w, const struct wire_string strings[N_FIELDS],
                         uint8_t *p) {
        const bool big_endian = WIRE_NATIVE_BIG_ENDIAN;
        size_t end = MESSAGE_HEADER_SIZE;

        p[0] = big_endian ? 'B' : 'l';
        p[1] = w->type;
        p[2] = w->flags;
        p[3] = 1;
        wire_store32(p + 4, w->n_body, big_endian);
        wire_store32(p + 8, w->serial, big_endian);
        for (unsigned code = 1; code < FIELD_SIGNATURE; code++)
                if (strings[code].s)
                        end = header_put_string(p, end, code, strings[code].s, strings[code].n,
                                                big_endian);
                else if (code == FIELD_REPLY_SERIAL && w->reply_serial)
                        end = header_put_u32(p, end, code, w->reply_serial, big_endian);
        if (strings[FIELD_SIGNATURE].n > 0)
                end = header_put_signature(p, end, strings[FIELD_SIGNATURE].s,
                                           strings[FIELD_SIGNATURE].n);
        if (w->n_fds > 0)
                end = header_put_u32(p, end, FIELD_UNIX_FDS, w->n_fds, big_endian);
        return header_end(p, end, big_endian);
}

static int writer_make(struct writer *w, struct message **ret_m) {
        struct wire_string strings[N_FIELDS] = {
                [FIELD_PATH] = {w->path},
                [FIELD_INTERFACE] = {w->interface},
                [FIELD_MEMBER] = {w->member},
                [FIELD_ERROR_NAME] = {w->error_name},
                [FIELD_DESTINATION] = {w->destination},
                [FIELD_SENDER] = {w->sender},
                [FIELD_SIGNATURE] = {w->signature},
        };
        size_t n_max = MESSAGE_HEADER_SIZE + N_FIELDS * HEADER_FIELD_MAX, n_header;
        struct message *m;
        int r;

        if (w->error)
                return w->error;
        assert(w->depth == 0);

        for (unsigned code = 1; code < N_FIELDS; code++)
                if (strings[code].s) {
                        strings[code].n = strlen(strings[code].s);
                        n_max += strings[code].n;
                }
        r = message_new(&m, n_max + w->n_body);
        if (r)
                return r;
        n_header = lay_header(w, strings, m->wire);
        if (w->n_body > 0)
                memcpy(m->wire + n_header, w->body, w->n_body);
        m->n_wire = n_header + w->n_body;
        if (m->n_wire > MESSAGE_SIZE_MAX) {
                message_unref(m);
                return -EMSGSIZE;
        }
        m->fds = w->fds;
        m->n_fds = w->n_fds;
        w->fds = NULL;
        w->n_fds = 0;

        if (message_parse_header(m) || (!w->is_checked && message_parse_body(m))) {
                message_unref(m);
                return -EINVAL;
        }
        *ret_m = m;
        return 0;
}

int writer_finish(struct writer *w, struct message **ret_m) {
        int r;

        r = writer_make(w, ret_m);
        writer_deinit(w);
        return r;
}

void writer_deinit(struct writer *w) {
        fds_close(w->fds, w->n_fds);
        free(w->fds);
        if (w->body != w->first)
                free(w->body);
        writer_clear(w);
}
