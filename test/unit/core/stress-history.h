/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The history of a stress run, and the checker of its order
 *
 * Every send and every release is one transaction with an index. The history of each peer lists
 * what it sent and received, in this order. Time is a counter that all threads share, outside the
 * core. Every transaction reads it before it begins and after it has ended.
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
        /* nodes. Unused if is_release: then the notifications are checked as they are received */
        uint32_t destinations[HISTORY_MAX_DESTINATIONS];
};

struct history_node {
        uint32_t owner;
        bool is_oneshot;
        /* its owner released it, maybe before receiving every message */
        bool is_released;
};

struct history_event {
        uint32_t transaction;
        uint32_t node; /* HISTORY_NONE: the peer has sent the transaction */
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

/* Returns the number of errors; prints each if loud. */
size_t history_check(const struct history *history, bool loud);

/* Damage a clean history in several ways. Returns the number of damages that go unnoticed. */
size_t history_self_test(struct history *history);
