/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pending replies: a hash table, and lists by client and by deadline. */

#include "bridge/bus/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/loop.h"

/* table */

void reply_table_init(struct reply_table *table, const struct hash_seed *seed,
                      const struct bus_limits *limits) {
        *table = (struct reply_table){
                .buckets = table->few,
                .n_buckets = REPLY_BUCKETS_MIN,
                .limits = limits,
        };
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

/*
 * This hash is strongly universal (Lemire, Kaser: "Strongly universal string hashing is fast",
 * multilinear).
 */
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

/* Double the number of buckets. Without memory the table stays as it is, only slower. */
static void table_grow(struct reply_table *table) {
        size_t n_buckets = table->n_buckets, n_larger = 2 * n_buckets;
        struct reply **buckets = table->buckets, **larger = calloc(n_larger, sizeof(*larger));

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

struct reply *reply_find(struct reply_table *table, struct client *caller, struct client *callee,
                         uint32_t serial) {
        return table_find(table, reply_hash(table, caller, callee, serial), caller, callee, serial);
}

/*
 * Add a slot to the table and to all lists. Parties, serial, cookies and deadline are those of
 * *slot. NULL without memory.
 */
static struct reply *reply_add(struct reply_table *table, const struct reply *slot, uint32_t hash) {
        struct client *caller = slot->caller, *callee = slot->callee;
        struct reply *reply, **bucket;

        if (table->n >= table->n_buckets)
                table_grow(table);

        reply = malloc(sizeof(*reply));
        if (!reply)
                return NULL;
        bucket = bucket_of(table, hash);
        *reply = (struct reply){
                .caller = caller,
                .callee = callee,
                .serial = slot->serial,
                .caller_cookie = slot->caller_cookie,
                .callee_cookie = slot->callee_cookie,
                .table = table,
                .number = ++table->last,
                .hash = hash,
                .bucket_next = *bucket,
                .deadline = slot->deadline,
        };
        *bucket = reply;
        table->n++;

        DL_APPEND2(caller->pending, reply, pending_prev, pending_next);
        caller->n_pending++;
        DL_APPEND2(callee->owed, reply, owed_prev, owed_next);
        if (reply->deadline != INT64_MAX)
                DL_APPEND2(table->deadlines, reply, deadline_prev, deadline_next);
        return reply;
}

int reply_new(struct reply_table *table, struct client *caller, struct client *callee,
              uint32_t serial, uint64_t caller_cookie, struct reply **ret_reply) {
        uint32_t hash = reply_hash(table, caller, callee, serial);
        struct reply slot = {
                .caller = caller,
                .callee = callee,
                .serial = serial,
                .caller_cookie = caller_cookie,
                .deadline = INT64_MAX,
        };
        struct reply *reply;

        if (table_find(table, hash, caller, callee, serial))
                return REPLY_E_EXISTS;
        if ((int64_t)caller->n_pending + caller->n_later >=
            table->limits->max_replies_per_connection)
                return REPLY_E_QUOTA;
        if (table->limits->reply_timeout >= 0)
                slot.deadline = loop_now() + table->limits->reply_timeout * 1000000;
        reply = reply_add(table, &slot, hash);
        if (!reply)
                return -ENOMEM;
        if (reply == table->deadlines)
                reply_table_wake(table);
        *ret_reply = reply;
        return 0;
}

int reply_restore(struct reply_table *table, const struct reply *slot) {
        uint32_t hash = reply_hash(table, slot->caller, slot->callee, slot->serial);

        if (table_find(table, hash, slot->caller, slot->callee, slot->serial))
                return REPLY_E_EXISTS;
        return reply_add(table, slot, hash) ? 0 : -ENOMEM;
}

void reply_table_wake(struct reply_table *table) {
        if (table->deadlines && table->set_timer)
                table->set_timer(table->timer_userdata, table->deadlines->deadline);
}

void reply_unlink(struct reply *reply) {
        struct client *caller = reply->caller, *callee = reply->callee;

        table_remove(reply->table, reply);
        DL_DELETE2(caller->pending, reply, pending_prev, pending_next);
        caller->n_pending--;
        DL_DELETE2(callee->owed, reply, owed_prev, owed_next);
        if (reply->deadline != INT64_MAX)
                DL_DELETE2(reply->table->deadlines, reply, deadline_prev, deadline_next);
}

void reply_close_cookie(struct client *caller, uint32_t serial, uint64_t caller_cookie) {
        struct reply reply = {.caller = caller, .serial = serial, .caller_cookie = caller_cookie};

        if (caller->ops->reply_closed)
                caller->ops->reply_closed(caller, &reply);
}
