/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Looked-up names and objects
 *
 * A look-up makes a node of the bus with one handle, which the bus gives to the session that asked.
 * A call through the handle is a call by that session to the name. If the look-up had a path, the
 * call is to this object. The session may pass the handle on, and with it the right to call. The
 * node ends with its last handle, with the session, and when the owner loses the name or leaves.
 * The session may have a direct channel beside the handle (opening.c); the handle does not depend
 * on it.
 */

#include "bridge/native/native-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static struct native_owner *owner_find(struct native *native, const struct client *client) {
        struct native_owner *owner;

        HASH_FIND_BYHASHVALUE(hh, native->owners, &client, sizeof(client),
                              native_hash((uintptr_t)client), owner);
        return owner;
}

static int owner_link(struct native *native, struct native_lookup *lookup) {
        struct native_owner *owner = owner_find(native, lookup->owner);

        if (!owner) {
                owner = calloc(1, sizeof(*owner));
                if (!owner)
                        return -ENOMEM;
                owner->client = lookup->owner;
                HASH_ADD_BYHASHVALUE(hh, native->owners, client, sizeof(owner->client),
                                     native_hash((uintptr_t)owner->client), owner);
                if (!owner->hh.tbl) {
                        free(owner);
                        return -ENOMEM;
                }
        }
        DL_APPEND2(owner->lookups, lookup, owner_prev, owner_next);
        return 0;
}

static void owner_unlink(struct native *native, struct native_lookup *lookup) {
        struct native_owner *owner = owner_find(native, lookup->owner);

        DL_DELETE2(owner->lookups, lookup, owner_prev, owner_next);
        if (!owner->lookups) {
                HASH_DELETE(hh, native->owners, owner);
                free(owner);
        }
}

static int lookup_alloc(struct native_session *session, struct client *owner, const char *name,
                        const char *path, struct native_lookup **ret_lookup) {
        size_t n_name = strlen(name) + 1, n_path = path ? strlen(path) + 1 : 0;
        struct native_lookup *lookup;

        if (session->n_lookups >= NATIVE_LOOKUPS_MAX || session->user->n_held >= NATIVE_USER_MAX)
                return -EDQUOT;
        lookup = calloc(1, sizeof(*lookup) + n_name + n_path);
        if (!lookup)
                return -ENOMEM;
        lookup->session = session;
        lookup->owner = owner;
        memcpy(lookup->name, name, n_name);
        if (path)
                lookup->path = memcpy(lookup->name + n_name, path, n_path);
        *ret_lookup = lookup;
        return 0;
}

/* Its node exists. -ENOMEM. */
static int lookup_add(struct native_lookup *lookup) {
        struct native_session *session = lookup->session;
        struct native *native = session->native;
        struct native_node *node = NULL;
        int r;

        r = native_node_add(native, lookup->node, NATIVE_NODE_LOOKUP, lookup, &node);
        if (r >= 0)
                r = owner_link(native, lookup);
        if (r < 0) {
                native_node_remove(native, node, false);
                return r;
        }
        DL_APPEND(session->lookups, lookup);
        session->n_lookups++;
        session->user->n_held++;
        return 0;
}

int native_lookup_new(struct native_session *session, struct client *owner, const char *name,
                      const char *path, struct native_lookup **ret_lookup, uint64_t *ret_handle) {
        CLEANUP_FREE struct native_lookup *lookup = NULL;
        struct native *native = session->native;
        uint64_t handle;
        int r;

        r = lookup_alloc(session, owner, name, path, &lookup);
        if (r < 0)
                return r;
        r = bus1_client_create_node(native->peer, 0, &lookup->node, &handle);
        if (r < 0)
                return r;
        r = lookup_add(lookup);
        if (r < 0) {
                bus1_client_release(native->peer, 2, (uint64_t[]){lookup->node, handle});
                return r;
        }
        *ret_handle = handle;
        *ret_lookup = steal_ptr(&lookup);
        return 0;
}

int native_lookup_restore(struct native_session *session, struct client *owner, const char *name,
                          const char *path, uint64_t node, uint64_t opened_in) {
        CLEANUP_FREE struct native_lookup *lookup = NULL;
        int r;

        r = lookup_alloc(session, owner, name, path, &lookup);
        if (r < 0)
                return r;
        lookup->node = node;
        lookup->opened_in = opened_in;
        r = lookup_add(lookup);
        if (r >= 0)
                steal_ptr(&lookup);
        return r;
}

struct native_lookup *native_lookup_find(struct native_session *session, uint64_t id) {
        struct native_node *node = native_node_find(session->native, id);
        struct native_lookup *lookup;

        if (!node || node->kind != NATIVE_NODE_LOOKUP)
                return NULL;
        lookup = node->data;
        return lookup->session == session ? lookup : NULL;
}

void native_lookup_free(struct native_lookup *lookup, bool release) {
        struct native *native = lookup->session->native;

        /* an answer that cannot be made is one that the caller does not get */
        if (lookup->opening)
                (void)native_opening_answered(lookup->opening, NULL);
        native_node_remove(native, native_node_find(native, lookup->node), release);
        DL_DELETE(lookup->session->lookups, lookup);
        owner_unlink(native, lookup);
        lookup->session->n_lookups--;
        lookup->session->user->n_held--;
        free(lookup);
}

void native_lookups_end(struct native *native, struct client *owner, const char *name) {
        struct native_owner *entry = owner_find(native, owner);
        struct native_lookup *lookup, *next;

        if (!entry)
                return;
        DL_FOREACH_SAFE2(entry->lookups, lookup, next, owner_next) {
                if (!name || strcmp(lookup->name, name) == 0)
                        native_lookup_free(lookup, true); /* the last one frees the entry */
        }
}
