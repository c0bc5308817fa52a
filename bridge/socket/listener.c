/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Listeners: creation and destruction; stopping and resuming to accept connections. */

#include "bridge/socket/listener.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void listener_remove_nonce(char *file) {
        if (!file)
                return;
        unlink(file);
        rmdir(dirname(file));
        free(file);
}

struct listener *listener_free(struct listener *listener) {
        if (!listener)
                return NULL;
        /* in this order: while it listens, no other bus takes the path for an old one */
        socket_file_remove(&listener->file);
        loop_close(listener->server->loop, &listener->source);
        schedule_cancel(&listener->server->bus->schedule, &listener->accept);
        listener_remove_nonce(listener->nonce_file);
        free(listener);
        return NULL;
}

int listener_adopt(struct server *server, int fd, const char *guid,
                   struct listener **ret_listener) {
        struct listener *listener;

        listener = calloc(1, sizeof(*listener));
        if (!listener)
                return -ENOMEM;
        listener->server = server;
        listener->source.fd = fd;
        memcpy(listener->guid, guid, sizeof(listener->guid));
        DL_APPEND(server->listeners, listener);
        if (ret_listener)
                *ret_listener = listener;
        return 0;
}

int listener_new(struct server *server, int fd, const char *guid, struct listener **ret_listener) {
        int r = listener_adopt(server, fd, guid, ret_listener);

        if (r < 0)
                close(fd);
        return r;
}

/* accepting */

#define STALL_DELAY (20 * INT64_C(1000000)) /* ns */

int server_set_stall(struct server *server) {
        if (server->stall.index != 0)
                return 0;
        return loop_timer_set(server->loop, &server->stall, loop_now() + STALL_DELAY);
}

void server_set_accepting(struct server *server, bool accepting) {
        struct listener *listener;

        if (server->accepting == accepting)
                return;
        server->accepting = accepting;
        DL_FOREACH(server->listeners, listener) {
                loop_set_events(server->loop, &listener->source, accepting ? EPOLLIN : 0);
        }
}
