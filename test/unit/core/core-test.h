/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Common parts of the unit tests of the core: peers in one table of accounts, and operations on
 * them. If an operation fails, so does the test; only try_...() and test_recv() return the error.
 */

#include "core.h"
#include <check.h>
#include <linux/err.h>
#include <linux/pid.h>
#include <linux/slab.h>

#define MAX_PEERS 32

struct world {
        struct bus1_accounts *accounts;
        struct bus1_peer *peers[MAX_PEERS];
        size_t n_peers;
        unsigned n_wakes[MAX_PEERS]; /* wake-ups of each peer that world_add() made */
};

/* a message or notification that test_recv() received */
struct received {
        int r;
        u64 type;
        u64 id;
        bool has_account;
        u32 account;
        u32 pid;
        size_t n_data;
        char data[64];
        size_t n_files;
        size_t n_transfers;
        u64 transfers[16];
};

struct world world_new(size_t n_peers);
struct world world_new_limited(size_t n_peers, const struct bus1_limits *limits);
/* Disconnects and frees all peers, and checks that no account is left. */
void world_free(struct world *world);
struct bus1_peer *world_add(struct world *world, u32 uid);

/* Create a node of owner, and a handle of holder to it. */
void create(struct bus1_peer *owner, struct bus1_peer *holder, u64 flags, u64 *ret_node,
            u64 *ret_handle);
/* Copy a handle to another peer. */
u64 copy(struct bus1_peer *from, struct bus1_peer *to, u64 handle);
int try_release(struct bus1_peer *peer, u64 id);
int try_send(struct bus1_peer *peer, const u64 *destinations, size_t n, const char *text,
             struct bus1_transfer *transfers, size_t n_transfers);

/* Send a payload and drop the reference to it. */
int try_send_payload(struct bus1_peer *peer, const u64 *destinations, size_t n,
                     struct bus1_payload *payload);
void send_text(struct bus1_peer *peer, u64 destination, const char *text);
/* Send a message with one handle. */
void send_handle(struct bus1_peer *peer, u64 destination, u64 handle);
/* the first part of send_handle(): a send that stops before it stages its message */
struct bus1_delivery *send_handle_begin(struct bus1_peer *peer, u64 destination, u64 handle);
void send_handle_end(struct bus1_peer *peer, struct bus1_delivery *delivery);
struct received test_recv(struct bus1_peer *peer);

void expect_text(struct bus1_peer *peer, u64 node, const char *text);
void expect_node_release(struct bus1_peer *peer, u64 handle);
void expect_handle_release(struct bus1_peer *peer, u64 node);
/* Receive a message with one handle, and return the handle. */
u64 expect_handle(struct bus1_peer *peer, u64 node);
void expect_nothing(struct bus1_peer *peer);

struct bus1_cmd_query query(struct bus1_peer *peer);

#define POOL_SIZE (8 * 1024 * 1024)

/* the memory of a pool; the test frees it with free(memory) */
struct pool {
        u8 *memory;
        /* pages that were written to, and not discarded since */
        bool pages[POOL_SIZE / 4096];
        u64 n_pages;
        /* bytes of such pages that were discarded */
        u64 n_discarded;
        bool fails; /* every write fails */
};

struct pool pool_new(void);
/* the functions that the core calls with a struct pool */
extern const struct bus1_pool_memory pool_memory;

int run_suite(Suite *suite);
