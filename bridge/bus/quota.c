/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Quotas: charges for what waits in queues, and when a client has to wait. */

#include "bridge/bus/quota.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/bus/bus.h"
#include "bridge/bus/deaf.h"
#include "bridge/bus/descriptors.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)

/* The number of notices that may wait for a client. By default a client has far fewer names. */
#define NOTICES_MAX (64 * 1024)
/*
 * The queues of a user may hold 3/8 of max_outgoing_bytes together, but at least USER_QUEUED_MIN,
 * which is more than the largest message. If that is more than ACCOUNT_QUEUES_MAX full queues, they
 * may hold this number of full queues.
 */
#define USER_QUEUED_MIN (48 * MIB)
/*
 * One user can put this part of what all queues of another user may hold into one of these queues:
 * about as much as is read in a few milliseconds, because the messages of others wait behind it. A
 * larger message is bulky, see is_bulky().
 */
#define SHARE_PART 16
/*
 * When the backlogs of a user have a quarter of max_incoming_bytes, and its unfinished messages a
 * sixteenth, or these amounts if they are more, the user's clients wait.
 */
#define USER_BACKLOG_MIN (32 * MIB)
#define USER_UNFINISHED_MIN (8 * MIB)
/*
 * Answers of the bus: while the user has the first amount, its clients that do not read theirs
 * wait; with the second one, all that have any; with the third, all.
 */
#define USER_ANSWERS_SLOW (1 * MIB)
#define USER_ANSWERS_MANY (8 * MIB)
#define USER_ANSWERS_MAX (32 * MIB)
/* ns; see quota_is_stalling() */
#define STALLING_TIME (5 * INT64_C(1000000000))
/* Descriptors that a client may always have, whatever its user has. */
#define QUOTA_RESERVE_FDS 1

static uint64_t max_queued(const struct bus *bus) {
        uint64_t one = bus->limits.max_outgoing_bytes, n = one / 8 * 3;

        if (n < USER_QUEUED_MIN)
                n = USER_QUEUED_MIN;
        return one < n / ACCOUNT_QUEUES_MAX ? one * ACCOUNT_QUEUES_MAX : n;
}

static uint64_t max_backlog(const struct bus *bus) {
        uint64_t n = bus->limits.max_incoming_bytes / 4;

        return n > USER_BACKLOG_MIN ? n : USER_BACKLOG_MIN;
}

static uint64_t max_unfinished(const struct bus *bus) {
        uint64_t n = bus->limits.max_incoming_bytes / 16;

        return n > USER_UNFINISHED_MIN ? n : USER_UNFINISHED_MIN;
}

/* waiting */

/* Does the account hold so little that the clients which wait for this reason can go on? */
static bool is_relaxed(const struct client *client, enum account_wait wait) {
        const struct account *account = client->account;

        switch (wait) {
        case ACCOUNT_WAIT_ANSWERS:
                return account->answers < USER_ANSWERS_SLOW;
        case ACCOUNT_WAIT_BACKLOG:
                return account->backlog < max_backlog(client->bus) / 2;
        default:
                return account->unfinished < max_unfinished(client->bus) / 2;
        }
}

static void unpause(struct client *client) {
        DL_DELETE2(client->account->paused[client->paused_for], client, paused_prev, paused_next);
        client->is_paused = false;
}

static void resume_paused(struct account *account, enum account_wait wait) {
        struct client *client, *next;

        /* resume() only schedules a job, which finds out whether the client still has to wait. */
        DL_FOREACH_SAFE2(account->paused[wait], client, next, paused_next) {
                unpause(client);
                client->ops->resume(client);
        }
}

/* The account holds less than before. */
static inline void relax(struct account *account, enum account_wait wait) {
        if (__builtin_expect(account->paused[wait] != NULL, false) &&
            is_relaxed(account->paused[wait], wait))
                resume_paused(account, wait);
}

static void end_large(struct client *client) {
        struct account *account = client->account;

        if (!account || account->large != client)
                return;
        account->large = NULL;
        resume_paused(account, ACCOUNT_WAIT_UNFINISHED);
}

static void pause_client(struct client *client, enum account_wait wait) {
        struct account *account = client->account;
        bool was_paused = client->is_paused;

        if (!client->ops->resume || (was_paused && client->paused_for == wait))
                return;
        if (was_paused)
                unpause(client);
        client->is_paused = true;
        client->paused_for = wait;
        DL_APPEND2(account->paused[wait], client, paused_prev, paused_next);
        if (!was_paused)
                account_note(client->bus, account, ACCOUNT_PAUSED);
}

/* While the user is over its limit, one of its clients at a time may finish what it began. */
static bool may_finish(struct client *client) {
        struct account *account = client->account;

        if (client->unfinished == 0)
                return false;
        if (!account->large) {
                account->large = client;
                account->large_moved = loop_now();
        }
        return account->large == client;
}

/* Must the client wait, and for what? */
static bool must_pause(struct client *client, enum account_wait *ret_wait) {
        const struct account *account = client->account;

        *ret_wait = ACCOUNT_WAIT_ANSWERS;
        if (account->answers >= USER_ANSWERS_SLOW &&
            (client->answers >= QUOTA_RESERVE ||
             (client->answers > 0 && account->answers >= USER_ANSWERS_MANY) ||
             account->answers >= USER_ANSWERS_MAX))
                return true;
        *ret_wait = ACCOUNT_WAIT_BACKLOG;
        if (account->backlog >= max_backlog(client->bus) &&
            client->backlog->memory >= QUOTA_RESERVE)
                return true;
        *ret_wait = ACCOUNT_WAIT_UNFINISHED;
        return account->unfinished >= max_unfinished(client->bus) &&
               client->unfinished >= QUOTA_RESERVE && !may_finish(client);
}

void quota_set_unfinished(struct client *client, uint64_t n) {
        bool is_less = n < client->unfinished;

        client->account->unfinished += n - client->unfinished;
        client->unfinished = n;
        if (client->account->large == client)
                client->account->large_moved = loop_now();
        if (!is_less)
                return;
        /* A message is finished. Others may finish theirs, even if the next one has begun. */
        end_large(client);
        relax(client->account, ACCOUNT_WAIT_UNFINISHED);
}

/* Is it not the client's fault that the bus does not read from it? */
static bool is_kept_waiting(const struct client *client) {
        return client->later || client->docket || client->backlog->awaited ||
               (client->is_paused && client->paused_for == ACCOUNT_WAIT_BACKLOG);
}

bool quota_is_stalling(const struct client *client, int64_t now) {
        struct account *account = client->account;

        if (account->large != client || !account->paused[ACCOUNT_WAIT_UNFINISHED])
                return false;
        if (is_kept_waiting(client))
                account->large_moved = now;
        return now - account->large_moved >= STALLING_TIME;
}

bool quota_is_scarce(const struct client *client) {
        const struct account *account = client->account;

        return account->unfinished >= USER_UNFINISHED_MIN / 2 &&
               account->unfinished >= max_unfinished(client->bus) / 2;
}

void quota_forget(struct client *client) {
        if (!client->account)
                return;
        if (client->is_paused)
                unpause(client);
        quota_set_unfinished(client, 0);
}

/* backlogs */

struct backlog *backlog_restore(struct bus *bus, struct account *account) {
        struct backlog *backlog = calloc(1, sizeof(*backlog));

        if (!backlog)
                return NULL;
        backlog->bus = bus;
        backlog->account = account;
        backlog->account->n_refs++;
        return backlog;
}

struct backlog *backlog_new(struct client *client) {
        struct backlog *backlog = backlog_restore(client->bus, client->account);

        if (backlog)
                backlog->client = client;
        return backlog;
}

static void backlog_free(struct backlog *backlog) {
        account_put(backlog->bus, backlog->account);
        free(backlog);
}

void backlog_abandon(struct backlog *backlog) {
        if (!backlog)
                return;
        backlog->client = NULL;
        backlog_restored(backlog);
}

void backlog_restored(struct backlog *backlog) {
        if (backlog->n_messages == 0)
                backlog_free(backlog);
}

static bool backlog_is_long(const struct backlog *backlog) {
        const struct bus_limits *limits = &backlog->client->bus->limits;

        return backlog->n_messages > 0 && ((int64_t)backlog->bytes >= limits->max_incoming_bytes ||
                                           (int64_t)backlog->fds >= limits->max_incoming_unix_fds);
}

static void backlog_resume(struct backlog *backlog) {
        struct client *client = backlog->client;

        /* Others of its user may have more, but this client has little. */
        if (client->is_paused && client->paused_for == ACCOUNT_WAIT_BACKLOG &&
            backlog->memory < QUOTA_RESERVE) {
                unpause(client);
                client->ops->resume(client);
        }
        if (!backlog->awaited || backlog_is_long(backlog))
                return;
        backlog->awaited = false;
        client->ops->resume(client);
}

static void backlog_add(struct backlog *backlog, const struct message *m) {
        backlog->n_messages++;
        backlog->bytes += m->n_wire;
        backlog->fds += m->n_fds;
        backlog->memory += m->cost;
        backlog->account->backlog += m->cost;
}

static void backlog_remove(struct backlog *backlog, const struct message *m) {
        backlog->n_messages--;
        backlog->bytes -= m->n_wire;
        backlog->fds -= m->n_fds;
        backlog->memory -= m->cost;
        backlog->account->backlog -= m->cost;
        relax(backlog->account, ACCOUNT_WAIT_BACKLOG);
        if (backlog->client)
                backlog_resume(backlog);
        else if (backlog->n_messages == 0)
                backlog_free(backlog);
}

int quota_hold(struct client *sender, const struct message *m) {
        if (backlog_is_long(sender->backlog) ||
            (sender->account->backlog > 0 &&
             sender->account->backlog + m->cost > max_backlog(sender->bus) / 4 * 3))
                return CLIENT_E_QUOTA;
        backlog_add(sender->backlog, m);
        return 0;
}

void quota_restore_hold(struct client *sender, const struct message *m) {
        backlog_add(sender->backlog, m);
}

void quota_release(struct client *sender, const struct message *m) {
        if (sender->state == CLIENT_GONE)
                sender->backlog->awaited = false;
        backlog_remove(sender->backlog, m);
}

/* queues */

enum quota_kind quota_kind_of(const struct client *client, const struct message *m) {
        static const struct wire_string driver = {BUS_DRIVER_NAME, sizeof(BUS_DRIVER_NAME) - 1};

        if (!m->sender.s || m->sender.n != driver.n || memcmp(m->sender.s, driver.s, driver.n) ||
            !m->destination.s || m->destination.n != client->n_unique_name ||
            memcmp(m->destination.s, client->unique_name, m->destination.n))
                return QUOTA_MESSAGE;
        return m->type == MESSAGE_TYPE_SIGNAL ? QUOTA_NOTICE : QUOTA_ANSWER;
}

bool quota_has_room_for_fds(const struct client *client, size_t n) {
        uint64_t max = client->bus->limits.max_outgoing_unix_fds * ACCOUNT_QUEUES_MAX;
        uint64_t used = client->account->outgoing_fds, left = used < max ? max - used : 0;

        return (client->outgoing_fds < left && n <= left) ||
               client->outgoing_fds + n <= QUOTA_RESERVE_FDS;
}

/* The account that is charged for the descriptors of m in the queue of client. */
static struct account *fds_account(const struct client *client, const struct message *m) {
        struct account *account = m->caused_by == ACCOUNT_NOBODY
                                          ? NULL
                                          : account_find(client->bus, (uint32_t)m->caused_by);

        return account ? account : client->account;
}

static bool has_room_for_fds(const struct client *client, const struct message *m) {
        int64_t max = client->bus->limits.max_outgoing_unix_fds;

        return (int64_t)(client->outgoing_fds + m->n_fds) <= max &&
               quota_has_room_for_fds(client, m->n_fds) &&
               fds_may_take(client->bus, fds_account(client, m), FDS_HELD, m->n_fds);
}

static inline uint64_t bulk_of(const struct account *account) {
        return account->bulky ? account->bulky->cost : 0;
}

/* What the queues of the user can take yet. */
static uint64_t room_left(const struct client *client) {
        uint64_t max = max_queued(client->bus);
        uint64_t used = client->account->queued - bulk_of(client->account);

        return used < max ? max - used : 0;
}

static bool is_foreign(const struct client *client, const struct message *m) {
        return m->caused_by != client->account->uid && m->caused_by != ACCOUNT_NOBODY;
}

/*
 * A bulky message of another user has no place among the messages that are limited together. There
 * is one in all queues of the user at a time, and it counts extra: for as long as it is written, it
 * must not keep out what others send.
 */
static bool is_bulky(const struct client *client, const struct message *m) {
        return m->cost > QUOTA_RESERVE && m->cost > max_queued(client->bus) / SHARE_PART &&
               is_foreign(client, m);
}

/* Does a message of the user itself fit into its queues? */
static bool user_has_room(const struct client *client, const struct message *m) {
        const struct account *account = client->account;
        uint64_t left = room_left(client);
        uint64_t bulk = account->bulky_at == client ? bulk_of(account) : 0;

        return client->queued - bulk < left && m->cost <= left;
}

/* May the user who caused m put it into the queues of another user? */
static bool share_has_room(const struct client *client, const struct message *m) {
        struct account *account = client->account;
        const struct share *share;

        if (is_bulky(client, m))
                return !account->bulky;
        share = account_find_share(account, m->caused_by);
        if (!share || share->n_messages == 0)
                return true;
        if (share->bytes >= account_divide(room_left(client), account->n_shares))
                return false;
        /* One receiver that does not read must not keep the user from writing to the others. */
        return client->queued < QUOTA_RESERVE ||
               share->bytes + m->cost <= max_queued(client->bus) / SHARE_PART;
}

/*
 * The same for its descriptors. A queue with few of them takes those of each user, or a user whose
 * descriptors one receiver does not read could send none to the others.
 */
static bool share_has_room_for_fds(struct client *client, const struct message *m) {
        uint64_t max = client->bus->limits.max_outgoing_unix_fds;
        const struct share *share;

        if (!is_foreign(client, m) || client->outgoing_fds + m->n_fds <= max / 4)
                return true;
        share = account_find_share(client->account, m->caused_by);
        return !share || share->fds == 0 ||
               share->fds < account_divide(max - client->outgoing_fds, client->account->n_shares);
}

/* Note who is at fault that m is dropped. */
static void note_full(struct client *client, const struct message *m, bool is_share) {
        struct account *sender;

        if (!is_share) {
                account_note(client->bus, client->account, ACCOUNT_QUEUE_FULL);
                return;
        }
        sender = account_find(client->bus, (uint32_t)m->caused_by);
        if (sender)
                account_note(client->bus, sender, ACCOUNT_SHARE_FULL);
}

/* Is there room for a QUOTA_MESSAGE? */
static bool queue_has_room(struct client *client, const struct message *m) {
        /*
         * Like in dbus-daemon, a message of any size may enter a queue that is not full yet, but
         * all its descriptors must fit.
         */
        if ((int64_t)client->outgoing_bytes >= client->bus->limits.max_outgoing_bytes ||
            (m->n_fds > 0 && !has_room_for_fds(client, m))) {
                note_full(client, m, false);
                return false;
        }
        if (m->n_fds > 0 && !share_has_room_for_fds(client, m)) {
                note_full(client, m, true);
                return false;
        }
        if (client->queued + m->cost <= QUOTA_RESERVE)
                return true;
        if (!is_foreign(client, m)) {
                if (user_has_room(client, m))
                        return true;
                note_full(client, m, false);
                return false;
        }
        if (m->cost > room_left(client) && !is_bulky(client, m)) {
                note_full(client, m, false);
                return false;
        }
        if (share_has_room(client, m))
                return true;
        note_full(client, m, true);
        return false;
}

bool quota_is_full(const struct client *client, const struct message *m) {
        return !is_foreign(client, m) || room_left(client) < QUOTA_RESERVE ||
               (int64_t)client->outgoing_bytes >= client->bus->limits.max_outgoing_bytes;
}

static inline bool has_room(struct client *client, const struct message *m, enum quota_kind kind) {
        switch (kind) {
        case QUOTA_MESSAGE:
                return queue_has_room(client, m);
        case QUOTA_ANSWER:
                return true;
        case QUOTA_NOTICE:
                return client->n_notices < NOTICES_MAX;
        }
        return false;
}

/* Count m in the queue of client (n is 1) or out of it (n is -1). */
static inline void count(struct client *client, const struct message *m, enum quota_kind kind,
                         int64_t n) {
        struct account *account = client->account;

        client->n_outgoing += n;
        client->outgoing_bytes += n * m->n_wire;
        if (kind == QUOTA_ANSWER) {
                client->answers += n * m->cost;
                account->answers += n * m->cost;
        } else {
                client->queued += n * m->cost;
                account->queued += n * m->cost;
        }
        if (kind == QUOTA_NOTICE)
                client->n_notices += n;
        if (m->n_fds > 0) {
                client->outgoing_fds += n * m->n_fds;
                account->outgoing_fds += n * m->n_fds;
        }
}

void quota_note_cause(struct bus *bus, struct message *m) {
        if (m->cost != 0)
                return;
        m->cost = message_memory(m);
        m->caused_by = account_current(bus);
}

/* Charge without limits. -ENOMEM: nothing is charged. */
static int charge(struct client *client, struct message *m, enum quota_kind kind) {
        struct account *account = client->account;
        struct share *share;

        if (kind == QUOTA_MESSAGE && is_foreign(client, m)) {
                share = account_get_share(account, m->caused_by);
                if (!share)
                        return -ENOMEM;
                account_begin_share(account, share, m);
                if (!account->bulky && is_bulky(client, m)) {
                        account->bulky = m;
                        account->bulky_at = client;
                }
        }
        count(client, m, kind, 1);
        if (m->n_fds > 0)
                fds_take(client->bus, fds_account(client, m), FDS_HELD, m->n_fds);
        if (m->charged_at == client)
                backlog_add(m->charged, m);
        return 0;
}

bool quota_restore_sender(struct backlog *backlog, const struct client *client, struct message *m) {
        if (m->charged && (m->charged != backlog || m->charged_at != client))
                return false;
        m->charged = backlog;
        m->charged_at = client;
        return true;
}

int quota_restore_outgoing(struct client *client, struct message *m) {
        if (m->cost == 0)
                m->cost = message_memory(m);
        if (m->n_fds > 0) /* the configuration may count the user as another one now */
                m->caused_by = fds_account(client, m)->uid;
        return charge(client, m, quota_kind_of(client, m));
}

int quota_charge_outgoing(struct client *client, struct message *m) {
        enum quota_kind kind = quota_kind_of(client, m);

        quota_note_cause(client->bus, m);
        if (m->n_fds > 0) /* the user may have left meanwhile */
                m->caused_by = fds_account(client, m)->uid;
        if (!has_room(client, m, kind) || charge(client, m, kind) < 0)
                return CLIENT_E_QUOTA;
        KEEP_PEAK(client->stats.peak_outgoing_bytes, client->outgoing_bytes);
        KEEP_PEAK(client->stats.peak_outgoing_fds, client->outgoing_fds);
        return 0;
}

void quota_discharge_outgoing(struct client *client, const struct message *m) {
        enum quota_kind kind = quota_kind_of(client, m);

        if (kind == QUOTA_MESSAGE && is_foreign(client, m)) {
                account_end_share(client->account,
                                  account_find_share(client->account, m->caused_by), m);
                if (client->account->bulky == m && client->account->bulky_at == client) {
                        client->account->bulky = NULL;
                        client->account->bulky_at = NULL;
                }
        }
        count(client, m, kind, -1);
        if (m->n_fds > 0)
                fds_drop(client->bus, fds_account(client, m), FDS_HELD, m->n_fds);
        if (kind == QUOTA_ANSWER)
                relax(client->account, ACCOUNT_WAIT_ANSWERS);
        if ((client->is_deaf || client->sleeping_rules) && client->queued <= client->deaf_at / 2)
                deaf_end(client);
        if (m->charged_at == client)
                backlog_remove(m->charged, m);
}

bool quota_is_congested(struct client *client) {
        const struct account *account = client->account;
        enum account_wait wait;

        /* below the lowest limits, whatever the configuration says */
        if (account->answers < USER_ANSWERS_SLOW && account->backlog < USER_BACKLOG_MIN &&
            account->unfinished < USER_UNFINISHED_MIN && client->backlog->n_messages == 0 &&
            !client->is_paused)
                return false;
        if (must_pause(client, &wait)) {
                pause_client(client, wait);
                return true;
        }
        if (client->is_paused)
                unpause(client);
        if (!backlog_is_long(client->backlog))
                return false;
        client->backlog->awaited = true;
        return true;
}

void quota_recheck(struct client *client) {
        backlog_resume(client->backlog);
        if (client->is_paused)
                resume_paused(client->account, client->paused_for);
}
