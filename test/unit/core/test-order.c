/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The order of transactions: queues and their clocks, step by step
 */

#include "core-test.h"
#include "peer.h"
#include "queue.h"
#include "tx.h"
#include <linux/minmax.h>

#define A world.peers[0]
#define B world.peers[1]
#define C world.peers[2]

struct fixture {
        struct bus1_queue p, q;
        struct bus1_queue_entry entries[4];
        struct bus1_staging first, second; /* two transactions */
};

static void fixture_init(struct fixture *f) {
        LIST_HEAD(none);

        bus1_queue_init(&f->p, NULL, NULL, NULL);
        bus1_queue_init(&f->q, NULL, NULL, NULL);
        for (unsigned i = 0; i < 4; i++)
                bus1_queue_entry_init(&f->entries[i], BUS1_ENTRY_MESSAGE, NULL);
        bus1_staging_init(&f->first, 1, &none);
        bus1_staging_init(&f->second, 2, &none);
}

/* Add an entry to a transaction, and stage it. */
static u64 stage(struct bus1_staging *staging, struct bus1_queue *queue,
                 struct bus1_queue_entry *entry, u32 index) {
        list_add_tail(&entry->link, &staging->entries);
        entry->index = index;
        return bus1_queue_stage(queue, entry, staging);
}

START_TEST(nothing_waits_for_a_staged_entry) {
        struct fixture f;
        u64 least, pushed, final;

        fixture_init(&f);
        least = stage(&f.first, &f.q, &f.entries[0], 0);
        ck_assert_uint_eq(least % 2, 0);
        ck_assert_ptr_null(bus1_queue_peek(&f.q));
        /* The sender of the staged entry may never go on. */
        pushed = bus1_queue_push(&f.q, &f.entries[1], 3, 0);
        ck_assert_ptr_eq(bus1_queue_peek(&f.q), &f.entries[1]);
        bus1_queue_remove(&f.q, &f.entries[1]);

        /* The transaction gets a greater timestamp than entries received before its decision. */
        final = bus1_staging_decide(&f.first, least);
        ck_assert_uint_gt(final, pushed);
        ck_assert(bus1_queue_commit(&f.q, &f.entries[0], &f.first));
        ck_assert_ptr_eq(bus1_queue_peek(&f.q), &f.entries[0]);
        ck_assert_uint_eq(f.entries[0].timestamp, final);
}
END_TEST

START_TEST(entry_that_is_looked_at_stays_the_next_one) {
        struct fixture f;
        u64 least;

        fixture_init(&f);
        least = stage(&f.first, &f.q, &f.entries[0], 0);
        bus1_queue_push(&f.q, &f.entries[1], 3, 0);
        ck_assert_ptr_eq(bus1_queue_peek(&f.q), &f.entries[1]);
        /* the transaction is decided while the receiver copies entry 1 */
        bus1_staging_decide(&f.first, least);
        ck_assert(bus1_queue_commit(&f.q, &f.entries[0], &f.first));
        ck_assert_ptr_eq(bus1_queue_peek(&f.q), &f.entries[1]);
        ck_assert_ptr_eq(bus1_queue_remove(&f.q, &f.entries[1]), &f.entries[0]);
}
END_TEST

START_TEST(commit_moves_an_entry_behind_earlier_ones) {
        struct fixture f;
        u64 t, pushed;

        fixture_init(&f);
        bus1_queue_sync(&f.p, 100);
        t = stage(&f.first, &f.q, &f.entries[0], 0);
        t = max(t, stage(&f.first, &f.p, &f.entries[1], 1));
        ck_assert_uint_eq(t, 102);
        /* another transaction, on queue q only, happens between the staging and the decision */
        pushed = bus1_queue_push(&f.q, &f.entries[2], 3, 0);
        ck_assert_uint_lt(pushed, t);
        ck_assert_uint_eq(bus1_staging_decide(&f.first, t), t);
        ck_assert(bus1_queue_commit(&f.q, &f.entries[0], &f.first));
        ck_assert_ptr_eq(bus1_queue_peek(&f.q), &f.entries[2]);
        bus1_queue_remove(&f.q, &f.entries[2]);
        ck_assert_ptr_eq(bus1_queue_peek(&f.q), &f.entries[0]);
}
END_TEST

START_TEST(what_comes_after_the_decision_comes_after_the_transaction) {
        struct fixture f;
        u64 t;

        fixture_init(&f);
        bus1_queue_sync(&f.p, 100);
        t = max(stage(&f.first, &f.q, &f.entries[0], 0), stage(&f.first, &f.p, &f.entries[1], 1));
        ck_assert_uint_eq(bus1_staging_decide(&f.first, t), t);
        /* The sender stops here. A peer can already receive the entry from p, and react to it. */
        ck_assert_ptr_eq(bus1_queue_peek(&f.p), &f.entries[1]);
        ck_assert_uint_gt(bus1_queue_push(&f.q, &f.entries[2], 3, 0), t);
        ck_assert_ptr_eq(bus1_queue_peek(&f.q), &f.entries[0]);
        ck_assert_uint_eq(f.entries[0].timestamp, t);
        /* Another transaction that is staged now also gets a greater timestamp. */
        ck_assert_uint_gt(stage(&f.second, &f.p, &f.entries[3], 0), t);
        /* All entries of the first transaction are final, so its sender has nothing left to do. */
        ck_assert(list_empty(&f.first.entries));
        ck_assert(bus1_queue_commit(&f.q, &f.entries[0], &f.first));
        ck_assert_uint_eq(bus1_queue_count(&f.q), 2);
}
END_TEST

START_TEST(equal_timestamps_are_ordered_alike_everywhere) {
        struct fixture f;
        struct bus1_queue_entry *first_p, *first_q;
        u64 t;

        /* Two transactions on two queues, interleaved so that both get the same timestamp. */
        fixture_init(&f);
        stage(&f.first, &f.p, &f.entries[0], 0);
        stage(&f.second, &f.q, &f.entries[3], 0);
        t = stage(&f.second, &f.p, &f.entries[1], 1);
        ck_assert_uint_eq(t, stage(&f.first, &f.q, &f.entries[2], 1));
        ck_assert_uint_eq(bus1_staging_decide(&f.first, t), t);
        ck_assert_uint_eq(bus1_staging_decide(&f.second, t), t);
        bus1_queue_commit(&f.p, &f.entries[0], &f.first);
        bus1_queue_commit(&f.q, &f.entries[3], &f.second);
        bus1_queue_commit(&f.p, &f.entries[1], &f.second);
        bus1_queue_commit(&f.q, &f.entries[2], &f.first);
        first_p = bus1_queue_peek(&f.p);
        first_q = bus1_queue_peek(&f.q);
        ck_assert_ptr_nonnull(first_p);
        ck_assert_uint_eq(first_p->tx, 1);
        ck_assert_uint_eq(first_q->tx, 1);
}
END_TEST

START_TEST(entries_of_a_transaction_stay_in_order_when_it_is_delayed) {
        struct fixture f;
        u64 t;

        fixture_init(&f);
        t = stage(&f.first, &f.q, &f.entries[0], 0);
        bus1_queue_push(&f.q, &f.entries[2], 3, 0);
        /* The receive delays the transaction while only its first entry is staged. */
        ck_assert_ptr_null(bus1_queue_remove(&f.q, bus1_queue_peek(&f.q)));
        bus1_queue_sync(&f.q, 50);
        t = max(t, stage(&f.first, &f.q, &f.entries[1], 1));
        bus1_queue_push(&f.q, &f.entries[3], 3, 0);
        ck_assert_ptr_eq(bus1_queue_peek(&f.q), &f.entries[3]);
        ck_assert_uint_gt(bus1_staging_decide(&f.first, t), f.entries[3].timestamp);
        ck_assert_ptr_eq(bus1_queue_remove(&f.q, &f.entries[3]), &f.entries[0]);
        ck_assert_ptr_eq(bus1_queue_next_of_tx(&f.q, &f.entries[0]), &f.entries[1]);
        ck_assert_ptr_null(bus1_queue_next_of_tx(&f.q, &f.entries[1]));
        ck_assert_ptr_eq(bus1_queue_remove(&f.q, &f.entries[0]), &f.entries[1]);
}
END_TEST

START_TEST(sealed_queue_takes_nothing) {
        struct fixture f;
        LIST_HEAD(list);
        bool sealed;

        fixture_init(&f);
        bus1_queue_push(&f.q, &f.entries[0], 3, 0);
        bus1_queue_push(&f.q, &f.entries[1], 3, 0);
        stage(&f.first, &f.q, &f.entries[2], 0);
        bus1_queue_seal(&f.q, &f.entries[0], &list);
        /*
         * bus1_queue_seal() returns the final entries, except the one that is being received. The
         * sender of a staged entry drops it.
         */
        ck_assert_ptr_eq(bus1_entries_take(&list), &f.entries[1]);
        ck_assert_ptr_null(bus1_entries_take(&list));
        ck_assert_uint_eq(stage(&f.first, &f.q, &f.entries[3], 1), 0);
        bus1_staging_decide(&f.first, 2);
        ck_assert(!bus1_queue_commit(&f.q, &f.entries[2], &f.first));
        ck_assert(!bus1_queue_commit(&f.q, &f.entries[3], &f.first));
        ck_assert_uint_eq(bus1_queue_push(&f.q, &f.entries[1], 3, 0), 0);
        ck_assert(!bus1_queue_is_readable(&f.q, &sealed));
        ck_assert(sealed);
        ck_assert_uint_eq(bus1_queue_count(&f.q), 0);
}
END_TEST

START_TEST(queue_receives_in_order_of_timestamps) {
        static struct bus1_queue_entry entries[1000];
        static struct bus1_staging stagings[1000];
        struct bus1_queue q;
        static u64 timestamps[1000];
        u64 last = 0, r = 88172645463325252ULL;

        bus1_queue_init(&q, NULL, NULL, NULL);
        for (unsigned i = 0; i < 1000; i++) {
                LIST_HEAD(none);

                bus1_queue_entry_init(&entries[i], BUS1_ENTRY_MESSAGE, NULL);
                bus1_staging_init(&stagings[i], i, &none);
                timestamps[i] = stage(&stagings[i], &q, &entries[i], 0);
        }
        for (unsigned i = 0; i < 1000; i++) {
                r ^= r << 13, r ^= r >> 7, r ^= r << 17;
                bus1_staging_decide(&stagings[i], timestamps[i] + 2 * (r % 500));
                ck_assert(bus1_queue_commit(&q, &entries[i], &stagings[i]));
        }
        for (unsigned i = 0; i < 1000; i++) {
                struct bus1_queue_entry *entry = bus1_queue_peek(&q);

                ck_assert_ptr_nonnull(entry);
                ck_assert_uint_ge(entry->timestamp, last);
                last = entry->timestamp;
                bus1_queue_remove(&q, entry);
        }
        ck_assert_ptr_null(bus1_queue_peek(&q));
}
END_TEST

START_TEST(unicast_is_behind_what_its_sender_received) {
        struct world world = world_new(3);
        u64 node, handle, b_node, b_handle;

        /* B's clock runs far ahead. */
        create(A, B, 0, &node, &handle);
        create(B, A, 0, &b_node, &b_handle);
        for (unsigned i = 0; i < 50; i++)
                send_text(A, b_handle, "x");
        send_text(B, handle, "y");
        ck_assert_uint_gt(A->queue.clock, 100);
        ck_assert_uint_ge(B->queue.clock, A->queue.clock);
        world_free(&world);
}
END_TEST

START_TEST(multicast_is_behind_what_its_sender_sent) {
        struct world world = world_new(4);
        u64 a_node, a, b_node, b, c_node, c, before;

        /*
         * The messages to A and the multicast to B and C have no common receiver, so only the clock
         * of their sender orders them. If the multicast did not have a greater timestamp, peers
         * could learn from other transactions that it came first.
         */
        create(A, world.peers[3], 0, &a_node, &a);
        create(B, world.peers[3], 0, &b_node, &b);
        create(C, world.peers[3], 0, &c_node, &c);
        for (unsigned i = 0; i < 10; i++)
                send_text(world.peers[3], a, "x");
        before = world.peers[3]->queue.clock;
        ck_assert_int_eq(try_send(world.peers[3], (u64[]){b, c}, 2, "y", NULL, 0), 0);
        ck_assert_uint_gt(bus1_queue_peek(&B->queue)->timestamp, before);
        ck_assert_uint_eq(bus1_queue_peek(&B->queue)->timestamp,
                          bus1_queue_peek(&C->queue)->timestamp);
        world_free(&world);
}
END_TEST

START_TEST(multicasts_and_unicasts_of_one_sender_keep_their_order) {
        struct world world = world_new(3);
        u64 a_node, a, b_node, b;

        create(A, C, 0, &a_node, &a);
        create(B, C, 0, &b_node, &b);
        send_text(C, a, "1");
        ck_assert_int_eq(try_send(C, (u64[]){b, a}, 2, "2", NULL, 0), 0);
        send_text(C, b, "3");
        send_text(C, a, "4");
        ck_assert_int_eq(try_send(C, (u64[]){a, b}, 2, "5", NULL, 0), 0);
        expect_text(A, a_node, "1");
        expect_text(A, a_node, "2");
        expect_text(A, a_node, "4");
        expect_text(A, a_node, "5");
        expect_text(B, b_node, "2");
        expect_text(B, b_node, "3");
        expect_text(B, b_node, "5");
        world_free(&world);
}
END_TEST

START_TEST(notifications_are_in_order_with_messages) {
        struct world world = world_new(2);
        u64 node, handle, other_node, other;

        create(A, B, 0, &node, &handle);
        create(B, A, 0, &other_node, &other);
        send_text(A, other, "before");
        ck_assert_int_eq(try_release(A, node), 0);
        send_text(A, other, "after");
        ck_assert_int_eq(try_release(A, other), 0);
        expect_text(B, other_node, "before");
        expect_node_release(B, handle);
        expect_text(B, other_node, "after");
        expect_handle_release(B, other_node);
        world_free(&world);
}
END_TEST

START_TEST(release_is_one_transaction_for_all_who_are_told) {
        struct world world = world_new(4);
        struct bus1_peer *holder = world.peers[3];
        struct bus1_queue_entry *at_b, *at_c, *at_holder;
        u64 to_b, to_c, node, handles[2], own[2];

        /*
         * A owns nodes to which B and C have handles, and has the last handle to a node of holder.
         */
        create(A, B, 0, &own[0], &handles[0]);
        create(A, C, 0, &own[1], &handles[1]);
        create(holder, A, 0, &node, &to_b);
        /* The messages move the clock of C far ahead. */
        create(C, B, 0, &to_c, &to_c);
        for (unsigned i = 0; i < 10; i++)
                send_text(B, to_c, "x");
        while (test_recv(C).r == 0)
                ;

        ck_assert_int_eq(bus1_peer_release(A, (u64[]){own[0], to_b, own[1]}, 3), 0);
        at_b = bus1_queue_peek(&B->queue);
        at_c = bus1_queue_peek(&C->queue);
        at_holder = bus1_queue_peek(&holder->queue);
        ck_assert_uint_eq(at_b->timestamp, at_c->timestamp);
        ck_assert_uint_eq(at_b->timestamp, at_holder->timestamp);
        ck_assert_uint_eq(at_b->tx, at_c->tx);
        ck_assert_uint_eq(at_b->tx, at_holder->tx);
        expect_node_release(B, handles[0]);
        expect_node_release(C, handles[1]);
        expect_handle_release(holder, node);
        world_free(&world);
}
END_TEST

START_TEST(message_and_notifications_are_one_transaction) {
        struct world world = world_new(4);
        struct bus1_peer *d = world.peers[3];
        struct bus1_queue_entry *at_a, *at_c, *at_d;
        u64 node, handle, other, d_node, to_d;

        /*
         * The message has two destinations, A and d. It ends the one-shot node of A, so C, which
         * also holds a handle to this node, is notified.
         */
        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);
        other = copy(B, C, handle);
        create(d, B, 0, &d_node, &to_d);
        for (unsigned i = 0; i < 10; i++)
                send_text(B, to_d, "x");
        while (test_recv(d).r == 0)
                ;

        ck_assert_int_eq(try_send(B, (u64[]){handle, to_d}, 2, "text", NULL, 0), 0);
        at_a = bus1_queue_peek(&A->queue);
        at_c = bus1_queue_peek(&C->queue);
        at_d = bus1_queue_peek(&d->queue);
        ck_assert_uint_eq(at_a->timestamp, at_d->timestamp);
        ck_assert_uint_eq(at_c->timestamp, at_d->timestamp);
        ck_assert_uint_eq(at_a->tx, at_d->tx);
        ck_assert_uint_eq(at_c->tx, at_d->tx);
        expect_text(A, node, "text");
        expect_node_release(C, other);
        expect_text(d, d_node, "text");
        world_free(&world);
}
END_TEST

START_TEST(reaction_is_behind_its_cause_without_a_message_between) {
        struct world world = world_new(5);
        struct bus1_peer *d = world.peers[3], *e = world.peers[4];
        u64 c_node, to_c, d_node, to_d, node, handle, e_to_c, e_to_d;

        /*
         * The peer e sends after A, because it has learned of A's message outside of the core. A
         * and e have only the receivers in common, and the clock of e is behind that of A.
         */
        create(C, A, 0, &c_node, &to_c);
        create(d, A, 0, &d_node, &to_d);
        e_to_c = copy(A, e, to_c);
        e_to_d = copy(A, e, to_d);
        create(B, A, 0, &node, &handle);
        for (unsigned i = 0; i < 10; i++)
                send_text(A, handle, "x");
        ck_assert_uint_gt(A->queue.clock, e->queue.clock);

        ck_assert_int_eq(try_send(A, (u64[]){to_c, to_d}, 2, "cause", NULL, 0), 0);
        ck_assert_int_eq(try_send(e, (u64[]){e_to_d, e_to_c}, 2, "reaction", NULL, 0), 0);
        send_text(e, e_to_c, "reaction to one");
        expect_text(C, c_node, "cause");
        expect_text(C, c_node, "reaction");
        expect_text(C, c_node, "reaction to one");
        expect_text(d, d_node, "cause");
        expect_text(d, d_node, "reaction");
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("order");
        TCase *tcase = tcase_create("order");

        tcase_add_test(tcase, nothing_waits_for_a_staged_entry);
        tcase_add_test(tcase, entry_that_is_looked_at_stays_the_next_one);
        tcase_add_test(tcase, commit_moves_an_entry_behind_earlier_ones);
        tcase_add_test(tcase, what_comes_after_the_decision_comes_after_the_transaction);
        tcase_add_test(tcase, equal_timestamps_are_ordered_alike_everywhere);
        tcase_add_test(tcase, entries_of_a_transaction_stay_in_order_when_it_is_delayed);
        tcase_add_test(tcase, sealed_queue_takes_nothing);
        tcase_add_test(tcase, queue_receives_in_order_of_timestamps);
        tcase_add_test(tcase, unicast_is_behind_what_its_sender_received);
        tcase_add_test(tcase, multicast_is_behind_what_its_sender_sent);
        tcase_add_test(tcase, multicasts_and_unicasts_of_one_sender_keep_their_order);
        tcase_add_test(tcase, notifications_are_in_order_with_messages);
        tcase_add_test(tcase, release_is_one_transaction_for_all_who_are_told);
        tcase_add_test(tcase, message_and_notifications_are_one_transaction);
        tcase_add_test(tcase, reaction_is_behind_its_cause_without_a_message_between);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
