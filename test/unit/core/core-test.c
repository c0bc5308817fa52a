/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Common parts of the unit tests of the core, see core-test.h
 */

#include "core-test.h"
#include "commit.h"
#include "message.h"
#include "node.h"
#include "peer.h"
#include <stdlib.h>
#include <string.h>

static void count_wake(struct bus1_peer *peer, unsigned int n, void *data) {
        *(unsigned *)data += n;
}

struct world world_new_limited(size_t n_peers, const struct bus1_limits *limits) {
        struct world world = {.accounts = bus1_accounts_new(limits)};

        ck_assert(!IS_ERR(world.accounts));
        for (size_t i = 0; i < n_peers; i++) {
                /* No wake function: it would count in world, which is returned by value. */
                world.peers[i] = bus1_peer_new(world.accounts, KUIDT_INIT(1000), NULL, NULL);
                ck_assert(!IS_ERR(world.peers[i]));
        }
        world.n_peers = n_peers;
        return world;
}

struct world world_new(size_t n_peers) {
        return world_new_limited(n_peers, NULL);
}

struct bus1_peer *world_add(struct world *world, u32 uid) {
        size_t i = world->n_peers++;

        world->peers[i] =
                bus1_peer_new(world->accounts, KUIDT_INIT(uid), count_wake, &world->n_wakes[i]);
        ck_assert(!IS_ERR(world->peers[i]));
        return world->peers[i];
}

void world_free(struct world *world) {
        u64 used[_BUS1_RESOURCE_N];
        size_t n_accounts;

        for (size_t i = 0; i < world->n_peers; i++)
                bus1_peer_disconnect(world->peers[i]);
        for (size_t i = 0; i < world->n_peers; i++)
                bus1_peer_unref(world->peers[i]);
        bus1_accounts_usage(world->accounts, &n_accounts, used);
        ck_assert_uint_eq(n_accounts, 0);
        bus1_accounts_unref(world->accounts);
}

void create(struct bus1_peer *owner, struct bus1_peer *holder, u64 flags, u64 *ret_node,
            u64 *ret_handle) {
        struct bus1_transfer src = {BUS1_TRANSFER_FLAG_CREATE | flags, BUS1_INVALID}, dst;

        ck_assert_int_eq(bus1_peer_transfer(owner, holder, &src, &dst, 1), 0);
        ck_assert_uint_eq(src.flags, 0);
        ck_assert_uint_eq(dst.flags, 0);
        ck_assert_uint_eq(src.id & BUS1_MANAGED, BUS1_MANAGED);
        ck_assert_uint_eq(dst.id & BUS1_MANAGED, BUS1_MANAGED);
        *ret_node = src.id;
        *ret_handle = dst.id;
}

u64 copy(struct bus1_peer *from, struct bus1_peer *to, u64 handle) {
        struct bus1_transfer src = {0, handle}, dst;

        ck_assert_int_eq(bus1_peer_transfer(from, to, &src, &dst, 1), 0);
        return dst.id;
}

int try_release(struct bus1_peer *peer, u64 id) {
        return bus1_peer_release(peer, &id, 1);
}

int try_send(struct bus1_peer *peer, const u64 *destinations, size_t n, const char *text,
             struct bus1_transfer *transfers, size_t n_transfers) {
        struct bus1_payload *payload = bus1_payload_new(strlen(text), 0);
        int r;

        if (IS_ERR(payload))
                return PTR_ERR(payload);
        memcpy(payload->data, text, strlen(text));
        r = bus1_peer_send(peer, &(struct bus1_send){
                                         .destinations = destinations,
                                         .n_destinations = n,
                                         .transfers = transfers,
                                         .n_transfers = n_transfers,
                                         .payload = payload,
                                 });
        bus1_payload_unref(payload);
        return r;
}

int try_send_payload(struct bus1_peer *peer, const u64 *destinations, size_t n,
                     struct bus1_payload *payload) {
        int r;

        ck_assert(!IS_ERR(payload));
        r = bus1_peer_send(peer, &(struct bus1_send){
                                         .destinations = destinations,
                                         .n_destinations = n,
                                         .payload = payload,
                                 });
        bus1_payload_unref(payload);
        return r;
}

void send_text(struct bus1_peer *peer, u64 destination, const char *text) {
        ck_assert_int_eq(try_send(peer, &destination, 1, text, NULL, 0), 0);
}

void send_handle(struct bus1_peer *peer, u64 destination, u64 handle) {
        struct bus1_transfer transfer = {0, handle};

        ck_assert_int_eq(try_send(peer, &destination, 1, "", &transfer, 1), 0);
}

struct bus1_delivery *send_handle_begin(struct bus1_peer *peer, u64 destination, u64 handle) {
        struct bus1_payload *payload = bus1_payload_new(0, 0);
        struct bus1_node *node, *carried;
        struct bus1_delivery *delivery;

        ck_assert(!IS_ERR(payload));
        mutex_lock(&peer->lock);
        node = bus1_peer_find_handle(peer, destination)->node;
        carried = bus1_peer_find_handle(peer, handle)->node;
        mutex_unlock(&peer->lock);
        delivery = bus1_delivery_new(peer, node, payload, &carried, 1);
        bus1_payload_unref(payload);
        ck_assert(!IS_ERR(delivery));
        bus1_delivery_link(delivery);
        return delivery;
}

void send_handle_end(struct bus1_peer *peer, struct bus1_delivery *delivery) {
        struct bus1_tx tx;

        bus1_tx_init(&tx, peer);
        bus1_tx_add(&tx, &delivery->entry);
        bus1_tx_commit(&tx);
}

struct received test_recv(struct bus1_peer *peer) {
        struct received received = {};
        struct bus1_recv recv;

        received.r = bus1_peer_recv_begin(peer, &recv);
        if (received.r < 0)
                return received;

        received.type = recv.type;
        received.id = recv.id;
        received.has_account = recv.has_account;
        received.account = recv.has_account ? __kuid_val(recv.account) : 0;
        if (recv.payload) {
                received.pid = pid_nr(recv.payload->creds.pid);
                received.n_data = recv.payload->n_data;
                received.n_files = recv.payload->n_files;
                if (received.n_data < sizeof(received.data))
                        memcpy(received.data, recv.payload->data, received.n_data);
        }
        received.n_transfers = recv.n_transfers;
        for (size_t i = 0; i < recv.n_transfers; i++)
                received.transfers[i] = bus1_recv_transfer(&recv, i).id;
        received.r = bus1_peer_recv_commit(&recv);
        return received;
}

void expect_text(struct bus1_peer *peer, u64 node, const char *text) {
        struct received received = test_recv(peer);

        ck_assert_int_eq(received.r, 0);
        ck_assert_uint_eq(received.type, BUS1_MESSAGE_TYPE_USER);
        ck_assert_uint_eq(received.id, node);
        ck_assert(received.has_account);
        ck_assert_str_eq(received.data, text);
}

static void expect_notification(struct bus1_peer *peer, u64 type, u64 id) {
        struct received received = test_recv(peer);

        ck_assert_int_eq(received.r, 0);
        ck_assert_uint_eq(received.type, type);
        ck_assert_uint_eq(received.id, id);
        ck_assert(!received.has_account);
        ck_assert_uint_eq(received.n_transfers, 0);
        /* After the notification the peer does not have this ID any more, so releasing it fails. */
        ck_assert_int_eq(try_release(peer, id), -EBADRQC);
}

void expect_node_release(struct bus1_peer *peer, u64 handle) {
        expect_notification(peer, BUS1_MESSAGE_TYPE_NODE_RELEASE, handle);
}

void expect_handle_release(struct bus1_peer *peer, u64 node) {
        expect_notification(peer, BUS1_MESSAGE_TYPE_HANDLE_RELEASE, node);
}

u64 expect_handle(struct bus1_peer *peer, u64 node) {
        struct received received = test_recv(peer);

        ck_assert_int_eq(received.r, 0);
        ck_assert_uint_eq(received.type, BUS1_MESSAGE_TYPE_USER);
        ck_assert_uint_eq(received.id, node);
        ck_assert_uint_eq(received.n_transfers, 1);
        return received.transfers[0];
}

void expect_nothing(struct bus1_peer *peer) {
        struct bus1_recv recv;

        /* A queue with nothing to receive is not readable. */
        ck_assert_uint_eq(bus1_peer_poll(peer), 0);
        ck_assert_int_eq(bus1_peer_recv_begin(peer, &recv), -EAGAIN);
        ck_assert_uint_eq(bus1_peer_poll(peer), 0);
}

struct bus1_cmd_query query(struct bus1_peer *peer) {
        struct bus1_cmd_query q = {};

        ck_assert_int_eq(bus1_peer_query(peer, &q), 0);
        return q;
}

static int pool_write(void *data, u64 offset, const void *from, size_t n) {
        struct pool *pool = data;

        if (pool->fails)
                return -ENOMEM;
        ck_assert_uint_le(offset + n, POOL_SIZE);
        memcpy(pool->memory + offset, from, n);
        for (u64 page = offset / 4096; n > 0 && page <= (offset + n - 1) / 4096; page++) {
                pool->n_pages += !pool->pages[page];
                pool->pages[page] = true;
        }
        return 0;
}

static void pool_discard(void *data, u64 offset, u64 n) {
        struct pool *pool = data;

        ck_assert_uint_le(offset + n, POOL_SIZE);
        ck_assert_uint_eq((offset | n) % 4096, 0);
        memset(pool->memory + offset, 0, n);
        for (u64 page = offset / 4096; page < (offset + n) / 4096; page++) {
                if (pool->pages[page])
                        pool->n_discarded += 4096;
                pool->n_pages -= pool->pages[page];
                pool->pages[page] = false;
        }
}

const struct bus1_pool_memory pool_memory = {
        .write = pool_write,
        .discard = pool_discard,
};

struct pool pool_new(void) {
        struct pool pool = {.memory = calloc(1, POOL_SIZE)};

        ck_assert_ptr_nonnull(pool.memory);
        return pool;
}

int run_suite(Suite *suite) {
        SRunner *runner = srunner_create(suite);
        int n_failed;

        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
