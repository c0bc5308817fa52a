/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Loading - reading a state document
 *
 *      while ((r = state_load_next(load)) > 0)
 *              if (state_kind_is(load, "Name")) {
 *                      state_get_string(load, "name", &name);
 *                      r = state_get_ref(load, "owner", STATE_CLIENTS, &owner);
 *                      if (r < 0)
 *                              return r;
 *                      ...
 *              }
 *
 * A document is input like any other: each value that a function returns has the type and the range
 * that the function promises, and everything else is an error. Errors are -EBADMSG, unless noted,
 * and -ENOMEM. The first one stays in load->error, with a text that names the record and the field;
 * after it, all functions return this error. So callers may check the result of the last of several
 * functions only. Values that are returned are set only on success.
 *
 * Fields that no function asks for are left out, which lets newer documents of the same major
 * version have more fields. Fields that older documents do not have are asked for with
 * state_has().
 */

#include <sys/types.h>

#include "bridge/state/document.h"
#include "bridge/wire/reader.h"

struct state_load;
struct message;

struct state_field {
        struct wire_string name;
        struct wire_string signature;
        const uint8_t *at;         /* the value, in the record */
        const uint8_t *long_bytes; /* of type STATE_LONG_SIGNATURE: the bytes; otherwise NULL */
        size_t n_long_bytes;
};

struct state_load {
        int error;             /* the first negative errno, or 0 */
        char *error_text;      /* NULL: no error, or no memory for the text */
        uint32_t major, minor; /* the version of the document */
        pid_t pid;             /* of the process that wrote it */
        struct wire_string program;
        /*
         * The document comes from this process: its descriptors are open and of the right types,
         * and the bodies of stored messages are not checked again.
         */
        bool is_trusted;
        /*
         * The descriptors are those of another process: they need not be open, and no function
         * looks at them.
         */
        bool is_dry;
        /* Attach to a message again what save->put_attachment has saved. NULL: it is refused. */
        int (*get_attachment)(struct state_load *load, struct message *m);
        void *userdata;       /* of get_attachment */
        struct state_fds fds; /* the descriptors that have been returned */
        /* this record, for programs that do not know its kind */
        uint32_t number;
        struct state_field fields[STATE_FIELDS_MAX];
        unsigned n_fields;
        /* The fields from here on are private. */
        const uint8_t *data;
        size_t n;
        void *mapped, *allocated; /* data, if it is to be unmapped or freed */
        size_t at;                /* of the next record */
        bool is_over;
        struct state_fds named; /* all descriptors in the records so far */
        struct message record;
        unsigned next_field; /* fields are usually asked for in the order of the record */
        struct state_defined {
                void **p;
                uint32_t n, n_allocated;
        } tables[N_STATE_TABLES];
};

/*
 * Begin to read the document in a file, from its beginning, and check its Header, whose fields are
 * those of the current record until state_load_next(). The file stays the caller's. One that is not
 * sealed is read into memory at once. -EBADMSG also if the document has a newer major version;
 * -EFBIG if it is larger than STATE_SIZE_MAX; other errnos if the file cannot be read. On failure,
 * load->error_text says why, and state_load_deinit() is still to be called. load must not be moved.
 */
int state_load_init(struct state_load *load, int fd);
/* The same for n bytes, which must not change until state_load_deinit(). */
int state_load_init_bytes(struct state_load *load, const void *bytes, size_t n);
/*
 * Free everything. Messages in the table STATE_MESSAGES lose the reference of this table. After an
 * error, or with is_dry, their descriptors stay open, like all that were returned: another program
 * may take over with the same document.
 */
void state_load_deinit(struct state_load *load);

/* Go to the next record. 1: there is one. 0: the document is complete, and this was its End. */
int state_load_next(struct state_load *load);
/* Go to the beginning again: the next record is the one after the Header. */
void state_load_rewind(struct state_load *load);
/*
 * Check that all records are well-formed, up to End, and rewind. It does not look into stored
 * messages, and does not know the kinds of records.
 */
int state_load_check(struct state_load *load);

/* The kind of this record. */
const char *state_kind(const struct state_load *load);
bool state_kind_is(const struct state_load *load, const char *kind);
/*
 * The caller does not know records of this kind. 0 if the record has the field "optional", true:
 * then a bus that leaves it out loses nothing that anybody waits for.
 */
int state_unknown_kind(struct state_load *load);

/* Fail: a value of the field (NULL: the record) is not acceptable. Returns load->error. */
__attribute__((format(printf, 3, 4))) int state_fail(struct state_load *load, const char *name,
                                                     const char *format, ...);
/* Fail with -ENOMEM. */
int state_fail_memory(struct state_load *load);

/* fields of this record */
bool state_has(const struct state_load *load, const char *name);
int state_get_bool(struct state_load *load, const char *name, bool *ret_v);
int state_get_u32(struct state_load *load, const char *name, uint32_t *ret_v);
int state_get_u64(struct state_load *load, const char *name, uint64_t *ret_v);
int state_get_i64(struct state_load *load, const char *name, int64_t *ret_v);
/* A u32 that is below n. */
int state_get_below(struct state_load *load, const char *name, uint32_t n, uint32_t *ret_v);
/*
 * A string without NUL, valid until state_load_deinit(). It need not be UTF-8. If it is a name, the
 * caller checks its grammar.
 */
int state_get_string(struct state_load *load, const char *name, struct wire_string *ret_s);
/* The same, with .s NULL if the record does not have the field. */
int state_find_string(struct state_load *load, const char *name, struct wire_string *ret_s);
/* Bytes, valid until state_load_deinit(). */
int state_get_bytes(struct state_load *load, const char *name, const uint8_t **ret_bytes,
                    size_t *ret_n);
/*
 * A descriptor that is open, of this file type (S_IFSOCK, ..., or 0: any), and that has not been
 * returned before. It is not close-on-exec before state_load_settle(). The caller must not close it
 * while load->error may still be set.
 */
int state_get_fd(struct state_load *load, const char *name, mode_t type, int *ret_fd);
/* Several, at most n_max. The caller frees *ret_fds, which is NULL if *ret_n is 0. */
int state_get_fds(struct state_load *load, const char *name, size_t n_max, int **ret_fds,
                  size_t *ret_n);
/*
 * A field with the type signature, which is one type. The caller reads its value from *ret_reader.
 */
int state_get(struct state_load *load, const char *name, const char *signature,
              struct reader *ret_reader);
/* An array: the caller reads its elements while ret_reader->at < *ret_end. */
int state_get_array(struct state_load *load, const char *name, const char *signature,
                    struct reader *ret_reader, const uint8_t **ret_end);

/* pointers for numbers: see save.h */

/* Let the number in the field, which must be the next one of the table, stand for p. */
int state_define(struct state_load *load, const char *name, enum state_table table, void *p);
/* What the number in the field stands for. */
int state_get_ref(struct state_load *load, const char *name, enum state_table table, void *ret_p);
/* The same, or NULL if the record does not have the field. */
int state_find_ref(struct state_load *load, const char *name, enum state_table table, void *ret_p);
/* The same for a number from an array; name is that of the field, for errors. */
int state_ref(struct state_load *load, const char *name, enum state_table table, uint32_t id,
              void *ret_p);
/* How many numbers the table has. */
uint32_t state_n_defined(const struct state_load *load, enum state_table table);

/*
 * After success: all descriptors that were returned become close-on-exec. The others that the
 * document names, in fields that this program does not know, are closed.
 */
void state_load_settle(struct state_load *load);
