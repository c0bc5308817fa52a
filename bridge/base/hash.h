/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Hash tables are uthash's; this sets it up: running out of memory is no reason to exit, and keys
 * that clients choose are hashed with a secret of this process, so that nobody can aim at one
 * bucket.
 */

#include <stddef.h>
#include <stdint.h>

#define HASH_NONFATAL_OOM 1
/* For the tables with keys that clients do not choose; the others bring their hash value. */
#define HASH_FUNCTION(key, n_key, value) ((value) = hash_unkeyed(key, n_key))
#include <uthash.h>
#include <utlist.h>

unsigned hash_unkeyed(const void *key, size_t n);

struct hash_seed {
        uint64_t k0, k1;
};

void hash_seed_init(struct hash_seed *seed);
/* SipHash-1-3 */
uint64_t hash_bytes(const struct hash_seed *seed, const void *data, size_t n);
