/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Deferred answers - calls to the bus that it answers after the method returned
 *
 * For example, the bus answers ReloadConfig when the new configuration is in force. Until then it
 * reads nothing from the socket of a legacy client, so that the client gets its answers in the
 * order of its calls.
 *
 * A deferred answer belongs to the caller of later_new(), which ends it exactly once: by
 * later_reply(), later_fail() or later_free(). It may outlive the client; then nothing is sent.
 */

#include "bridge/bus/client.h"

struct later {
        struct client *client;                 /* NULL: the client has gone */
        struct later *prev, *next;             /* deferred answers of the client */
        struct later *owner_prev, *owner_next; /* free for use by the caller of later_new() */
        uint32_t serial;
        uint64_t caller_cookie;
        bool wants_reply;
};

enum {
        LATER_E_QUOTA = 1, /* the client has reached max_replies_per_connection */
};

/*
 * Begin a deferred answer to the call m of client. On success it has taken over caller_cookie.
 * LATER_E_QUOTA, -ENOMEM.
 */
int later_new(struct client *client, const struct message *m, uint64_t caller_cookie,
              struct later **ret_later);

/*
 * Answer without results, or with an error. later is gone afterwards; NULL is fine. 0 or a negative
 * errno that is fatal to the bus.
 */
int later_reply(struct later *later);
int later_fail(struct later *later, const char *name, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* End without an answer. NULL is fine. */
void later_free(struct later *later);

/* The client leaves: its deferred answers are not sent any more. */
void later_forget(struct client *client);
