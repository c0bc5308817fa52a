/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bus owns the handles that travel with a message until the message is freed. */

#include "bridge/native/native-private.h"

#include <errno.h>
#include <stdlib.h>

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
