/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Dockets - what waits to be judged by a newer policy
 *
 * A package puts a file with policy into its place, and starts its service at once. The bus reads
 * the file in a thread. Until that is done the policy in force is older than the files, and could
 * refuse what the files allow. So nothing is refused by a policy that is older than its files:
 *
 *      message --> denied --> policy is older? --no--> error
 *                                |yes
 *                             docket of the sender --> policy was read, or DOCKET_TIME is over
 *                                                            |
 *                                                      judged once more
 *
 * What the policy in force allows does not wait. But the sender waits with a message in its docket,
 * so that its messages stay in order: the bus does not read from a legacy client, and the later
 * messages of a native client, which the bus always reads, follow in the docket. If there is no
 * room for one more held message (held.h), it does not wait.
 * The docket has its messages in the order in which the client has sent them. So a message that has
 * waited for a service, and is denied when it is delivered, comes before those sent after it.
 *
 * If a file changes while the policy is read, a message that is denied once more waits once more,
 * but no longer than DOCKET_TIME altogether. If the files cannot be read, the old policy judges.
 * Nothing is judged anew that had no error to be sent: copies for eavesdroppers, broadcasts, and
 * messages of the bus itself.
 *
 * A handshake that the policy denies waits, too, as a visit: its connection has no client yet.
 */

#include "bridge/base/loop.h"
#include "bridge/bus/bus.h"

/* ns: after this time the policy in force judges, however old it is. */
#define DOCKET_TIME (5 * INT64_C(1000000000))

enum docket_kind {
        DOCKET_MESSAGE, /* is routed again */
        DOCKET_CALL,    /* a call that the bus has begun to answer; is dispatched again */
};

struct docket;

struct docket_item {
        struct docket_item *prev, *next;
        struct message *m;
        uint64_t caller_cookie;
        enum docket_kind kind;
        int64_t deadline;
};

/*
 * A front end is about to read what programs have sent. A file may have changed just before that,
 * so the next denial has to look for changes. Further denials of what was read before that look
 * need not look again, so that a flood of them costs one system call for each read.
 */
static inline void docket_note_input(struct bus *bus) {
        bus->policy_is_checked = false;
}
/*
 * The policy denies m, which client has sent. If it is older than its files, and there is room, m
 * waits: the result is true, and caller_cookie, which is as in client_receive(), is taken over.
 */
bool docket_hold(struct client *client, struct message *m, uint64_t caller_cookie,
                 enum docket_kind kind);
/*
 * The verdict about m was a denial. Does m wait, because verdict_check() has called docket_hold()
 * for it? Then the docket takes over the caller_cookie of m.
 */
bool docket_waits(struct client *client, const struct message *m, uint64_t caller_cookie);
/* Is a message in the docket of client that client has sent before m? */
bool docket_is_before(const struct client *client, const struct message *m);
/*
 * Let m, which is stamped, wait behind the messages in the docket of client that client has sent
 * before it. If there is no room, these have been judged by the policy in force, and the result is
 * 1: m does not wait. Other results are 0, or a negative errno that is fatal to the bus.
 */
int docket_queue(struct client *client, struct message *m, uint64_t caller_cookie,
                 enum docket_kind kind);
/* Judge what waits by the policy in force. Returns 0 or a negative errno that is fatal. */
int docket_flush(struct client *client);
/* What waits in the docket of the client, the first one; NULL: nothing. */
const struct docket_item *docket_items(const struct client *client);
/*
 * A bus that takes over from another one (state-waiting.h): put an item, of which this is a copy,
 * behind those in the docket of the client, which sent them before it. The caller calls
 * docket_judge_all() at the end. -ENOMEM.
 */
int docket_restore(struct client *client, const struct docket_item *item);
/* The client leaves or becomes a monitor: drop what waits. */
void docket_forget(struct client *client);

/*
 * The handshake of a connection, which may wait for a newer policy. It does not wait if all is zero
 * except account and wake.
 */
struct docket_visit {
        struct docket_visit *prev, *next;
        struct bus *bus; /* NULL: it does not wait */
        int64_t deadline;
        struct loop_timer timer;
        struct schedule_job judge;
        bool is_over;            /* DOCKET_TIME has passed */
        struct account *account; /* of the user whose job it is */
        /* Ask the policy again. Returns 0 or a negative errno that is fatal. */
        int (*wake)(struct docket_visit *visit);
};

/* The policy denies that a program connects. If it may change its mind, visit waits. */
bool docket_visit(struct bus *bus, struct docket_visit *visit);
/*
 * A bus that takes over from another one: visit, whose deadline and is_over are set, waits as it
 * did there. -ENOMEM.
 */
int docket_visit_restore(struct bus *bus, struct docket_visit *visit);
/* It does not wait any more. */
void docket_visit_end(struct docket_visit *visit);

/*
 * The files have been read, or cannot be read: what waits is judged once more, as jobs of those who
 * wait.
 */
void docket_judge_all(struct bus *bus);
