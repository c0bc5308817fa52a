/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Well-known names: the registry and the queues of owners. */

#include "bridge/bus/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bridge/bus/permit.h"

uint32_t name_count(struct name_registry *registry) {
        uint32_t n = 1 + registry->n_registered + registry->n_names;

        KEEP_PEAK(registry->peak_names, n);
        return n;
}

struct name *name_find(struct name_registry *registry, const char *name, size_t n) {
        uint64_t hash = hash_bytes(registry->seed, name, n);
        struct name *found;

        HASH_FIND_BYHASHVALUE(hh, registry->names, name, n, (unsigned)hash, found);
        return found;
}

struct client *name_resolve(struct name_registry *registry, const char *name, size_t n) {
        struct client *client;
        struct name *found;

        if (n > 0 && name[0] == ':') {
                HASH_FIND_BYHASHVALUE(hh, registry->registered, name, n,
                                      (unsigned)hash_bytes(registry->seed, name, n), client);
                return client;
        }

        found = name_find(registry, name, n);
        return found ? name_owner(found) : NULL;
}

/* Add a name without owner; NULL without memory. */
static struct name *name_new(struct name_registry *registry, const char *text, size_t n) {
        CLEANUP_FREE struct name *name = calloc(1, sizeof(*name) + n + 1);

        if (!name)
                return NULL;

        memcpy(name->name, text, n);
        name->n_name = n;
        name->hash = hash_bytes(registry->seed, text, n);
        HASH_ADD_KEYPTR_BYHASHVALUE(hh, registry->names, name->name, n, (unsigned)name->hash, name);
        if (!name->hh.tbl)
                return NULL;

        registry->n_names++;
        registry->is_changed = true;
        name_count(registry);
        return steal_ptr(&name);
}

static void name_free(struct name_registry *registry, struct name *name) {
        HASH_DEL(registry->names, name);
        registry->n_names--;
        registry->is_changed = true;
        free(name);
}

struct name_ownership *name_ownership_find(struct name *name, struct client *client) {
        struct name_ownership *ownership;

        DL_FOREACH2(name->queue, ownership, queue_next) {
                if (ownership->client == client)
                        return ownership;
        }
        return NULL;
}

/* Make an ownership that is in no queue yet; NULL without memory. */
static struct name_ownership *ownership_new(struct name_registry *registry, struct name *name,
                                            struct client *client) {
        struct name_ownership *ownership = calloc(1, sizeof(*ownership));

        if (!ownership)
                return NULL;
        ownership->name = name;
        ownership->client = client;
        ownership->number = ++registry->last_ownership;
        DL_APPEND2(client->ownerships, ownership, client_prev, client_next);
        client->n_ownerships++;
        client->holdings->n_ownerships++;
        permit_drop(client);
        KEEP_PEAK(client->stats.peak_names, client->n_ownerships);
        KEEP_PEAK(registry->peak_names_per_client, client->n_ownerships);
        return ownership;
}

/* Free an ownership that is in no queue any more. */
static void ownership_free(struct name_ownership *ownership) {
        DL_DELETE2(ownership->client->ownerships, ownership, client_prev, client_next);
        ownership->client->n_ownerships--;
        ownership->client->holdings->n_ownerships--;
        permit_drop(ownership->client);
        free(ownership);
}

void name_ownership_release(struct name_registry *registry, struct name_ownership *ownership,
                            struct name_change *ret_change) {
        struct name *name = ownership->name;
        struct name_change change = {};

        if (name_ownership_is_primary(ownership))
                change.old_owner = ownership->client;

        DL_DELETE2(name->queue, ownership, queue_prev, queue_next);
        ownership_free(ownership);
        /*
         * Whoever is about to leave does not become the owner. If it is the owner already, it stays
         * the owner until it gives up the name itself, so that everyone is told.
         */
        while (change.old_owner && name->queue && name_owner(name)->state == CLIENT_GONE) {
                ownership = name->queue;
                DL_DELETE2(name->queue, ownership, queue_prev, queue_next);
                ownership_free(ownership);
        }

        if (!name->queue)
                name_free(registry, name);
        else if (change.old_owner)
                change.new_owner = name_owner(name);

        *ret_change = change;
}

/*
 * The requester takes the name from its owner. The old owner waits next in the queue, unless its
 * flags say DO_NOT_QUEUE.
 */
static void name_replace(struct name *name, struct name_ownership *ownership,
                         struct name_change *change) {
        struct name_ownership *owner = name->queue;

        change->old_owner = owner->client;
        change->new_owner = ownership->client;

        DL_PREPEND2(name->queue, ownership, queue_prev, queue_next);
        if (owner->flags & NAME_FLAG_DO_NOT_QUEUE) {
                DL_DELETE2(name->queue, owner, queue_prev, queue_next);
                ownership_free(owner);
        }
}

int name_request(struct name_registry *registry, struct client *client, const char *text, size_t n,
                 uint32_t flags, uint32_t *ret_result, struct name_change *ret_change) {
        struct name_ownership *ownership, *owner;
        struct name_change change = {};
        struct name *name;
        bool replace;

        *ret_change = change;

        name = name_find(registry, text, n);
        if (!name)
                name = name_new(registry, text, n);
        if (!name)
                return -ENOMEM;
        owner = name->queue;
        ownership = name_ownership_find(name, client);
        if (owner && ownership == owner) {
                ownership->flags = flags;
                *ret_result = NAME_ALREADY_OWNER;
                return 0;
        }

        replace = owner && (flags & NAME_FLAG_REPLACE_EXISTING) &&
                  (owner->flags & NAME_FLAG_ALLOW_REPLACEMENT);
        if (owner && !replace && (flags & NAME_FLAG_DO_NOT_QUEUE)) {
                if (ownership)
                        name_ownership_release(registry, ownership, &change);
                *ret_result = NAME_EXISTS;
                return 0;
        }

        if (!ownership) {
                ownership = ownership_new(registry, name, client);
                if (!ownership) {
                        if (!owner)
                                name_free(registry, name);
                        return -ENOMEM;
                }
                if (!replace)
                        DL_APPEND2(name->queue, ownership, queue_prev, queue_next);
        } else if (replace)
                DL_DELETE2(name->queue, ownership, queue_prev, queue_next);
        ownership->flags = flags;
        if (replace)
                name_replace(name, ownership, ret_change);
        else if (!owner)
                ret_change->new_owner = client;
        *ret_result = replace || !owner ? NAME_PRIMARY_OWNER : NAME_IN_QUEUE;
        return 0;
}

int name_restore(struct name_registry *registry, const char *text, size_t n, struct client *client,
                 uint32_t flags, uint64_t number) {
        uint64_t last = registry->last_ownership;
        struct name_ownership *ownership;
        struct name *name;

        name = name_find(registry, text, n);
        if (!name)
                name = name_new(registry, text, n);
        if (!name)
                return -ENOMEM;
        ownership = ownership_new(registry, name, client);
        if (!ownership) {
                if (!name->queue)
                        name_free(registry, name);
                return -ENOMEM;
        }
        DL_APPEND2(name->queue, ownership, queue_prev, queue_next);
        ownership->flags = flags;
        ownership->number = number;
        registry->last_ownership = number > last ? number : last;
        return 0;
}

static int compare_numbers(const struct name_ownership *a, const struct name_ownership *b) {
        return (a->number > b->number) - (a->number < b->number);
}

bool name_restored(struct client *client) {
        const struct name_ownership *ownership;

        DL_SORT2(client->ownerships, compare_numbers, client_prev, client_next);
        DL_FOREACH2(client->ownerships, ownership, client_next) {
                if (ownership->client_next && ownership->client_next->number == ownership->number)
                        return false;
        }
        return true;
}

bool name_client_owns(void *userdata, const char *text, bool prefix) {
        struct client *client = userdata;
        struct name_ownership *ownership;
        size_t n = strlen(text);

        DL_FOREACH2(client->ownerships, ownership, client_next) {
                const struct name *name = ownership->name;

                if (name->n_name < n || memcmp(name->name, text, n) != 0)
                        continue;
                if (name->n_name == n || (prefix && name->name[n] == '.'))
                        return true;
        }
        return false;
}

const char *name_client_next(void *userdata, void **position) {
        const struct client *client = userdata;
        struct name_ownership *ownership = *position;

        ownership = ownership ? ownership->client_next : client->ownerships;
        *position = ownership;
        return ownership ? ownership->name->name : NULL;
}
