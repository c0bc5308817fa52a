/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Replies - who waits for an answer from whom
 *
 * A method call that was delivered and wants a reply leaves one slot, found by (caller, serial,
 * callee). Only the callee can use it, once. The slot ends with
 *
 *  - the answer, delivered to the caller together with the slot;
 *  - the callee's departure or its front end's reply_dropped(): the caller gets NoReply;
 *  - the caller's departure.
 *
 * Callers choose serials, and how many clients they make: replies are hashed with secret factors,
 * so that nobody can make many that share a bucket.
 *
 * Each side's front end may keep something under its cookie (native: the reply handle of the
 * caller, the one-shot node the callee got). A side that is not part of how the slot ends is told
 * by client_ops.reply_closed().
 */

#include "bridge/bus/client.h"

struct reply {
        struct client *caller;
        struct client *callee; /* NULL: the bus itself answers */
        uint32_t serial;       /* of the call */
        uint64_t caller_cookie;
        uint64_t callee_cookie;

        /* private to reply.c */
        uint32_t hash;
        struct reply *bucket_next;
        struct reply *pending_prev, *pending_next;
        struct reply *owed_prev, *owed_next;
        int64_t deadline; /* when the caller gets NoReply, INT64_MAX for never */
        struct reply *deadline_prev, *deadline_next;
};

#define REPLY_BUCKETS_MIN 64

/* All replies of a bus. Not to be moved. */
struct reply_table {
        struct reply **buckets; /* a power of two of them */
        size_t n_buckets;
        size_t n;
        uint64_t factors[4];                  /* secret */
        struct reply *few[REPLY_BUCKETS_MIN]; /* the buckets while there are not many replies */
};

void reply_table_init(struct reply_table *table, const struct hash_seed *seed);
/* All replies must have ended. */
void reply_table_deinit(struct reply_table *table);

enum {
        REPLY_E_EXISTS = 1, /* this serial is already waited for from this callee */
        REPLY_E_QUOTA,      /* max_replies_per_connection */
};

/* Open a slot. REPLY_E_*, -ENOMEM. */
int reply_new(struct client *caller, struct client *callee, uint32_t serial, uint64_t caller_cookie,
              struct reply **ret_reply);
struct reply *reply_find(struct client *caller, struct client *callee, uint32_t serial);
/* End a slot: tells nobody, except sides whose cookie is still set. NULL is fine; returns NULL. */
struct reply *reply_free(struct reply *reply);

/* No answer will come through the callee_cookie (used up): NoReply to the caller. Negative errno is
 * fatal. */
int reply_dropped(struct reply *reply);

/*
 * A message that was delivered to the client cannot be handed on to it after all: who waits for it,
 * or for the answer to it, gets NoReply with the reason. Negative errno is fatal.
 */
int reply_lost(struct client *client, const struct message *m, const char *reason);

/* All slots of a client that leaves: it as caller first, then NoReply for those who wait for it. */
int reply_client_gone(struct client *client);

/* Slots older than reply_timeout end with NoReply. *ret_next is the time of the next, INT64_MAX for
 * none. */
int reply_expire(struct bus *bus, int64_t now, int64_t *ret_next);
