/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Traffic - the messages that the clients of a benchmark send and receive
 *
 * A message to send is built once. Before each send, only its serials are patched. Received bytes
 * are a stream, from which complete messages are taken.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Build a message whose body has n_body bytes, but at least 5. The body is one argument, whose
 * signature is "ay" or "s". A return answers serial 1.
 */
uint8_t *traffic_build(uint8_t type, const char *destination, size_t n_body, const char *signature,
                       size_t *ret_n);

/* copies of a message, one after the other, to be written together */
struct batch {
        uint8_t *data;
        size_t n_message;
        uint32_t serial;
};

void batch_init(struct batch *b, const uint8_t *message, size_t n_message, size_t copies);
/* Write n copies with new serials: all at once, or, if single is set, one by one. */
void batch_write(struct batch *b, int fd, size_t n, bool single);

/* Received bytes, from which complete messages are taken. */
struct stream {
        uint8_t *data;
        size_t n;
        size_t at;
};

/*
 * Read once. Returns false if the connection has ended or failed, or if a message is longer than
 * the buffer (256 KiB).
 */
bool stream_read(struct stream *s, int fd);
/* The next complete message, valid until the next read. NULL if there is none. */
const uint8_t *stream_next(struct stream *s);
