/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Well-known names - who owns them and who waits for them
 *
 * A name exists while it has an owner. Its ownerships are a queue, the owner in front. The registry
 * changes state and reports what changed; telling the world (NameLost, NameOwnerChanged,
 * NameAcquired) is the driver's.
 */

#include "bridge/bus/client.h"

enum {
        NAME_FLAG_ALLOW_REPLACEMENT = 1,
        NAME_FLAG_REPLACE_EXISTING = 2,
        NAME_FLAG_DO_NOT_QUEUE = 4,
};

/* RequestName's and ReleaseName's results, by the spec's numbers. */
enum {
        NAME_PRIMARY_OWNER = 1,
        NAME_IN_QUEUE = 2,
        NAME_EXISTS = 3,
        NAME_ALREADY_OWNER = 4,
};
enum {
        NAME_RELEASED = 1,
        NAME_NON_EXISTENT = 2,
        NAME_NOT_OWNER = 3,
};

struct name {
        struct name_ownership *queue; /* the owner first; never empty */
        UT_hash_handle hh;
        uint64_t hash; /* by the bus's seed, as match rules use it */
        size_t n_name;
        char name[];
};

struct name_ownership {
        struct name *name;
        struct client *client;
        uint32_t flags;
        struct name_ownership *queue_prev, *queue_next;
        struct name_ownership *client_prev, *client_next;
};

/* What changed. old or new is NULL for none; when both are equal (or NULL) nothing changed. */
struct name_change {
        struct client *old_owner;
        struct client *new_owner;
};

/* The name, or NULL when nobody owns it. Never for unique names. */
struct name *name_find(struct bus *bus, const char *name, size_t n);
/* The client that has this unique or well-known name now, or NULL. */
struct client *name_resolve(struct bus *bus, const char *name, size_t n);

static inline bool name_ownership_is_primary(const struct name_ownership *ownership) {
        return ownership->name->queue == ownership;
}

static inline struct client *name_owner(const struct name *name) {
        return name->queue->client;
}

/* The spec's matrix. ret_result gets NAME_PRIMARY_OWNER .. NAME_ALREADY_OWNER. -ENOMEM. */
int name_request(struct client *client, const char *name, size_t n, uint32_t flags,
                 uint32_t *ret_result, struct name_change *ret_change);
/*
 * Give up one ownership. The name may be gone afterwards.
 */
void name_ownership_release(struct name_ownership *ownership, struct name_change *ret_change);
struct name_ownership *name_ownership_find(struct name *name, struct client *client);
/* Does the client own, or wait for, the name; with prefix, any at or below it? (for policy) */
bool name_client_owns(void *client, const char *name, bool prefix);
/* All these names, one after the other: *position is NULL for the first (for policy). */
const char *name_client_next(void *client, void **position);
