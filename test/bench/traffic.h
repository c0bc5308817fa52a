/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Traffic
 *
 * What the clients of a benchmark send, built once and patched, and the stream of what they get.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A message for a benchmark with one argument, "ay" or "s" by signature, of n_body bytes; a reply
 * answers serial 1.
 */
uint8_t *traffic_build(uint8_t type, const char *destination, size_t n_body, const char *signature,
                       size_t *ret_n);

/* n copies of a message in a row, to be written at once */
struct batch {
        uint8_t *data;
        size_t n_message;
        uint32_t serial;
};

void batch_init(struct batch *b, const uint8_t *message, size_t n_message, size_t copies);
/* Write n of them, with new serials; each on its own if single. */
void batch_write(struct batch *b, int fd, size_t n, bool single);

/* Bytes as they come, of which whole messages are taken. */
struct stream {
        uint8_t *data;
        size_t n;
        size_t at;
};

/* Read once; false at the end. */
bool stream_read(struct stream *s, int fd);
/* The next whole message, valid until the next read, or NULL. */
const uint8_t *stream_next(struct stream *s);
