/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Stress test of the core: threads send, receive, transfer, create and release at random
 *
 * Each peer has a ledger of the nodes it owns and the handles it holds, under a lock that makes an
 * operation and its bookkeeping one step. What can be judged when it happens (IDs that have ended,
 * notifications that are early, doubled or for the wrong thing, damaged data) is judged at once;
 * the order is judged afterwards from the recorded history. Now and then a peer ends, and a new one
 * takes its place. At the end everything is released and nothing may be left.
 */

#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/err.h>
#include "core.h"
#include "stress-history.h"

#define MAX_THREADS 64
#define MAX_HANDLES 256
#define MAX_NODES 64
#define MAX_TRANSFERS 3
#define MAX_QUEUE 512
/* peers that end while they are in use; another one takes their place */
#define MAX_DEATHS 200

#define fail(...) \
        do { \
                fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
                fprintf(stderr, __VA_ARGS__); \
                fprintf(stderr, "\n"); \
                abort(); \
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
};

/* what a message carries */
struct content {
        uint32_t transaction;
        uint32_t sender;
        uint64_t sequence;
        uint32_t n_transfers;
        uint32_t transfers[MAX_TRANSFERS]; /* nodes */
        uint32_t n_filler;
        uint8_t filler[];
};

struct stress {
        struct history history;
        struct node *nodes;
        struct peer *peers;
        struct bus1_accounts *accounts;
        size_t n_peers;
        size_t max_transactions;
        size_t max_nodes;
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

static uint32_t draw(struct worker *worker, uint32_t n) {
        worker->random ^= worker->random << 13;
        worker->random ^= worker->random >> 7;
        worker->random ^= worker->random << 17;
        return (worker->random >> 11) % n;
}

/* ledgers */

static size_t find_node(const struct peer *peer, uint64_t id) {
        for (size_t i = 0; i < peer->n_nodes; ++i)
                if (peer->nodes[i].id == id)
                        return i;
        fail("peer %u is told of node %llu, which it does not own", peer->index, (unsigned long long)id);
}

static size_t find_handle(const struct peer *peer, uint64_t id) {
        for (size_t i = 0; i < peer->n_handles; ++i)
                if (peer->handles[i].id == id)
                        return i;
        fail("peer %u is told of handle %llu, which it does not hold", peer->index,
             (unsigned long long)id);
}

static void add_node(struct peer *peer, uint64_t id, uint32_t node) {
        peer->nodes[peer->n_nodes++] = (struct owned){ id, node };
}

static void remove_node(struct peer *peer, size_t i) {
        peer->nodes[i] = peer->nodes[--peer->n_nodes];
}

static void add_handle(struct stress *stress, struct peer *peer, uint64_t id, uint32_t node, bool is_late) {
        if (peer->n_handles == peer->n_handles_allocated) {
                peer->n_handles_allocated = 2 * peer->n_handles_allocated + MAX_HANDLES;
                peer->handles = realloc(peer->handles,
                                        peer->n_handles_allocated * sizeof(*peer->handles));
                if (!peer->handles)
                        fail("no memory");
        }
        ++stress->nodes[node].n_held;
        peer->handles[peer->n_handles++] = (struct held){ id, node, is_late };
}

static void remove_handle(struct stress *stress, struct peer *peer, size_t i) {
        --stress->nodes[peer->handles[i].node].n_held;
        peer->handles[i] = peer->handles[--peer->n_handles];
}

/* Register a node that is about to be created; HISTORY_NONE when there are enough. */
static uint32_t new_node(struct stress *stress, struct peer *owner, bool is_oneshot) {
        uint64_t i;

        if (owner->n_nodes >= MAX_NODES || stress->n_nodes >= stress->max_nodes)
                return HISTORY_NONE;
        i = stress->n_nodes++;
        if (i >= stress->max_nodes)
                return HISTORY_NONE;
        stress->history.nodes[i] = (struct history_node){ .owner = owner->index, .is_oneshot = is_oneshot };
        return i;
}

/* A new transaction; false when there were enough. */
static bool new_transaction(struct stress *stress, struct peer *sender, bool is_release, uint32_t *ret) {
        uint64_t i = stress->n_transactions++;

        if (i >= stress->max_transactions)
                return false;
        stress->history.transactions[i] = (struct history_transaction){
                .sender = sender->index,
                .is_release = is_release,
        };
        history_append(&stress->history.peers[sender->life], i, HISTORY_NONE);
        *ret = i;
        return true;
}

static void begin_transaction(struct stress *stress, uint32_t transaction) {
        stress->history.transactions[transaction].begin = stress->time++;
}

static void end_transaction(struct stress *stress, uint32_t transaction) {
        stress->history.transactions[transaction].end = stress->time++;
}

/* operations, each with the lock of its peer held */

static void choose_transfers(struct worker *worker, struct peer *peer, struct content *content,
                             struct bus1_transfer *transfers) {
        struct stress *stress = worker->stress;
        uint32_t n = draw(worker, 3) ? 0 : 1 + draw(worker, MAX_TRANSFERS);

        content->n_transfers = 0;
        for (uint32_t i = 0; i < n; ++i) {
                bool is_oneshot = draw(worker, 3) == 0;
                uint32_t node;

                if (draw(worker, 4) == 0) {
                        node = new_node(stress, peer, is_oneshot);
                        if (node == HISTORY_NONE)
                                continue;
                        transfers[content->n_transfers] = (struct bus1_transfer){
                                .flags = BUS1_TRANSFER_FLAG_CREATE |
                                         (is_oneshot ? BUS1_TRANSFER_FLAG_ONESHOT : 0),
                                .id = BUS1_INVALID,
                        };
                } else {
                        const struct held *held = &peer->handles[draw(worker, peer->n_handles)];

                        node = held->node;
                        transfers[content->n_transfers] = (struct bus1_transfer){ .id = held->id };
                }
                content->transfers[content->n_transfers++] = node;
        }
}

static void do_send(struct worker *worker, struct peer *peer) {
        struct stress *stress = worker->stress;
        struct history_transaction *t;
        struct bus1_transfer transfers[MAX_TRANSFERS];
        uint64_t destinations[HISTORY_MAX_DESTINATIONS], created = 0;
        int32_t errors[HISTORY_MAX_DESTINATIONS] = { 1, 1, 1, 1, 1 };
        uint32_t transaction, n_destinations = 1, n_filler = draw(worker, 64);
        struct bus1_payload *payload;
        struct content *content;
        int r;

        if (peer->n_handles == 0 || !new_transaction(stress, peer, false, &transaction))
                return;
        t = &stress->history.transactions[transaction];

        if (draw(worker, 3) == 0) {
                n_destinations = 2 + draw(worker, HISTORY_MAX_DESTINATIONS - 1);
                ++stress->n_multicasts;
        }

        payload = bus1_payload_new(sizeof(*content) + n_filler, 0);
        if (IS_ERR(payload))
                fail("no memory");
        content = (struct content *)payload->data;
        content->transaction = transaction;
        content->sender = peer->index;
        content->sequence = ++peer->sequence;
        content->n_filler = n_filler;
        memset(content->filler, (uint8_t)transaction, n_filler);

        t->n_destinations = n_destinations;
        for (uint32_t i = 0; i < n_destinations; ++i) {
                const struct held *held = &peer->handles[draw(worker, peer->n_handles)];

                destinations[i] = held->id;
                t->destinations[i] = held->node;
                if (stress->history.nodes[held->node].is_oneshot)
                        stress->nodes[held->node].sent = true;
        }
        choose_transfers(worker, peer, content, transfers);
        for (uint32_t i = 0; i < content->n_transfers; ++i)
                if (transfers[i].flags & BUS1_TRANSFER_FLAG_CREATE)
                        created |= 1u << i;
        stress->n_carried += content->n_transfers;

        /* Handles of one-shot nodes end here: out of the ledger before anyone can be told. */
        for (uint32_t i = 0; i < n_destinations; ++i) {
                if (!stress->history.nodes[t->destinations[i]].is_oneshot)
                        continue;
                for (size_t k = 0; k < peer->n_handles; ++k) {
                        if (peer->handles[k].id == destinations[i]) {
                                remove_handle(stress, peer, k);
                                break;
                        }
                }
        }

        begin_transaction(stress, transaction);
        r = bus1_peer_send(peer->peer, &(struct bus1_send){
                .destinations = (const u64 *)destinations,
                .n_destinations = n_destinations,
                .errors = errors,
                .transfers = transfers,
                .n_transfers = content->n_transfers,
                .payload = payload,
        });
        end_transaction(stress, transaction);
        if (r < 0)
                fail("send: %s", strerror(-r));
        for (uint32_t i = 0; i < n_destinations; ++i)
                if (errors[i] != 0)
                        fail("send: error %d on success", errors[i]);
        for (uint32_t i = 0; i < content->n_transfers; ++i)
                if (created & (1u << i))
                        add_node(peer, transfers[i].id, content->transfers[i]);
        bus1_payload_unref(payload);
}

static void receive_message(struct stress *stress, struct peer *peer, const struct bus1_recv *recv,
                            const struct bus1_transfer *transfers, const struct content *content) {
        size_t i = find_node(peer, recv->id);
        uint32_t node = peer->nodes[i].node;
        uint64_t *last = &stress->last_sequence[content->sender * stress->n_peers + peer->index];

        if (recv->n_transfers != content->n_transfers)
                fail("message with %zu handles instead of %u", recv->n_transfers, content->n_transfers);
        for (uint32_t k = 0; k < content->n_filler; ++k)
                if (content->filler[k] != (uint8_t)content->transaction)
                        fail("damaged data");
        if (content->sequence < *last)
                fail("peer %u: messages of sender %u out of order", peer->index, content->sender);
        *last = content->sequence;

        for (uint32_t k = 0; k < content->n_transfers; ++k) {
                struct node *n = &stress->nodes[content->transfers[k]];

                if (transfers[k].id == BUS1_INVALID) {
                        if (!n->release && !n->sent)
                                fail("handle of a living node arrives invalid");
                        ++stress->n_invalid;
                } else {
                        if (n->orphaned)
                                fail("the owner was told of the last handle while one was in flight");
                        add_handle(stress, peer, transfers[k].id, content->transfers[k], false);
                }
        }

        history_append(&stress->history.peers[peer->life], content->transaction, node);
        if (stress->history.nodes[node].is_oneshot)
                remove_node(peer, i);
        ++stress->n_received;
}

static void receive_node_release(struct stress *stress, struct peer *peer, uint64_t id) {
        size_t i = find_handle(peer, id);
        uint32_t node = peer->handles[i].node;
        uint32_t release = stress->nodes[node].release;

        if (stress->history.nodes[node].is_oneshot) {
                if (!release && !stress->nodes[node].sent)
                        fail("release of a one-shot node that lives");
        } else if (!release) {
                fail("release of a node that lives");
        } else if (!peer->handles[i].is_late) {
                history_append(&stress->history.peers[peer->life], release - 1, node);
        }
        remove_handle(stress, peer, i);
        ++stress->n_node_releases;
}

static void receive_handle_release(struct stress *stress, struct peer *peer, uint64_t id) {
        size_t i = find_node(peer, id);
        struct node *node = &stress->nodes[peer->nodes[i].node];

        if (node->n_held > 0)
                fail("the owner is told that the last handle is gone, but %d are held", node->n_held);
        if (node->sent)
                fail("a one-shot node had a message and loses its last handle");
        node->orphaned = true;
        remove_node(peer, i);
        ++stress->n_handle_releases;
}

/* Receive one. Whether there was one. */
static bool do_receive(struct stress *stress, struct peer *peer) {
        struct bus1_transfer transfers[MAX_TRANSFERS];
        struct content *content = NULL;
        struct bus1_recv recv;
        int r;

        r = bus1_peer_recv_begin(peer->peer, &recv);
        if (r == -EAGAIN)
                return false;
        if (r < 0)
                fail("receive: %s", strerror(-r));

        if (recv.payload) {
                content = malloc(recv.payload->n_data);
                if (!content)
                        fail("no memory");
                memcpy(content, recv.payload->data, recv.payload->n_data);
        }
        if (recv.n_transfers > MAX_TRANSFERS)
                fail("message with %zu handles", recv.n_transfers);
        for (size_t i = 0; i < recv.n_transfers; ++i)
                transfers[i] = bus1_recv_transfer(&recv, i);

        r = bus1_peer_recv_commit(&recv);
        if (r < 0)
                fail("receive: %s", strerror(-r));

        switch (recv.type) {
        case BUS1_MESSAGE_TYPE_USER:
                receive_message(stress, peer, &recv, transfers, content);
                break;
        case BUS1_MESSAGE_TYPE_NODE_RELEASE:
                receive_node_release(stress, peer, recv.id);
                break;
        case BUS1_MESSAGE_TYPE_HANDLE_RELEASE:
                receive_handle_release(stress, peer, recv.id);
                break;
        }
        free(content);
        return true;
}

static void release(struct stress *stress, struct peer *peer, const uint64_t *ids, size_t n) {
        int r = bus1_peer_release(peer->peer, (const u64 *)ids, n);

        if (r < 0)
                fail("release: %s", strerror(-r));
}

/* Release some nodes and handles at once. */
static void do_release(struct worker *worker, struct peer *peer, uint32_t n_nodes, uint32_t n_handles) {
        struct stress *stress = worker->stress;
        uint64_t ids[MAX_HANDLES];
        uint32_t transaction;
        size_t n = 0;

        if (!new_transaction(stress, peer, true, &transaction))
                return;
        for (; n_nodes > 0 && peer->n_nodes > 0; --n_nodes) {
                size_t i = draw(worker, peer->n_nodes);
                uint32_t node = peer->nodes[i].node;

                ids[n++] = peer->nodes[i].id;
                stress->nodes[node].release = transaction + 1;
                stress->history.nodes[node].is_released = true;
                remove_node(peer, i);
        }
        for (; n_handles > 0 && peer->n_handles > 0; --n_handles) {
                size_t i = draw(worker, peer->n_handles);

                ids[n++] = peer->handles[i].id;
                remove_handle(stress, peer, i);
        }
        begin_transaction(stress, transaction);
        release(stress, peer, ids, n);
        end_transaction(stress, transaction);
}

static void new_peer(struct stress *stress, struct peer *peer) {
        peer->life = stress->n_lives++;
        /* three users, so that shares are at work too */
        peer->peer = bus1_peer_new(stress->accounts, KUIDT_INIT(1000 + peer->index % 3), NULL, NULL);
        if (IS_ERR(peer->peer))
                fail("no memory");
}

/* End the peer, whatever is queued on it or under way to it. */
static void do_die(struct stress *stress, struct peer *peer) {
        uint32_t transaction;

        if (!new_transaction(stress, peer, true, &transaction))
                return;
        while (peer->n_nodes > 0) {
                stress->nodes[peer->nodes[0].node].release = transaction + 1;
                stress->history.nodes[peer->nodes[0].node].is_released = true;
                remove_node(peer, 0);
        }
        while (peer->n_handles > 0)
                remove_handle(stress, peer, 0);
        begin_transaction(stress, transaction);
        bus1_peer_disconnect(peer->peer);
        end_transaction(stress, transaction);
        bus1_peer_unref(peer->peer);
        new_peer(stress, peer);
}

static void do_transfer(struct worker *worker, struct peer *from, struct peer *to) {
        struct stress *stress = worker->stress;
        struct bus1_transfer src = { .flags = BUS1_TRANSFER_FLAG_CREATE, .id = BUS1_INVALID }, dst;
        bool is_new = from->n_handles == 0 || draw(worker, 2);
        uint32_t node;
        int r;

        if (to->n_handles >= MAX_HANDLES)
                return;
        if (is_new) {
                node = new_node(stress, from, false);
                if (node == HISTORY_NONE)
                        return;
        } else {
                size_t i = draw(worker, from->n_handles);

                node = from->handles[i].node;
                src = (struct bus1_transfer){ .id = from->handles[i].id };
        }
        r = bus1_peer_transfer(from->peer, to->peer, &src, &dst, 1);
        if (r < 0)
                fail("transfer: %s", strerror(-r));
        if (is_new)
                add_node(from, src.id, node);
        add_handle(stress, to, dst.id, node, stress->nodes[node].release != 0);
}

static void transfer_between(struct worker *worker, struct peer *from, struct peer *to) {
        struct peer *first = from < to ? from : to, *second = from < to ? to : from;

        pthread_mutex_lock(&first->lock);
        if (first != second)
                pthread_mutex_lock(&second->lock);
        do_transfer(worker, from, to);
        if (first != second)
                pthread_mutex_unlock(&second->lock);
        pthread_mutex_unlock(&first->lock);
}

static void step(struct worker *worker) {
        struct stress *stress = worker->stress;
        struct peer *peer = &stress->peers[draw(worker, stress->n_peers)];
        struct peer *other = &stress->peers[draw(worker, stress->n_peers)];
        uint32_t what = draw(worker, 100);

        if (what < 8) {
                transfer_between(worker, peer, other);
        } else {
                pthread_mutex_lock(&peer->lock);
                if (draw(worker, stress->max_transactions / MAX_DEATHS + 1) == 0 &&
                    stress->n_lives + MAX_THREADS < stress->history.n_peers)
                        do_die(stress, peer);
                else if (peer->n_handles > MAX_HANDLES)
                        do_release(worker, peer, 0, MAX_HANDLES / 2);
                else if (what < 10)
                        do_release(worker, peer, 1, 0);
                else if (what < 16)
                        do_release(worker, peer, 0, 1);
                else if (what < 17)
                        do_release(worker, peer, draw(worker, 3), draw(worker, 6));
                else
                        do_send(worker, peer);
                pthread_mutex_unlock(&peer->lock);
        }

        pthread_mutex_lock(&other->lock);
        for (uint32_t n = 1 + draw(worker, 3); n > 0 && do_receive(stress, other); --n)
                ;
        if (draw(worker, 64) == 0)
                for (uint32_t n = MAX_QUEUE; n > 0 && do_receive(stress, other); --n)
                        ;
        pthread_mutex_unlock(&other->lock);
}

static void *work(void *data) {
        struct worker *worker = data;

        while (worker->stress->n_transactions < worker->stress->max_transactions)
                step(worker);
        return NULL;
}

/* the run */

static void *allocate(size_t n, size_t size) {
        void *p = calloc(n, size);

        if (!p)
                fail("no memory");
        return p;
}

static void drain(struct stress *stress) {
        bool again = true;

        while (again) {
                again = false;
                for (size_t i = 0; i < stress->n_peers; ++i)
                        while (do_receive(stress, &stress->peers[i]))
                                again = true;
        }
}

/* When nobody does anything any more, every holder of a dead node has been told. */
static void check_settled(struct stress *stress) {
        for (size_t i = 0; i < stress->n_peers; ++i) {
                for (size_t k = 0; k < stress->peers[i].n_handles; ++k) {
                        const struct node *node = &stress->nodes[stress->peers[i].handles[k].node];

                        if (node->release || node->sent)
                                fail("peer %zu was not told of a release", i);
                }
        }
}

static void release_handles(struct stress *stress) {
        for (size_t i = 0; i < stress->n_peers; ++i) {
                struct peer *peer = &stress->peers[i];
                uint64_t *ids = allocate(peer->n_handles + 1, sizeof(*ids));
                size_t n = 0;

                while (peer->n_handles > 0) {
                        ids[n++] = peer->handles[0].id;
                        remove_handle(stress, peer, 0);
                }
                release(stress, peer, ids, n);
                free(ids);
        }
}

/* Every node has gone by now: released, used up, or its owner told that its last handle went. */
static void check_empty(struct stress *stress) {
        for (size_t i = 0; i < stress->n_peers; ++i) {
                struct bus1_cmd_query query = {};

                if (stress->peers[i].n_nodes > 0)
                        fail("peer %zu was not told that handles are gone", i);
                if (bus1_peer_query(stress->peers[i].peer, &query) < 0 || query.n_nodes > 0 ||
                    query.n_handles > 0 || query.n_messages > 0 || query.n_bytes > 0)
                        fail("peer %zu has things left", i);
        }
}

static void check_accounts(struct bus1_accounts *accounts) {
        u64 used[_BUS1_RESOURCE_N];
        size_t n_accounts;

        bus1_accounts_usage(accounts, &n_accounts, used);
        if (n_accounts > 0 || used[BUS1_RESOURCE_OBJECTS] || used[BUS1_RESOURCE_MESSAGES])
                fail("%zu accounts are left", n_accounts);
}

static void set_up(struct stress *stress, struct bus1_accounts *accounts, size_t n_peers,
                   size_t n_transactions) {
        stress->n_peers = n_peers;
        stress->max_transactions = n_transactions;
        stress->max_nodes = n_transactions + 1024;
        stress->peers = allocate(n_peers, sizeof(*stress->peers));
        stress->nodes = allocate(stress->max_nodes, sizeof(*stress->nodes));
        stress->last_sequence = allocate(n_peers * n_peers, sizeof(*stress->last_sequence));
        stress->history.nodes = allocate(stress->max_nodes, sizeof(*stress->history.nodes));
        stress->history.transactions = allocate(n_transactions, sizeof(*stress->history.transactions));
        stress->history.n_peers = n_peers + MAX_DEATHS + MAX_THREADS;
        stress->history.peers = allocate(stress->history.n_peers, sizeof(*stress->history.peers));
        stress->accounts = accounts;

        for (size_t i = 0; i < n_peers; ++i) {
                struct peer *peer = &stress->peers[i];

                peer->index = i;
                pthread_mutex_init(&peer->lock, NULL);
                new_peer(stress, peer);
        }
}

static void tear_down(struct stress *stress) {
        for (size_t i = 0; i < stress->n_peers; ++i) {
                bus1_peer_disconnect(stress->peers[i].peer);
                bus1_peer_unref(stress->peers[i].peer);
                pthread_mutex_destroy(&stress->peers[i].lock);
                free(stress->peers[i].handles);
        }
        for (size_t i = 0; i < stress->history.n_peers; ++i)
                free(stress->history.peers[i].events);
        free(stress->history.peers);
        free(stress->history.transactions);
        free(stress->history.nodes);
        free(stress->last_sequence);
        free(stress->nodes);
        free(stress->peers);
}

static void run_workers(struct stress *stress, size_t n_threads, uint64_t seed) {
        struct worker *workers = allocate(n_threads, sizeof(*workers));

        for (size_t i = 0; i < n_threads; ++i) {
                workers[i].stress = stress;
                workers[i].random = (seed + i + 1) * 0x9e3779b97f4a7c15ULL;
                if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
                        fail("no thread");
        }
        for (size_t i = 0; i < n_threads; ++i)
                pthread_join(workers[i].thread, NULL);
        free(workers);
}

static double now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(struct stress *stress, double seconds) {
        size_t longest = 0;

        for (size_t i = 0; i < stress->history.n_peers; ++i)
                if (stress->history.peers[i].n_events > longest)
                        longest = stress->history.peers[i].n_events;
        printf("%zu transactions in %.1f s: %llu multicasts, %llu messages received, %llu handles "
               "carried (%llu arrived invalid), %llu node releases and %llu handle releases received\n",
               stress->max_transactions, seconds, (unsigned long long)stress->n_multicasts,
               (unsigned long long)stress->n_received, (unsigned long long)stress->n_carried,
               (unsigned long long)stress->n_invalid, (unsigned long long)stress->n_node_releases,
               (unsigned long long)stress->n_handle_releases);
        printf("%zu peers ended in use; longest history of a peer: %zu events\n",
               stress->n_lives - stress->n_peers, longest);
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "threads", required_argument, NULL, 't' },
                { "peers", required_argument, NULL, 'p' },
                { "transactions", required_argument, NULL, 'n' },
                { "seed", required_argument, NULL, 's' },
                { "self-test", no_argument, NULL, 'x' },
                {},
        };
        size_t n_threads = 8, n_peers = 10, n_transactions = 1000000, n_complaints;
        uint64_t seed = (uint64_t)time(NULL);
        struct bus1_accounts *accounts;
        struct stress stress = {};
        bool self_test = false;
        double start;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                switch (c) {
                case 't':
                        n_threads = strtoul(optarg, NULL, 0);
                        break;
                case 'p':
                        n_peers = strtoul(optarg, NULL, 0);
                        break;
                case 'n':
                        n_transactions = strtoul(optarg, NULL, 0);
                        break;
                case 's':
                        seed = strtoull(optarg, NULL, 0);
                        break;
                case 'x':
                        self_test = true;
                        break;
                default:
                        return 2;
                }
        }
        if (n_threads < 1 || n_threads > MAX_THREADS || n_peers < 1 || n_transactions < 1 || n_transactions >= HISTORY_NONE / 2)
                return 2;

        printf("%zu threads, %zu peers, seed %llu\n", n_threads, n_peers, (unsigned long long)seed);
        accounts = bus1_accounts_new(NULL);
        if (IS_ERR(accounts))
                fail("no memory");
        set_up(&stress, accounts, n_peers, n_transactions);

        start = now();
        run_workers(&stress, n_threads, seed);
        drain(&stress);
        check_settled(&stress);
        release_handles(&stress);
        drain(&stress);
        check_empty(&stress);
        report(&stress, now() - start);

        stress.history.n_transactions = n_transactions;
        stress.history.n_nodes = stress.n_nodes < stress.max_nodes ? stress.n_nodes : stress.max_nodes;
        start = now();
        n_complaints = self_test ? history_self_test(&stress.history) :
                                   history_check(&stress.history, true);
        printf("order checked in %.1f s: %zu complaints\n", now() - start, n_complaints);

        tear_down(&stress);
        check_accounts(accounts);
        bus1_accounts_unref(accounts);
        return n_complaints ? 1 : 0;
}
