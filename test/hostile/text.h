/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Texts - the bytes that an attacker writes, in a row: handshakes, messages, or nonsense
 *
 * A text is built once and written many times. A struct text of zeros is empty. When memory runs
 * out, the program ends.
 */

#include <stddef.h>
#include <stdint.h>

#include "test/bench/raw.h"

struct text {
        uint8_t *data;
        size_t n;
        uint32_t serial; /* of the last message */
};

void text_free(struct text *t);
void text_add(struct text *t, const void *data, size_t n);
/* SASL EXTERNAL for the user of this process, with the passing of descriptors, and Hello. */
void text_add_hello(struct text *t);
/* Add a message. The serial of the fields is ignored: messages are numbered from 1. */
void text_add_message(struct text *t, const struct raw_fields *fields);
/* A message with a body of one string. */
void text_add_string(struct text *t, const struct raw_fields *fields, const char *s);
/* A call to the bus. argument is a string, or NULL; RequestName gets the flags 0, too. */
void text_add_bus_call(struct text *t, uint8_t flags, const char *member, const char *argument);
/* Let the messages of a text without a handshake have new serials, which go on from the last. */
void text_renumber(struct text *t);
