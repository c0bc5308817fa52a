/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Accounts: their table, shares, and the lines about users who use too much. */

#include "bridge/bus/account.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/container-of.h"
#include "bridge/base/log.h"
#include "bridge/bus/bus.h"

/* Shares without messages that an account keeps, so that they need not be made for each message. */
#define IDLE_SHARES_MAX 8
/* accounts without references that a bus keeps */
#define IDLE_ACCOUNTS_MAX 256
#define NOTE_INTERVAL (60 * INT64_C(1000000000)) /* ns between two lines about a user */

struct account *account_find(struct bus *bus, uint32_t uid) {
        struct account *account;

        HASH_FIND(hh, bus->accounts, &uid, sizeof(uid), account);
        return account;
}

struct account *account_get(struct bus *bus, uint32_t uid) {
        struct account *account;

        if (bus->config)
                uid = bus_subuids_user(&bus->config->subuids, uid);
        account = account_find(bus, uid);
        if (!account) {
                CLEANUP_FREE struct account *fresh = calloc(1, sizeof(*fresh));

                if (!fresh)
                        return NULL;
                fresh->uid = uid;
                HASH_ADD(hh, bus->accounts, uid, sizeof(fresh->uid), fresh);
                if (!fresh->hh.tbl)
                        return NULL;
                account = steal_ptr(&fresh);
        } else if (account->n_refs == 0) {
                DL_DELETE2(bus->idle_accounts, account, idle_prev, idle_next);
                bus->n_idle_accounts--;
        }
        account->n_refs++;
        return account;
}

static void account_free(struct bus *bus, struct account *account) {
        struct share *share, *next;

        DL_FOREACH_SAFE(account->shares, share, next)
                free(share);
        HASH_DEL(bus->accounts, account);
        free(account);
}

static void idle_free(struct bus *bus, struct account *account) {
        DL_DELETE2(bus->idle_accounts, account, idle_prev, idle_next);
        bus->n_idle_accounts--;
        account_free(bus, account);
}

/* A user must not get back what it has used up by closing its connections for a moment. */
static void keep_idle(struct bus *bus, struct account *account, int64_t now) {
        account->idle_until = account->starts_due;
        if (account->logged != 0 && account->idle_until < account->logged + NOTE_INTERVAL)
                account->idle_until = account->logged + NOTE_INTERVAL;
        DL_APPEND2(bus->idle_accounts, account, idle_prev, idle_next);
        bus->n_idle_accounts++;
        while (bus->idle_accounts &&
               (bus->idle_accounts->idle_until <= now || bus->n_idle_accounts > IDLE_ACCOUNTS_MAX))
                idle_free(bus, bus->idle_accounts);
}

void account_put(struct bus *bus, struct account *account) {
        if (!account || --account->n_refs > 0)
                return;

        schedule_forget(&bus->schedule, &account->schedule);
        if (account->starts_due == 0 && account->logged == 0)
                account_free(bus, account);
        else
                keep_idle(bus, account, loop_now());
}

void account_forget_idle(struct bus *bus) {
        while (bus->idle_accounts)
                idle_free(bus, bus->idle_accounts);
}

uint64_t account_current(const struct bus *bus) {
        const struct schedule_user *user = bus->schedule.current;

        if (!user || user == &bus->schedule.own)
                return ACCOUNT_NOBODY;
        return container_of(user, struct account, schedule)->uid;
}

/* shares */

uint64_t account_divide(uint64_t left, uint32_t n) {
        uint32_t log = 0;

        if (n <= 1)
                return left;
        while (n >> (log + 1))
                log++;
        return left / ((uint64_t)n * (log + 1));
}

struct share *account_find_share(struct account *account, uint64_t uid) {
        struct share *share;

        DL_FOREACH(account->shares, share) {
                if (share->uid != uid)
                        continue;
                if (share != account->shares) {
                        DL_DELETE(account->shares, share);
                        DL_PREPEND(account->shares, share);
                }
                return share;
        }
        return NULL;
}

struct share *account_get_share(struct account *account, uint64_t uid) {
        struct share *share = account_find_share(account, uid);

        if (share)
                return share;
        share = calloc(1, sizeof(*share));
        if (!share)
                return NULL;
        share->uid = uid;
        DL_PREPEND(account->shares, share);
        account->n_idle_shares++;
        return share;
}

void account_begin_share(struct account *account, struct share *share, const struct message *m) {
        if (share->n_messages++ == 0) {
                account->n_shares++;
                account->n_idle_shares--;
        }
        share->bytes += m->cost;
        share->fds += m->n_fds;
}

void account_end_share(struct account *account, struct share *share, const struct message *m) {
        share->bytes -= m->cost;
        share->fds -= m->n_fds;
        if (--share->n_messages > 0)
                return;
        account->n_shares--;
        if (account->n_idle_shares < IDLE_SHARES_MAX) {
                account->n_idle_shares++;
                return;
        }
        DL_DELETE(account->shares, share);
        free(share);
}

/* events */

void account_note(struct bus *bus, struct account *account, enum account_event event) {
        static const char *const what[] = {
                [ACCOUNT_QUEUE_FULL] = "its clients do not read their messages",
                [ACCOUNT_SHARE_FULL] = "it fills the queues of another user",
                [ACCOUNT_PAUSED] = "it sends more than others read, or does not read answers",
                [ACCOUNT_EVICTED] = "it has too many connections without Hello",
                [ACCOUNT_OUT_OF_ROOM] = "it has too many match rules or names",
                [ACCOUNT_DISPLACED] =
                        "it has more connections than any other user, and the bus may have no more",
                [ACCOUNT_PACED] = "it lets the bus start very many services",
                [ACCOUNT_DISCONNECTED] = "a connection holds what others of its user need",
        };
        int64_t now;

        account->n_events[event]++;
        now = loop_now();
        if (account->logged != 0 && now - account->logged < NOTE_INTERVAL)
                return;
        account->logged = now;
        /* not limited with the user's other lines, which could leave this one out */
        log_write(bus->log, LOG_LEVEL_WARNING,
                  "User %d reached a limit: %s. The bus holds for it: %u connections, %llu KiB "
                  "queued, %llu KiB of answers, %llu KiB of unfinished and undelivered messages",
                  (int)account->uid, what[event], account->n_connections,
                  (unsigned long long)account->queued / 1024,
                  (unsigned long long)account->answers / 1024,
                  (unsigned long long)(account->unfinished + account->backlog) / 1024);
}
