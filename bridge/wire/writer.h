/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Writing messages: the driver's replies, errors and signals, in native byte order.
 *
 * After a failure (out of memory, too large) a writer ignores all further values, and
 * writer_finish() reports the failure; so callers need not check each step. Values are written in
 * the order of the signature that was given at the start; containers are opened and closed around
 * their members.
 */

#include "bridge/wire/message.h"

struct writer {
        int error;
        uint8_t type;
        uint8_t flags;
        uint32_t serial;
        uint32_t reply_serial;
        const char *path, *interface, *member, *error_name, *destination, *sender;
        const char *signature;
        uint8_t *body; /* first, or allocated */
        size_t n_body, n_allocated;
        unsigned depth;
        struct {
                size_t length_at; /* where the length of the array is stored */
                size_t start;     /* its first element */
        } arrays[8];
        int *fds;
        size_t n_fds;
        uint8_t first[256];
};

/* Strings given to the writer must live until writer_finish(). A writer cannot be moved. */
void writer_init(struct writer *w, uint8_t type, uint8_t flags, uint32_t serial,
                 const char *signature);
void writer_u8(struct writer *w, uint8_t v);
void writer_bool(struct writer *w, bool v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_string(struct writer *w, const char *s); /* s and o */
void writer_signature(struct writer *w, const char *s);
void writer_array_begin(struct writer *w, size_t element_alignment);
void writer_array_end(struct writer *w);
void writer_struct(struct writer *w);                         /* align to a struct or dict entry */
void writer_variant(struct writer *w, const char *signature); /* its value follows */
void writer_fd(struct writer *w, int fd);                     /* h; duplicates fd */
void writer_take_fd(struct writer *w, int fd);                /* h; owns fd from here */
/*
 * Make the message, parsed and ready to send; the writer is empty afterwards, whatever the result.
 * 0, -ENOMEM, -EMSGSIZE, -EMFILE (see writer_fd()), or -EINVAL when what was written is not a valid
 * message.
 */
int writer_finish(struct writer *w, struct message **ret_m);
/* Free what was written. Does nothing after writer_finish(). */
void writer_deinit(struct writer *w);
