/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Listeners: creation and destruction. */

#include "bridge/socket/listener.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct listener *listener_free(struct listener *listener) {
        if (!listener)
                return NULL;
        loop_remove(listener->server->loop, &listener->source);
        if (listener->source.fd >= 0)
                close(listener->source.fd);
        if (listener->unlink_path)
                unlink(listener->unlink_path);
        free(listener->unlink_path);
        if (listener->nonce_file) {
                unlink(listener->nonce_file);
                rmdir(dirname(listener->nonce_file));
        }
        free(listener->nonce_file);
        free(listener);
        return NULL;
}

int listener_new(struct server *server, int fd, const char *guid, const char *unlink_path,
                 struct listener **ret_listener) {
        struct listener *listener;

        listener = calloc(1, sizeof(*listener));
        if (!listener) {
                close(fd);
                return -ENOMEM;
        }
        listener->server = server;
        listener->source.fd = fd;
        memcpy(listener->guid, guid, sizeof(listener->guid));
        if (unlink_path) {
                listener->unlink_path = strdup(unlink_path);
                if (!listener->unlink_path) {
                        unlink(unlink_path);
                        listener_free(listener);
                        return -ENOMEM;
                }
        }
        DL_APPEND(server->listeners, listener);
        if (ret_listener)
                *ret_listener = listener;
        return 0;
}
