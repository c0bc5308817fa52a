/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Replies: the slots that calls leave until they are answered. */

#include "bridge/bus/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/loop.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/name.h"
#include "bridge/driver/driver.h"

/* table */

void reply_table_init(struct reply_table *table, const struct hash_seed *seed) {
        *table = (struct reply_table){.buckets = table->few, .n_buckets = REPLY_BUCKETS_MIN};
        for (uint8_t i = 0; i < 4; i++)
                table->factors[i] = hash_bytes(seed, &i, sizeof(i));
}

void reply_table_deinit(struct reply_table *table) {
        if (table->buckets != table->few)
                free(table->buckets);
        table->buckets = table->few;
        table->n_buckets = REPLY_BUCKETS_MIN;
        memset(table->few, 0, sizeof(table->few));
}

/* Strongly universal (Lemire, Kaser: "Strongly universal string hashing is fast", multilinear). */
static uint32_t reply_hash(const struct reply_table *table, const struct client *caller,
                           const struct client *callee, uint32_t serial) {
        const uint64_t *factors = table->factors;

        return (factors[0] + factors[1] * (uint32_t)caller->id + factors[2] * (uint32_t)callee->id +
                factors[3] * serial) >>
               32;
}

static struct reply **bucket_of(const struct reply_table *table, uint32_t hash) {
        return &table->buckets[hash & (table->n_buckets - 1)];
}

/* Twice as many buckets. Without memory the full ones are good enough. */
static void table_grow(struct reply_table *table) {
        size_t n_buckets = table->n_buckets, n_larger = 2 * n_buckets;
        struct reply **buckets = table->buckets, **larger;

        larger = calloc(n_larger, sizeof(*larger));
        if (!larger)
                return;
        table->buckets = larger;
        table->n_buckets = n_larger;
        for (size_t i = 0; i < n_buckets; i++) {
                struct reply *reply, *next;

                for (reply = buckets[i]; reply; reply = next) {
                        struct reply **bucket = bucket_of(table, reply->hash);

                        next = reply->bucket_next;
                        reply->bucket_next = *bucket;
                        *bucket = reply;
                }
        }
        if (buckets != table->few)
                free(buckets);
}

static struct reply *table_find(const struct reply_table *table, uint32_t hash,
                                const struct client *caller, const struct client *callee,
                                uint32_t serial) {
        struct reply *reply = *bucket_of(table, hash);

        while (reply &&
               (reply->serial != serial || reply->caller != caller || reply->callee != callee))
                reply = reply->bucket_next;
        return reply;
}

static void table_remove(struct reply_table *table, struct reply *reply) {
        struct reply **link = bucket_of(table, reply->hash);

        while (*link != reply)
                link = &(*link)->bucket_next;
        *link = reply->bucket_next;
        if (--table->n == 0 && table->buckets != table->few)
                reply_table_deinit(table);
}

/* replies */

struct reply *reply_find(struct client *caller, struct client *callee, uint32_t serial) {
        const struct reply_table *table = &caller->bus->replies;

        return table_find(table, reply_hash(table, caller, callee, serial), caller, callee, serial);
}

int reply_new(struct client *caller, struct client *callee, uint32_t serial, uint64_t caller_cookie,
              struct reply **ret_reply) {
        struct bus *bus = caller->bus;
        struct reply_table *table = &bus->replies;
        uint32_t hash = reply_hash(table, caller, callee, serial);
        struct reply *reply, **bucket;

        if (table_find(table, hash, caller, callee, serial))
                return REPLY_E_EXISTS;
        if ((int64_t)caller->n_pending >= bus->limits.max_replies_per_connection)
                return REPLY_E_QUOTA;
        if (table->n >= table->n_buckets)
                table_grow(table);

        reply = malloc(sizeof(*reply));
        if (!reply)
                return -ENOMEM;
        bucket = bucket_of(table, hash);
        *reply = (struct reply){
                .caller = caller,
                .callee = callee,
                .serial = serial,
                .hash = hash,
                .bucket_next = *bucket,
        };
        *bucket = reply;
        table->n++;

        reply->caller_cookie = caller_cookie;
        DL_APPEND2(caller->pending, reply, pending_prev, pending_next);
        caller->n_pending++;
        DL_APPEND2(callee->owed, reply, owed_prev, owed_next);

        reply->deadline = INT64_MAX;
        if (bus->limits.reply_timeout >= 0) {
                bool first = !bus->deadlines;

                reply->deadline = loop_now() + bus->limits.reply_timeout * 1000000;
                DL_APPEND2(bus->deadlines, reply, deadline_prev, deadline_next);
                if (first && bus->set_reply_timer)
                        bus->set_reply_timer(bus->reply_timer_userdata, reply->deadline);
        }

        *ret_reply = reply;
        return 0;
}

struct reply *reply_free(struct reply *reply) {
        struct client *caller, *callee;
        struct bus *bus;

        if (!reply)
                return NULL;

        caller = reply->caller;
        callee = reply->callee;
        bus = caller->bus;

        table_remove(&bus->replies, reply);
        DL_DELETE2(caller->pending, reply, pending_prev, pending_next);
        caller->n_pending--;
        DL_DELETE2(callee->owed, reply, owed_prev, owed_next);
        if (reply->deadline != INT64_MAX)
                DL_DELETE2(bus->deadlines, reply, deadline_prev, deadline_next);

        if (reply->caller_cookie && caller->ops->reply_closed)
                caller->ops->reply_closed(caller, reply);
        if (reply->callee_cookie && callee->ops->reply_closed)
                callee->ops->reply_closed(callee, reply);
        free(reply);
        return NULL;
}

int reply_dropped(struct reply *reply) {
        int r;

        reply->callee_cookie = 0;
        r = driver_send_no_reply(reply, "The recipient dropped the call without replying");
        reply_free(reply);
        return r;
}

int reply_lost(struct client *client, const struct message *m, const char *reason) {
        struct bus *bus = client->bus;
        struct client *caller;
        struct reply *reply = NULL;
        int r;

        /* Copies for monitors and eavesdroppers are nobody's loss. */
        if (!m->destination.s || name_resolve(bus, m->destination.s, m->destination.n) != client)
                return 0;

        if (m->type == MESSAGE_TYPE_METHOD_RETURN || m->type == MESSAGE_TYPE_ERROR) {
                struct reply ended = {.caller = client, .serial = m->reply_serial};

                return driver_send_no_reply(&ended, reason);
        }

        caller = name_resolve(bus, m->sender.s, m->sender.n);
        if (caller && m->type == MESSAGE_TYPE_METHOD_CALL)
                reply = reply_find(caller, client, m->serial);
        r = reply ? driver_send_no_reply(reply, reason) : 0;
        reply_free(reply);
        return r;
}

int reply_client_gone(struct client *client) {
        struct reply *reply, *next;
        int r, result = 0;

        DL_FOREACH_SAFE2(client->pending, reply, next, pending_next) {
                reply_free(reply);
        }

        /* The last caller first, as the reference. */
        while (client->owed) {
                reply = client->owed->owed_prev;
                r = driver_send_no_reply(
                        reply, "Message recipient disconnected from message bus without replying");
                if (r < 0)
                        result = r;
                reply_free(reply);
        }
        return result;
}

int reply_expire(struct bus *bus, int64_t now, int64_t *ret_next) {
        int r;

        while (bus->deadlines && bus->deadlines->deadline <= now) {
                struct reply *reply = bus->deadlines;

                r = driver_send_no_reply(
                        reply, "Message did not receive a reply (timeout by message bus)");
                reply_free(reply);
                if (r < 0)
                        return r;
        }

        *ret_next = bus->deadlines ? bus->deadlines->deadline : INT64_MAX;
        return 0;
}
