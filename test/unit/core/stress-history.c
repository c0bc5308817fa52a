/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The checker of the order of a stress run, see stress-history.h
 *
 * It checks four properties, each in a function of its own:
 *
 *  - Every message is received exactly once. A message may be missing if its node was released, or
 *    is a one-shot node that received another message.
 *  - If one transaction ends before another one begins, every peer receives them in this order. So
 *    the messages of one sender are received in the order in which it sent them.
 *  - A receiver gets all messages and notifications of one transaction in a row.
 *  - There is one order of all transactions that agrees with the history of every peer.
 */

#include "stress-history.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LOUD 10

struct checker {
        const struct history *history;
        size_t n_complaints;
        bool loud;
};

static void complain(struct checker *checker, const char *what, uint32_t peer, uint32_t a,
                     uint32_t b) {
        if (++checker->n_complaints <= MAX_LOUD && checker->loud)
                fprintf(stderr, "peer %u: %s: transaction %u, %u\n", peer, what, a, b);
}

static void *allocate(size_t n, size_t size) {
        void *p = calloc(n + 1, size);

        if (!p)
                abort();
        return p;
}

void history_append(struct history_peer *peer, uint32_t transaction, uint32_t node) {
        if (peer->n_events == peer->n_allocated) {
                peer->n_allocated = peer->n_allocated ? 2 * peer->n_allocated : 1024;
                peer->events = realloc(peer->events, peer->n_allocated * sizeof(*peer->events));
                if (!peer->events)
                        abort();
        }
        peer->events[peer->n_events++] = (struct history_event){transaction, node};
}

/* Returns the bit of the first destination that is node and is not in mask, or 0. */
static unsigned take_destination(const struct history_transaction *t, uint32_t node,
                                 unsigned mask) {
        for (unsigned i = 0; i < t->n_destinations; i++)
                if (t->destinations[i] == node && !(mask & (1u << i)))
                        return 1u << i;
        return 0;
}

static void check_once(struct checker *checker) {
        const struct history *history = checker->history;
        uint8_t *received = allocate(history->n_transactions, sizeof(*received));
        uint8_t *oneshot = allocate(history->n_nodes, sizeof(*oneshot));
        uint8_t *oneshot_sent = allocate(history->n_nodes, sizeof(*oneshot_sent));

        for (size_t p = 0; p < history->n_peers; p++) {
                for (size_t i = 0; i < history->peers[p].n_events; i++) {
                        const struct history_event *event = &history->peers[p].events[i];
                        const struct history_transaction *t =
                                &history->transactions[event->transaction];
                        unsigned bit;

                        if (event->node == HISTORY_NONE || t->is_release)
                                continue;
                        bit = take_destination(t, event->node, received[event->transaction]);
                        if (bit == 0)
                                complain(checker, "doubled or misdirected", p, event->transaction,
                                         event->node);
                        received[event->transaction] |= bit;
                        if (history->nodes[event->node].is_oneshot && oneshot[event->node]++)
                                complain(checker, "second message on a one-shot node", p,
                                         event->transaction, event->node);
                }
        }

        for (size_t i = 0; i < history->n_transactions; i++) {
                const struct history_transaction *t = &history->transactions[i];

                for (unsigned d = 0; !t->is_release && d < t->n_destinations; d++) {
                        const struct history_node *node = &history->nodes[t->destinations[d]];

                        if (node->is_oneshot)
                                oneshot_sent[t->destinations[d]] = true;
                        else if (!(received[i] & (1u << d)) && !node->is_released)
                                complain(checker, "lost", node->owner, i, t->destinations[d]);
                }
        }
        for (size_t i = 0; i < history->n_nodes; i++)
                if (oneshot_sent[i] && !oneshot[i] && !history->nodes[i].is_released)
                        complain(checker, "one-shot node without its message",
                                 history->nodes[i].owner, HISTORY_NONE, i);

        free(oneshot_sent);
        free(oneshot);
        free(received);
}

/* If one transaction ends before another one begins, no peer may receive the later one first. */
static void check_causality(struct checker *checker) {
        const struct history *history = checker->history;

        for (size_t p = 0; p < history->n_peers; p++) {
                uint32_t latest = HISTORY_NONE;

                for (size_t i = 0; i < history->peers[p].n_events; i++) {
                        const struct history_event *event = &history->peers[p].events[i];
                        const struct history_transaction *t =
                                &history->transactions[event->transaction];

                        if (event->node == HISTORY_NONE)
                                continue;
                        if (latest != HISTORY_NONE && t->end < history->transactions[latest].begin)
                                complain(checker, "received before its cause", p, latest,
                                         event->transaction);
                        if (latest == HISTORY_NONE ||
                            t->begin > history->transactions[latest].begin)
                                latest = event->transaction;
                }
        }
}

static void check_adjacency(struct checker *checker) {
        const struct history *history = checker->history;
        uint32_t *seen = allocate(history->n_transactions, sizeof(*seen));

        for (size_t p = 0; p < history->n_peers; p++) {
                uint32_t previous = HISTORY_NONE;

                for (size_t i = 0; i < history->peers[p].n_events; i++) {
                        const struct history_event *event = &history->peers[p].events[i];

                        if (event->node == HISTORY_NONE)
                                continue;
                        if (seen[event->transaction] == p + 1 && previous != event->transaction)
                                complain(checker, "torn apart", p, event->transaction, previous);
                        seen[event->transaction] = p + 1;
                        previous = event->transaction;
                }
        }
        free(seen);
}

/*
 * Call edge() for pairs of transactions whose order the history of a peer fixes: what a peer
 * receives later comes later, and a transaction that a peer begins comes after all those that it
 * began or received before.
 */
static void visit_edges(const struct history *history,
                        void (*edge)(void *data, uint32_t from, uint32_t to), void *data) {
        for (size_t p = 0; p < history->n_peers; p++) {
                uint32_t received = HISTORY_NONE, sent = HISTORY_NONE;

                for (size_t i = 0; i < history->peers[p].n_events; i++) {
                        const struct history_event *event = &history->peers[p].events[i];
                        uint32_t t = event->transaction;

                        if (received != HISTORY_NONE && received != t)
                                edge(data, received, t);
                        if (event->node == HISTORY_NONE) {
                                if (sent != HISTORY_NONE)
                                        edge(data, sent, t);
                                sent = t;
                        } else {
                                received = t;
                        }
                }
        }
}

struct graph {
        /*
         * next has the successors of all transactions. Those of transaction t are next[first[t]] to
         * next[first[t + 1] - 1].
         */
        uint32_t *first;
        uint32_t *next;
        uint32_t *n_before; /* predecessors of each transaction that are not removed yet */
};

static void count_edge(void *data, uint32_t from, uint32_t to) {
        struct graph *graph = data;

        ++graph->first[from];
        ++graph->n_before[to];
}

static void store_edge(void *data, uint32_t from, uint32_t to) {
        struct graph *graph = data;

        graph->next[--graph->first[from]] = to;
}

/*
 * Remove transactions without predecessors as long as there are any. If other transactions remain,
 * there is a cycle, and so no order.
 */
static void check_one_order(struct checker *checker) {
        size_t n = checker->history->n_transactions, n_edges = 0, n_ready = 0, n_done = 0;
        struct graph graph = {
                .first = allocate(n + 1, sizeof(uint32_t)),
                .n_before = allocate(n, sizeof(uint32_t)),
        };
        uint32_t *ready = allocate(n, sizeof(*ready));

        visit_edges(checker->history, count_edge, &graph);
        for (size_t i = 0; i <= n; i++) {
                n_edges += graph.first[i];
                graph.first[i] = n_edges;
        }
        graph.next = allocate(n_edges, sizeof(uint32_t));
        visit_edges(checker->history, store_edge, &graph);

        for (size_t i = 0; i < n; i++)
                if (graph.n_before[i] == 0)
                        ready[n_ready++] = i;
        while (n_done < n_ready) {
                uint32_t t = ready[n_done++];

                for (uint32_t e = graph.first[t]; e < graph.first[t + 1]; e++)
                        if (--graph.n_before[graph.next[e]] == 0)
                                ready[n_ready++] = graph.next[e];
        }
        if (n_done < n)
                complain(checker, "no one order of transactions; left over", HISTORY_NONE,
                         (uint32_t)(n - n_done), (uint32_t)n);

        free(ready);
        free(graph.next);
        free(graph.n_before);
        free(graph.first);
}

size_t history_check(const struct history *history, bool loud) {
        struct checker checker = {.history = history, .loud = loud};

        check_once(&checker);
        check_causality(&checker);
        check_adjacency(&checker);
        check_one_order(&checker);
        return checker.n_complaints;
}

/* self-test */

static bool is_message(const struct history *history, const struct history_event *event) {
        return event->node != HISTORY_NONE && !history->transactions[event->transaction].is_release;
}

/*
 * Returns the position of a message that must not be missing, or SIZE_MAX when the peer received no
 * such message. Messages to one-shot and released nodes may be missing.
 */
static size_t find_message(const struct history *history, const struct history_peer *peer) {
        for (size_t i = peer->n_events; i-- > 0;)
                if (is_message(history, &peer->events[i]) &&
                    !history->nodes[peer->events[i].node].is_oneshot &&
                    !history->nodes[peer->events[i].node].is_released)
                        return i;
        return SIZE_MAX;
}

static void swap_events(struct history_event *a, struct history_event *b) {
        struct history_event t = *a;

        *a = *b;
        *b = t;
}

static size_t expect_complaint(const struct history *history, const char *what) {
        size_t n = history_check(history, false);

        printf("self-test: %-40s %s\n", what, n ? "noticed" : "NOT NOTICED");
        return n ? 0 : 1;
}

/*
 * Find two messages that peer a receives in a row, whose transactions overlap in time, have
 * different senders, and both have a message to peer b too. Returns whether there are two such
 * messages. If so, *ret_i and *ret_j are their positions in the history of a.
 */
static bool find_common(const struct history *history, size_t a, size_t b, size_t *ret_i,
                        size_t *ret_j) {
        const struct history_peer *pa = &history->peers[a], *pb = &history->peers[b];
        uint8_t *in_b = allocate(history->n_transactions, 1);
        size_t previous = SIZE_MAX;
        bool found = false;

        for (size_t i = 0; i < pb->n_events; i++)
                if (is_message(history, &pb->events[i]))
                        in_b[pb->events[i].transaction] = 1;
        for (size_t i = 0; i < pa->n_events && !found; i++) {
                if (pa->events[i].node == HISTORY_NONE)
                        continue;
                if (!is_message(history, &pa->events[i]) || !in_b[pa->events[i].transaction]) {
                        previous = SIZE_MAX;
                        continue;
                }
                if (previous != SIZE_MAX) {
                        const struct history_transaction *s, *t;

                        s = &history->transactions[pa->events[previous].transaction];
                        t = &history->transactions[pa->events[i].transaction];
                        /* If s and t overlap, the history of b shows their order; time does not. */
                        if (s != t && s->sender != t->sender && t->begin < s->end) {
                                *ret_i = previous;
                                *ret_j = i;
                                found = true;
                        }
                }
                previous = i;
        }
        free(in_b);
        return found;
}

static struct history_peer *longest_history(struct history *history) {
        struct history_peer *longest = NULL;

        for (size_t i = 0; i < history->n_peers; i++)
                if ((!longest || history->peers[i].n_events > longest->n_events) &&
                    find_message(history, &history->peers[i]) != SIZE_MAX)
                        longest = &history->peers[i];
        return longest;
}

size_t history_self_test(struct history *history) {
        struct history_peer *peer = longest_history(history);
        size_t n_missed = 0, i, j;
        struct history_event saved;

        if (history_check(history, true) > 0)
                return 1;

        if (!peer) {
                printf("self-test: no message to a node that is left\n");
                return 1;
        }

        /* lose a message */
        i = find_message(history, peer);
        saved = peer->events[i];
        memmove(&peer->events[i], &peer->events[i + 1], (peer->n_events - i - 1) * sizeof(saved));
        --peer->n_events;
        n_missed += expect_complaint(history, "a message is lost");
        memmove(&peer->events[i + 1], &peer->events[i], (peer->n_events - i) * sizeof(saved));
        peer->events[i] = saved;
        ++peer->n_events;

        /* double a message */
        history_append(peer, peer->events[i].transaction, peer->events[i].node);
        n_missed += expect_complaint(history, "a message is doubled");
        --peer->n_events;

        /* violate the order of time: exchange the first message and the last one */
        for (i = 0; !is_message(history, &peer->events[i]); i++)
                ;
        for (j = peer->n_events - 1; !is_message(history, &peer->events[j]); --j)
                ;
        swap_events(&peer->events[i], &peer->events[j]);
        n_missed += expect_complaint(history, "a message overtakes its causes");
        swap_events(&peer->events[i], &peer->events[j]);

        /*
         * violate the one order: at one of two receivers, exchange two multicasts that overlap in
         * time
         */
        for (size_t a = 0; a < history->n_peers; a++) {
                for (size_t b = 0; b < history->n_peers; b++) {
                        if (a == b || !find_common(history, a, b, &i, &j))
                                continue;
                        swap_events(&history->peers[a].events[i], &history->peers[a].events[j]);
                        n_missed += expect_complaint(history, "two receivers disagree on an order");
                        swap_events(&history->peers[a].events[i], &history->peers[a].events[j]);
                        return n_missed + (history_check(history, true) ? 1 : 0);
                }
        }
        printf("self-test: no two overlapping multicasts with common receivers\n");
        return n_missed + 1;
}
