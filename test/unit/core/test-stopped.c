/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A sender that is stopped between two steps of its transaction: what others see until it goes on
 */

#include "commit.h"
#include "core-test.h"
#include "node.h"
#include "peer.h"

#define A world.peers[0]
#define B world.peers[1]
#define C world.peers[2]

static struct bus1_node *node_of(struct bus1_peer *peer, u64 id) {
        return bus1_node_from_object(bus1_map_find(&peer->objects, id));
}

/* Stage a message to a node. It is the only entry of its transaction so far. */
static u64 stage_text(struct bus1_staging *staging, struct bus1_peer *sender,
                      struct bus1_node *node) {
        struct bus1_payload *payload = bus1_payload_new(0, 0);
        struct bus1_delivery *delivery;
        LIST_HEAD(entries);

        ck_assert(!IS_ERR(payload));
        delivery = bus1_delivery_new(sender, node, payload, NULL, 0);
        bus1_payload_unref(payload);
        ck_assert(!IS_ERR(delivery));
        list_add_tail(&delivery->entry.link, &entries);
        bus1_staging_init(staging, sender->number, &entries);
        return bus1_queue_stage(&node->owner->queue, &delivery->entry, staging);
}

START_TEST(poll_finds_an_entry_that_is_decided) {
        struct world world = world_new(2);
        struct bus1_staging staging;
        u64 node, handle, least;

        create(A, B, 0, &node, &handle);
        least = stage_text(&staging, B, node_of(A, node));
        expect_nothing(A);
        bus1_staging_decide(&staging, least);
        /* The sender does not go on, and wakes nobody. */
        ck_assert_uint_eq(bus1_peer_poll(A), BUS1_POLL_READABLE);
        expect_text(A, node, "");
        expect_nothing(A);
        ck_assert(list_empty(&staging.entries));
        world_free(&world);
}
END_TEST

START_TEST(poll_finds_no_entry_that_the_sender_will_drop) {
        struct world world = world_new(2);
        struct bus1_queue_entry *entry;
        struct bus1_staging staging;
        u64 node, handle, least;

        create(A, B, 0, &node, &handle);
        least = stage_text(&staging, B, node_of(A, node));
        bus1_staging_decide(&staging, least);
        entry = list_first_entry_or_null(&staging.entries, struct bus1_queue_entry, link);
        ck_assert_int_eq(bus1_peer_disconnect(A), 0);
        ck_assert_uint_eq(bus1_peer_poll(A), BUS1_POLL_HANGUP);
        ck_assert(!bus1_queue_commit(&A->queue, entry, &staging));
        bus1_delivery_free(bus1_delivery_from_entry(entry));
        world_free(&world);
}
END_TEST

START_TEST(earlier_messages_leave_a_decided_entry_alone) {
        struct world world = world_new(2);
        struct bus1_queue_entry *first;
        struct bus1_staging staging;
        u64 node, handle, least;

        create(A, B, 0, &node, &handle);
        send_text(B, handle, "first");
        send_text(B, handle, "second");
        least = stage_text(&staging, B, node_of(A, node));
        bus1_staging_decide(&staging, least + 100);
        first = bus1_queue_peek(&A->queue);
        ck_assert_uint_lt(first->timestamp, least);
        ck_assert(!list_empty(&staging.entries));
        expect_text(A, node, "first");
        ck_assert(!list_empty(&staging.entries));
        /* The entry becomes final when it is the next one. What is sent now is behind it. */
        send_text(B, handle, "third");
        expect_text(A, node, "second");
        expect_text(A, node, "");
        ck_assert(list_empty(&staging.entries));
        expect_text(A, node, "third");
        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(reset_may_leave_a_queue_readable_once) {
        struct world world = world_new(2);
        struct bus1_queue_entry *entry;
        struct bus1_staging staging;
        u64 node, handle, least;

        create(A, B, 0, &node, &handle);
        least = stage_text(&staging, B, node_of(A, node));
        ck_assert_int_eq(bus1_peer_reset(A), 0);
        expect_nothing(A);

        /* The sender goes on. Its message is moot, but only a receive finds that out. */
        bus1_staging_decide(&staging, least);
        entry = list_first_entry_or_null(&staging.entries, struct bus1_queue_entry, link);
        ck_assert(bus1_queue_commit(&A->queue, entry, &staging));
        ck_assert_uint_eq(bus1_peer_poll(A), BUS1_POLL_READABLE);
        ck_assert_int_eq(test_recv(A).r, -EAGAIN);
        expect_nothing(A);
        expect_node_release(B, handle);
        world_free(&world);
}
END_TEST

START_TEST(reset_drops_what_is_decided_before) {
        struct world world = world_new(2);
        struct bus1_staging staging;
        u64 node, handle, least;

        create(A, B, 0, &node, &handle);
        least = stage_text(&staging, B, node_of(A, node));
        bus1_staging_decide(&staging, least + 100);
        ck_assert_int_eq(bus1_peer_reset(A), 0);
        ck_assert(list_empty(&staging.entries));
        expect_nothing(A);
        expect_node_release(B, handle);
        world_free(&world);
}
END_TEST

START_TEST(death_of_a_node_shows_before_it_has_a_place_in_the_order) {
        struct world world = world_new(3);
        u64 node, handle, other, c_node, to_c, e_node, to_b;
        struct bus1_payload *payload = bus1_payload_new(0, 0);
        struct bus1_tx tx;
        s32 error = 0;

        create(A, B, 0, &node, &handle);
        other = copy(B, C, handle);
        create(C, B, 0, &c_node, &to_c);
        create(B, C, 0, &e_node, &to_b);

        /* A releases the node, and is stopped before it stages the notifications. */
        mutex_lock(&A->lock);
        bus1_tx_init(&tx, A);
        bus1_node_release(node_of(A, node), &tx);

        /* A send of C reports at once that the node has gone. */
        ck_assert_int_eq(bus1_peer_send(C,
                                        &(struct bus1_send){
                                                .flags = BUS1_SEND_FLAG_CONTINUE,
                                                .destinations = &other,
                                                .n_destinations = 1,
                                                .errors = &error,
                                                .payload = payload,
                                        }),
                         0);
        bus1_payload_unref(payload);
        ck_assert_int_eq(error, -EHOSTUNREACH);

        /* So C can tell B about that before B gets its own notification. */
        send_text(C, to_b, "it has gone");
        expect_text(B, e_node, "it has gone");
        expect_nothing(B);
        bus1_tx_commit(&tx);
        mutex_unlock(&A->lock);
        expect_node_release(B, handle);
        expect_node_release(C, other);
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stopped");
        TCase *tcase = tcase_create("stopped");

        tcase_add_test(tcase, poll_finds_an_entry_that_is_decided);
        tcase_add_test(tcase, poll_finds_no_entry_that_the_sender_will_drop);
        tcase_add_test(tcase, earlier_messages_leave_a_decided_entry_alone);
        tcase_add_test(tcase, reset_may_leave_a_queue_readable_once);
        tcase_add_test(tcase, reset_drops_what_is_decided_before);
        tcase_add_test(tcase, death_of_a_node_shows_before_it_has_a_place_in_the_order);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
