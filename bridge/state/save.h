/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Saving - writing a state document
 *
 *      state_record_begin(save, "Name");
 *      state_put_string(save, "name", name->name);
 *      state_put_ref(save, "owner", STATE_CLIENTS, client);
 *      state_record_end(save);
 *
 * Saving only looks at the bus: it changes nothing, so a bus whose document is not used goes on.
 * The first failure stays in save->error; after it, all functions do nothing, so callers need not
 * check each step. A part of the bus that cannot be saved says so with state_refuse().
 *
 * Names of kinds have the grammar of D-Bus members. Names of fields are lower_case words. A field
 * with a descriptor has the type h; its value is the number of the descriptor, which stays the
 * same.
 */

#include "bridge/state/document.h"
#include "bridge/wire/writer.h"

struct message;

/* Pointers with their numbers: open addressing. */
struct state_ids {
        struct state_id {
                const void *p;
                uint32_t id;
        } * slots;
        size_t n_slots;
        uint32_t n;
};

struct state_save {
        int error;        /* the first negative errno, or 0 */
        char *error_text; /* what state_refuse() said, or what has failed; NULL without memory */
        /*
         * Put what a front end has attached to a message (message.attachment) into the record of
         * the message. NULL: a message with an attachment is refused.
         */
        void (*put_attachment)(struct state_save *save, const struct message *m);
        struct state_fds fds; /* the descriptors that the document names */
        /* The fields from here on are private. */
        int fd;
        uint32_t n_records;
        uint64_t n_bytes; /* of the document, those in the buffer included */
        uint8_t *buffer;
        size_t n_buffer;
        const char *kind; /* of the record that is being written; NULL: none */
        struct writer writer;
        struct state_long {
                const void *bytes;
                size_t n;
        } longs[STATE_LONG_MAX];
        unsigned n_longs;
        unsigned n_fields;
        struct state_ids ids[N_STATE_TABLES];
};

/*
 * Begin a document, with its Header. program is the name and version of this program. A failure
 * stays in save->error. save must not be moved.
 */
void state_save_init(struct state_save *save, const char *program);
/*
 * Write End, and seal the document. On success, *ret_fd is the file, close-on-exec, which the
 * caller owns. Returns 0 or save->error: -EOPNOTSUPP after state_refuse(); -EFBIG if the document
 * would be larger than STATE_SIZE_MAX; -EMSGSIZE if a record is too large; -EINVAL if a descriptor
 * was put twice; -ENOMEM, -EMFILE, -ENOSPC and others.
 */
int state_save_finish(struct state_save *save, int *ret_fd);
void state_save_deinit(struct state_save *save);

/* The bus is in a state that cannot be saved. The text says what is in the way: "a monitor". */
__attribute__((format(printf, 2, 3))) void state_refuse(struct state_save *save, const char *format,
                                                        ...);

/* records; the text kind must live until the record ends */
void state_record_begin(struct state_save *save, const char *kind);
void state_record_end(struct state_save *save);

/* fields; each name once in a record */
void state_put_bool(struct state_save *save, const char *name, bool v);
void state_put_u32(struct state_save *save, const char *name, uint32_t v);
void state_put_u64(struct state_save *save, const char *name, uint64_t v);
void state_put_i64(struct state_save *save, const char *name, int64_t v);
/*
 * A string without restrictions: one that is not UTF-8 is written as bytes. NULL: the field is left
 * out.
 */
void state_put_string(struct state_save *save, const char *name, const char *s);
/* Any number of bytes; they must not change until the record ends. */
void state_put_bytes(struct state_save *save, const char *name, const void *bytes, size_t n);
/* A descriptor, which goes over to the next bus. One that was put already is an error. */
void state_put_fd(struct state_save *save, const char *name, int fd);
void state_put_fds(struct state_save *save, const char *name, const int *fds, size_t n);
void state_put_u32s(struct state_save *save, const char *name, const uint32_t *v, size_t n);
void state_put_u64s(struct state_save *save, const char *name, const uint64_t *v, size_t n);
/*
 * Any other type, which must be an array or a struct: the caller writes its value to the writer
 * that is returned. There must not be descriptors in it.
 */
struct writer *state_put(struct state_save *save, const char *name, const char *signature);

/* numbers for pointers */

/*
 * Give the next number of the table to p, which must not have one. Returns it; after a failure 0.
 * The reader gives the same numbers if it calls state_define() in the same order.
 */
uint32_t state_number(struct state_save *save, enum state_table table, const void *p);
/* The number that p has, or 0. */
uint32_t state_number_of(const struct state_save *save, enum state_table table, const void *p);
/*
 * A field with the number of p. NULL: the field is left out. A pointer without a number is an
 * error (-EINVAL).
 */
void state_put_ref(struct state_save *save, const char *name, enum state_table table,
                   const void *p);
