/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Nodes and handles of the bus
 *
 * Two tables find nodes, and the handles in struct native_handle, by ID. Reply handles are in no
 * table. bus1 never uses an ID again, so an ID can only find the entry of its own node or handle.
 * The bus owns the handles that travel with a message until the message is freed, except those that
 * native_attachment_take() has taken out.
 */

#include "bridge/native/native-private.h"

#include <errno.h>
#include <stdlib.h>

void native_release(struct native *native, uint64_t id) {
        if (id != 0 && id != BUS1_INVALID && !native->is_borrowed)
                bus1_client_release_one(native->peer, id);
}

int native_node_add(struct native *native, uint64_t id, enum native_node_kind kind, void *data,
                    struct native_node **ret_node) {
        struct native_node *node = malloc(sizeof(*node));

        if (!node)
                return -ENOMEM;
        *node = (struct native_node){.id = id, .kind = kind, .data = data};
        HASH_ADD_BYHASHVALUE(hh, native->nodes, id, sizeof(node->id), native_hash(id), node);
        if (!node->hh.tbl) {
                free(node);
                return -ENOMEM;
        }
        if (ret_node)
                *ret_node = node;
        return 0;
}

struct native_node *native_node_find(struct native *native, uint64_t id) {
        struct native_node *node;

        HASH_FIND_BYHASHVALUE(hh, native->nodes, &id, sizeof(id), native_hash(id), node);
        return node;
}

void native_node_remove(struct native *native, struct native_node *node, bool release) {
        if (!node)
                return;
        HASH_DELETE(hh, native->nodes, node);
        if (release)
                native_release(native, node->id);
        free(node);
}

int native_handle_add(struct native_session *session, uint64_t id, enum native_handle_kind kind,
                      void *data, struct native_handle **ret_handle) {
        struct native *native = session->native;
        struct native_handle *handle;

        handle = session->user->n_held < NATIVE_USER_MAX ? malloc(sizeof(*handle)) : NULL;
        if (!handle) {
                native_release(native, id);
                return session->user->n_held < NATIVE_USER_MAX ? -ENOMEM : -EDQUOT;
        }
        *handle = (struct native_handle){.id = id, .kind = kind, .session = session, .data = data};
        HASH_ADD_BYHASHVALUE(hh, native->handles, id, sizeof(handle->id), native_hash(id), handle);
        if (!handle->hh.tbl) {
                native_release(native, id);
                free(handle);
                return -ENOMEM;
        }
        DL_APPEND(session->handles, handle);
        session->user->n_held++;
        if (ret_handle)
                *ret_handle = handle;
        return 0;
}

struct native_handle *native_handle_find(struct native *native, uint64_t id) {
        struct native_handle *handle;

        HASH_FIND_BYHASHVALUE(hh, native->handles, &id, sizeof(id), native_hash(id), handle);
        return handle;
}

void native_handle_remove(struct native_handle *handle, bool release) {
        struct native *native = handle->session->native;

        HASH_DELETE(hh, native->handles, handle);
        DL_DELETE(handle->session->handles, handle);
        handle->session->user->n_held--;
        if (release)
                native_release(native, handle->id);
        free(handle);
}

/* the handles that travel with a message through the bus */

struct attachment {
        struct native *native;
        size_t n_handles;
        uint64_t handles[];
};

int native_attach(struct native *native, const struct bus1_transfer *transfers, size_t n,
                  void **ret_attachment) {
        struct attachment *attachment = malloc(sizeof(*attachment) + n * sizeof(uint64_t));

        if (!attachment) {
                for (size_t i = 0; i < n; i++)
                        native_release(native, transfers[i].id);
                return -ENOMEM;
        }
        attachment->native = native;
        attachment->n_handles = n;
        for (size_t i = 0; i < n; i++)
                attachment->handles[i] = transfers[i].id;
        *ret_attachment = attachment;
        return 0;
}

void native_attachment_free(void *p) {
        struct attachment *attachment = p;

        if (!attachment)
                return;
        for (size_t i = 0; i < attachment->n_handles; i++)
                native_release(attachment->native, attachment->handles[i]);
        free(attachment);
}

size_t native_attachment_get(const struct message *m, const uint64_t **ret_handles) {
        const struct attachment *attachment = m->attachment;

        if (!attachment)
                return 0;
        *ret_handles = attachment->handles;
        return attachment->n_handles;
}

uint64_t native_attachment_take(struct message *m, size_t i) {
        struct attachment *attachment = m->attachment;
        uint64_t handle;

        if (!attachment || i >= attachment->n_handles)
                return BUS1_INVALID;
        handle = attachment->handles[i];
        attachment->handles[i] = BUS1_INVALID;
        return handle;
}
