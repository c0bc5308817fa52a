/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lingering sockets: a list, and a look at each of them every second. */

#include "bridge/socket/linger.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge/bus/descriptors.h"
#include "bridge/socket/output.h"

#define LINGER_INTERVAL (1000 * INT64_C(1000000)) /* ns */

struct lingerer {
        struct lingerer *prev, *next;
        int fd;
        struct account *account; /* stays, because it is charged */
        size_t n_fds;
};

static void linger_free(struct server *server, struct lingerer *linger) {
        DL_DELETE(server->lingering, linger);
        fds_drop(server->bus, linger->account, FDS_SENT, linger->n_fds);
        close(linger->fd);
        free(linger);
}

static void watch(struct server *server) {
        if (server->lingering && server->linger.index == 0)
                loop_timer_set(server->loop, &server->linger, loop_now() + LINGER_INTERVAL);
}

void linger_check(struct server *server) {
        struct lingerer *linger, *next;

        DL_FOREACH_SAFE(server->lingering, linger, next) {
                if (!socket_has_unread(linger->fd))
                        linger_free(server, linger);
        }
        watch(server);
}

bool linger_take(struct server *server, struct output *output, int fd) {
        struct lingerer *linger;

        if (!output_has_fds_unread(output))
                return false;
        linger = malloc(sizeof(*linger));
        if (!linger)
                return false;
        *linger = (struct lingerer){
                .fd = fd,
                .account = output->client->account,
                .n_fds = output->n_fds_sent,
        };
        output->n_fds_sent = 0;
        DL_APPEND(server->lingering, linger);
        shutdown(fd, SHUT_RDWR);
        watch(server);
        return true;
}

void linger_end(struct server *server) {
        while (server->lingering)
                linger_free(server, server->lingering);
}
