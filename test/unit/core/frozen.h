/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A saved core as a test can keep it, change it, compare it with another one, and restore it
 *
 * A function that fails for another reason than its argument aborts the program.
 */

#include "core.h"
#include "restore.h"
#include "save.h"

struct frozen_payload {
        u32 account;
        struct bus1_creds creds;
        size_t n_data;
        u8 *data;
        size_t n_files;
        struct file **files;
};

struct frozen {
        struct bus1_frozen_counts counts;
        struct bus1_frozen_peer *peers;
        size_t n_peers;
        struct bus1_frozen_node *nodes;
        size_t n_nodes;
        struct bus1_frozen_handle *handles;
        size_t n_handles;
        struct frozen_payload *payloads;
        size_t n_payloads;
        struct bus1_frozen_message *messages; /* their handles are arrays of their own */
        size_t n_messages;
        struct bus1_frozen_notification *notifications;
        size_t n_notifications;
};

/* Returns 0 or the error of the core. */
int frozen_save(struct bus1_accounts *accounts, struct frozen **ret);
void frozen_free(struct frozen *frozen);
bool frozen_is_equal(const struct frozen *a, const struct frozen *b);

/*
 * Restore a core into a new table, and get the peers with some numbers. On failure the table has no
 * peers any more.
 */
int frozen_restore(const struct frozen *frozen, struct bus1_accounts *accounts, const u64 *numbers,
                   size_t n, struct bus1_peer **ret_peers);

/*
 * Whether two tables look equal from outside: the usage of all accounts with their shares, of all
 * peers, and all objects. Prints a difference.
 */
bool frozen_looks_equal(struct bus1_accounts *a, struct bus1_accounts *b);
