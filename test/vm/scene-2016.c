/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every command of 2016 once, see scene.h
 *
 * The result of a receive says little, because the message is in the pool. So the transcript has a
 * checksum of the pool, and the charges.
 */

#include "scene.h"
#include <linux/bus1-2016.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NODE 0x100
#define ANOTHER 0x104
/* the first ID of the nodes that a command makes */
#define NEW 0x200

static const struct bus1_2016_peer_reset no_limits = {
        .max_slices = UINT32_MAX,
        .max_handles = UINT32_MAX,
        .max_inflight_bytes = UINT32_MAX,
        .max_inflight_fds = UINT32_MAX,
};

/* prepared commands */

static void prepare_query(struct scene *scene) {
        memset(scene_page(scene, PAGE_COMMAND), 0, sizeof(struct bus1_2016_peer_reset));
        scene->request = BUS1_2016_PEER_QUERY;
}

static void prepare_reset(struct scene *scene) {
        struct bus1_2016_peer_reset *cmd = scene_page(scene, PAGE_COMMAND);

        *cmd = no_limits;
        cmd->flags = BUS1_2016_RESET_FLUSH | BUS1_2016_RESET_FLUSH_SEED;
        scene->request = BUS1_2016_PEER_RESET;
}

static void prepare_disconnect(struct scene *scene) {
        scene->request = BUS1_2016_PEER_DISCONNECT;
}

static void prepare_handle_transfer_to(struct scene *scene, uint64_t to) {
        struct bus1_2016_handle_transfer *cmd = scene_page(scene, PAGE_COMMAND);

        *cmd = (struct bus1_2016_handle_transfer){
                .src_handle = NEW, .dst_fd = to, .dst_handle = BUS1_2016_INVALID};
        scene->request = BUS1_2016_HANDLE_TRANSFER;
}

static void prepare_handle_transfer(struct scene *scene) {
        prepare_handle_transfer_to(scene, (uint64_t)scene->b);
}

static void prepare_handle_transfer_to_self(struct scene *scene) {
        prepare_handle_transfer_to(scene, UINT64_MAX);
}

static void prepare_handle_release(struct scene *scene) {
        memcpy(scene_page(scene, PAGE_COMMAND), &scene->other, sizeof(scene->other));
        scene->request = BUS1_2016_HANDLE_RELEASE;
}

static void prepare_nodes_destroy(struct scene *scene) {
        struct bus1_2016_nodes_destroy *cmd = scene_page(scene, PAGE_COMMAND);
        uint64_t *ids = scene_page(scene, PAGE_IDS);

        *cmd = (struct bus1_2016_nodes_destroy){
                .flags = BUS1_2016_DESTROY_RELEASE_HANDLES, .ptr_nodes = ptr(ids), .n_nodes = 2};
        ids[0] = NODE;
        ids[1] = ANOTHER;
        scene->request = BUS1_2016_NODES_DESTROY;
}

static void prepare_send(struct scene *scene) {
        struct bus1_2016_send *cmd = scene_page(scene, PAGE_COMMAND);
        uint64_t *ids = scene_page(scene, PAGE_IDS), *handles = scene_page(scene, PAGE_RESULTS);
        int32_t *fds = scene_page(scene, PAGE_FDS);

        *cmd = (struct bus1_2016_send){
                .ptr_destinations = ptr(ids),
                .ptr_errors = ptr(scene_page(scene, PAGE_ERRORS)),
                .n_destinations = 4,
                .ptr_vecs = ptr(scene_page(scene, PAGE_VECS)),
                .n_vecs = N_VECS,
                .ptr_handles = ptr(handles),
                .n_handles = 5,
                .ptr_fds = ptr(fds),
                .n_fds = N_FDS,
        };
        ids[0] = ids[2] = handles[1] = handles[4] = scene->other;
        ids[1] = handles[0] = NODE;
        ids[3] = handles[2] = NEW;
        handles[3] = NEW + 4;
        for (size_t i = 0; i < N_FDS; i++)
                fds[i] = STDERR_FILENO;
        scene_prepare_data(scene);
        scene->request = BUS1_2016_SEND;
}

static void prepare_send_continue(struct scene *scene) {
        struct bus1_2016_send *cmd = scene_page(scene, PAGE_COMMAND);

        prepare_send(scene);
        cmd->flags = BUS1_2016_SEND_CONTINUE;
}

static void prepare_send_seed(struct scene *scene) {
        struct bus1_2016_send *cmd = scene_page(scene, PAGE_COMMAND);

        prepare_send(scene);
        cmd->flags = BUS1_2016_SEND_SEED;
        cmd->n_destinations = 0;
}

static void prepare_recv_flags(struct scene *scene, uint64_t flags) {
        struct bus1_2016_recv *cmd = scene_page(scene, PAGE_COMMAND);

        *cmd = (struct bus1_2016_recv){.flags = flags, .max_offset = UINT64_MAX};
        scene->request = BUS1_2016_RECV;
}

static void prepare_recv(struct scene *scene) {
        prepare_recv_flags(scene, 0);
}

static void prepare_peek(struct scene *scene) {
        prepare_recv_flags(scene, BUS1_2016_RECV_PEEK);
}

static void prepare_recv_seed(struct scene *scene) {
        prepare_send_seed(scene);
        EXPECT(scene_run(scene) == 0);
        prepare_recv_flags(scene, BUS1_2016_RECV_SEED);
}

static void prepare_slice_release(struct scene *scene) {
        if (!scene->has_slice) {
                prepare_recv(scene);
                EXPECT(scene_run(scene) == 0);
                scene->has_slice = true;
        }
        memset(scene_page(scene, PAGE_COMMAND), 0, sizeof(uint64_t));
        scene->request = BUS1_2016_SLICE_RELEASE;
}

#define PAGES_OF_SEED                                                                              \
        (BIT(PAGE_COMMAND) | BIT(PAGE_RESULTS) | BIT(PAGE_VECS) | BIT(PAGE_FDS) | BIT(PAGE_DATA) | \
         BIT(PAGE_DATA_END))
#define PAGES_OF_SEND (PAGES_OF_SEED | BIT(PAGE_IDS) | BIT(PAGE_ERRORS))

#define OPERATION_2016(operation, prepare_it, pages_of_it, ...)                         \
        {                                                                               \
                .name = "2016-" operation, .prepare = prepare_it, .pages = pages_of_it, \
                .is_2016 = true, ##__VA_ARGS__                                          \
        }

/*
 * Before a receive takes the message, it checks that it can write its result. The later write of
 * the result can still fail. So the receives have is_done_before_results, too.
 */
const struct operation operations_2016[] = {
        OPERATION_2016("query", prepare_query, BIT(PAGE_COMMAND)),
        OPERATION_2016("reset", prepare_reset, BIT(PAGE_COMMAND)),
        OPERATION_2016("handle-transfer", prepare_handle_transfer, BIT(PAGE_COMMAND),
                       .is_done_before_results = true),
        OPERATION_2016("handle-transfer-to-self", prepare_handle_transfer_to_self,
                       BIT(PAGE_COMMAND), .is_done_before_results = true),
        OPERATION_2016("handle-release", prepare_handle_release, BIT(PAGE_COMMAND)),
        OPERATION_2016("nodes-destroy", prepare_nodes_destroy, BIT(PAGE_COMMAND) | BIT(PAGE_IDS)),
        OPERATION_2016("send", prepare_send, PAGES_OF_SEND, .is_done_before_results = true),
        OPERATION_2016("send-continue", prepare_send_continue, PAGES_OF_SEND,
                       .is_done_before_results = true),
        OPERATION_2016("send-seed", prepare_send_seed, PAGES_OF_SEED),
        OPERATION_2016("recv", prepare_recv, BIT(PAGE_COMMAND), .is_done_before_results = true),
        OPERATION_2016("peek", prepare_peek, BIT(PAGE_COMMAND), .is_done_before_results = true),
        OPERATION_2016("recv-seed", prepare_recv_seed, BIT(PAGE_COMMAND),
                       .is_done_before_results = true),
        OPERATION_2016("slice-release", prepare_slice_release, BIT(PAGE_COMMAND)),
        OPERATION_2016("disconnect", prepare_disconnect, 0, .ends = true),
};
const size_t n_operations_2016 = sizeof(operations_2016) / sizeof(operations_2016[0]);

/* scenes */

static uint64_t give_node(const struct scene *scene, uint64_t id) {
        struct bus1_2016_handle_transfer cmd = {
                .src_handle = id, .dst_fd = (uint64_t)scene->b, .dst_handle = BUS1_2016_INVALID};

        EXPECT(command(scene->a, BUS1_2016_HANDLE_TRANSFER, &cmd) == 0);
        return cmd.dst_handle;
}

void scene_init_2016(struct scene *scene) {
        struct bus1_2016_peer_reset cmd = {};
        uint64_t node, handle, to_a;

        /* the first command decides which interface the peer speaks */
        EXPECT(command(scene->a, BUS1_2016_PEER_QUERY, &cmd) == 0);
        node_create(scene->b, scene->b, &node, &handle);
        scene->other = handle_copy(scene->b, scene->a, handle);
        to_a = give_node(scene, NODE);
        give_node(scene, ANOTHER);
        scene_queue_message(scene, to_a, handle);
}

void scene_describe_2016(FILE *f, const struct scene *scene) {
        struct bus1_2016_recv cmd;
        int r;

        /* if the operation is a receive, its data is at the beginning of the pool */
        fprintf(f, "a: pool %u\n",
                scene->request == BUS1_2016_RECV ? scene_pool_sum(scene, 0, N_DATA) : 0);
        for (;;) {
                cmd = (struct bus1_2016_recv){.max_offset = UINT64_MAX};
                r = command(scene->a, BUS1_2016_RECV, &cmd);
                if (r == -EAGAIN)
                        break;
                EXPECT(r == 0);
                fprintf(f, "type %llu data %llu handles %llu", (unsigned long long)cmd.msg.type,
                        (unsigned long long)cmd.msg.n_bytes, (unsigned long long)cmd.msg.n_handles);
                if (cmd.msg.type == BUS1_2016_MSG_DATA) {
                        fprintf(f, " sum %u",
                                scene_pool_sum(scene, cmd.msg.offset, cmd.msg.n_bytes));
                        EXPECT(command(scene->a, BUS1_2016_SLICE_RELEASE, &cmd.msg.offset) == 0);
                }
                fprintf(f, "\n");
        }
}
