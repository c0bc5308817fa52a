/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* SHA-1, by the letters of RFC 3174, section 6.1. */

#include "bridge/wire/sha1.h"

#include <string.h>

static uint32_t rotate(uint32_t x, unsigned n) {
        return x << n | x >> (32 - n);
}

static uint32_t mix(unsigned t, uint32_t b, uint32_t c, uint32_t d) {
        if (t < 20)
                return (b & c) | (~b & d);
        if (t >= 40 && t < 60)
                return (b & c) | (b & d) | (c & d);
        return b ^ c ^ d;
}

static void take_block(struct sha1 *sha1, const uint8_t *block) {
        static const uint32_t k[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
        uint32_t w[80], a, b, c, d, e;

        for (unsigned t = 0; t < 16; t++)
                w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
                       (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
        for (unsigned t = 16; t < 80; t++)
                w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);

        a = sha1->state[0];
        b = sha1->state[1];
        c = sha1->state[2];
        d = sha1->state[3];
        e = sha1->state[4];
        for (unsigned t = 0; t < 80; t++) {
                uint32_t x = rotate(a, 5) + mix(t, b, c, d) + e + w[t] + k[t / 20];

                e = d;
                d = c;
                c = rotate(b, 30);
                b = a;
                a = x;
        }
        sha1->state[0] += a;
        sha1->state[1] += b;
        sha1->state[2] += c;
        sha1->state[3] += d;
        sha1->state[4] += e;
}

void sha1_init(struct sha1 *sha1) {
        *sha1 = (struct sha1){
                .state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0},
        };
}

void sha1_add(struct sha1 *sha1, const void *data, size_t n) {
        const uint8_t *bytes = data;

        while (n > 0) {
                size_t at = sha1->n % SHA1_BLOCK, k = SHA1_BLOCK - at;

                if (k > n)
                        k = n;
                memcpy(sha1->block + at, bytes, k);
                sha1->n += k;
                bytes += k;
                n -= k;
                if (at + k == SHA1_BLOCK)
                        take_block(sha1, sha1->block);
        }
}

void sha1_finish(struct sha1 *sha1, uint8_t ret_digest[SHA1_SIZE]) {
        static const uint8_t padding[SHA1_BLOCK] = {0x80};
        uint64_t n_bits = sha1->n * 8;
        size_t at = sha1->n % SHA1_BLOCK;
        uint8_t length[8];

        sha1_add(sha1, padding, (at < 56 ? 56 : 120) - at);
        for (unsigned i = 0; i < sizeof(length); i++)
                length[i] = n_bits >> (56 - 8 * i);
        sha1_add(sha1, length, sizeof(length));
        for (unsigned i = 0; i < SHA1_SIZE; i++)
                ret_digest[i] = sha1->state[i / 4] >> (24 - 8 * (i % 4));
}
