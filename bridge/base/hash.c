/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Hashing: SipHash-1-3 (Aumasson, Bernstein) with a secret key, and FNV-1a without a key. */

#include "bridge/base/hash.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

void hash_seed_init(struct hash_seed *seed) {
        if (getrandom(seed, sizeof(*seed), GRND_NONBLOCK) != sizeof(*seed)) {
                struct timespec t;

                /* In early boot there may be no entropy yet, and the bus must not wait for it. */
                clock_gettime(CLOCK_REALTIME, &t);
                seed->k0 = (uint64_t)t.tv_nsec * 0x9e3779b97f4a7c15ULL;
                seed->k1 = (uint64_t)t.tv_sec ^ (uintptr_t)seed;
        }
}

static inline uint64_t rotate(uint64_t x, unsigned n) {
        return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t v[4]) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
}

/* FNV-1a */
unsigned hash_unkeyed(const void *key, size_t n) {
        const uint8_t *p = key;
        uint32_t hash = 2166136261U;

        for (size_t i = 0; i < n; i++)
                hash = (hash ^ p[i]) * 16777619U;
        return hash;
}

/* The last n < 8 bytes, in the low bytes of a word. Their order depends on the machine. */
static inline uint64_t load_rest(const uint8_t *p, size_t n) {
        uint64_t word = 0;
        uint32_t four;
        uint16_t two;

        if (n & 1)
                word = p[n - 1];
        if (n & 2) {
                memcpy(&two, p + (n & 4), 2);
                word = word << 16 | two;
        }
        if (n & 4) {
                memcpy(&four, p, 4);
                word = word << 32 | four;
        }
        return word;
}

uint64_t hash_bytes(const struct hash_seed *seed, const void *data, size_t n) {
        const uint8_t *p = data;
        uint64_t v[4] = {
                seed->k0 ^ 0x736f6d6570736575ULL,
                seed->k1 ^ 0x646f72616e646f6dULL,
                seed->k0 ^ 0x6c7967656e657261ULL,
                seed->k1 ^ 0x7465646279746573ULL,
        };
        uint64_t word, last = (uint64_t)n << 56;

        for (; n >= 8; n -= 8, p += 8) {
                memcpy(&word, p, 8);
                v[3] ^= word;
                sip_round(v);
                v[0] ^= word;
        }

        last |= load_rest(p, n);
        v[3] ^= last;
        sip_round(v);
        v[0] ^= last;

        v[2] ^= 0xff;
        for (unsigned i = 0; i < 3; i++)
                sip_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}
