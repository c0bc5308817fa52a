/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Stress test of the core: the state of a run, and its operations
 *
 * Each peer has a ledger of the nodes it owns and the handles it holds, under a lock that makes an
 * operation and its bookkeeping one step. What can be judged when it happens (IDs that have ended,
 * notifications that are early, doubled or for the wrong thing, damaged data) is judged at once.
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
/* few, so that threads meet at them */
#define MAX_NODES 10
#define MAX_TRANSFERS 3
#define MAX_QUEUE 512
/* peers that end while they are in use; another one takes their place */
#define MAX_DEATHS 200

#define fail(...)                                               \
        do {                                                    \
                fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
                fprintf(stderr, __VA_ARGS__);                   \
                fprintf(stderr, "\n");                          \
                abort();                                        \
        } while (0)

/* what is known about a node */
struct node {
        _Atomic uint32_t release; /* owner's release transaction + 1; set before it begins */
        _Atomic bool sent;        /* one-shot: someone is about to send, or has sent */
        _Atomic bool orphaned;    /* owner was told that the last handle is gone */
        _Atomic int n_held;       /* entries in ledgers */
};

/* ledger entries */
struct owned {
        uint64_t id;
        uint32_t node;
};

struct held {
        uint64_t id;
        uint32_t node;
        bool is_late; /* transferred when the node may have been gone: is told separately */
};

struct peer {
        struct bus1_peer *peer;
        uint32_t index;
        uint32_t life; /* its history; a successor of the same index has another */
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
        _Atomic uint64_t time;
        _Atomic uint64_t n_transactions;
        _Atomic uint64_t n_nodes;
        _Atomic uint64_t n_received, n_multicasts, n_carried, n_invalid;
        _Atomic uint64_t n_node_releases, n_handle_releases;
        _Atomic uint32_t n_lives;
        uint64_t *last_sequence; /* of each sender at each receiver */
};

struct worker {
        struct stress *stress;
        pthread_t thread;
        uint64_t random;
};

uint32_t draw(struct worker *worker, uint32_t n);

/* operations, each with the lock of its peers held */

void do_send(struct worker *worker, struct peer *peer);
/* Whether there is a message; it stays queued. */
bool look_at_message(struct bus1_peer *peer);
/* Receive one. Whether there was one. */
bool do_receive(struct stress *stress, struct peer *peer);
/* Release some nodes and handles at once. */
void do_release(struct worker *worker, struct peer *peer, uint32_t n_nodes, uint32_t n_handles);
/* Release what is left, outside of the history. */
void do_release_handles(struct stress *stress, struct peer *peer);
void do_transfer(struct worker *worker, struct peer *from, struct peer *to);
/* End the peer, whatever is queued on it or under way to it, and start another; or reset it. */
void do_die(struct stress *stress, struct peer *peer);

void new_peer(struct stress *stress, struct peer *peer);
