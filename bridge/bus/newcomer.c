/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Newcomers: places for them, and who gives way. */

#include "bridge/bus/newcomer.h"

#include "bridge/bus/bus.h"

static bool has_place(const struct bus *bus, const struct account *account) {
        return (int64_t)account->n_newcomers < bus->limits.max_incomplete_connections;
}

static void admit_parked(struct bus *bus, struct account *account) {
        while (account->parked && has_place(bus, account)) {
                struct newcomer *newcomer = account->parked;

                DL_DELETE(account->parked, newcomer);
                DL_APPEND(account->newcomers, newcomer);
                account->n_newcomers++;
                account->n_parked--;
                newcomer->is_parked = false;
                newcomer->admit(newcomer);
        }
}

bool newcomer_evict(struct bus *bus, struct account *account) {
        /* The parked ones came later than all others. */
        struct newcomer *newcomer = account->newcomers ? account->newcomers : account->parked;

        if (!newcomer)
                return false;
        newcomer_remove(bus, newcomer);
        account_note(bus, account, ACCOUNT_EVICTED);
        newcomer->evict(newcomer);
        return true;
}

/*
 * More connections than max_connections_per_user can never be complete. But they cost less while
 * they wait than when their programs connect again and again, which others would feel.
 */
static bool is_full(const struct bus *bus, const struct account *account) {
        int64_t max = bus->limits.max_connections_per_user,
                beyond = (int64_t)account->n_connections - max;

        return beyond > max && beyond > bus->limits.max_incomplete_connections;
}

void newcomer_add(struct bus *bus, struct account *account, struct newcomer *newcomer) {
        if (is_full(bus, account))
                newcomer_evict(bus, account);
        newcomer->account = account;
        newcomer->is_parked = true;
        DL_APPEND(account->parked, newcomer);
        account->n_parked++;
        bus->n_incomplete++;
        admit_parked(bus, account);
}

void newcomer_restore(struct bus *bus, struct account *account, struct newcomer *newcomer,
                      bool is_parked) {
        newcomer->account = account;
        newcomer->is_parked = is_parked;
        bus->n_incomplete++;
        if (is_parked) {
                DL_APPEND(account->parked, newcomer);
                account->n_parked++;
                return;
        }
        DL_APPEND(account->newcomers, newcomer);
        account->n_newcomers++;
}

void newcomer_remove(struct bus *bus, struct newcomer *newcomer) {
        struct account *account = newcomer->account;

        if (!account)
                return;
        newcomer->account = NULL;
        bus->n_incomplete--;
        if (newcomer->is_parked) {
                DL_DELETE(account->parked, newcomer);
                account->n_parked--;
                return;
        }
        DL_DELETE(account->newcomers, newcomer);
        account->n_newcomers--;
        admit_parked(bus, account);
}

void newcomer_recheck(struct bus *bus) {
        struct account *account, *next;

        HASH_ITER(hh, bus->accounts, account, next)
                admit_parked(bus, account);
}
