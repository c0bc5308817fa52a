/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The history of a stress run, and the checker of its order
 *
 * Each send, release of IDs, reset and end of a peer during the run is one transaction. A
 * transaction has an index. The history of a peer lists, in the order of events, the transactions
 * that the peer began, the messages that it received, and those notifications that belong to a
 * release (see receive_node_release()). After a reset the peer has another history. Time is a
 * counter of the test, which all threads share. A thread takes the next number before it begins a
 * transaction and after the transaction has ended.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_MAX_DESTINATIONS 5
#define HISTORY_NONE UINT32_MAX

struct history_transaction {
        uint64_t begin;
        uint64_t end;
        uint32_t sender;
        bool is_release;
        uint8_t n_destinations;
        /*
         * the nodes to which the message is sent; unused if is_release, because the stress test
         * checks notifications when it receives them
         */
        uint32_t destinations[HISTORY_MAX_DESTINATIONS];
};

struct history_node {
        uint32_t owner;
        bool is_oneshot;
        /* its owner released it or ended; then messages to the node may be missing */
        bool is_released;
};

struct history_event {
        uint32_t transaction;
        uint32_t node; /* of the entry received; HISTORY_NONE: the peer began the transaction */
};

struct history_peer {
        struct history_event *events;
        size_t n_events;
        size_t n_allocated;
};

struct history {
        struct history_transaction *transactions;
        size_t n_transactions;
        struct history_node *nodes;
        size_t n_nodes;
        struct history_peer *peers;
        size_t n_peers;
};

void history_append(struct history_peer *peer, uint32_t transaction, uint32_t node);

/* Returns the number of errors. If loud, prints the first ten. */
size_t history_check(const struct history *history, bool loud);

/*
 * Damage a history in several ways, one after the other, and check it each time. Returns how many
 * damages the check does not notice. The result is also not 0 if the history has an error from the
 * start, or has no messages that could be damaged.
 */
size_t history_self_test(struct history *history);
