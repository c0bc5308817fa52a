/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Pending replies - which caller waits for an answer from which callee
 *
 * While a client has to answer a method call, the table has a slot (struct reply) for the call,
 * which is found by caller, callee and serial:
 *
 *      call    caller --(serial 7)--> callee      reply_new()
 *      answer  caller <-(reply to 7)- callee      reply_find(), reply_unlink()
 *
 * A slot also ends without an answer, for example when one side leaves or when its deadline passes.
 * The table only keeps the slots; unicast.h sends the answers, and tell.h sends NoReply.
 *
 * Clients choose serials and the number of their connections. Slots are hashed with secret factors,
 * so no client can fill one bucket on purpose.
 *
 * The front end of each side may keep a cookie in the slot. For a native caller the cookie stands
 * for the reply handle, for a native callee for the one-shot node that gets the answer. When a slot
 * ends, route_end_reply() calls reply_closed() for each cookie that is still there.
 */

#include "bridge/bus/client.h"
#include "policy/config.h"

struct reply {
        struct client *caller;
        struct client *callee; /* NULL: the bus itself answers */
        uint32_t serial;       /* of the call */
        uint64_t caller_cookie;
        uint64_t callee_cookie;

        /* only reply.c changes these */
        struct reply_table *table;
        uint64_t number; /* of the slots of the table; later ones have higher numbers */
        uint32_t hash;
        struct reply *bucket_next;
        struct reply *pending_prev, *pending_next;
        struct reply *owed_prev, *owed_next;
        int64_t deadline; /* by loop_now(); INT64_MAX: none */
        struct reply *deadline_prev, *deadline_next;
};

#define REPLY_BUCKETS_MIN 64

/* All pending replies of a bus. It must not be moved in memory. */
struct reply_table {
        struct reply **buckets;
        size_t n_buckets; /* a power of two */
        size_t n;
        uint64_t last;                        /* number of the last slot that was made */
        uint64_t factors[4];                  /* secret */
        struct reply *few[REPLY_BUCKETS_MIN]; /* the buckets until the table grows */
        struct reply *deadlines;              /* replies with a deadline, oldest first */
        const struct bus_limits *limits;      /* max_replies_per_connection, reply_timeout */
        /*
         * Called with the deadline (by loop_now()) of a slot that is added while no other slot has
         * a deadline. May be NULL.
         */
        void (*set_timer)(void *userdata, int64_t deadline);
        void *timer_userdata;
};

/* limits must live as long as the table. */
void reply_table_init(struct reply_table *table, const struct hash_seed *seed,
                      const struct bus_limits *limits);
/* All replies must have ended. */
void reply_table_deinit(struct reply_table *table);

enum {
        REPLY_E_EXISTS = 1, /* the caller waits for an answer with this serial from the callee */
        REPLY_E_QUOTA,      /* the caller waits for as many answers as it may */
};

/* Make a pending reply. REPLY_E_*, -ENOMEM. */
int reply_new(struct reply_table *table, struct client *caller, struct client *callee,
              uint32_t serial, uint64_t caller_cookie, struct reply **ret_reply);
/*
 * For a bus that takes over from another one (state-waiting.h): make a slot without limits, with
 * both cookies and a deadline, of which the timer is not told before reply_table_wake().
 * REPLY_E_EXISTS, -ENOMEM.
 */
int reply_restore(struct reply_table *table, const struct reply *slot);
void reply_table_wake(struct reply_table *table);
struct reply *reply_find(struct reply_table *table, struct client *caller, struct client *callee,
                         uint32_t serial);
/*
 * Take a pending reply out of the table and the lists of both clients. The calling function frees
 * it.
 */
void reply_unlink(struct reply *reply);

/*
 * Call client_ops.reply_closed() for the cookie of a call that has no pending reply and will have
 * no answer.
 */
void reply_close_cookie(struct client *caller, uint32_t serial, uint64_t caller_cookie);
