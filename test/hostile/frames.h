/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Frames - where the messages of a stream begin and end
 *
 * Received bytes are handed over as they come. Only the beginning of each message is kept, which is
 * enough for its header, however long the message is. A struct frames of zeros stands at the
 * beginning of a message.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frames {
        uint8_t head[1024]; /* the beginning of the message */
        size_t n_head;
        size_t size; /* of the message; 0: not known yet */
        size_t done; /* bytes of the message that have been taken */
};

/*
 * Take bytes of at most one message. Returns how many were taken. *ret_complete tells whether the
 * message is complete; then head is valid until the next call.
 */
size_t frames_take(struct frames *f, const uint8_t *data, size_t n, bool *ret_complete);
