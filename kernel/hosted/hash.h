/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* uthash, set up so that it reports a lack of memory and compiles without warnings. */

/* When memory runs out, hh.tbl of the new element stays NULL and the process goes on. */
#define HASH_NONFATAL_OOM 1
/* Jenkins's hash "one at a time" is good for short keys. uthash's default causes warnings. */
#define HASH_FUNCTION(key, n, hash) HASH_OAT(key, n, hash)
#include <uthash.h>
