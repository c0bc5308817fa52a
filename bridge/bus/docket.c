/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Dockets: what waits, and when it is judged. */

#include "bridge/bus/docket.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/container-of.h"
#include "base/error.h"
#include "bridge/bus/account.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/held.h"

struct docket {
        struct client *client;
        struct docket *prev, *next; /* all of the bus */
        struct docket_item *items;  /* in the order of the client's messages */
        struct docket_item *judged; /* is being judged, and in no list; NULL: none */
        bool waits_again; /* the policy has denied it, and is older than its files still */
        bool is_flushed;  /* nothing may wait any more */
        struct schedule_job judge;
        struct loop_timer timer; /* the time of the first item is over */
};

/* items */

/* Make an item that is charged. NULL if there is no room or no memory. */
static struct docket_item *item_new(struct client *client, struct message *m,
                                    uint64_t caller_cookie, enum docket_kind kind) {
        struct docket_item *item = calloc(1, sizeof(*item));

        if (!item || held_charge(client, m) != 0) {
                free(item);
                return NULL;
        }
        item->m = message_ref(m);
        item->caller_cookie = caller_cookie;
        item->kind = kind;
        item->deadline = loop_now() + DOCKET_TIME;
        return item;
}

static void item_free(struct docket_item *item) {
        message_unref(item->m);
        free(item);
}

static int by_order(const struct docket_item *a, const struct docket_item *b) {
        return a->m->order < b->m->order ? -1 : a->m->order > b->m->order;
}

static void item_insert(struct docket *docket, struct docket_item *item) {
        if (!docket->items || by_order(docket->items->prev, item) <= 0) {
                DL_APPEND(docket->items, item);
                return;
        }
        DL_INSERT_INORDER(docket->items, item, by_order);
        /* Those behind it must not wait longer because of it. */
        if (item->deadline > item->next->deadline)
                item->deadline = item->next->deadline;
}

static void item_drop(struct docket *docket, struct docket_item *item) {
        struct client *client = docket->client;

        DL_DELETE(docket->items, item);
        held_discharge(client, item->m);
        if (item->caller_cookie)
                reply_close_cookie(client, item->m->serial, item->caller_cookie);
        item_free(item);
}

/* dockets */

static void wake(struct docket *docket) {
        schedule_add(&docket->client->bus->schedule, &docket->client->account->schedule,
                     &docket->judge);
}

static int expired(struct loop_timer *timer) {
        wake(container_of(timer, struct docket, timer));
        return 0;
}

/* Free a docket in which nothing waits. */
static void docket_drop(struct docket *docket) {
        struct client *client = docket->client;
        struct bus *bus = client->bus;

        DL_DELETE(bus->dockets, docket);
        schedule_cancel(&bus->schedule, &docket->judge);
        loop_timer_cancel(bus->schedule.loop, &docket->timer);
        client->docket = NULL;
        free(docket);
}

/* The same, and the client is read from again. */
static void docket_end(struct docket *docket) {
        struct client *client = docket->client;

        docket_drop(docket);
        if (client->state != CLIENT_GONE && client->ops->resume)
                client->ops->resume(client);
}

/* Judge the first item. Returns 0 or a negative errno. */
static int judge_first(struct docket *docket) {
        struct client *client = docket->client;
        struct docket_item *item = docket->items, *outer = docket->judged;
        int r;

        DL_DELETE(docket->items, item);
        held_discharge(client, item->m);
        docket->judged = item;
        docket->waits_again = false;
        r = client->bus->receive_again(client, item->m, item->caller_cookie,
                                       item->kind == DOCKET_CALL);
        docket->judged = outer;
        if (docket->waits_again)
                item_insert(docket, item);
        else
                item_free(item);
        return r;
}

/*
 * Judge one item after the other, until one waits again, or until the turn is over. The docket is
 * gone afterwards if nothing waits.
 */
static int judge_run(struct schedule_job *job) {
        struct docket *docket = container_of(job, struct docket, judge);
        struct schedule *schedule = &docket->client->bus->schedule;
        int result = 0;

        docket->waits_again = false;
        while (docket->items && !docket->waits_again) {
                keep_error(&result, judge_first(docket));
                if (docket->items && !docket->waits_again && schedule_is_over(schedule)) {
                        wake(docket);
                        return result;
                }
        }
        if (!docket->items)
                docket_end(docket);
        else if (loop_timer_set(schedule->loop, &docket->timer, docket->items->deadline) < 0)
                keep_error(&result, docket_flush(docket->client)); /* no memory to wait */
        return result;
}

/* Judge the items that were sent before this, by the policy in force. */
static int flush_before(struct docket *docket, uint64_t order) {
        bool was_flushed = docket->is_flushed;
        int result = 0;

        docket->is_flushed = true;
        while (docket->items && docket->items->m->order < order)
                keep_error(&result, judge_first(docket));
        docket->is_flushed = was_flushed;
        if (!docket->items && !docket->judged)
                docket_end(docket);
        return result;
}

int docket_flush(struct client *client) {
        struct docket *docket = client->docket;

        if (!docket)
                return 0;
        /* Also for the item that is being judged: nothing of the client may wait any more. */
        docket->is_flushed = true;
        return flush_before(docket, UINT64_MAX);
}

void docket_forget(struct client *client) {
        struct docket *docket = client->docket;

        if (!docket)
                return;
        while (docket->items)
                item_drop(docket, docket->items);
        /* The message that is being judged may be the reason. judge_run() then ends the docket. */
        if (!docket->judged)
                docket_end(docket);
}

/* Make the docket of the client, whose timer is not set. NULL without memory. */
static struct docket *docket_new(struct client *client) {
        struct docket *docket = calloc(1, sizeof(*docket));

        if (!docket)
                return NULL;
        docket->client = client;
        docket->judge.run = judge_run;
        docket->timer.expired = expired;
        DL_APPEND(client->bus->dockets, docket);
        client->docket = docket;
        return docket;
}

/* Find the docket of the client, or make it. NULL without memory, or without a loop. */
static struct docket *docket_get(struct client *client, int64_t deadline) {
        struct loop *loop = client->bus->schedule.loop;
        struct docket *docket;

        if (client->docket || !loop)
                return client->docket;
        docket = docket_new(client);
        if (docket && loop_timer_set(loop, &docket->timer, deadline) < 0)
                docket_drop(docket);
        return client->docket;
}

const struct docket_item *docket_items(const struct client *client) {
        return client->docket ? client->docket->items : NULL;
}

int docket_restore(struct client *client, const struct docket_item *from) {
        struct docket_item *item = malloc(sizeof(*item));

        if (!item || (!client->docket && !docket_new(client))) {
                free(item);
                return -ENOMEM;
        }
        *item = *from;
        message_ref(item->m);
        held_restore(client, item->m);
        DL_APPEND(client->docket->items, item);
        return 0;
}

static bool policy_is_old(struct bus *bus) {
        if (bus->policy_is_checked || !bus->hooks.policy_is_old)
                return false;
        bus->policy_is_checked = !bus->hooks.policy_is_old(bus->hooks.process);
        return !bus->policy_is_checked;
}

/* The message that is being judged is denied once more: may it wait again? */
static bool hold_again(struct docket *docket, uint64_t caller_cookie, enum docket_kind kind) {
        struct docket_item *item = docket->judged;

        if (loop_now() >= item->deadline || !policy_is_old(docket->client->bus) ||
            held_charge(docket->client, item->m) != 0)
                return false;
        item->caller_cookie = caller_cookie;
        item->kind = kind;
        docket->waits_again = true;
        return true;
}

bool docket_hold(struct client *client, struct message *m, uint64_t caller_cookie,
                 enum docket_kind kind) {
        struct docket *docket = client->docket;
        struct docket_item *item;

        if (!client_is_registered(client) || (docket && docket->is_flushed))
                return false;
        if (docket && docket->judged && docket->judged->m == m)
                return hold_again(docket, caller_cookie, kind);
        if (!policy_is_old(client->bus))
                return false;
        item = item_new(client, m, caller_cookie, kind);
        if (!item)
                return false;
        docket = docket_get(client, item->deadline);
        if (!docket) {
                held_discharge(client, item->m);
                item_free(item);
                return false;
        }
        item_insert(docket, item);
        return true;
}

bool docket_waits(struct client *client, const struct message *m, uint64_t caller_cookie) {
        struct docket *docket = client->docket;
        struct docket_item *item;

        if (!docket)
                return false;
        item = docket->judged;
        if (item && item->m == m) {
                if (!docket->waits_again)
                        return false;
        } else {
                DL_SEARCH_SCALAR(docket->items, item, m, m);
        }
        if (!item)
                return false;
        item->caller_cookie = caller_cookie;
        return true;
}

bool docket_is_before(const struct client *client, const struct message *m) {
        const struct docket *docket = client->docket;

        return docket && docket->items && docket->items->m->order < m->order;
}

int docket_queue(struct client *client, struct message *m, uint64_t caller_cookie,
                 enum docket_kind kind) {
        struct docket_item *item = item_new(client, m, caller_cookie, kind);
        int r;

        if (!item) {
                r = flush_before(client->docket, m->order);
                return r < 0 ? r : 1;
        }
        item_insert(client->docket, item);
        return 0;
}

/* visits */

static void visit_wake(struct docket_visit *visit) {
        schedule_add(&visit->bus->schedule, &visit->account->schedule, &visit->judge);
}

static int visit_run(struct schedule_job *job) {
        struct docket_visit *visit = container_of(job, struct docket_visit, judge);

        docket_visit_end(visit);
        return visit->wake(visit);
}

static int visit_expired(struct loop_timer *timer) {
        struct docket_visit *visit = container_of(timer, struct docket_visit, timer);

        visit->is_over = true;
        visit_wake(visit);
        return 0;
}

bool docket_visit(struct bus *bus, struct docket_visit *visit) {
        struct loop *loop = bus->schedule.loop;

        if (visit->is_over || !loop || !policy_is_old(bus))
                return false;
        if (visit->deadline == 0)
                visit->deadline = loop_now() + DOCKET_TIME;
        visit->timer.expired = visit_expired;
        if (loop_timer_set(loop, &visit->timer, visit->deadline) < 0)
                return false;
        visit->judge.run = visit_run;
        visit->bus = bus;
        DL_APPEND(bus->visits, visit);
        return true;
}

int docket_visit_restore(struct bus *bus, struct docket_visit *visit) {
        struct loop *loop = bus->schedule.loop;
        int r;

        visit->timer.expired = visit_expired;
        r = visit->is_over ? 0 : loop_timer_set(loop, &visit->timer, visit->deadline);
        if (r < 0)
                return r;
        visit->judge.run = visit_run;
        visit->bus = bus;
        DL_APPEND(bus->visits, visit);
        return 0;
}

void docket_visit_end(struct docket_visit *visit) {
        if (!visit->bus)
                return;
        DL_DELETE(visit->bus->visits, visit);
        schedule_cancel(&visit->bus->schedule, &visit->judge);
        loop_timer_cancel(visit->bus->schedule.loop, &visit->timer);
        visit->bus = NULL;
}

void docket_judge_all(struct bus *bus) {
        struct docket_visit *visit;
        struct docket *docket;

        DL_FOREACH(bus->dockets, docket) {
                wake(docket);
        }
        DL_FOREACH(bus->visits, visit) {
                visit_wake(visit);
        }
}
