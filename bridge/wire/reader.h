/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reading the arguments of a message that was validated: for the driver's methods. The caller has
 * compared m->signature with what it reads, so nothing here can fail.
 */

#include "bridge/wire/message.h"

struct reader {
        const struct message *m;
        const uint8_t *at;
};

void reader_init(struct reader *r, const struct message *m);
uint8_t reader_u8(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
struct wire_string reader_string(struct reader *r); /* s and o */
struct wire_string reader_signature(struct reader *r);
/* Enter an array; ret_end is where it ends: read elements while r->at < ret_end. */
void reader_array(struct reader *r, size_t element_alignment, const uint8_t **ret_end);
void reader_struct(struct reader *r);
