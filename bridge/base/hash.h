/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Hash tables - uthash, set up for a daemon
 *
 * If memory runs out, HASH_ADD does not end the process: it leaves the element out of the table,
 * and hh.tbl of the element is NULL. Clients choose some keys, such as names. Such a key is hashed
 * with a secret seed and added with HASH_ADD_KEYPTR_BYHASHVALUE, so that no client can fill one
 * bucket on purpose.
 */

#include <stddef.h>
#include <stdint.h>

#define HASH_NONFATAL_OOM 1
/* The default, for tables whose keys no client chooses: FNV-1a, which is short and fast. */
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
