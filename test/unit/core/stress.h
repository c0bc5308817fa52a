/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Stress test of the core: the state of a run, and its operations
 *
 * Each peer has a ledger of the nodes it owns and the handles it holds, under a lock that makes an
 * operation and its bookkeeping one step. Some errors are found at once: IDs that have ended,
 * notifications that are early, doubled or about the wrong object, damaged data.
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
#define MAX_HANDLES 256
/* few peers, so that threads often use the same one */
#define MAX_NODES 10
#define MAX_TRANSFERS 3
#define MAX_QUEUE 512
/* peers that end while they are in use, and are replaced */
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
        /* 1 + the transaction in which the owner releases the node, or 0; set before it begins */
        _Atomic uint32_t release;
        _Atomic bool sent;     /* one-shot: a thread sends to it, or has sent */
        _Atomic bool orphaned; /* its owner was notified that the last handle has gone */
        _Atomic int n_held;    /* entries in ledgers */
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
         * The transfer came when the node may have been dead, so the notification may not belong to
         * the release of the node.
         */
        bool is_late;
};

struct peer {
        struct bus1_peer *peer;
        uint32_t index;
        uint32_t life; /* index of its history; after a reset or replacement it is another one */
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
        bool stops; /* processes are stopped at random */
        uint64_t n_stops;
        _Atomic uint64_t time;
        _Atomic uint64_t n_transactions;
        _Atomic uint64_t n_nodes;
        _Atomic uint64_t n_received, n_multicasts, n_carried, n_invalid;
        _Atomic uint64_t n_node_releases, n_handle_releases;
        _Atomic uint32_t n_lives;
        uint64_t *last_sequence; /* messages of each sender at each receiver */
};

struct worker {
        struct stress *stress;
        pthread_t thread;
        uint64_t random;
};

uint32_t draw(struct worker *worker, uint32_t n);

/* operations; the caller holds the locks of the peers */

void do_send(struct worker *worker, struct peer *peer);
/* Returns whether there is a message. It stays queued. */
bool look_at_message(struct bus1_peer *peer);
/* Receive a message or notification. Returns whether there was one. */
bool do_receive(struct stress *stress, struct peer *peer);
/* Release some nodes and handles in one transaction. */
void do_release(struct worker *worker, struct peer *peer, uint32_t n_nodes, uint32_t n_handles);
/* Release all handles that are left, without recording it in the history. */
void do_release_handles(struct stress *stress, struct peer *peer);
void do_transfer(struct worker *worker, struct peer *from, struct peer *to);
/* Replace the peer by another one, or reset it, even if messages are queued on it or under way. */
void do_die(struct stress *stress, struct peer *peer);

void new_peer(struct stress *stress, struct peer *peer);
