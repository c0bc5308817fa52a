/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Values in a message, checked in one go. */

#include "bridge/wire/message-walk.h"

static ALWAYS_INLINE int check_values(const uint8_t *data, size_t *pos, size_t end,
                                      const char *signature, unsigned depth, bool big_endian) {
        struct stack stack;
        struct walk walk = walk_begin(&stack, data, *pos, end, signature, depth);
        int r;

        r = walk_on(&walk, big_endian, false);
        if (r == 0)
                *pos = walk.pos;
        return r;
}

int message_check_values(const uint8_t *data, size_t *pos, size_t end, const char *signature,
                         unsigned depth, bool big_endian) {
        if (big_endian)
                return check_values(data, pos, end, signature, depth, true);
        return check_values(data, pos, end, signature, depth, false);
}
