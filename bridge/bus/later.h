/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Deferred answers - calls to the bus that it answers after the method returned
 *
 * For example, the bus answers ReloadConfig when the new configuration is in force, or the reload
 * has failed. If the caller is a legacy client, its further messages wait until then, so that it
 * gets its answers in the order of its calls.
 *
 * A deferred answer belongs to the code that called later_new(), which ends it exactly once: by
 * later_reply(), later_fail() or later_free(). If the client leaves or becomes a monitor before
 * that, nothing is sent.
 */

#include "bridge/bus/client.h"

/* What a deferred answer waits for. */
enum later_kind {
        LATER_RELOAD,      /* ReloadConfig: the configuration that is being read, or read next */
        LATER_MATCH_RULES, /* GetAllMatchRules: the list */
        LATER_REEXECUTE,   /* the bus that takes the place of this one */
        N_LATER_KINDS,
};

struct later {
        enum later_kind kind;
        struct client *client;                 /* NULL after later_forget() */
        struct later *prev, *next;             /* deferred answers of the client */
        struct later *owner_prev, *owner_next; /* for the code that called later_new() */
        uint32_t serial;
        uint64_t caller_cookie;
        bool wants_reply;
};

enum {
        LATER_E_QUOTA = 1, /* the client has reached max_replies_per_connection */
};

/*
 * Begin a deferred answer to the call m of client. On success the deferred answer has taken over
 * caller_cookie. LATER_E_QUOTA, -ENOMEM.
 */
int later_new(struct client *client, const struct message *m, uint64_t caller_cookie,
              enum later_kind kind, struct later **ret_later);
/*
 * For a bus that takes over from another one (state-waiting.h): begin a deferred answer that the
 * other bus owed, without limits. Client, kind, serial, cookie and wants_reply are those of *later.
 * NULL without memory.
 */
struct later *later_restore(const struct later *later);
/*
 * Take those of a kind out of a list (owner_prev, owner_next). Returns a list of them, in the same
 * order.
 */
struct later *later_take(struct later **list, enum later_kind kind);

/*
 * Answer the call, if it wants a reply, without results or with an error. later is gone afterwards;
 * NULL is fine. Returns 0 or a negative errno that is fatal to the bus.
 */
int later_reply(struct later *later);
/* Answer with m, whose REPLY_SERIAL and DESTINATION are set. The client has not gone. */
int later_send(struct later *later, struct message *m);
int later_fail(struct later *later, const char *name, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* End without an answer. NULL is fine. */
void later_free(struct later *later);

/* The client leaves or becomes a monitor: its deferred answers are not sent any more. */
void later_forget(struct client *client);
