/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Descriptors: shares of RLIMIT_NOFILE. */

#include "bridge/bus/descriptors.h"

#include <sys/resource.h>

#include "bridge/bus/bus.h"

void fds_init(struct bus *bus) {
        struct rlimit limit = {.rlim_cur = 1024};

        getrlimit(RLIMIT_NOFILE, &limit);
        for (size_t i = 0; i < N_FDS; i++)
                bus->fds[i].max = limit.rlim_cur / 4;
}

/* A user may hold as many as its full queues (ACCOUNT_QUEUES_MAX), and so many more. */
#define USER_HELD_MIN 128

bool fds_may_take(const struct bus *bus, const struct account *account, enum fds_kind kind,
                  size_t n) {
        const struct fds_pool *pool = &bus->fds[kind];
        uint64_t left = pool->used < pool->max ? pool->max - pool->used : 0;
        uint32_t n_users = pool->n_users + (account->fds[kind] == 0);

        if (kind == FDS_HELD &&
            account->fds[kind] + n >
                    USER_HELD_MIN +
                            ACCOUNT_QUEUES_MAX * (uint64_t)bus->limits.max_outgoing_unix_fds)
                return false;
        return n <= left && account->fds[kind] < account_divide(left, n_users);
}

void fds_take(struct bus *bus, struct account *account, enum fds_kind kind, size_t n) {
        if (n == 0)
                return;
        if (account->fds[kind] == 0) {
                bus->fds[kind].n_users++;
                account->n_refs++;
        }
        account->fds[kind] += n;
        bus->fds[kind].used += n;
}

void fds_drop(struct bus *bus, struct account *account, enum fds_kind kind, size_t n) {
        if (n == 0)
                return;
        account->fds[kind] -= n;
        bus->fds[kind].used -= n;
        if (account->fds[kind] == 0) {
                bus->fds[kind].n_users--;
                account_put(bus, account);
        }
}
