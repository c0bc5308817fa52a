/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Well-known names - who owns them and who waits for them
 *
 * A name exists while it has an owner. Its ownerships form a queue with the owner in front:
 *
 *      name "org.example.A"  ->  ownership of :1.4  ->  ownership of :1.9  ->  ...
 *                                (the owner)            (waits)
 *
 * Each ownership is also in a list of its client, oldest first. The registry changes state and
 * reports what changed; announce_change() in membership.h sends the signals.
 */

#include "bridge/bus/client.h"

enum {
        NAME_FLAG_ALLOW_REPLACEMENT = 1,
        NAME_FLAG_REPLACE_EXISTING = 2,
        NAME_FLAG_DO_NOT_QUEUE = 4,
};

/* Results of RequestName and ReleaseName, with the numbers of the D-Bus specification. */
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
        struct name_ownership *queue; /* the owner first; empty only inside name.c */
        UT_hash_handle hh;
        uint64_t hash; /* with the seed of the bus; match rules use it, too */
        size_t n_name;
        char name[];
};

struct name_ownership {
        struct name *name;
        struct client *client;
        uint32_t flags;
        uint64_t number; /* of the registry's ownerships; later ones have higher numbers */
        struct name_ownership *queue_prev, *queue_next;
        struct name_ownership *client_prev, *client_next;
};

/* A change of owner. NULL stands for no owner; if both are equal nothing changed. */
struct name_change {
        struct client *old_owner;
        struct client *new_owner;
};

struct name_registry {
        const struct hash_seed *seed;
        struct name *names;        /* hash */
        struct client *registered; /* hash by unique_name */
        bool is_changed;           /* since the answer to ListNames was made (bus->name_list) */
        uint32_t n_names;
        uint32_t n_registered;
        uint64_t last_ownership; /* number of the last one that was made */
        uint32_t peak_names;     /* set by name_count() */
        uint32_t peak_names_per_client;
};

/* Count all names: well-known names, unique names and that of the bus. Updates peak_names. */
uint32_t name_count(struct name_registry *registry);
/* Find a well-known name; NULL if it has no owner. */
struct name *name_find(struct name_registry *registry, const char *name, size_t n);
/* The client that has this unique or well-known name now, or NULL. */
struct client *name_resolve(struct name_registry *registry, const char *name, size_t n);

static inline bool name_ownership_is_primary(const struct name_ownership *ownership) {
        return ownership->name->queue == ownership;
}

static inline struct client *name_owner(const struct name *name) {
        return name->queue->client;
}

/*
 * Request a name for the client (D-Bus spec, "RequestName"). *ret_result gets NAME_PRIMARY_OWNER to
 * NAME_ALREADY_OWNER. -ENOMEM.
 */
int name_request(struct name_registry *registry, struct client *client, const char *name, size_t n,
                 uint32_t flags, uint32_t *ret_result, struct name_change *ret_change);
/* Give up one ownership, which is freed. The name may be gone afterwards. */
void name_ownership_release(struct name_registry *registry, struct name_ownership *ownership,
                            struct name_change *ret_change);
/*
 * For a bus that takes over from another one (state-names.h): put the client at the end of the
 * queue of a name, which is made if nobody is there yet. The calling function makes sure that the
 * client is not in the queue. The list of the client is in order only after name_restored(), which
 * returns false if two of its ownerships have the same number. -ENOMEM.
 */
int name_restore(struct name_registry *registry, const char *name, size_t n, struct client *client,
                 uint32_t flags, uint64_t number);
bool name_restored(struct client *client);
struct name_ownership *name_ownership_find(struct name *name, struct client *client);
/* policy_peer.owns: does the client own or wait for name, or, with prefix, a name below it? */
bool name_client_owns(void *client, const char *name, bool prefix);
/*
 * policy_peer.next_name: the next name that the client owns or waits for, or NULL after the last
 * one. *position must be NULL at the first call.
 */
const char *name_client_next(void *client, void **position);
