/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * SHA-1 (RFC 3174), which DBUS_COOKIE_SHA1 prescribes. Nothing else is to rely on it: it is no
 * longer collision resistant.
 */

#include <stddef.h>
#include <stdint.h>

#define SHA1_SIZE 20
#define SHA1_BLOCK 64

struct sha1 {
        uint32_t state[5];
        uint64_t n; /* bytes taken */
        uint8_t block[SHA1_BLOCK];
};

void sha1_init(struct sha1 *sha1);
void sha1_add(struct sha1 *sha1, const void *data, size_t n);
void sha1_finish(struct sha1 *sha1, uint8_t ret_digest[SHA1_SIZE]);
