/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Stress test of the core: the state of a run, and its operations
 *
 * The test keeps a ledger for each peer: the nodes that the peer owns and the handles that it
 * holds. A thread holds the lock of the peer during an operation and the update of the ledger. So
 * the test finds some errors at once: a message on a node that has ended; a notification that comes
 * early, twice, or about the wrong object; damaged data.
 */

#include "core.h"
#include "stress-history.h"
#include <linux/err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_THREADS 64
/* a peer that holds more handles releases some */
#define MAX_HANDLES 256
/* a peer that owns this many nodes creates no more; few, so that each node has many handles */
#define MAX_NODES 10
#define MAX_TRANSFERS 3
/* now and then threads shorten queues that are longer, or receive up to this many entries */
#define MAX_QUEUE 512
/* the limit of resets and ends of peers during a run; threads may exceed it by a few */
#define MAX_DEATHS 200

#define fail(...)                                               \
        do {                                                    \
                fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
                fprintf(stderr, __VA_ARGS__);                   \
                fprintf(stderr, "\n");                          \
                abort();                                        \
        } while (0)

/* the record of a node */
struct node {
        /* 1 + the transaction that releases the node, or 0; set before the transaction begins */
        _Atomic uint32_t release;
        _Atomic bool sent;     /* one-shot: a thread sends to it, or has sent */
        _Atomic bool orphaned; /* its owner was notified that the last handle has gone */
        _Atomic int n_held;    /* handles to it in the ledgers of all peers */
};

/* ledger entries */
struct owned {
        uint64_t id;
        uint32_t node;
};

struct held {
        uint64_t id;
        uint32_t node;
        /*
         * The release of the node may have begun when the handle was copied to this peer. So the
         * node may have been dead, and then the notification is not a part of the release.
         */
        bool is_late;
};

struct peer {
        struct bus1_peer *peer;
        uint32_t index;
        uint32_t life; /* index of its history; another one after a reset or a replacement */
        pthread_mutex_t lock;
        struct owned nodes[MAX_NODES + MAX_TRANSFERS];
        size_t n_nodes;
        struct held *handles;
        size_t n_handles;
        size_t n_handles_allocated;
        uint64_t sequence;
        uint64_t n_looks;
};

struct stress {
        struct history history;
        struct node *nodes;
        struct peer *peers;
        struct bus1_accounts *accounts;
        size_t n_peers;
        size_t max_transactions;
        size_t max_nodes;
        bool has_processes;
        bool stops;                /* stop processes at random */
        uint32_t freeze_every;     /* freeze the core about once in so many steps; 0: never */
        pthread_rwlock_t freezing; /* a thread holds it for reading during a step */
        uint64_t n_freezes;
        uint64_t n_frozen_messages, n_frozen_handles, n_frozen_notifications;
        uint64_t n_frozen_states[4]; /* handles, by enum bus1_frozen_handle_state */
        uint64_t n_stops;
        _Atomic uint64_t time;
        _Atomic uint64_t n_transactions;
        _Atomic uint64_t n_nodes;
        _Atomic uint64_t n_received, n_multicasts, n_carried, n_invalid;
        _Atomic uint64_t n_node_releases, n_handle_releases;
        _Atomic uint32_t n_lives;
        uint64_t *last_sequence; /* of the messages that each receiver got from each sender */
};

struct worker {
        struct stress *stress;
        pthread_t thread;
        uint64_t random;
};

uint32_t draw(struct worker *worker, uint32_t n);

/* operations; the caller holds the locks of the peers, unless all threads have ended */

void do_send(struct worker *worker, struct peer *peer);
/* Returns whether there is a message or notification, which stays queued. */
bool look_at_message(struct bus1_peer *peer);
/* Receive or only look at a message or notification. Returns whether there was one. */
bool do_receive(struct stress *stress, struct peer *peer);
/* Release some nodes and handles in one transaction. */
void do_release(struct worker *worker, struct peer *peer, uint32_t n_nodes, uint32_t n_handles);
/* Release all handles that the peer holds, without recording it in the history. */
void do_release_handles(struct stress *stress, struct peer *peer);
void do_transfer(struct worker *worker, struct peer *from, struct peer *to);
/* End the peer and replace it by a new one, or reset it, even if messages to it are under way. */
void do_die(struct stress *stress, struct peer *peer);

void new_peer(struct stress *stress, struct peer *peer);

/*
 * Save the core, restore it, and go on with the restored one. No thread may be in an operation.
 */
void freeze(struct stress *stress);
