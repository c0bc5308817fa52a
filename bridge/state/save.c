/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Saving: records are collected in a buffer, and long bytes go to the file directly. */

#include "bridge/state/save.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "bridge/wire/byte-order.h"
#include "bridge/wire/names.h"

#define BUFFER_SIZE (256 * 1024)
#define SLOTS_MIN 64

__attribute__((format(printf, 3, 0))) static void keep(struct state_save *save, int r,
                                                       const char *format, va_list args) {
        if (save->error)
                return;
        save->error = r;
        if (vasprintf(&save->error_text, format, args) < 0)
                save->error_text = NULL;
}

__attribute__((format(printf, 3, 4))) static void fail(struct state_save *save, int r,
                                                       const char *format, ...) {
        va_list args;

        va_start(args, format);
        keep(save, r, format, args);
        va_end(args);
}

/* A function has failed with an errno that needs no words. */
static void fail_plainly(struct state_save *save, int r) {
        fail(save, r, "%s", strerror(-r));
}

void state_refuse(struct state_save *save, const char *format, ...) {
        va_list args;

        va_start(args, format);
        keep(save, -EOPNOTSUPP, format, args);
        va_end(args);
}

/* the file */

static void write_out(struct state_save *save, const uint8_t *bytes, size_t n) {
        while (n > 0 && !save->error) {
                ssize_t k = TEMP_FAILURE_RETRY(write(save->fd, bytes, n));

                if (k <= 0) {
                        fail_plainly(save, k < 0 ? -errno : -EIO);
                        return;
                }
                bytes += k;
                n -= (size_t)k;
        }
}

static void flush(struct state_save *save) {
        write_out(save, save->buffer, save->n_buffer);
        save->n_buffer = 0;
}

static void append(struct state_save *save, const void *bytes, size_t n) {
        if (save->error)
                return;
        if (n > STATE_SIZE_MAX - save->n_bytes) {
                fail(save, -EFBIG, "the state takes more than %llu bytes",
                     (unsigned long long)STATE_SIZE_MAX);
                return;
        }
        save->n_bytes += n;
        if (n > BUFFER_SIZE - save->n_buffer)
                flush(save);
        if (n > BUFFER_SIZE)
                write_out(save, bytes, n);
        else if (n > 0) {
                memcpy(save->buffer + save->n_buffer, bytes, n);
                save->n_buffer += n;
        }
}

static void append_padded(struct state_save *save, const void *bytes, size_t n) {
        static const uint8_t zeros[STATE_ALIGNMENT];

        append(save, bytes, n);
        append(save, zeros, wire_align(n, STATE_ALIGNMENT) - n);
}

/* records */

void state_record_begin(struct state_save *save, const char *kind) {
        assert(!save->kind);
        save->kind = kind;
        save->n_longs = 0;
        save->n_fields = 0;
        writer_init(&save->writer, MESSAGE_TYPE_SIGNAL, MESSAGE_FLAG_NO_REPLY_EXPECTED,
                    save->n_records + 1, STATE_SIGNATURE);
        save->writer.path = STATE_PATH;
        save->writer.interface = STATE_INTERFACE;
        save->writer.member = kind;
        writer_array_begin(&save->writer, 8);
}

void state_record_end(struct state_save *save) {
        const char *kind = save->kind;
        struct message *m;
        int r;

        assert(kind);
        save->kind = NULL;
        writer_array_end(&save->writer);
        r = writer_finish(&save->writer, &m);
        if (r < 0) {
                fail(save, r, "record %s: %s", kind, strerror(-r));
                return;
        }
        append_padded(save, m->wire, m->n_wire);
        message_unref(m);
        for (unsigned i = 0; i < save->n_longs; i++)
                append_padded(save, save->longs[i].bytes, save->longs[i].n);
        save->n_records++;
}

/* fields */

struct writer *state_put(struct state_save *save, const char *name, const char *signature) {
        assert(save->kind);
        if (save->n_fields++ >= STATE_FIELDS_MAX)
                fail(save, -EMSGSIZE, "record %s: too many fields", save->kind);
        writer_struct(&save->writer);
        writer_string(&save->writer, name);
        writer_variant(&save->writer, signature);
        return &save->writer;
}

void state_put_bool(struct state_save *save, const char *name, bool v) {
        writer_bool(state_put(save, name, "b"), v);
}

void state_put_u32(struct state_save *save, const char *name, uint32_t v) {
        writer_u32(state_put(save, name, "u"), v);
}

void state_put_u64(struct state_save *save, const char *name, uint64_t v) {
        writer_u64(state_put(save, name, "t"), v);
}

void state_put_i64(struct state_save *save, const char *name, int64_t v) {
        writer_u64(state_put(save, name, "x"), (uint64_t)v);
}

static void put_array(struct state_save *save, const char *name, const void *bytes, size_t n) {
        struct writer *w = state_put(save, name, "ay");
        const uint8_t *p = bytes;

        writer_array_begin(w, 1);
        for (size_t i = 0; i < n; i++)
                writer_u8(w, p[i]);
        writer_array_end(w);
}

void state_put_bytes(struct state_save *save, const char *name, const void *bytes, size_t n) {
        struct writer *w;

        if (n <= STATE_INLINE_MAX) {
                put_array(save, name, bytes, n);
                return;
        }
        w = state_put(save, name, STATE_LONG_SIGNATURE);
        writer_struct(w);
        writer_u64(w, n);
        if (save->n_longs == STATE_LONG_MAX)
                fail(save, -EMSGSIZE, "record %s: too many long fields", save->kind);
        else
                save->longs[save->n_longs++] = (struct state_long){bytes, n};
}

void state_put_string(struct state_save *save, const char *name, const char *s) {
        size_t n;

        if (!s)
                return;
        n = strlen(s);
        if (n <= STATE_INLINE_MAX && name_is_valid_utf8(s, n))
                writer_string(state_put(save, name, "s"), s);
        else
                state_put_bytes(save, name, s, n + 1);
}

static void put_fd(struct state_save *save, const char *name, struct writer *w, int fd) {
        int r = fd <= STDERR_FILENO ? -ERANGE : 0;

        /* the standard streams go over anyway */
        if (r == 0 && !save->error)
                r = state_fds_add(&save->fds, fd);
        writer_u32(w, (uint32_t)fd);
        if (r == -ENOMEM)
                fail_plainly(save, r);
        else if (r < 0)
                fail(save, -EINVAL, "record %s, field %s: descriptor %d %s", save->kind, name, fd,
                     r == -EEXIST ? "is in the document twice" : "is out of range");
}

void state_put_fd(struct state_save *save, const char *name, int fd) {
        put_fd(save, name, state_put(save, name, "h"), fd);
}

void state_put_fds(struct state_save *save, const char *name, const int *fds, size_t n) {
        struct writer *w = state_put(save, name, "ah");

        writer_array_begin(w, 4);
        for (size_t i = 0; i < n; i++)
                put_fd(save, name, w, fds[i]);
        writer_array_end(w);
}

void state_put_u32s(struct state_save *save, const char *name, const uint32_t *v, size_t n) {
        struct writer *w = state_put(save, name, "au");

        writer_array_begin(w, 4);
        for (size_t i = 0; i < n; i++)
                writer_u32(w, v[i]);
        writer_array_end(w);
}

void state_put_u64s(struct state_save *save, const char *name, const uint64_t *v, size_t n) {
        struct writer *w = state_put(save, name, "at");

        writer_array_begin(w, 8);
        for (size_t i = 0; i < n; i++)
                writer_u64(w, v[i]);
        writer_array_end(w);
}

/* numbers for pointers */

static size_t slot_of(const struct state_ids *ids, const void *p) {
        /* the numbers of neighbours in memory must differ in the bits that are used */
        size_t i = ((uintptr_t)p >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32;

        for (i &= ids->n_slots - 1; ids->slots[i].p && ids->slots[i].p != p;)
                i = (i + 1) & (ids->n_slots - 1);
        return i;
}

static int grow(struct state_ids *ids) {
        struct state_ids larger = {.n = ids->n};

        larger.n_slots = ids->n_slots ? 2 * ids->n_slots : SLOTS_MIN;
        larger.slots = calloc(larger.n_slots, sizeof(*larger.slots));
        if (!larger.slots)
                return -ENOMEM;
        for (size_t i = 0; i < ids->n_slots; i++)
                if (ids->slots[i].p)
                        larger.slots[slot_of(&larger, ids->slots[i].p)] = ids->slots[i];
        free(ids->slots);
        *ids = larger;
        return 0;
}

uint32_t state_number_of(const struct state_save *save, enum state_table table, const void *p) {
        const struct state_ids *ids = &save->ids[table];

        return p && ids->n > 0 ? ids->slots[slot_of(ids, p)].id : 0;
}

uint32_t state_number(struct state_save *save, enum state_table table, const void *p) {
        struct state_ids *ids = &save->ids[table];
        struct state_id *slot;

        assert(p);
        if (save->error)
                return 0;
        if (2 * (size_t)ids->n >= ids->n_slots && grow(ids) < 0) {
                fail_plainly(save, -ENOMEM);
                return 0;
        }
        slot = &ids->slots[slot_of(ids, p)];
        assert(!slot->p);
        *slot = (struct state_id){p, ++ids->n};
        return slot->id;
}

void state_put_ref(struct state_save *save, const char *name, enum state_table table,
                   const void *p) {
        uint32_t id = state_number_of(save, table, p);

        if (!p)
                return;
        if (id == 0)
                fail(save, -EINVAL, "record %s, field %s: what it refers to has no number",
                     save->kind, name);
        state_put_u32(save, name, id);
}

/* documents */

void state_save_init(struct state_save *save, const char *program) {
        int r;

        *save = (struct state_save){.fd = -1};
        save->buffer = malloc(BUFFER_SIZE);
        r = save->buffer ? state_file_new(&save->fd) : -ENOMEM;
        if (r < 0)
                fail_plainly(save, r);

        state_record_begin(save, STATE_HEADER);
        state_put_u32(save, "major", STATE_MAJOR);
        state_put_u32(save, "minor", STATE_MINOR);
        state_put_u32(save, "pid", (uint32_t)getpid());
        state_put_string(save, "program", program);
        state_record_end(save);
}

int state_save_finish(struct state_save *save, int *ret_fd) {
        uint32_t n_records = save->n_records + 1;
        uint64_t n_bytes = save->n_bytes;
        int r;

        state_record_begin(save, STATE_END);
        state_put_u32(save, "records", n_records);
        state_put_u64(save, "bytes", n_bytes);
        state_record_end(save);
        if (!save->error)
                flush(save);
        if (!save->error) {
                r = state_file_seal(save->fd);
                if (r < 0)
                        fail_plainly(save, r);
        }
        if (save->error)
                return save->error;
        *ret_fd = save->fd;
        save->fd = -1;
        return 0;
}

void state_save_deinit(struct state_save *save) {
        if (save->kind)
                writer_deinit(&save->writer);
        if (save->fd >= 0)
                close(save->fd);
        for (unsigned i = 0; i < N_STATE_TABLES; i++)
                free(save->ids[i].slots);
        state_fds_deinit(&save->fds);
        free(save->buffer);
        free(save->error_text);
        *save = (struct state_save){.fd = -1};
}
