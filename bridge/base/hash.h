/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Hash tables - uthash, set up for a daemon
 *
 * If memory runs out, HASH_ADD does not end the process: it leaves the element out of the table,
 * and hh.tbl of the element is NULL. Clients choose the keys of some tables, such as names. These
 * keys are hashed with a secret seed (hash_bytes()) and added with HASH_ADD_KEYPTR_BYHASHVALUE, so
 * that no client can fill one bucket on purpose. Environment variables that clients set for
 * services are an exception: their number is limited instead.
 */

#include <stddef.h>
#include <stdint.h>

#define HASH_NONFATAL_OOM 1
/* The default, for the other tables: FNV-1a, which is short and fast. */
#define HASH_FUNCTION(key, n_key, value) ((value) = hash_unkeyed(key, n_key))
#include <uthash.h>
#include <utlist.h>

unsigned hash_unkeyed(const void *key, size_t n);

struct hash_seed {
        uint64_t k0, k1;
};

/* Make a random seed, or one from the clock if the kernel has no entropy yet. */
void hash_seed_init(struct hash_seed *seed);
/* SipHash-1-3 of n bytes, which are read as words in native byte order. */
uint64_t hash_bytes(const struct hash_seed *seed, const void *data, size_t n);
