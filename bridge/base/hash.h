/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Hash tables - uthash, set up for a daemon
 *
 * Out of memory does not end the process: HASH_ADD leaves the element out of the table (its tbl is
 * then NULL). Clients choose some of the keys, such as names; these are hashed with a secret seed,
 * so that no client can fill one bucket on purpose, and are added with HASH_ADD_KEYPTR_BYHASHVALUE.
 */

#include <stddef.h>
#include <stdint.h>

#define HASH_NONFATAL_OOM 1
/* The default, for tables whose keys no client chooses (FNV-1a: short, and fast for such keys). */
#define HASH_FUNCTION(key, n_key, value) ((value) = hash_unkeyed(key, n_key))
#include <uthash.h>
#include <utlist.h>

unsigned hash_unkeyed(const void *key, size_t n);

struct hash_seed {
        uint64_t k0, k1;
};

/* Make a random seed. */
void hash_seed_init(struct hash_seed *seed);
/* SipHash-1-3 of n bytes. */
uint64_t hash_bytes(const struct hash_seed *seed, const void *data, size_t n);
