/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Peers of 2016: IDs, references, notifications, the pool, the seed; and both generations together
 */

#include "core-test.h"
#include "v2016.h"
#include <linux/limits.h>
#include <linux/mm.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 200000

static struct world world;
static struct pool pools[MAX_PEERS];
/* two peers of 2016 and two of 2026 */
static struct bus1_peer *a, *b, *c, *d;

static void setup_peers(void) {
        for (size_t i = 0; i < 2; i++) {
                pools[i] = pool_new();
                ck_assert_int_eq(bus1_v2016_enable(world.peers[i], &pool_memory, &pools[i]), 0);
        }
        a = world.peers[0];
        b = world.peers[1];
        c = world.peers[2];
        d = world.peers[3];
}

static void setup(void) {
        world = world_new(4);
        setup_peers();
}

static void teardown(void) {
        world_free(&world);
        for (size_t i = 0; i < 2; i++)
                free(pools[i].memory);
}

/* operations */

static int send_2016(struct bus1_peer *peer, u64 flags, const u64 *destinations, size_t n,
                     s32 *errors, const char *text, const u64 *handles, size_t n_handles) {
        struct bus1_payload *payload = bus1_payload_new(strlen(text), 0);
        int r;

        if (IS_ERR(payload))
                return PTR_ERR(payload);
        memcpy(payload->data, text, strlen(text));
        r = bus1_v2016_send(peer, &(struct bus1_v2016_send){
                                          .flags = flags,
                                          .destinations = destinations,
                                          .n_destinations = n,
                                          .errors = errors,
                                          .handles = handles,
                                          .n_handles = n_handles,
                                          .payload = payload,
                                  });
        bus1_payload_unref(payload);
        return r;
}

static void tell(struct bus1_peer *peer, u64 handle, const char *text) {
        ck_assert_int_eq(send_2016(peer, 0, &handle, 1, NULL, text, NULL, 0), 0);
}

static void give(struct bus1_peer *peer, u64 handle, u64 given) {
        ck_assert_int_eq(send_2016(peer, 0, &handle, 1, NULL, "", &given, 1), 0);
}

static int set_seed(struct bus1_peer *peer, const char *text, const u64 *handles, size_t n) {
        return send_2016(peer, BUS1_2016_SEND_SEED, NULL, 0, NULL, text, handles, n);
}

struct got {
        int r;
        struct bus1_2016_msg msg;
        char text[64];
        u64 ids[16];
};

static struct got get_below(struct bus1_peer *peer, u64 flags, u64 max_offset) {
        struct pool *pool = &pools[peer == a ? 0 : 1];
        struct bus1_v2016_recv recv = {.flags = flags, .max_offset = max_offset};
        struct got got = {};

        got.r = bus1_v2016_recv(peer, &recv);
        if (got.r < 0) {
                ck_assert_ptr_null(recv.payload);
                return got;
        }
        got.msg = recv.msg;
        if (recv.msg.type == BUS1_2016_MSG_DATA) {
                const u8 *slice = pool->memory + recv.msg.offset;

                ck_assert_ptr_nonnull(recv.payload);
                ck_assert_uint_lt(recv.msg.n_bytes, sizeof(got.text));
                memcpy(got.text, slice, recv.msg.n_bytes);
                memcpy(got.ids, slice + (recv.msg.n_bytes + 7) / 8 * 8, recv.msg.n_handles * 8);
        } else {
                ck_assert_ptr_null(recv.payload);
                ck_assert_uint_eq(recv.msg.offset, BUS1_2016_INVALID);
        }
        bus1_payload_unref(recv.payload);
        return got;
}

static struct got get(struct bus1_peer *peer, u64 flags) {
        return get_below(peer, flags, U64_MAX);
}

static int free_slice(struct bus1_peer *peer, const struct got *got) {
        return bus1_v2016_slice_release(peer, got->msg.offset);
}

static void get_text(struct bus1_peer *peer, u64 node, const char *text) {
        struct got got = get(peer, 0);

        ck_assert_int_eq(got.r, 0);
        ck_assert_uint_eq(got.msg.type, BUS1_2016_MSG_DATA);
        ck_assert_uint_eq(got.msg.destination, node);
        ck_assert_str_eq(got.text, text);
        ck_assert_int_eq(free_slice(peer, &got), 0);
}

/* Receive a message with one handle, and return the handle. */
static u64 get_handle(struct bus1_peer *peer) {
        struct got got = get(peer, 0);

        ck_assert_int_eq(got.r, 0);
        ck_assert_uint_eq(got.msg.type, BUS1_2016_MSG_DATA);
        ck_assert_uint_eq(got.msg.n_handles, 1);
        ck_assert_int_eq(free_slice(peer, &got), 0);
        return got.ids[0];
}

static void get_notification(struct bus1_peer *peer, u64 type, u64 id) {
        struct got got = get(peer, 0);

        ck_assert_int_eq(got.r, 0);
        ck_assert_uint_eq(got.msg.type, type);
        ck_assert_uint_eq(got.msg.destination, id);
}

static void get_nothing(struct bus1_peer *peer) {
        ck_assert_uint_eq(bus1_peer_poll(peer), 0);
        ck_assert_int_eq(get(peer, 0).r, -EAGAIN);
}

static u64 transfer(struct bus1_peer *from, struct bus1_peer *to, u64 handle) {
        u64 id = 0;

        ck_assert_int_eq(bus1_v2016_handle_transfer(from, to, handle, &id), 0);
        return id;
}

static int release(struct bus1_peer *peer, u64 id) {
        return bus1_v2016_handle_release(peer, id);
}

static int destroy(struct bus1_peer *peer, u64 flags, u64 id) {
        return bus1_v2016_nodes_destroy(peer, flags, &id, 1);
}

static u64 used(enum bus1_resource resource) {
        u64 all[_BUS1_RESOURCE_N];
        size_t n;

        bus1_accounts_usage(world.accounts, &n, all);
        return all[resource];
}

/* IDs */

START_TEST(node_is_made_by_the_first_use_of_its_id) {
        u64 handle = transfer(a, b, 0x100);

        ck_assert_uint_eq(handle & 3, BUS1_2016_HANDLE_MANAGED | BUS1_2016_HANDLE_REMOTE);
        tell(b, handle, "hello");
        get_text(a, 0x100, "hello");

        /* a send makes two nodes: that of its destination, and that of the handle in the message */
        give(a, 0x104, 0x108);
        ck_assert_uint_eq(get_handle(a), 0x108);
        ck_assert_int_eq(release(a, 0x108), 0);
        get_notification(a, BUS1_2016_MSG_NODE_RELEASE, 0x108);
        get_nothing(a);
}
END_TEST

START_TEST(only_ids_of_ones_own_choice_make_nodes) {
        u64 before = used(BUS1_RESOURCE_OBJECTS), id, two[] = {0x200, 0x203};

        ck_assert_int_eq(bus1_v2016_handle_transfer(a, b, 0x101, &id), -ENXIO);
        ck_assert_int_eq(bus1_v2016_handle_transfer(a, b, 0x103, &id), -ENXIO);
        ck_assert_int_eq(bus1_v2016_handle_transfer(a, b, 0x102, &id), -EINVAL);
        ck_assert_int_eq(bus1_v2016_handle_transfer(a, b, BUS1_2016_INVALID, &id), -ENXIO);
        /* a failed command creates no node */
        ck_assert_int_eq(send_2016(a, 0, two, 2, NULL, "", NULL, 0), -ENXIO);
        ck_assert_int_eq(send_2016(a, 0, two, 1, NULL, "", two, 2), -ENXIO);
        ck_assert_int_eq(release(a, 0x200), -ENXIO);
        ck_assert_int_eq(destroy(a, 0, 0x200), -ENXIO);
        ck_assert_uint_eq(used(BUS1_RESOURCE_OBJECTS), before);
        get_nothing(a);
}
END_TEST

START_TEST(a_peer_has_one_handle_to_a_node) {
        u64 handle = transfer(a, b, 0x100), objects = used(BUS1_RESOURCE_OBJECTS);

        transfer(b, a, 0x10);
        ck_assert_uint_eq(transfer(a, b, 0x100), handle);
        give(b, handle, handle);
        ck_assert_uint_eq(get_handle(a), 0x100);
        ck_assert_uint_eq(used(BUS1_RESOURCE_OBJECTS), objects + 3);

        /* b has two references; without them the ID is unknown, and the core never uses it again */
        ck_assert_int_eq(release(b, handle), 0);
        ck_assert_int_eq(release(b, handle), 0);
        ck_assert_int_eq(release(b, handle), -ENXIO);
        ck_assert_int_ne(transfer(a, b, 0x100), handle);
}
END_TEST

START_TEST(pinned_reference_is_not_the_users) {
        transfer(a, b, 0x100);
        ck_assert_int_eq(release(a, 0x100), -EPERM);
        ck_assert_uint_eq(transfer(a, a, 0x100), 0x100);
        ck_assert_int_eq(release(a, 0x100), 0);
        ck_assert_int_eq(release(a, 0x100), -EPERM);
        get_nothing(a);
}
END_TEST

START_TEST(ids_say_nothing_to_others) {
        u64 handle = transfer(a, b, 0x100), id;

        ck_assert_int_eq(send_2016(a, 0, &handle, 1, NULL, "", NULL, 0), -ENXIO);
        ck_assert_int_eq(release(a, handle), -ENXIO);
        ck_assert_int_eq(bus1_v2016_handle_transfer(a, b, handle, &id), -ENXIO);
        /* b can choose the same ID for a node: each peer has its own IDs */
        tell(b, 0x100, "mine");
        get_text(b, 0x100, "mine");
        tell(b, handle, "his");
        get_text(a, 0x100, "his");
        get_nothing(a);
        get_nothing(b);
}
END_TEST

START_TEST(handle_in_flight_is_no_reference_of_the_receiver) {
        u64 to_b = transfer(b, a, 0x10), handle = transfer(a, b, 0x100), again;

        give(a, to_b, 0x100);
        give(a, to_b, 0x100);
        /* the queued messages give b no reference: it has only the one from the transfer */
        ck_assert_int_eq(release(b, handle), 0);
        ck_assert_int_eq(release(b, handle), -ENXIO);
        ck_assert_int_eq(send_2016(b, 0, &handle, 1, NULL, "", NULL, 0), -ENXIO);
        get_nothing(a);
        again = get_handle(b);
        ck_assert_uint_ne(again, handle);
        ck_assert_int_eq(release(b, again), 0);
        ck_assert_int_eq(release(b, again), -ENXIO);
        get_nothing(a);
        again = get_handle(b);
        ck_assert_int_eq(release(b, again), 0);
        get_notification(a, BUS1_2016_MSG_NODE_RELEASE, 0x100);
        get_nothing(a);
}
END_TEST

START_TEST(access_is_passed_on_and_ends_with_the_node) {
        u64 handle = transfer(a, b, 0x100), node, own, to_c, passed;

        /* b passes on its handle to the node of a, and drops its own reference */
        create(c, c, 0, &node, &own);
        to_c = copy(c, b, own);
        give(b, to_c, handle);
        ck_assert_int_eq(release(b, handle), 0);
        passed = expect_handle(c, node);
        get_nothing(a);
        send_text(c, passed, "still there");
        get_text(a, 0x100, "still there");
        ck_assert_int_eq(destroy(a, BUS1_2016_DESTROY_RELEASE_HANDLES, 0x100), 0);
        expect_node_release(c, passed);
        get_nothing(b);
}
END_TEST

START_TEST(every_destination_gets_the_handles) {
        u64 ids[3], node, own, given = 0x100, first, at_c;

        create(c, c, 0, &node, &own);
        ids[0] = transfer(b, a, 0x10);
        ids[1] = transfer(b, a, 0x14);
        ids[2] = copy(c, a, own);
        ck_assert_int_eq(send_2016(a, 0, ids, 3, NULL, "", &given, 1), 0);
        first = get_handle(b);
        ck_assert_uint_eq(get_handle(b), first);
        at_c = expect_handle(c, node);
        ck_assert_int_eq(release(b, first), 0);
        ck_assert_int_eq(release(b, first), 0);
        ck_assert_int_eq(release(b, first), -ENXIO);
        get_nothing(a);
        send_text(c, at_c, "x");
        get_text(a, 0x100, "x");
        ck_assert_int_eq(try_release(c, at_c), 0);
        get_notification(a, BUS1_2016_MSG_NODE_RELEASE, 0x100);
}
END_TEST

/* notifications */

START_TEST(owner_is_told_when_all_references_are_dropped) {
        u64 handle = transfer(a, b, 0x100);

        transfer(a, b, 0x100);
        transfer(a, a, 0x100);
        release(b, handle);
        release(b, handle);
        get_nothing(a);
        release(a, 0x100);
        get_notification(a, BUS1_2016_MSG_NODE_RELEASE, 0x100);
        get_nothing(a);

        /* the node stays; when all references are dropped again, the owner is notified again */
        handle = transfer(a, b, 0x100);
        tell(b, handle, "still there");
        release(b, handle);
        get_text(a, 0x100, "still there");
        get_notification(a, BUS1_2016_MSG_NODE_RELEASE, 0x100);
        get_nothing(a);
}
END_TEST

START_TEST(new_reference_drops_the_notification) {
        u64 handle = transfer(a, b, 0x100);

        release(b, handle);
        handle = transfer(a, b, 0x100);
        get_nothing(a);
        /* the new reference is dropped too: the notification is queued again, behind the message */
        tell(b, handle, "before");
        release(b, handle);
        get_text(a, 0x100, "before");
        get_notification(a, BUS1_2016_MSG_NODE_RELEASE, 0x100);
        get_nothing(a);
}
END_TEST

START_TEST(handle_in_a_message_is_a_reference) {
        u64 to_b = transfer(b, a, 0x10);

        give(a, to_b, 0x100);
        get_nothing(a);
        /* the end of the node drops the message to it, and so the handle in the message */
        ck_assert_int_eq(destroy(b, BUS1_2016_DESTROY_RELEASE_HANDLES, 0x10), 0);
        get_notification(a, BUS1_2016_MSG_NODE_DESTROY, to_b);
        get_notification(a, BUS1_2016_MSG_NODE_RELEASE, 0x100);
        get_nothing(a);
        get_nothing(b);
}
END_TEST

START_TEST(notifications_are_charged_on_the_owner) {
        const struct bus1_limits limits = {.max[BUS1_RESOURCE_OBJECTS] = 64};
        u64 before;

        teardown();
        world = world_new_limited(4, &limits);
        setup_peers();
        release(b, transfer(a, b, 0x100));
        before = used(BUS1_RESOURCE_OBJECTS);
        /* the notification that a has not received stays charged, and b can still get handles */
        for (int i = 0; i < 10; i++)
                release(b, transfer(a, b, 0x100));
        ck_assert_uint_gt(used(BUS1_RESOURCE_OBJECTS), before - 1);
        get_notification(a, BUS1_2016_MSG_NODE_RELEASE, 0x100);
        get_nothing(a);
        ck_assert_uint_eq(used(BUS1_RESOURCE_OBJECTS), 1);
}
END_TEST

START_TEST(destruction_is_told_to_all_and_ends_no_id) {
        u64 handle = transfer(a, b, 0x100), other = transfer(b, a, 0x10), error = 0;

        tell(b, handle, "before");
        ck_assert_int_eq(destroy(a, 0, 0x100), 0);
        ck_assert_int_eq(destroy(a, 0, 0x100), -EHOSTUNREACH);
        ck_assert_int_eq(destroy(a, 0, other), -EPERM);
        ck_assert_int_eq(send_2016(b, 0, &handle, 1, NULL, "", NULL, 0), -EHOSTUNREACH);
        ck_assert_int_eq(bus1_v2016_handle_transfer(b, a, handle, &error), -EHOSTUNREACH);

        /* the queued message is still delivered */
        get_text(a, 0x100, "before");
        get_notification(a, BUS1_2016_MSG_NODE_DESTROY, 0x100);
        get_notification(b, BUS1_2016_MSG_NODE_DESTROY, handle);
        get_nothing(a);
        get_nothing(b);

        /* owner and holder have one reference each */
        ck_assert_int_eq(release(a, 0x100), 0);
        ck_assert_int_eq(release(a, 0x100), -ENXIO);
        ck_assert_int_eq(release(b, handle), 0);
        ck_assert_int_eq(release(b, handle), -ENXIO);

        /* an ID that the user chose can be used again, for another node */
        transfer(a, b, 0x100);
        ck_assert_int_eq(release(b, handle), -ENXIO);
}
END_TEST

START_TEST(nothing_arrives_once_a_destroyed_node_is_released) {
        u64 handle = transfer(a, b, 0x100), id = 0x100;

        tell(b, handle, "dropped");
        ck_assert_int_eq(destroy(a, 0, 0x100), 0);
        ck_assert_int_eq(release(a, 0x100), 0);
        get_nothing(a);

        transfer(a, b, 0x100);
        transfer(a, a, 0x100);
        ck_assert_int_eq(bus1_v2016_nodes_destroy(a, BUS1_2016_DESTROY_RELEASE_HANDLES, &id, 1), 0);
        /* the flag dropped one reference of the owner; the owner has another one and is notified */
        get_notification(a, BUS1_2016_MSG_NODE_DESTROY, 0x100);
        ck_assert_int_eq(release(a, 0x100), 0);
        ck_assert_int_eq(release(a, 0x100), -ENXIO);
        get_nothing(a);
}
END_TEST

START_TEST(nodes_are_destroyed_all_or_none) {
        u64 nodes[] = {0x100, 0x104, 0x100}, unknown[] = {0x100, 0x200};
        u64 one = transfer(a, b, 0x100), two = transfer(a, b, 0x104);
        struct got got;

        ck_assert_int_eq(bus1_v2016_nodes_destroy(a, 2, nodes, 2), -EINVAL);
        ck_assert_int_eq(bus1_v2016_nodes_destroy(a, 0, nodes, 3), -EINVAL);
        ck_assert_int_eq(bus1_v2016_nodes_destroy(a, 0, unknown, 2), -ENXIO);
        ck_assert_int_eq(bus1_v2016_nodes_destroy(a, 0, nodes, BUS1_MAX_IDS + 1), -EMSGSIZE);
        tell(b, one, "x");
        get_text(a, 0x100, "x");
        get_nothing(b);

        ck_assert_int_eq(bus1_v2016_nodes_destroy(a, 0, nodes, 2), 0);
        got = get(b, 0);
        ck_assert_uint_eq(got.msg.destination, one);
        ck_assert_uint_eq(got.msg.flags, BUS1_2016_MSG_CONTINUE);
        got = get(b, 0);
        ck_assert_uint_eq(got.msg.destination, two);
        ck_assert_uint_eq(got.msg.flags, 0);
}
END_TEST

START_TEST(handle_of_a_destroyed_node_arrives_as_none) {
        u64 to_b = transfer(b, a, 0x10), handle = transfer(b, a, 0x14);
        struct got got;

        give(a, to_b, 0x100);
        ck_assert_int_eq(destroy(a, 0, 0x100), 0);
        give(a, to_b, 0x100);
        /*
         * a handle sent before its node was destroyed still gets an ID, and the notification
         * follows
         */
        handle = get_handle(b);
        ck_assert_uint_ne(handle, BUS1_2016_INVALID);
        get_notification(b, BUS1_2016_MSG_NODE_DESTROY, handle);
        got = get(b, 0);
        ck_assert_int_eq(got.r, 0);
        ck_assert_uint_eq(got.ids[0], BUS1_2016_INVALID);
        get_nothing(b);
}
END_TEST

START_TEST(notification_about_an_unknown_handle_is_kept_back) {
        u64 to_a = transfer(a, c, 0x100), copy_of, destination, node;

        /* c releases its node between two messages that carry a handle to it */
        create(c, c, 0, &node, &copy_of);
        destination = to_a;
        send_handle(c, destination, copy_of);
        ck_assert_int_eq(try_release(c, node), 0);
        send_handle(c, destination, copy_of);
        ck_assert_uint_ne(get_handle(a), BUS1_2016_INVALID);
        ck_assert_uint_eq(get(a, 0).msg.type, BUS1_2016_MSG_NODE_DESTROY);
        ck_assert_uint_eq(get_handle(a), BUS1_2016_INVALID);
        get_nothing(a);
}
END_TEST

START_TEST(queue_with_only_moot_entries_is_not_readable) {
        u64 node = 0x100, other = 0x200, seen;

        /*
         * a has sent a message to itself. One transaction destroys the node that the message is
         * for, and the node of the handle in it.
         */
        seen = transfer(a, b, node);
        transfer(a, b, other);
        give(a, node, other);
        ck_assert_uint_eq(bus1_peer_poll(a), BUS1_POLL_READABLE);
        ck_assert_int_eq(bus1_v2016_nodes_destroy(a, BUS1_2016_DESTROY_RELEASE_HANDLES,
                                                  (u64[]){node, other}, 2),
                         0);
        get_nothing(a);
        get_notification(b, BUS1_2016_MSG_NODE_DESTROY, seen);
}
END_TEST

/* messages */

START_TEST(multicast_is_one_transaction) {
        u64 ids[] = {0x100, 0x104, 0x100};
        struct got got;

        ck_assert_int_eq(send_2016(a, 0, ids, 3, NULL, "x", NULL, 0), 0);
        for (size_t i = 0; i < 3; i++) {
                got = get(a, 0);
                ck_assert_uint_eq(got.msg.destination, ids[i]);
                ck_assert_uint_eq(got.msg.flags, i < 2 ? BUS1_2016_MSG_CONTINUE : 0);
        }
        get_nothing(a);
}
END_TEST

START_TEST(continue_reports_each_destination) {
        u64 gone = transfer(b, a, 0x10), there = transfer(b, a, 0x14), ids[] = {there, gone, there};
        s32 errors[3] = {1, 1, 1};

        ck_assert_int_eq(destroy(b, BUS1_2016_DESTROY_RELEASE_HANDLES, 0x10), 0);
        ck_assert_int_eq(send_2016(a, 0, ids, 3, errors, "x", NULL, 0), -EHOSTUNREACH);
        get_nothing(b);
        ck_assert_int_eq(send_2016(a, BUS1_2016_SEND_CONTINUE, ids, 3, errors, "x", NULL, 0), 0);
        ck_assert_int_eq(errors[0], 0);
        ck_assert_int_eq(errors[1], -EHOSTUNREACH);
        ck_assert_int_eq(errors[2], 0);
        get_text(b, 0x14, "x");
        get_text(b, 0x14, "x");
        get_nothing(b);

        /* an unknown ID fails the whole command, not only its own destination */
        ids[1] = 0x1003;
        ck_assert_int_eq(send_2016(a, BUS1_2016_SEND_CONTINUE, ids, 3, errors, "x", NULL, 0),
                         -ENXIO);
        get_nothing(b);
}
END_TEST

START_TEST(flags_are_checked) {
        u64 id = 0x100;

        ck_assert_int_eq(send_2016(a, 4, &id, 1, NULL, "", NULL, 0), -EINVAL);
        ck_assert_int_eq(send_2016(a, BUS1_2016_SEND_CONTINUE | BUS1_2016_SEND_SEED, NULL, 0, NULL,
                                   "", NULL, 0),
                         -EINVAL);
        ck_assert_int_eq(send_2016(a, BUS1_2016_SEND_SEED, &id, 1, NULL, "", NULL, 0), -EINVAL);
        ck_assert_int_eq(send_2016(a, 0, &id, BUS1_MAX_DESTINATIONS + 1, NULL, "", NULL, 0),
                         -EMSGSIZE);
        ck_assert_int_eq(send_2016(a, 0, &id, 1, NULL, "", &id, BUS1_MAX_TRANSFERS + 1), -EMSGSIZE);
        ck_assert_int_eq(get(a, 8).r, -EINVAL);
        ck_assert_int_eq(release(a, 0x100), -ENXIO);
}
END_TEST

START_TEST(peeked_message_stays_in_its_slice) {
        u64 to_a = transfer(a, b, 0x100);
        struct got first, again, taken;

        give(b, to_a, 0x10);
        first = get(a, BUS1_2016_RECV_PEEK);
        again = get(a, BUS1_2016_RECV_PEEK);
        ck_assert_int_eq(again.r, 0);
        ck_assert_uint_eq(first.msg.offset, again.msg.offset);
        ck_assert_uint_eq(first.ids[0], again.ids[0]);
        /* after the user frees the slice, the next look writes the data again */
        ck_assert_int_eq(free_slice(a, &again), 0);
        ck_assert_int_eq(free_slice(a, &again), -ENXIO);
        again = get(a, BUS1_2016_RECV_PEEK);
        taken = get(a, 0);
        ck_assert_uint_eq(taken.msg.offset, again.msg.offset);
        ck_assert_uint_eq(taken.ids[0], first.ids[0]);
        get_nothing(a);
        ck_assert_int_eq(free_slice(a, &taken), 0);
        ck_assert_int_eq(free_slice(a, &taken), -ENXIO);

        /* each of the three looks gave the user a reference, and so did the receive */
        for (int i = 0; i < 4; i++) {
                get_nothing(b);
                ck_assert_int_eq(release(a, taken.ids[0]), 0);
        }
        ck_assert_int_eq(release(a, taken.ids[0]), -ENXIO);
        get_notification(b, BUS1_2016_MSG_NODE_RELEASE, 0x10);
}
END_TEST

/* No bytes are charged but those of the free pages that each pool keeps: at most 16 pages. */
static void expect_no_slices(void) {
        u64 kept = 0;

        for (size_t i = 0; i < 2; i++) {
                ck_assert_uint_le(pools[i].n_pages, 16);
                kept += pools[i].n_pages * 4096;
        }
        ck_assert_uint_eq(used(BUS1_RESOURCE_BYTES), kept);
}

START_TEST(slice_is_charged_until_it_is_freed) {
        u64 to_a = transfer(a, b, 0x100);
        struct got got;

        tell(b, to_a, "12345");
        got = get(a, BUS1_2016_RECV_PEEK);
        /* the page of the slice is charged, and 5 bytes for the message, which is still queued */
        ck_assert_uint_eq(used(BUS1_RESOURCE_BYTES), 5 + 4096);
        got = get(a, 0);
        ck_assert_uint_eq(used(BUS1_RESOURCE_BYTES), 4096);
        ck_assert_uint_eq(used(BUS1_RESOURCE_MESSAGES), 1);
        ck_assert_int_eq(free_slice(a, &got), 0);
        expect_no_slices();
        ck_assert_uint_eq(used(BUS1_RESOURCE_MESSAGES), 0);

        /* a slice also stays charged if its message is dropped */
        tell(b, to_a, "12345");
        got = get(a, BUS1_2016_RECV_PEEK);
        ck_assert_int_eq(destroy(a, BUS1_2016_DESTROY_RELEASE_HANDLES, 0x100), 0);
        get_nothing(a);
        ck_assert_uint_eq(used(BUS1_RESOURCE_BYTES), 4096);
        ck_assert_int_eq(free_slice(a, &got), 0);
        expect_no_slices();
}
END_TEST

START_TEST(receive_ends_below_the_maximal_offset) {
        u64 to_a = transfer(a, b, 0x100), objects;
        struct got got;

        give(b, to_a, 0x10);
        objects = used(BUS1_RESOURCE_OBJECTS);
        ck_assert_int_eq(get_below(a, 0, 7).r, -ERANGE);
        ck_assert_int_eq(get_below(a, 0, 0).r, -ERANGE);
        ck_assert_int_eq(get_below(a, BUS1_2016_RECV_PEEK, 7).r, -ERANGE);
        ck_assert_uint_eq(used(BUS1_RESOURCE_OBJECTS), objects);
        ck_assert_int_eq(bus1_v2016_slice_release(a, 0), -ENXIO);
        got = get_below(a, 0, 8);
        ck_assert_int_eq(got.r, 0);
        ck_assert_uint_eq(got.msg.offset, 0);
        give(b, to_a, 0x10);
        ck_assert_int_eq(get_below(a, 0, 8).r, -ERANGE);
        ck_assert_int_eq(get_below(a, 0, 16).r, 0);
}
END_TEST

START_TEST(failed_receive_leaves_the_message) {
        u64 to_a = transfer(a, b, 0x100), objects;

        give(b, to_a, 0x10);
        objects = used(BUS1_RESOURCE_OBJECTS);
        pools[0].fails = true;
        ck_assert_int_eq(get(a, 0).r, -ENOMEM);
        ck_assert_int_eq(get(a, BUS1_2016_RECV_PEEK).r, -ENOMEM);
        pools[0].fails = false;
        ck_assert_uint_eq(used(BUS1_RESOURCE_OBJECTS), objects);
        ck_assert_int_eq(bus1_v2016_slice_release(a, 0), -ENXIO);
        for (unsigned int n = 1;; n++) {
                struct got got;

                shim_fail_allocation(n);
                got = get(a, n % 2 ? BUS1_2016_RECV_PEEK : 0);
                shim_fail_allocation(0);
                if (got.r == 0)
                        break;
                ck_assert_int_eq(got.r, -ENOMEM);
                ck_assert_uint_eq(used(BUS1_RESOURCE_OBJECTS), objects);
                ck_assert_int_eq(bus1_v2016_slice_release(a, 0), -ENXIO);
        }
}
END_TEST

START_TEST(failed_send_makes_nothing) {
        u64 to_b = transfer(b, a, 0x10), ids[] = {to_b, 0x100, 0x104}, objects;
        bool failed = true;

        objects = used(BUS1_RESOURCE_OBJECTS);
        for (unsigned int n = 1; failed; n++) {
                int r;

                shim_fail_allocation(n);
                r = send_2016(a, BUS1_2016_SEND_CONTINUE, ids, 3, NULL, "x", ids, 3);
                shim_fail_allocation(0);
                failed = r < 0;
                if (failed) {
                        ck_assert_int_eq(r, -ENOMEM);
                        ck_assert_uint_eq(used(BUS1_RESOURCE_OBJECTS), objects);
                        ck_assert_int_eq(release(a, 0x100), -ENXIO);
                        get_nothing(a);
                        get_nothing(b);
                }
        }
        for (unsigned int n = 1;; n++) {
                u64 id;
                int r;

                objects = used(BUS1_RESOURCE_OBJECTS);
                shim_fail_allocation(n);
                r = bus1_v2016_handle_transfer(a, b, 0x200, &id);
                shim_fail_allocation(0);
                if (r == 0)
                        break;
                ck_assert_int_eq(r, -ENOMEM);
                ck_assert_uint_eq(used(BUS1_RESOURCE_OBJECTS), objects);
        }
}
END_TEST

static int label(struct bus1_v2016_recv *recv, const struct bus1_payload *payload) {
        recv->has_secctx = true;
        recv->secctx = "0123456789abcdef";
        recv->n_secctx = 16;
        return 0;
}

static int no_label(struct bus1_v2016_recv *recv, const struct bus1_payload *payload) {
        return -ENOMEM;
}

START_TEST(label_follows_the_rest_when_it_is_wanted) {
        struct bus1_2016_peer_reset want = {
                .peer_flags = BUS1_2016_PEER_WANT_SECCTX,
                .max_slices = U32_MAX,
                .max_handles = U32_MAX,
                .max_inflight_bytes = U32_MAX,
        };
        struct bus1_v2016_recv recv = {
                .flags = BUS1_2016_RECV_PEEK,
                .max_offset = U64_MAX,
                .label = no_label,
        };
        u64 to_a = transfer(a, b, 0x100), given = 0x10, without;

        ck_assert_int_eq(send_2016(b, 0, &to_a, 1, NULL, "123", &given, 1), 0);
        /* without the peer flag there is no label */
        ck_assert_int_eq(bus1_v2016_recv(a, &recv), 0);
        ck_assert_uint_eq(recv.msg.flags, 0);
        ck_assert_uint_eq(recv.msg.n_secctx, 0);
        bus1_payload_unref(recv.payload);
        without = recv.msg.offset;

        ck_assert_int_eq(bus1_v2016_reset(a, &want), 0);
        ck_assert_int_eq(bus1_v2016_recv(a, &recv), -ENOMEM);
        /* the slice of the first look has no room for the label; the receive below replaces it */
        recv.label = label;
        recv.max_offset = 24;
        ck_assert_int_eq(bus1_v2016_recv(a, &recv), -ERANGE);
        recv.flags = 0;
        recv.max_offset = U64_MAX;
        ck_assert_int_eq(bus1_v2016_recv(a, &recv), 0);
        bus1_payload_unref(recv.payload);
        ck_assert_uint_ne(recv.msg.offset, without);
        ck_assert_int_eq(bus1_v2016_slice_release(a, without), -ENXIO);
        ck_assert_uint_eq(recv.msg.flags, BUS1_2016_MSG_HAS_SECCTX);
        ck_assert_uint_eq(recv.msg.n_secctx, 16);
        ck_assert_mem_eq(pools[0].memory + recv.msg.offset, "123", 3);
        ck_assert_mem_eq(pools[0].memory + recv.msg.offset + 16, "0123456789abcdef", 16);
}
END_TEST

START_TEST(pool_memory_is_given_back) {
        u64 to_a = transfer(a, b, 0x100);
        struct bus1_v2016_recv recv = {.max_offset = U64_MAX};
        u64 offsets[16];

        for (size_t i = 0; i < 16; i++) {
                struct bus1_payload *payload = bus1_payload_new(100000, 0);

                ck_assert(!IS_ERR(payload));
                memset(payload->data, 'x', 100000);
                ck_assert_int_eq(bus1_v2016_send(b,
                                                 &(struct bus1_v2016_send){
                                                         .destinations = &to_a,
                                                         .n_destinations = 1,
                                                         .payload = payload,
                                                 }),
                                 0);
                bus1_payload_unref(payload);
                ck_assert_int_eq(bus1_v2016_recv(a, &recv), 0);
                bus1_payload_unref(recv.payload);
                offsets[i] = recv.msg.offset;
                for (size_t j = 0; j < i; j++)
                        ck_assert_uint_ge(offsets[i] - offsets[j], 100000);
        }
        /* free every second slice first, so that the free blocks must be merged */
        for (size_t i = 0; i < 16; i += 2)
                ck_assert_int_eq(bus1_v2016_slice_release(a, offsets[i]), 0);
        for (size_t i = 1; i < 16; i += 2)
                ck_assert_int_eq(bus1_v2016_slice_release(a, offsets[i]), 0);
        ck_assert_uint_ge(pools[0].n_discarded, 1300000);
        /* all free memory is one block again, so the next slice is at its start */
        tell(b, to_a, "x");
        ck_assert_int_eq(bus1_v2016_recv(a, &recv), 0);
        bus1_payload_unref(recv.payload);
        ck_assert_uint_eq(recv.msg.offset, 0);
}
END_TEST

/* seed */

START_TEST(seed_is_pinned_until_it_is_taken) {
        u64 handles[] = {0x100, transfer(b, a, 0x10)};
        struct got first, again;

        ck_assert_int_eq(get(a, BUS1_2016_RECV_SEED).r, -EAGAIN);
        ck_assert_int_eq(set_seed(a, "old", NULL, 0), 0);
        ck_assert_int_eq(set_seed(a, "me", handles, 2), 0);
        get_nothing(a);
        first = get(a, BUS1_2016_RECV_SEED | BUS1_2016_RECV_PEEK);
        again = get(a, BUS1_2016_RECV_SEED | BUS1_2016_RECV_PEEK);
        ck_assert_int_eq(first.r, 0);
        ck_assert_str_eq(first.text, "me");
        ck_assert_uint_eq(first.msg.destination, BUS1_2016_INVALID);
        ck_assert_uint_eq(first.ids[0], 0x100);
        ck_assert_uint_eq(first.ids[1], handles[1]);
        ck_assert_uint_eq(first.msg.offset, again.msg.offset);

        again = get(a, BUS1_2016_RECV_SEED);
        ck_assert_str_eq(again.text, "me");
        ck_assert_int_eq(get(a, BUS1_2016_RECV_SEED).r, -EAGAIN);
        ck_assert_int_eq(free_slice(a, &again), 0);
        /* three references from the seed; handles[1] has one more, from the transfer */
        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(release(a, 0x100), 0);
                ck_assert_int_eq(release(a, handles[1]), 0);
        }
        get_notification(a, BUS1_2016_MSG_NODE_RELEASE, 0x100);
        get_nothing(b);
        ck_assert_int_eq(release(a, handles[1]), 0);
        get_notification(b, BUS1_2016_MSG_NODE_RELEASE, 0x10);
        expect_no_slices();
}
END_TEST

START_TEST(reset_spares_what_the_seed_pins) {
        u64 pinned[] = {0x100, 0, 0x100}, handle, other;
        struct bus1_2016_peer_reset reset = {
                .flags = BUS1_2016_RESET_FLUSH,
                .max_slices = U32_MAX,
                .max_handles = U32_MAX,
                .max_inflight_bytes = U32_MAX,
        };
        struct got got;

        pinned[1] = transfer(b, a, 0x10);
        handle = transfer(a, b, 0x100);
        other = transfer(a, b, 0x104);
        transfer(a, a, 0x100);
        ck_assert_int_eq(set_seed(a, "me", pinned, 3), 0);
        got = get(a, BUS1_2016_RECV_SEED | BUS1_2016_RECV_PEEK);
        tell(b, handle, "dropped");
        tell(b, other, "dropped");

        ck_assert_int_eq(bus1_v2016_reset(a, &reset), 0);
        get_nothing(a);
        ck_assert_int_eq(free_slice(a, &got), -ENXIO);
        get_notification(b, BUS1_2016_MSG_NODE_DESTROY, other);
        get_nothing(b);
        ck_assert_int_eq(release(a, 0x104), -ENXIO);
        ck_assert_int_eq(release(a, 0x100), -EPERM);
        ck_assert_int_eq(release(a, pinned[1]), -ENXIO);
        tell(b, handle, "after");
        get_text(a, 0x100, "after");

        got = get(a, BUS1_2016_RECV_SEED);
        ck_assert_uint_eq(got.ids[0], 0x100);
        ck_assert_uint_ne(got.ids[1], pinned[1]);
        tell(a, got.ids[1], "new ID");
        get_text(b, 0x10, "new ID");

        ck_assert_int_eq(set_seed(a, "me", pinned, 1), 0);
        reset.flags |= BUS1_2016_RESET_FLUSH_SEED;
        ck_assert_int_eq(bus1_v2016_reset(a, &reset), 0);
        ck_assert_int_eq(get(a, BUS1_2016_RECV_SEED).r, -EAGAIN);
        get_notification(b, BUS1_2016_MSG_NODE_RELEASE, 0x10);
        get_notification(b, BUS1_2016_MSG_NODE_DESTROY, handle);
        expect_no_slices();
        ck_assert_uint_eq(used(BUS1_RESOURCE_MESSAGES), 0);
}
END_TEST

/* limits */

START_TEST(limits_are_reported_and_kept) {
        struct bus1_2016_peer_reset as_it_is = {
                .peer_flags = U64_MAX,
                .max_slices = U32_MAX,
                .max_handles = U32_MAX,
                .max_inflight_bytes = U32_MAX,
                .max_inflight_fds = U32_MAX,
        };
        struct bus1_2016_peer_reset reset =
                                            {
                                                    .peer_flags = BUS1_2016_PEER_WANT_SECCTX,
                                                    .max_slices = 2,
                                                    .max_handles = 3,
                                                    .max_inflight_bytes = 5,
                                                    .max_inflight_fds = 0,
                                            },
                                    state = {};
        u64 to_a = transfer(a, b, 0x100), id;
        struct got got;

        ck_assert_int_eq(bus1_v2016_query(a, &state), 0);
        ck_assert_uint_eq(state.max_slices, U32_MAX);
        ck_assert_uint_eq(state.peer_flags, 0);
        state.flags = 1;
        ck_assert_int_eq(bus1_v2016_query(a, &state), -EINVAL);
        reset.flags = 4;
        ck_assert_int_eq(bus1_v2016_reset(a, &reset), -EINVAL);
        reset.flags = 0;
        ck_assert_int_eq(bus1_v2016_reset(a, &reset), 0);
        state.flags = 0;
        ck_assert_int_eq(bus1_v2016_query(a, &state), 0);
        ck_assert_mem_eq(&state, &reset, sizeof(state));

        /* -1 leaves each of the five fields as it is */
        ck_assert_int_eq(bus1_v2016_reset(a, &as_it_is), 0);
        ck_assert_int_eq(bus1_v2016_query(a, &state), 0);
        ck_assert_mem_eq(&state, &reset, sizeof(state));
        as_it_is.max_slices = 1;
        ck_assert_int_eq(bus1_v2016_reset(a, &as_it_is), 0);
        as_it_is.max_slices = 2;
        as_it_is.peer_flags = 0;
        ck_assert_int_eq(bus1_v2016_reset(a, &as_it_is), 0);
        ck_assert_int_eq(bus1_v2016_query(a, &state), 0);
        reset.peer_flags = 0;
        ck_assert_mem_eq(&state, &reset, sizeof(state));

        ck_assert_int_eq(send_2016(b, 0, &to_a, 1, NULL, "123456", NULL, 0), -EDQUOT);
        tell(b, to_a, "12");
        tell(b, to_a, "345");
        ck_assert_int_eq(send_2016(b, 0, &to_a, 1, NULL, "", NULL, 0), -EDQUOT);
        /* a received slice is charged until it is freed */
        got = get(a, 0);
        ck_assert_int_eq(send_2016(b, 0, &to_a, 1, NULL, "", NULL, 0), -EDQUOT);
        ck_assert_int_eq(free_slice(a, &got), 0);
        tell(b, to_a, "");
        ck_assert_int_eq(send_2016(a, 0, NULL, 0, NULL, "", (u64[]){0x104, 0x108}, 2), 0);
        ck_assert_int_eq(bus1_v2016_handle_transfer(a, b, 0x10c, &id), -EDQUOT);
}
END_TEST

/* both generations */

START_TEST(generations_do_not_mix_on_one_peer) {
        u64 node, handle;

        ck_assert_int_eq(bus1_v2016_enable(a, &pool_memory, &pools[0]), 0);
        create(c, c, 0, &node, &handle);
        ck_assert_int_eq(bus1_v2016_enable(c, &pool_memory, NULL), -ENOTTY);
}
END_TEST

START_TEST(handles_and_messages_cross_generations) {
        u64 to_a = transfer(a, c, 0x100), node, handle, there;
        struct received received;

        /* a message to a peer of 2016 carries a handle of a peer of 2026 */
        create(c, c, 0, &node, &handle);
        send_handle(c, to_a, handle);
        there = get_handle(a);
        ck_assert_uint_eq(there & 3, 3);
        /* through this handle, the peer of 2016 sends a handle to its own node 0x104 */
        give(a, there, 0x104);
        handle = expect_handle(c, node);
        send_text(c, handle, "hello");
        get_text(a, 0x104, "hello");

        /* the transfer command of 2026, to a peer of 2016 */
        ck_assert_uint_eq(copy(c, a, handle), 0x104);
        ck_assert_uint_eq(copy(c, a, to_a), 0x100);
        release(a, 0x104);
        release(a, 0x100);
        get_nothing(a);

        /*
         * c releases its only handle to 0x104, and a its only handle to the node of c. c gets no
         * notification about its node, because c itself still has a handle to it.
         */
        ck_assert_int_eq(try_release(c, handle), 0);
        get_notification(a, BUS1_2016_MSG_NODE_RELEASE, 0x104);
        ck_assert_int_eq(release(a, there), 0);
        expect_nothing(c);
        ck_assert_int_eq(destroy(a, BUS1_2016_DESTROY_RELEASE_HANDLES, 0x100), 0);
        expect_node_release(c, to_a);
        received = test_recv(c);
        ck_assert_int_eq(received.r, -EAGAIN);
}
END_TEST

START_TEST(holder_of_2026_releases_the_last_handle) {
        u64 handle = transfer(a, c, 0x100);

        copy(c, d, handle);

        ck_assert_int_eq(try_release(c, handle), 0);
        get_nothing(a);
        bus1_peer_disconnect(d);
        get_notification(a, BUS1_2016_MSG_NODE_RELEASE, 0x100);
        get_nothing(a);
}
END_TEST

START_TEST(owner_of_2026_is_told_once) {
        u64 node, handle, id;
        struct bus1_transfer src[2] = {{BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}}, dst[2];

        ck_assert_int_eq(bus1_peer_transfer(c, a, src, dst, 1), 0);
        node = src[0].id;
        id = dst[0].id;
        src[0] = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        src[1] = (struct bus1_transfer){0, 0x1001};
        ck_assert_int_eq(bus1_peer_transfer(c, a, src, dst, 2), -EBADRQC);
        handle = transfer(a, b, id);
        ck_assert_int_eq(release(a, id), 0);
        ck_assert_int_eq(release(a, id), -ENXIO);
        expect_nothing(c);
        ck_assert_int_eq(release(b, handle), 0);
        expect_handle_release(c, node);
}
END_TEST

START_TEST(oneshot_node_takes_one_message_of_2016) {
        u64 node, handle, ids[2];
        s32 errors[2];

        create(c, a, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);
        ids[0] = ids[1] = handle;
        ck_assert_int_eq(send_2016(a, BUS1_2016_SEND_CONTINUE, ids, 2, errors, "once", NULL, 0), 0);
        ck_assert_int_eq(errors[0], 0);
        ck_assert_int_eq(errors[1], -EHOSTUNREACH);
        expect_text(c, node, "once");
        expect_nothing(c);
        get_notification(a, BUS1_2016_MSG_NODE_DESTROY, handle);
        ck_assert_int_eq(release(a, handle), 0);
        get_nothing(a);
}
END_TEST

START_TEST(disconnect_ends_everything) {
        u64 handle = transfer(a, b, 0x100), to_b = transfer(b, a, 0x10);
        u64 seeded = 0x104;

        ck_assert_int_eq(set_seed(a, "me", &seeded, 1), 0);
        get(a, BUS1_2016_RECV_SEED | BUS1_2016_RECV_PEEK);
        tell(b, handle, "x");
        tell(b, handle, "y");
        get(a, BUS1_2016_RECV_PEEK);
        tell(a, to_b, "last");
        bus1_peer_disconnect(a);
        get_text(b, 0x10, "last");
        get_notification(b, BUS1_2016_MSG_NODE_RELEASE, 0x10);
        get_notification(b, BUS1_2016_MSG_NODE_DESTROY, handle);
        get_nothing(b);
        ck_assert_int_eq(send_2016(b, 0, &handle, 1, NULL, "", NULL, 0), -EHOSTUNREACH);

        ck_assert_int_eq(release(a, 0x100), -ESHUTDOWN);
        ck_assert_int_eq(destroy(a, 0, 0x100), -ESHUTDOWN);
        ck_assert_int_eq(get(a, 0).r, -ESHUTDOWN);
        ck_assert_int_eq(bus1_v2016_slice_release(a, 0), -ESHUTDOWN);
        ck_assert_int_eq(send_2016(a, 0, &to_b, 1, NULL, "", NULL, 0), -ESHUTDOWN);
        ck_assert_int_eq(bus1_v2016_query(a, &(struct bus1_2016_peer_reset){}), -ESHUTDOWN);
        ck_assert_int_eq(bus1_v2016_reset(a, &(struct bus1_2016_peer_reset){}), -ESHUTDOWN);
        ck_assert_int_eq(bus1_v2016_handle_transfer(a, b, 0x100, &to_b), -ESHUTDOWN);
        ck_assert_int_eq(bus1_v2016_handle_transfer(b, a, 0x10, &to_b), -ESHUTDOWN);
        ck_assert_int_eq(bus1_v2016_enable(a, &pool_memory, NULL), -ESHUTDOWN);
        ck_assert_int_eq(bus1_peer_disconnect(a), -ESHUTDOWN);
}
END_TEST

/*
 * Random operations on two peers of each generation. The test does not check most results. But a
 * build with BUS1_DEBUG checks the invariants of the core, and teardown() checks that no account is
 * left at the end.
 */

static _Thread_local u64 random_state, highest;

static u64 draw(u64 n) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return random_state % n;
}

/* Returns a random ID, mostly one of the hundred up to the highest one that was seen. */
static u64 some_id(u64 step, u64 low_bits) {
        u64 n = highest / step, back = draw(10) ? draw(100) : draw(n + 1);

        return (n > back ? n - back : 0) * step + low_bits;
}

static u64 some_id_2016(void) {
        return draw(3) ? some_id(4, 3) : 4 * draw(16);
}

static void note_id(u64 id) {
        if (id != BUS1_INVALID && id > highest)
                highest = id;
}

static void step_2016(struct bus1_peer *peer) {
        u64 ids[] = {some_id_2016(), some_id_2016(), some_id_2016()};
        struct got got;
        s32 errors[3];

        switch (draw(12)) {
        case 0:
                if (bus1_v2016_handle_transfer(peer, world.peers[draw(4)], ids[0], &ids[1]) == 0)
                        note_id(ids[1]);
                break;
        case 1:
        case 2:
                release(peer, ids[0]);
                break;
        case 3:
                bus1_v2016_nodes_destroy(peer, draw(2), ids, 1 + draw(2));
                break;
        case 4:
        case 5:
        case 6:
                send_2016(peer, draw(2), ids, draw(3), errors, "x", ids + 1, draw(3));
                break;
        case 7:
                set_seed(peer, "seed", ids, draw(4));
                break;
        case 8:
                if (draw(200) == 0)
                        bus1_v2016_reset(peer, &(struct bus1_2016_peer_reset){
                                                       .flags = draw(4),
                                                       .max_slices = U32_MAX,
                                                       .max_handles = U32_MAX,
                                                       .max_inflight_bytes = U32_MAX,
                                               });
                break;
        default:
                got = get(peer, draw(4));
                for (size_t i = 0; got.r == 0 && i < got.msg.n_handles; i++)
                        note_id(got.ids[i]);
                if (got.r == 0 && got.msg.type == BUS1_2016_MSG_DATA && draw(10))
                        ck_assert_int_eq(free_slice(peer, &got), 0);
        }
}

static void step_2026(struct bus1_peer *peer) {
        u64 id = some_id(2, 1);
        struct bus1_transfer src = {0, id}, dst;

        if (draw(3) == 0)
                src = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE | draw(2) * 2, BUS1_INVALID};
        switch (draw(6)) {
        case 0:
                if (bus1_peer_transfer(peer, world.peers[draw(4)], &src, &dst, 1) == 0)
                        note_id(dst.id);
                break;
        case 1:
                try_release(peer, id);
                break;
        case 2:
        case 3:
                try_send(peer, (u64[]){id, id ^ 2}, 1 + draw(2), "y", &src, draw(2));
                break;
        default:
                test_recv(peer);
        }
}

START_TEST(anything_in_any_order) {
        random_state = _i + 0x9e3779b97f4a7c15;
        highest = 0;
        for (size_t i = 0; i < ROUNDS; i++) {
                size_t n = draw(4);

                if (n < 2)
                        step_2016(world.peers[n]);
                else
                        step_2026(world.peers[n]);
        }
}
END_TEST

static void *step_one_peer(void *data) {
        struct bus1_peer **peer = data;
        size_t n = peer - world.peers;

        random_state = (n + 1) * 0x9e3779b97f4a7c15;
        highest = 0;
        for (size_t i = 0; i < ROUNDS / 4; i++)
                if (n < 2)
                        step_2016(*peer);
                else
                        step_2026(*peer);
        if (n % 2)
                bus1_peer_disconnect(*peer);
        return NULL;
}

START_TEST(anything_by_several_threads) {
        pthread_t threads[4];

        for (size_t i = 0; i < 4; i++)
                ck_assert_int_eq(pthread_create(&threads[i], NULL, step_one_peer, &world.peers[i]),
                                 0);
        for (size_t i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("core-2016");
        TCase *tc = tcase_create("all");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_set_timeout(tc, 100);
        tcase_add_test(tc, node_is_made_by_the_first_use_of_its_id);
        tcase_add_test(tc, only_ids_of_ones_own_choice_make_nodes);
        tcase_add_test(tc, a_peer_has_one_handle_to_a_node);
        tcase_add_test(tc, pinned_reference_is_not_the_users);
        tcase_add_test(tc, ids_say_nothing_to_others);
        tcase_add_test(tc, handle_in_flight_is_no_reference_of_the_receiver);
        tcase_add_test(tc, access_is_passed_on_and_ends_with_the_node);
        tcase_add_test(tc, every_destination_gets_the_handles);
        tcase_add_test(tc, owner_is_told_when_all_references_are_dropped);
        tcase_add_test(tc, new_reference_drops_the_notification);
        tcase_add_test(tc, handle_in_a_message_is_a_reference);
        tcase_add_test(tc, notifications_are_charged_on_the_owner);
        tcase_add_test(tc, destruction_is_told_to_all_and_ends_no_id);
        tcase_add_test(tc, nothing_arrives_once_a_destroyed_node_is_released);
        tcase_add_test(tc, nodes_are_destroyed_all_or_none);
        tcase_add_test(tc, handle_of_a_destroyed_node_arrives_as_none);
        tcase_add_test(tc, notification_about_an_unknown_handle_is_kept_back);
        tcase_add_test(tc, queue_with_only_moot_entries_is_not_readable);
        tcase_add_test(tc, multicast_is_one_transaction);
        tcase_add_test(tc, continue_reports_each_destination);
        tcase_add_test(tc, flags_are_checked);
        tcase_add_test(tc, peeked_message_stays_in_its_slice);
        tcase_add_test(tc, slice_is_charged_until_it_is_freed);
        tcase_add_test(tc, receive_ends_below_the_maximal_offset);
        tcase_add_test(tc, failed_receive_leaves_the_message);
        tcase_add_test(tc, failed_send_makes_nothing);
        tcase_add_test(tc, label_follows_the_rest_when_it_is_wanted);
        tcase_add_test(tc, pool_memory_is_given_back);
        tcase_add_test(tc, seed_is_pinned_until_it_is_taken);
        tcase_add_test(tc, reset_spares_what_the_seed_pins);
        tcase_add_test(tc, limits_are_reported_and_kept);
        tcase_add_test(tc, generations_do_not_mix_on_one_peer);
        tcase_add_test(tc, handles_and_messages_cross_generations);
        tcase_add_test(tc, holder_of_2026_releases_the_last_handle);
        tcase_add_test(tc, owner_of_2026_is_told_once);
        tcase_add_test(tc, oneshot_node_takes_one_message_of_2016);
        tcase_add_test(tc, disconnect_ends_everything);
        tcase_add_loop_test(tc, anything_in_any_order, 1, 4);
        tcase_add_test(tc, anything_by_several_threads);
        suite_add_tcase(s, tc);
        return s;
}

int main(void) {
        return run_suite(suite());
}
