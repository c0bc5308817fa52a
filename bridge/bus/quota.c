/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Quotas: accounts per user, and charges for what waits in queues. */

#include "bridge/bus/quota.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bridge/bus/bus.h"

/*
 * While this many bytes of answers of the bus, or more, wait for a client, the bus does not read
 * from the client.
 */
#define ANSWER_BYTES_MAX (16 * 1024 * 1024)
/* The number of notices that may wait for a client. By default a client has far fewer names. */
#define NOTICES_MAX (64 * 1024)
/*
 * The queues of a user are full together when they hold as much as this number of full queues
 * (max_outgoing_*).
 */
#define USER_QUEUES_MAX 8
/*
 * When the queues of a user are full together (USER_QUEUES_MAX), each one may still hold this much.
 * So a client that reads gets its messages, if they are not larger, even if other clients of its
 * user do not read.
 */
#define USER_RESERVE_BYTES (256 * 1024)

struct account *account_get(struct bus *bus, uint32_t uid) {
        struct account *account;

        HASH_FIND(hh, bus->accounts, &uid, sizeof(uid), account);
        if (!account) {
                CLEANUP_FREE struct account *fresh = calloc(1, sizeof(*fresh));

                if (!fresh)
                        return NULL;
                fresh->uid = uid;
                HASH_ADD(hh, bus->accounts, uid, sizeof(fresh->uid), fresh);
                if (!fresh->hh.tbl)
                        return NULL;
                account = steal_ptr(&fresh);
        }
        account->n_refs++;
        return account;
}

void account_put(struct bus *bus, struct account *account) {
        if (!account || --account->n_refs > 0)
                return;

        schedule_forget(&bus->schedule, &account->schedule);
        HASH_DEL(bus->accounts, account);
        free(account);
}

/* backlogs */

struct backlog *backlog_new(struct client *client) {
        struct backlog *backlog = calloc(1, sizeof(*backlog));

        if (backlog)
                backlog->client = client;
        return backlog;
}

void backlog_abandon(struct backlog *backlog) {
        if (!backlog)
                return;
        backlog->client = NULL;
        if (backlog->n_messages == 0)
                free(backlog);
}

static bool backlog_is_long(const struct backlog *backlog) {
        const struct bus_limits *limits = &backlog->client->bus->limits;

        return backlog->n_messages > 0 && ((int64_t)backlog->bytes >= limits->max_incoming_bytes ||
                                           (int64_t)backlog->fds >= limits->max_incoming_unix_fds);
}

static void backlog_resume(struct backlog *backlog) {
        if (!backlog->awaited || backlog_is_long(backlog))
                return;
        backlog->awaited = false;
        backlog->client->ops->resume(backlog->client);
}

static void backlog_add(struct backlog *backlog, const struct message *m) {
        backlog->n_messages++;
        backlog->bytes += m->n_wire;
        backlog->fds += m->n_fds;
}

static void backlog_remove(struct backlog *backlog, const struct message *m) {
        backlog->n_messages--;
        backlog->bytes -= m->n_wire;
        backlog->fds -= m->n_fds;
        if (backlog->client)
                backlog_resume(backlog);
        else if (backlog->n_messages == 0)
                free(backlog);
}

int quota_hold(struct client *sender, const struct message *m) {
        if (backlog_is_long(sender->backlog))
                return CLIENT_E_QUOTA;
        backlog_add(sender->backlog, m);
        return 0;
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

static bool user_is_over(const struct client *client) {
        const struct bus_limits *limits = &client->bus->limits;
        const struct account *account = client->account;

        return (int64_t)(account->outgoing_bytes / USER_QUEUES_MAX) >= limits->max_outgoing_bytes ||
               (int64_t)(account->outgoing_fds / USER_QUEUES_MAX) >= limits->max_outgoing_unix_fds;
}

static bool is_in_reserve(const struct client *client, const struct message *m) {
        return client->outgoing_bytes + m->n_wire <= USER_RESERVE_BYTES &&
               (m->n_fds == 0 || client->outgoing_fds == 0);
}

static bool has_room(const struct client *client, const struct message *m, enum quota_kind kind) {
        const struct bus_limits *limits = &client->bus->limits;

        switch (kind) {
        case QUOTA_MESSAGE:
                /*
                 * Like in dbus-daemon, a message of any size may enter a queue that is not full
                 * yet, but all its descriptors must fit. When the queues of the user are full
                 * together, each queue has only its reserve.
                 */
                return (int64_t)client->outgoing_bytes < limits->max_outgoing_bytes &&
                       (m->n_fds == 0 || (int64_t)(client->outgoing_fds + m->n_fds) <=
                                                 limits->max_outgoing_unix_fds) &&
                       (!user_is_over(client) || is_in_reserve(client, m));
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
        client->n_outgoing += n;
        client->outgoing_bytes += n * m->n_wire;
        if (kind == QUOTA_ANSWER)
                client->answer_bytes += n * m->n_wire;
        if (kind == QUOTA_NOTICE)
                client->n_notices += n;
        client->outgoing_fds += n * m->n_fds;
        client->account->outgoing_bytes += n * m->n_wire;
        client->account->outgoing_fds += n * m->n_fds;
}

int quota_charge_outgoing(struct client *client, const struct message *m) {
        enum quota_kind kind = quota_kind_of(client, m);

        if (!has_room(client, m, kind))
                return CLIENT_E_QUOTA;

        count(client, m, kind, 1);
        if (m->charged_at == client)
                backlog_add(m->charged, m);
        KEEP_PEAK(client->stats.peak_outgoing_bytes, client->outgoing_bytes);
        KEEP_PEAK(client->stats.peak_outgoing_fds, client->outgoing_fds);
        return 0;
}

void quota_discharge_outgoing(struct client *client, const struct message *m) {
        count(client, m, quota_kind_of(client, m), -1);
        if (m->charged_at == client)
                backlog_remove(m->charged, m);
}

bool quota_is_congested(const struct client *client) {
        if (client->answer_bytes >= USER_RESERVE_BYTES &&
            (client->answer_bytes >= ANSWER_BYTES_MAX || user_is_over(client)))
                return true;
        if (!backlog_is_long(client->backlog))
                return false;
        client->backlog->awaited = true;
        return true;
}

void quota_recheck(struct client *client) {
        backlog_resume(client->backlog);
}

bool quota_may_register(const struct client *client) {
        const struct bus_limits *limits = &client->bus->limits;

        return (int64_t)client->bus->names.n_registered < limits->max_completed_connections &&
               (int64_t)client->account->n_registered < limits->max_connections_per_user;
}
