/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Writing messages. The body is collected in a buffer that doubles; the header is laid in front of
 * it at the end, when its fields are known. The result goes through message_parse() like any
 * message, so what the bus itself sends is as valid as what it lets through.
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "bridge/wire/byte-order.h"
#include "bridge/wire/message-private.h"
#include "bridge/wire/writer.h"

#define BODY_SIZE_FIRST 256

void writer_init(struct writer *w, uint8_t type, uint8_t flags, uint32_t serial,
                 const char *signature) {
        *w = (struct writer){
                .type = type,
                .flags = flags,
                .serial = serial,
                .signature = signature,
        };
}

/*
 * Zero padding to the alignment, then n bytes for the caller to fill; NULL once something failed.
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
                size_t n_allocated = w->n_allocated ? w->n_allocated : BODY_SIZE_FIRST;
                uint8_t *body;

                while (n_allocated < end)
                        n_allocated *= 2;
                body = realloc(w->body, n_allocated);
                if (!body) {
                        w->error = -ENOMEM;
                        return NULL;
                }
                w->body = body;
                w->n_allocated = n_allocated;
        }

        if (start > w->n_body)
                memset(w->body + w->n_body, 0, start - w->n_body);
        w->n_body = end;
        return w->body + start;
}

void writer_u8(struct writer *w, uint8_t v) {
        uint8_t *p = writer_extend(w, 1, 1);

        if (p)
                *p = v;
}

void writer_bool(struct writer *w, bool v) {
        writer_u32(w, v);
}

void writer_u32(struct writer *w, uint32_t v) {
        uint8_t *p = writer_extend(w, 4, sizeof(v));

        if (p)
                memcpy(p, &v, sizeof(v));
}

void writer_u64(struct writer *w, uint64_t v) {
        uint8_t *p = writer_extend(w, 8, sizeof(v));

        if (p)
                memcpy(p, &v, sizeof(v));
}

void writer_string(struct writer *w, const char *s) {
        size_t n = strlen(s);
        uint8_t *p;

        if (n > MESSAGE_SIZE_MAX) {
                w->error = w->error ?: -EMSGSIZE;
                return;
        }
        writer_u32(w, n);
        p = writer_extend(w, 1, n + 1);
        if (p)
                memcpy(p, s, n + 1);
}

void writer_signature(struct writer *w, const char *s) {
        size_t n = strlen(s);
        uint8_t *p = writer_extend(w, 1, 1 + n + 1);

        if (p) {
                p[0] = n;
                memcpy(p + 1, s, n + 1);
        }
}

void writer_array_begin(struct writer *w, size_t element_alignment) {
        size_t length_at;

        assert(w->depth < sizeof(w->arrays) / sizeof(w->arrays[0]));

        writer_u32(w, 0);
        length_at = w->n_body - sizeof(uint32_t);
        writer_extend(w, element_alignment, 0);
        w->arrays[w->depth].length_at = length_at;
        w->arrays[w->depth].start = w->n_body;
        ++w->depth;
}

void writer_array_end(struct writer *w) {
        size_t n;
        uint32_t length;

        assert(w->depth > 0);
        --w->depth;
        if (w->error)
                return;

        n = w->n_body - w->arrays[w->depth].start;
        if (n > MESSAGE_ARRAY_MAX) {
                w->error = -EMSGSIZE;
                return;
        }
        length = n;
        memcpy(w->body + w->arrays[w->depth].length_at, &length, sizeof(length));
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

/* The header while it is laid: first counted, with p NULL, then written. */
struct header {
        uint8_t *p;
        size_t n;
};

static void header_pad(struct header *h) {
        while (h->n & 7) {
                if (h->p)
                        h->p[h->n] = 0;
                ++h->n;
        }
}

static void header_put(struct header *h, const void *data, size_t n) {
        if (h->p)
                memcpy(h->p + h->n, data, n);
        h->n += n;
}

static void header_code(struct header *h, uint8_t code, char type) {
        header_pad(h);
        header_put(h, (uint8_t[]){code, 1, type, 0}, 4);
}

static void header_string(struct header *h, uint8_t code, char type, const char *s) {
        uint32_t n;

        if (!s)
                return;
        n = strlen(s);
        header_code(h, code, type);
        header_put(h, &n, sizeof(n));
        header_put(h, s, (size_t)n + 1);
}

static void header_u32(struct header *h, uint8_t code, uint32_t v) {
        if (v == 0)
                return;
        header_code(h, code, 'u');
        header_put(h, &v, sizeof(v));
}

static void header_lay(struct header *h, const struct writer *w) {
        uint32_t n_body = w->n_body, n_fields;

        h->n = 0;
        header_put(h, (uint8_t[]){WIRE_NATIVE_BIG_ENDIAN ? 'B' : 'l', w->type, w->flags, 1}, 4);
        header_put(h, &n_body, sizeof(n_body));
        header_put(h, &w->serial, sizeof(w->serial));
        h->n = MESSAGE_HEADER_SIZE;

        header_string(h, FIELD_PATH, 'o', w->path);
        header_string(h, FIELD_INTERFACE, 's', w->interface);
        header_string(h, FIELD_MEMBER, 's', w->member);
        header_string(h, FIELD_ERROR_NAME, 's', w->error_name);
        header_u32(h, FIELD_REPLY_SERIAL, w->reply_serial);
        header_string(h, FIELD_DESTINATION, 's', w->destination);
        header_string(h, FIELD_SENDER, 's', w->sender);
        if (w->signature && w->signature[0]) {
                uint8_t n = strlen(w->signature);

                header_code(h, FIELD_SIGNATURE, 'g');
                header_put(h, &n, sizeof(n));
                header_put(h, w->signature, (size_t)n + 1);
        }
        header_u32(h, FIELD_UNIX_FDS, w->n_fds);

        n_fields = h->n - MESSAGE_HEADER_SIZE;
        if (h->p)
                memcpy(h->p + 12, &n_fields, sizeof(n_fields));
        header_pad(h);
}

static int writer_make(struct writer *w, struct message **ret_m) {
        struct header header = {};
        struct message *m;
        int r;

        if (w->error)
                return w->error;
        assert(w->depth == 0);

        header_lay(&header, w);
        if (header.n + w->n_body > MESSAGE_SIZE_MAX)
                return -EMSGSIZE;
        r = message_new(&m, header.n + w->n_body);
        if (r)
                return r;
        header.p = m->wire;
        header_lay(&header, w);
        if (w->n_body > 0)
                memcpy(m->wire + header.n, w->body, w->n_body);
        m->fds = w->fds;
        m->n_fds = w->n_fds;
        w->fds = NULL;
        w->n_fds = 0;

        if (message_parse(m)) {
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
        for (size_t i = 0; i < w->n_fds; ++i)
                close(w->fds[i]);
        free(w->fds);
        free(w->body);
        *w = (struct writer){};
}
