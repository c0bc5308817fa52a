/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Receiving only what concerns one node: what came before stays queued, in its order. */

#include "core-test.h"
#include <string.h>

#define A scene.world.peers[0]
#define B scene.world.peers[1]

/* A owns two nodes, to which B has handles; the filter is for the first one. */
struct scene {
        struct world world;
        struct bus1_recv_filter filter;
        u64 node, handle, other, to_other;
};

static struct scene scene_new(size_t n_peers, u64 flags) {
        struct scene scene = {.world = world_new(n_peers)};

        create(A, B, flags, &scene.node, &scene.handle);
        create(A, B, 0, &scene.other, &scene.to_other);
        scene.filter.node = scene.node;
        return scene;
}

/* Receive the next entry that concerns the node of a filter. */
static struct received filtered(struct bus1_peer *peer, struct bus1_recv_filter *filter) {
        struct received received = {};
        struct bus1_recv recv;

        received.r = bus1_peer_recv_begin_for(peer, &recv, filter);
        if (received.r < 0)
                return received;
        received.type = recv.type;
        received.id = recv.id;
        if (recv.payload) {
                received.n_data = recv.payload->n_data;
                memcpy(received.data, recv.payload->data, received.n_data);
        }
        received.r = bus1_peer_recv_commit(&recv);
        return received;
}

static void expect_filtered(struct bus1_peer *peer, struct bus1_recv_filter *filter,
                            const char *text) {
        struct received received = filtered(peer, filter);

        ck_assert_int_eq(received.r, 0);
        ck_assert_uint_eq(received.type, BUS1_MESSAGE_TYPE_USER);
        ck_assert_uint_eq(received.id, filter->node);
        ck_assert_uint_eq(received.n_data, strlen(text));
        ck_assert_mem_eq(received.data, text, received.n_data);
}

START_TEST(others_stay_queued) {
        struct scene scene = scene_new(2, 0);

        ck_assert_int_eq(filtered(A, &scene.filter).r, -EAGAIN);
        send_text(B, scene.to_other, "1");
        send_text(B, scene.handle, "2");
        send_text(B, scene.to_other, "3");
        send_text(B, scene.handle, "4");
        expect_filtered(A, &scene.filter, "2");
        expect_filtered(A, &scene.filter, "4");
        ck_assert_int_eq(filtered(A, &scene.filter).r, -EAGAIN);
        expect_text(A, scene.other, "1");
        send_text(B, scene.handle, "5");
        expect_text(A, scene.other, "3");
        expect_filtered(A, &scene.filter, "5");
        expect_nothing(A);
        world_free(&scene.world);
}
END_TEST

START_TEST(the_end_of_the_handles_is_found) {
        struct scene scene = scene_new(2, 0);
        struct received received;

        send_text(B, scene.to_other, "1");
        ck_assert_int_eq(try_release(B, scene.handle), 0);
        received = filtered(A, &scene.filter);
        ck_assert_int_eq(received.r, 0);
        ck_assert_uint_eq(received.type, BUS1_MESSAGE_TYPE_HANDLE_RELEASE);
        ck_assert_uint_eq(received.id, scene.node);
        expect_text(A, scene.other, "1");
        /* the ID of the node has ended */
        ck_assert_int_eq(filtered(A, &scene.filter).r, -EBADRQC);
        world_free(&scene.world);
}
END_TEST

START_TEST(a_oneshot_node_ends) {
        struct scene scene = scene_new(2, BUS1_TRANSFER_FLAG_ONESHOT);

        send_text(B, scene.to_other, "1");
        send_text(B, scene.handle, "reply");
        expect_filtered(A, &scene.filter, "reply");
        ck_assert_int_eq(filtered(A, &scene.filter).r, -EBADRQC);
        expect_text(A, scene.other, "1");
        world_free(&scene.world);
}
END_TEST

START_TEST(only_nodes_of_the_peer) {
        struct scene scene = scene_new(2, 0);

        scene.filter.node = scene.handle;
        ck_assert_int_eq(filtered(B, &scene.filter).r, -EBADRQC);
        scene.filter.node = scene.node;
        ck_assert_int_eq(filtered(B, &scene.filter).r, -EBADRQC);
        scene.filter.node = BUS1_INVALID;
        ck_assert_int_eq(filtered(A, &scene.filter).r, -EBADRQC);
        world_free(&scene.world);
}
END_TEST

/*
 * A receive with the filter takes a message before its turn. The notification about the handle in
 * the message still comes in its own turn.
 */
START_TEST(handles_come_before_their_notifications) {
        struct scene scene = scene_new(3, 0);
        struct bus1_peer *c = scene.world.peers[2];
        u64 c_node, c_handle;
        struct bus1_recv recv;
        u64 id;

        create(c, B, 0, &c_node, &c_handle);
        send_text(B, scene.to_other, "1");
        send_handle(B, scene.handle, c_handle);
        ck_assert_int_eq(try_release(c, c_node), 0);
        ck_assert_int_eq(bus1_peer_recv_begin_for(A, &recv, &scene.filter), 0);
        id = bus1_recv_transfer(&recv, 0).id;
        ck_assert_int_eq(bus1_peer_recv_commit(&recv), 0);
        expect_text(A, scene.other, "1");
        if (id != BUS1_INVALID)
                expect_node_release(A, id);
        expect_nothing(A);
        expect_node_release(B, c_handle);
        world_free(&scene.world);
}
END_TEST

/*
 * The filter finds a message whose handle gets an ID, but the receiver does not take the message.
 * The notification about the handle is before the message, and is moot. So the handle has ended
 * when the message is received in its turn.
 */
START_TEST(a_handle_may_end_after_a_look_at_it) {
        struct scene scene = scene_new(3, 0);
        struct bus1_peer *c = scene.world.peers[2];
        struct bus1_delivery *delivery;
        u64 c_node, c_handle;
        struct bus1_recv recv;

        create(c, B, 0, &c_node, &c_handle);
        send_text(B, scene.to_other, "1");
        delivery = send_handle_begin(B, scene.handle, c_handle);
        ck_assert_int_eq(try_release(c, c_node), 0);
        send_handle_end(B, delivery);
        ck_assert_int_eq(bus1_peer_recv_begin_for(A, &recv, &scene.filter), 0);
        ck_assert_uint_ne(bus1_recv_transfer(&recv, 0).id, BUS1_INVALID);
        bus1_peer_recv_abort(&recv);

        expect_text(A, scene.other, "1");
        ck_assert_uint_eq(expect_handle(A, scene.node), BUS1_INVALID);
        expect_nothing(A);
        expect_node_release(B, c_handle);
        world_free(&scene.world);
}
END_TEST

START_TEST(the_front_may_become_moot_meanwhile) {
        struct bus1_recv recv;

        for (int abort = 0; abort < 2; abort++) {
                struct scene scene = scene_new(2, 0);

                send_text(B, scene.to_other, "1");
                send_text(B, scene.handle, "2");
                ck_assert_int_eq(bus1_peer_recv_begin_for(A, &recv, &scene.filter), 0);
                ck_assert_int_eq(try_release(A, scene.other), 0);
                if (abort) {
                        bus1_peer_recv_abort(&recv);
                        ck_assert_uint_eq(bus1_peer_poll(A), BUS1_POLL_READABLE);
                        expect_text(A, scene.node, "2");
                } else {
                        ck_assert_int_eq(bus1_peer_recv_commit(&recv), 0);
                }
                ck_assert_uint_eq(bus1_peer_poll(A), 0);
                expect_node_release(B, scene.to_other);
                world_free(&scene.world);
        }
}
END_TEST

START_TEST(news_are_reported) {
        struct scene scene = scene_new(2, 0);

        ck_assert_int_eq(filtered(A, &scene.filter).r, -EAGAIN);
        ck_assert(!bus1_peer_poll_for(A, &scene.filter));
        send_text(B, scene.to_other, "1");
        ck_assert(bus1_peer_poll_for(A, &scene.filter));
        ck_assert_int_eq(filtered(A, &scene.filter).r, -EAGAIN);
        /* the message is still queued, but the receive with the filter has looked at it */
        ck_assert(!bus1_peer_poll_for(A, &scene.filter));
        bus1_peer_disconnect(A);
        ck_assert(bus1_peer_poll_for(A, &scene.filter));
        ck_assert_int_eq(filtered(A, &scene.filter).r, -ESHUTDOWN);
        world_free(&scene.world);
}
END_TEST

START_TEST(a_try_does_not_wait_for_another_receiver) {
        struct scene scene = scene_new(2, 0);
        struct bus1_recv first, second;

        ck_assert_int_eq(bus1_peer_recv_try_begin(A, &first, NULL), -EAGAIN);
        send_text(B, scene.to_other, "1");
        ck_assert_int_eq(bus1_peer_recv_begin(A, &first), 0);
        ck_assert_int_eq(bus1_peer_recv_try_begin(A, &second, NULL), -EAGAIN);
        bus1_peer_recv_abort(&first);

        /* a try with a filter that finds nothing leaves the lock of the receivers free */
        ck_assert_int_eq(bus1_peer_recv_try_begin(A, &second, &scene.filter), -EAGAIN);
        ck_assert_int_eq(bus1_peer_recv_try_begin(A, &second, NULL), 0);
        ck_assert_int_eq(bus1_peer_recv_commit(&second), 0);
        world_free(&scene.world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("filter");
        TCase *t = tcase_create("filter");

        tcase_add_test(t, others_stay_queued);
        tcase_add_test(t, the_end_of_the_handles_is_found);
        tcase_add_test(t, a_oneshot_node_ends);
        tcase_add_test(t, only_nodes_of_the_peer);
        tcase_add_test(t, handles_come_before_their_notifications);
        tcase_add_test(t, a_handle_may_end_after_a_look_at_it);
        tcase_add_test(t, the_front_may_become_moot_meanwhile);
        tcase_add_test(t, news_are_reported);
        tcase_add_test(t, a_try_does_not_wait_for_another_receiver);
        suite_add_tcase(suite, t);
        return run_suite(suite);
}
