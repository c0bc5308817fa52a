/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lingering sockets: a list, and a look at each of them every second. */

#include "bridge/socket/linger.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/bus/descriptors.h"
#include "bridge/socket/output.h"
#include "bridge/state/load.h"
#include "bridge/state/save.h"

#define LINGERER "Lingerer"
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

/* Make one, which is charged already. NULL without memory. */
static struct lingerer *linger_new(struct server *server, int fd, struct account *account,
                                   size_t n_fds) {
        struct lingerer *linger = malloc(sizeof(*linger));

        if (!linger)
                return NULL;
        *linger = (struct lingerer){.fd = fd, .account = account, .n_fds = n_fds};
        DL_APPEND(server->lingering, linger);
        watch(server);
        return linger;
}

bool linger_take(struct server *server, struct output *output, int fd) {
        if (!output_has_fds_unread(output) ||
            !linger_new(server, fd, output->client->account, output->n_fds_sent))
                return false;
        output->n_fds_sent = 0;
        shutdown(fd, SHUT_RDWR);
        return true;
}

void linger_save(const struct server *server, struct state_save *save) {
        const struct lingerer *linger;

        DL_FOREACH(server->lingering, linger) {
                state_record_begin(save, LINGERER);
                state_put_fd(save, "fd", linger->fd);
                state_put_ref(save, "account", STATE_ACCOUNTS, linger->account);
                state_put_u64(save, "n_fds", linger->n_fds);
                state_record_end(save);
        }
}

int linger_load(struct server *server, struct state_load *load) {
        struct account *account = NULL;
        uint64_t n_fds = 0;
        int fd = -1;

        if (!state_kind_is(load, LINGERER))
                return 1;
        state_get_ref(load, "account", STATE_ACCOUNTS, &account);
        state_get_u64(load, "n_fds", &n_fds);
        if (state_get_fd(load, "fd", S_IFSOCK, &fd) < 0)
                return load->error;
        if (n_fds == 0 || n_fds > STATE_FDS_MAX)
                return state_fail(load, "n_fds", "it is out of range");
        if (!linger_new(server, fd, account, n_fds))
                return state_fail_memory(load);
        fds_take(server->bus, account, FDS_SENT, n_fds);
        return 0;
}

void linger_end(struct server *server) {
        while (server->lingering)
                linger_free(server, server->lingering);
}
