/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Accounts - what each user makes the bus hold, and the time it takes
 *
 * All connections and clients of one user share an account. Memory is counted as it is allocated,
 * not in bytes of the wire format, and in the account of the user who has to end it:
 *
 *      queued     messages that wait for the user's clients, who do not read them
 *      answers    answers of the bus that wait for the user's clients
 *      unfinished what the user's clients sent, and the bus has not taken yet: mostly parts of
 *                 messages whose rest has not come
 *      backlog    calls and signals of the user's clients that others have not read yet
 *
 * What others queue for the user's clients is also counted by user, in a *share* on the account.
 * Divided among n means divided by n * (ilog2(n) + 1), as in the bus1 core (charge.h there): each
 * of n users may queue more only while it has less there than what is left, divided among n. So no
 * stranger can fill the queues of a user, and each gets its part in whatever order they send. Large
 * messages of strangers would take all of it, so they are limited apart from the others: the queues
 * of a user have one of them at a time.
 */

#include "bridge/base/schedule.h"
#include "bridge/bus/client.h"

/* A user of messages that no user has caused; no user has this number. */
#define ACCOUNT_NOBODY UINT64_MAX

/* The clients of a user together get as much as this number of full queues (max_outgoing_*). */
#define ACCOUNT_QUEUES_MAX 8

struct newcomer;

/* What the messages of one user take in the queues of another one. */
struct share {
        struct share *prev, *next;
        uint64_t uid; /* of the sender */
        uint32_t n_messages;
        uint64_t bytes;
        uint64_t fds; /* descriptors */
};

/* Why a user had to wait or lost something, for the log and for Debug.Stats. */
enum account_event {
        ACCOUNT_QUEUE_FULL,   /* a message for the user's clients was dropped */
        ACCOUNT_SHARE_FULL,   /* a message of the user to another one was dropped */
        ACCOUNT_PAUSED,       /* the bus stopped to read from a client */
        ACCOUNT_EVICTED,      /* a connection without Hello made room for a newer one */
        ACCOUNT_OUT_OF_ROOM,  /* the user has too many rules or names */
        ACCOUNT_DISPLACED,    /* a connection made room for one of another user */
        ACCOUNT_PACED,        /* a service starts later, because the user has started many */
        ACCOUNT_DISCONNECTED, /* a connection was dropped for what it held */
        N_ACCOUNT_EVENTS,
};

/* What a client waits for, because its user has too much of it. */
enum account_wait {
        ACCOUNT_WAIT_ANSWERS,
        ACCOUNT_WAIT_BACKLOG,
        ACCOUNT_WAIT_UNFINISHED,
        N_ACCOUNT_WAITS,
};

/* File descriptors in messages, see descriptors.h. */
enum fds_kind {
        FDS_HELD,
        FDS_SENT,
        N_FDS,
};

struct account {
        uint32_t uid;    /* the lowest one, if it is the account of subordinate uids */
        uint32_t n_refs; /* one for each client, each connection, and each fds[] that is not 0 */
        struct schedule_user schedule;

        uint32_t n_registered;
        uint32_t n_giving_way;    /* of these: clients that lose their places, see place.h */
        uint32_t n_connections;   /* sockets, including those without Hello */
        uint32_t n_rules_answers; /* answers to GetAllMatchRules that are being made or wait */
        uint32_t n_waiting; /* messages that wait for a service to start or end, or in dockets */
        int64_t starts_due; /* see pace.h */
        struct holdings holdings;

        struct newcomer *newcomers; /* see newcomer.h */
        struct newcomer *parked;
        uint32_t n_newcomers;
        uint32_t n_parked;

        uint64_t queued;
        uint64_t answers;
        uint64_t unfinished;
        uint64_t backlog;
        uint64_t outgoing_fds;
        uint64_t fds[N_FDS];
        struct share *shares; /* the one that was used last is the first */
        uint32_t n_shares;    /* those with messages */
        uint32_t n_idle_shares;
        const struct message *bulky; /* a large message of another user in the queues; NULL: none */
        const struct client *bulky_at; /* in whose queue */

        struct client *paused[N_ACCOUNT_WAITS]; /* clients that wait until it holds less of this */
        struct client *large; /* the one that may finish a large message in spite of the limit */
        int64_t large_moved;  /* when it last got on (loop_now()) */

        uint64_t n_events[N_ACCOUNT_EVENTS];
        int64_t logged; /* when the last line about them was logged; 0: never */
        UT_hash_handle hh;

        /* Without references, it is kept while starts_due or logged count: until idle_until. */
        struct account *idle_prev, *idle_next;
        int64_t idle_until;
};

/* Find the account of a user, which is no subordinate one (account_get()); NULL if it has none. */
struct account *account_find(struct bus *bus, uint32_t uid);
/*
 * Get a reference to the account of a uid: that of the user that it counts as (policy/subuid.h).
 * NULL without memory.
 */
struct account *account_get(struct bus *bus, uint32_t uid);
/* Drop a reference. NULL is fine. */
void account_put(struct bus *bus, struct account *account);
/* Free the accounts that are kept though nobody has a reference. */
void account_forget_idle(struct bus *bus);
/* The user whose job is running, as whose fault everything counts; ACCOUNT_NOBODY: the bus. */
uint64_t account_current(const struct bus *bus);

/* Divide what is left among n. */
uint64_t account_divide(uint64_t left, uint32_t n);

/* Find the share of a user; NULL if it has none. */
struct share *account_find_share(struct account *account, uint64_t uid);
/* Find or make the share of a user; NULL without memory. */
struct share *account_get_share(struct account *account, uint64_t uid);
/* Count a message with this cost in the share, or out of it, which may free the share. */
void account_begin_share(struct account *account, struct share *share, const struct message *m);
void account_end_share(struct account *account, struct share *share, const struct message *m);

/* Count an event, and log it if the user has no line in this minute yet. */
void account_note(struct bus *bus, struct account *account, enum account_event event);
