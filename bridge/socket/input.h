/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Input - messages out of the bytes of one socket
 *
 *      socket  ->  input_read()  ->  common buffer  ->  input_next()  ->  message, with descriptors
 *                       \                                  ^
 *                        `->  rest of a long message, right into its place
 *
 * An idle input has no memory of its own: bytes are read into a buffer that all connections share.
 * Only an unfinished message, and bytes that have to wait (input_keep_rest()), are kept.
 */

#include "bridge/wire/message.h"
#include "policy/config.h"

struct input {
        uint8_t header[MESSAGE_HEADER_SIZE]; /* of a message that is not framed yet */
        size_t n_header;
        struct message *partial; /* framed, incomplete */
        size_t n_partial;
        uint8_t *rest; /* bytes that were received, but have to wait */
        size_t n_rest;
        int *fds; /* descriptors that were received, but whose message is not complete yet */
        size_t n_fds;
};

enum {
        INPUT_E_LOST = 1, /* the kernel dropped descriptors on the way */
};

/*
 * Read once. *ret_n is the number of bytes in buffer (0 also if all went into the unfinished
 * message, or if there were none); *ret_eof tells that the other side has finished. INPUT_E_LOST,
 * -ENOMEM.
 */
int input_read(struct input *input, int fd, uint8_t *buffer, size_t n_buffer, size_t *ret_n,
               bool *ret_eof);
/*
 * Take the next message out of *bytes, which has *n; both advance. *ret_message is the caller's, or
 * NULL if the bytes end before the message does. *ret_violation, if not NULL, is a static text that
 * tells which rule of the protocol the bytes break; then there is no message. 0 or -ENOMEM.
 */
int input_next(struct input *input, const struct bus_limits *limits, const uint8_t **bytes,
               size_t *n, struct message **ret_message, const char **ret_violation);
/* Is a message in the input that is not complete? */
static inline bool input_is_amid_message(const struct input *input) {
        return input->partial || input->n_header > 0;
}

/* Keep bytes for later in rest. -ENOMEM. */
int input_keep_rest(struct input *input, const uint8_t *bytes, size_t n);
/* Take the first n descriptors, as many as there are at least, to ret_fds. */
void input_take_fds(struct input *input, int *ret_fds, size_t n);
/* Close all descriptors that no message has taken. */
void input_drop_fds(struct input *input);
void input_deinit(struct input *input);
