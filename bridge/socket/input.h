/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Input - turns the bytes of one socket into messages
 *
 *      socket  ->  input_read()  ->  common buffer  ->  input_next()  ->  message, with descriptors
 *                       \                                  ^
 *                        `->  rest of a long message, right into the message
 *
 * An idle input has no buffer of its own: bytes are read into a buffer that all connections share.
 * Only an unfinished message with its descriptors, and bytes that have to wait (input_keep_rest()),
 * are kept. The memory of a large message grows as its bytes arrive.
 *
 * A complete message whose body takes long to check stays unfinished: each input_next() checks a
 * part of the body (message_parse_body_part()), so that the bus can do other work in between.
 * Nothing is read meanwhile.
 */

#include "bridge/wire/message.h"
#include "policy/config.h"

/* The least value of input.n_first: before BEGIN, a line has at most this length. */
#define INPUT_FIRST_SIZE (16 * 1024)

struct input {
        uint8_t header[MESSAGE_HEADER_SIZE]; /* of a message whose size is not known yet */
        size_t n_header;
        struct message *partial;  /* its size is known, but it is not finished; NULL: none */
        size_t n_partial;         /* bytes of it that have arrived */
        struct body_check *check; /* how far partial, which is complete, is checked; or NULL */
        size_t n_first;           /* the most memory that a message gets before its bytes arrive */
        uint8_t *rest; /* bytes that were received, but have to wait; the first rest_at are done */
        size_t rest_at, n_rest;
        int *fds; /* descriptors that were received, but whose message is not complete yet */
        size_t n_fds;
};

enum {
        INPUT_E_LOST = 1, /* the kernel dropped descriptors on the way */
};

/* What a read tells about the socket. */
struct input_end {
        bool is_eof;   /* the client will send nothing more, or the socket failed */
        bool is_reset; /* is_eof, because the client has closed its end without reading all */
        bool is_empty; /* there was nothing to read */
        bool is_short; /* there was less than the read could take */
};

/*
 * Read once; input->n_first must be set, and there must be no check and no rest. *ret_n is the
 * number of bytes in buffer (0 also if all went into the unfinished message, or if there were
 * none). Returns 0, INPUT_E_LOST or -ENOMEM.
 */
int input_read(struct input *input, int fd, uint8_t *buffer, size_t n_buffer, size_t *ret_n,
               struct input_end *ret_end);
/*
 * Take the next message out of the *n bytes at *bytes, and update both. The caller owns
 * *ret_message, which is NULL if the bytes end before the message does, or if more of its body has
 * to be checked (input->check): then the caller calls again, also without bytes. If the bytes break
 * a rule of the protocol, or there is no memory for the message, there is no message, and
 * *ret_violation is a static text that tells why (else NULL). Returns 0 or -ENOMEM.
 */
int input_next(struct input *input, const struct bus_limits *limits, const uint8_t **bytes,
               size_t *n, struct message **ret_message, const char **ret_violation);
/* The memory that the input holds. */
static inline size_t input_size(const struct input *input) {
        size_t n = input->n_rest;

        if (input->partial)
                n += message_memory(input->partial) + (input->check ? body_check_memory : 0);
        return n;
}
/* The descriptors that the input holds. */
static inline size_t input_n_fds(const struct input *input) {
        return input->n_fds + (input->check ? input->partial->n_fds : 0);
}
/* Does the input hold an unfinished message? */
static inline bool input_is_amid_message(const struct input *input) {
        return input->partial || input->n_header > 0;
}

/* Keep bytes for later in rest, which is set afterwards even if n is 0. -ENOMEM. */
int input_keep_rest(struct input *input, const uint8_t *bytes, size_t n);
void input_free_rest(struct input *input);
/* Move the first n descriptors to ret_fds. There must be at least n. */
void input_take_fds(struct input *input, int *ret_fds, size_t n);
/* Close all descriptors that no message has taken. */
void input_drop_fds(struct input *input);
void input_deinit(struct input *input);
