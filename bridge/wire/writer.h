/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Writing messages: those that the bus itself sends, in native byte order
 *
 * The caller writes the values in the order of the signature that it gave at the start, and begins
 * and ends arrays around their elements. After a failure (for example, no memory) a writer ignores
 * further values and writer_finish() reports the failure, so callers need not check each step.
 */

#include "bridge/wire/message.h"

/* The body of a message that was valid. */
struct writer_body {
        size_t n;
        uint8_t bytes[];
};

struct writer {
        int error;
        uint8_t type;
        uint8_t flags;
        uint32_t serial;
        uint32_t reply_serial;
        const char *path, *interface, *member, *error_name, *destination, *sender;
        const char *signature;
        uint8_t *body; /* the array "first", or allocated */
        size_t n_body, n_allocated;
        bool is_checked; /* the body is known to be valid */
        unsigned depth;
        struct {
                size_t length_at; /* offset in the body of the length of the array */
                size_t start;     /* offset in the body of its first element */
        } arrays[8];
        int *fds;
        size_t n_fds;
        uint8_t first[256];
};

/*
 * signature, and the strings that the caller puts into *w, must live until writer_finish(). A
 * writer must not be moved in memory.
 */
void writer_init(struct writer *w, uint8_t type, uint8_t flags, uint32_t serial,
                 const char *signature);
void writer_u8(struct writer *w, uint8_t v);
void writer_bool(struct writer *w, bool v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_string(struct writer *w, const char *s); /* s and o */
void writer_signature(struct writer *w, const char *s);
void writer_array_begin(struct writer *w, size_t element_alignment);
void writer_array_end(struct writer *w);
void writer_struct(struct writer *w);                         /* begins a struct or dict entry */
void writer_variant(struct writer *w, const char *signature); /* its value follows */
void writer_fd(struct writer *w, int fd);                     /* h; duplicates fd */
void writer_take_fd(struct writer *w, int fd);                /* h; owns fd, also after a failure */
/*
 * For a body that many messages have: copy the one that was written, which has no descriptors and
 * all its arrays ended (NULL without memory, or after a failure; the caller frees it), and write it
 * to another message of the same signature, of which it is the whole body.
 */
struct writer_body *writer_copy_body(const struct writer *w);
void writer_whole_body(struct writer *w, const struct writer_body *body);
/*
 * Make the message, parsed and ready to send. The writer is empty afterwards, whatever the result.
 * Returns 0, -ENOMEM, -EMSGSIZE, the errno of writer_fd() if it could not duplicate a descriptor
 * (such as -EMFILE), or -EINVAL if the values are no valid message.
 */
int writer_finish(struct writer *w, struct message **ret_m);
/* Free what was written. Does nothing after writer_finish(). */
void writer_deinit(struct writer *w);
