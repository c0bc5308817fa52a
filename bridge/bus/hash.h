/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Hash tables are uthash's; this sets it up: running out of memory is no reason to exit, and keys
 * that clients choose are hashed with a secret of this process, so that nobody can aim at one bucket.
 */

#include <stddef.h>
#include <stdint.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

struct hash_seed {
        uint64_t k0, k1;
};

void hash_seed_init(struct hash_seed *seed);
/* SipHash-1-3 */
uint64_t hash_bytes(const struct hash_seed *seed, const void *data, size_t n);
