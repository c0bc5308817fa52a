/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Publishing: a client may have nodes for names and objects
 *
 * A call goes to the node of its object if the client has published the path, else to the node of
 * its destination if that name is published, else to the home node.
 */

#include "bridge/native/native-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct native_published *published_find(struct native_session *session, bool is_object,
                                               const char *key, size_t n_key) {
        struct native_published *table = is_object ? session->objects : session->names, *published;
        unsigned hash = (unsigned)hash_bytes(&session->native->bus->seed, key, n_key);

        HASH_FIND_BYHASHVALUE(hh, table, key, n_key, hash, published);
        return published;
}

bool native_is_published(struct native_session *session, const char *path) {
        return published_find(session, true, path, strlen(path)) != NULL;
}

void native_unpublish(struct native_session *session, bool is_object, const char *key,
                      size_t n_key) {
        struct native_published *published = published_find(session, is_object, key, n_key);

        if (published)
                native_published_free(published, true);
}

int native_publish(struct native_session *session, bool is_object, const char *key,
                   uint64_t handle) {
        struct native_published *published;
        size_t n_key = strlen(key);
        unsigned hash;
        int r;

        native_unpublish(session, is_object, key, n_key);
        published = session->n_published < NATIVE_PUBLISHED_MAX
                            ? calloc(1, sizeof(*published) + n_key + 1)
                            : NULL;
        if (!published) {
                native_release(session->native, handle);
                return session->n_published < NATIVE_PUBLISHED_MAX ? -ENOMEM : -EDQUOT;
        }
        published->is_object = is_object;
        memcpy(published->key, key, n_key + 1);
        r = native_handle_add(session, handle, NATIVE_HANDLE_PUBLISHED, published,
                              &published->handle);
        if (r < 0) {
                free(published);
                return r;
        }
        hash = (unsigned)hash_bytes(&session->native->bus->seed, key, n_key);
        if (is_object)
                HASH_ADD_KEYPTR_BYHASHVALUE(hh, session->objects, published->key, n_key, hash,
                                            published);
        else
                HASH_ADD_KEYPTR_BYHASHVALUE(hh, session->names, published->key, n_key, hash,
                                            published);
        if (!published->hh.tbl) {
                native_handle_remove(published->handle, true);
                free(published);
                return -ENOMEM;
        }
        session->n_published++;
        return 0;
}

void native_published_free(struct native_published *published, bool release) {
        struct native_session *session = published->handle->session;

        if (published->is_object)
                HASH_DELETE(hh, session->objects, published);
        else
                HASH_DELETE(hh, session->names, published);
        session->n_published--;
        native_handle_remove(published->handle, release);
        free(published);
}

uint64_t native_published_route(struct native_session *session, const struct message *m) {
        struct native_published *published = NULL;

        if (session->objects && m->path.s)
                published = published_find(session, true, m->path.s, m->path.n);
        if (!published && session->names && m->destination.s)
                published = published_find(session, false, m->destination.s, m->destination.n);
        return published ? published->handle->id : session->home;
}
