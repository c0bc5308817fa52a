/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every command once, see scene.h
 */

#include "scene.h"
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* prepared commands */

/* Vectors for all data. They do not end where pages end. */
void scene_prepare_data(struct scene *scene) {
        struct iovec *vecs = scene_page(scene, PAGE_VECS);
        uint8_t *data = scene_page(scene, PAGE_DATA);

        for (size_t i = 0; i < N_VECS; i++)
                vecs[i] = (struct iovec){data + i * N_DATA / N_VECS, N_DATA / N_VECS};
        for (size_t i = 0; i < N_DATA; i++)
                data[i] = (uint8_t)(i * 7);
}

static void prepare_message(struct scene *scene, uint64_t type, size_t n_transfers, size_t n_fds) {
        struct bus1_message_fds *message = scene_page(scene, PAGE_MESSAGE);

        *message = (struct bus1_message_fds){
                .message = {.flags = BUS1_MESSAGE_FLAG_FDS,
                            .type = type,
                            .n_transfers = n_transfers,
                            .ptr_transfers = ptr(scene_page(scene, PAGE_TRANSFERS)),
                            .n_data = N_DATA,
                            .n_data_vecs = N_VECS,
                            .ptr_data_vecs = ptr(scene_page(scene, PAGE_VECS))},
                .n_fds = n_fds,
                .ptr_fds = ptr(scene_page(scene, PAGE_FDS)),
        };
        scene_prepare_data(scene);
}

static void prepare_transfers(struct scene *scene) {
        struct bus1_transfer *transfers = scene_page(scene, PAGE_TRANSFERS);

        transfers[0] = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        transfers[1] = (struct bus1_transfer){0, scene->other};
        transfers[2] = (struct bus1_transfer){
                BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT, BUS1_INVALID};
        transfers[3] = (struct bus1_transfer){0, scene->own};
        transfers[4] = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        transfers[5] = (struct bus1_transfer){0, scene->other};
}

static void prepare_transfer_to(struct scene *scene, uint64_t to) {
        struct bus1_cmd_transfer *cmd = scene_page(scene, PAGE_COMMAND);

        *cmd = (struct bus1_cmd_transfer){
                .to = to,
                .n_transfers = N_TRANSFERS,
                .ptr_src = ptr(scene_page(scene, PAGE_TRANSFERS)),
                .ptr_dst = ptr(scene_page(scene, PAGE_RESULTS)),
        };
        prepare_transfers(scene);
        scene->request = BUS1_CMD_TRANSFER;
}

static void prepare_transfer(struct scene *scene) {
        prepare_transfer_to(scene, (uint64_t)scene->b);
}

static void prepare_transfer_to_self(struct scene *scene) {
        prepare_transfer_to(scene, UINT64_MAX);
}

static void prepare_send(struct scene *scene) {
        struct bus1_cmd_send *cmd = scene_page(scene, PAGE_COMMAND);
        uint64_t *ids = scene_page(scene, PAGE_IDS);
        int32_t *fds = scene_page(scene, PAGE_FDS);

        *cmd = (struct bus1_cmd_send){
                .n_destinations = N_IDS,
                .ptr_destinations = ptr(ids),
                .ptr_errors = ptr(scene_page(scene, PAGE_ERRORS)),
                .ptr_message = ptr(scene_page(scene, PAGE_MESSAGE)),
        };
        ids[0] = ids[2] = ids[5] = scene->other;
        ids[1] = ids[4] = scene->own;
        ids[3] = scene->oneshot;
        for (size_t i = 0; i < N_FDS; i++)
                fds[i] = STDERR_FILENO;
        prepare_message(scene, BUS1_MESSAGE_TYPE_USER, N_TRANSFERS, N_FDS);
        prepare_transfers(scene);
        scene->request = BUS1_CMD_SEND;
}

static void prepare_send_continue(struct scene *scene) {
        struct bus1_cmd_send *cmd = scene_page(scene, PAGE_COMMAND);

        prepare_send(scene);
        cmd->flags = BUS1_SEND_FLAG_CONTINUE;
}

static void prepare_recv(struct scene *scene) {
        struct bus1_cmd_recv *cmd = scene_page(scene, PAGE_COMMAND);

        *cmd = (struct bus1_cmd_recv){
                .flags = BUS1_RECV_FLAG_CREDENTIALS,
                .ptr_metadata = ptr(scene_page(scene, PAGE_METADATA)),
                .ptr_message = ptr(scene_page(scene, PAGE_MESSAGE)),
        };
        prepare_message(scene, BUS1_INVALID, N_TRANSFERS, N_FDS);
        scene->request = BUS1_CMD_RECV;
}

static void prepare_peek(struct scene *scene) {
        struct bus1_cmd_recv *cmd = scene_page(scene, PAGE_COMMAND);

        prepare_recv(scene);
        cmd->flags |= BUS1_RECV_FLAG_PEEK;
}

static void prepare_discard(struct scene *scene) {
        struct bus1_cmd_recv *cmd = scene_page(scene, PAGE_COMMAND);

        prepare_recv(scene);
        cmd->flags |= BUS1_RECV_FLAG_DISCARD;
}

static void prepare_recv_into_pool(struct scene *scene) {
        struct bus1_message_pool *message = scene_page(scene, PAGE_MESSAGE);

        prepare_recv(scene);
        message->fds.message.flags |= BUS1_MESSAGE_FLAG_POOL;
        message->fds.message.n_data_vecs = 0;
        message->offset = UINT64_MAX;
}

/* Prepare a CALL whose only part is the prepared send or receive. */
static void prepare_call(struct scene *scene, bool is_send, size_t n_part) {
        struct bus1_cmd_call *cmd = scene_page(scene, PAGE_COMMAND);

        memcpy(scene_page(scene, PAGE_PART), cmd, n_part);
        *cmd = (struct bus1_cmd_call){
                .n_sends = is_send,
                .ptr_sends = ptr(scene_page(scene, PAGE_PART)),
                .n_recvs = !is_send,
                .ptr_recvs = ptr(scene_page(scene, PAGE_PART)),
                .node = BUS1_INVALID,
        };
        scene->request = BUS1_CMD_CALL;
}

static void prepare_call_send(struct scene *scene) {
        prepare_send(scene);
        prepare_call(scene, true, sizeof(struct bus1_cmd_send));
}

static void prepare_call_recv(struct scene *scene) {
        prepare_recv(scene);
        prepare_call(scene, false, sizeof(struct bus1_cmd_recv));
}

static void prepare_slice_release(struct scene *scene) {
        struct bus1_cmd_slice_release *cmd = scene_page(scene, PAGE_COMMAND);
        struct bus1_message_pool *message = scene_page(scene, PAGE_MESSAGE);

        if (!scene->has_slice) {
                prepare_recv_into_pool(scene);
                message->fds.message.flags = BUS1_MESSAGE_FLAG_POOL;
                EXPECT(scene_run(scene) == 0 && message->offset == 0);
                scene->has_slice = true;
        }
        *cmd = (struct bus1_cmd_slice_release){.offset = 0};
        scene->request = BUS1_CMD_SLICE_RELEASE;
}

static void prepare_release(struct scene *scene) {
        struct bus1_cmd_release *cmd = scene_page(scene, PAGE_COMMAND);
        uint64_t *ids = scene_page(scene, PAGE_IDS);

        *cmd = (struct bus1_cmd_release){.n_ids = 3, .ptr_ids = ptr(ids)};
        ids[0] = scene->other;
        ids[1] = scene->node;
        ids[2] = scene->oneshot;
        scene->request = BUS1_CMD_RELEASE;
}

/* commands without arguments, or with a structure of zeros */
static void prepare_query(struct scene *scene) {
        memset(scene_page(scene, PAGE_COMMAND), 0, sizeof(struct bus1_cmd_query));
        scene->request = BUS1_CMD_QUERY;
}

static void prepare_reset(struct scene *scene) {
        memset(scene_page(scene, PAGE_COMMAND), 0, sizeof(struct bus1_cmd_reset));
        scene->request = BUS1_CMD_RESET;
}

static void prepare_disconnect(struct scene *scene) {
        memset(scene_page(scene, PAGE_COMMAND), 0, sizeof(struct bus1_cmd_disconnect));
        scene->request = BUS1_CMD_DISCONNECT;
}

static void prepare_open(struct scene *scene) {
        scene->request = 0;
}

#define PAGES_OF_MESSAGE                                                            \
        (BIT(PAGE_MESSAGE) | BIT(PAGE_TRANSFERS) | BIT(PAGE_VECS) | BIT(PAGE_FDS) | \
         BIT(PAGE_DATA) | BIT(PAGE_DATA_END))
#define PAGES_OF_SEND (BIT(PAGE_IDS) | BIT(PAGE_ERRORS) | PAGES_OF_MESSAGE)
#define PAGES_OF_TRANSFER (BIT(PAGE_TRANSFERS) | BIT(PAGE_RESULTS))

const struct operation operations[] = {
        {"open", prepare_open, 0},
        {"transfer", prepare_transfer, BIT(PAGE_COMMAND) | PAGES_OF_TRANSFER, true},
        {"transfer-to-self", prepare_transfer_to_self, BIT(PAGE_COMMAND) | PAGES_OF_TRANSFER, true},
        {"release", prepare_release, BIT(PAGE_COMMAND) | BIT(PAGE_IDS)},
        {"send", prepare_send, BIT(PAGE_COMMAND) | PAGES_OF_SEND, true},
        {"send-continue", prepare_send_continue, BIT(PAGE_COMMAND) | PAGES_OF_SEND, true},
        {"recv", prepare_recv, BIT(PAGE_COMMAND) | BIT(PAGE_METADATA) | PAGES_OF_MESSAGE},
        {"peek", prepare_peek,
         BIT(PAGE_COMMAND) | BIT(PAGE_METADATA) | (PAGES_OF_MESSAGE & ~BIT(PAGE_FDS))},
        {"discard", prepare_discard, BIT(PAGE_COMMAND) | BIT(PAGE_METADATA) | BIT(PAGE_MESSAGE)},
        {"recv-into-pool", prepare_recv_into_pool,
         BIT(PAGE_COMMAND) | BIT(PAGE_METADATA) | BIT(PAGE_MESSAGE) | BIT(PAGE_TRANSFERS) |
                 BIT(PAGE_FDS)},
        {"call-send", prepare_call_send, BIT(PAGE_COMMAND) | BIT(PAGE_PART) | PAGES_OF_SEND, true},
        {"call-recv", prepare_call_recv,
         BIT(PAGE_COMMAND) | BIT(PAGE_PART) | BIT(PAGE_METADATA) | PAGES_OF_MESSAGE},
        {"slice-release", prepare_slice_release, BIT(PAGE_COMMAND)},
        {"query", prepare_query, BIT(PAGE_COMMAND)},
        {"reset", prepare_reset, BIT(PAGE_COMMAND)},
        {"disconnect", prepare_disconnect, BIT(PAGE_COMMAND), .ends = true},
};
const size_t n_operations = sizeof(operations) / sizeof(operations[0]);

/* scenes */

void scene_queue_message(const struct scene *scene, uint64_t to_a, uint64_t handle) {
        static char data[N_DATA] = "a message that waits";
        int32_t fds[2] = {STDERR_FILENO, STDERR_FILENO};
        struct iovec vec = {data, sizeof(data)};
        struct bus1_transfer transfers[] = {{0, handle}, {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}};

        EXPECT(send_message(scene->b, to_a,
                            &(struct bus1_message_fds){
                                    .message = {.flags = BUS1_MESSAGE_FLAG_FDS,
                                                .n_transfers = 2,
                                                .ptr_transfers = ptr(transfers),
                                                .n_data = sizeof(data),
                                                .n_data_vecs = 1,
                                                .ptr_data_vecs = ptr(&vec)},
                                    .n_fds = 2,
                                    .ptr_fds = ptr(fds),
                            }
                                     .message) == 0);
}

static void scene_init_2026(struct scene *scene) {
        struct bus1_transfer oneshot, dst;
        uint64_t node, handle;

        node_create(scene->a, scene->a, &scene->node, &scene->own);
        node_create(scene->b, scene->b, &node, &handle);
        scene->other = handle_copy(scene->b, scene->a, handle);
        oneshot = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                                         BUS1_INVALID};
        EXPECT(transfer(scene->b, (uint64_t)scene->a, &oneshot, &dst) == 0);
        scene->oneshot = dst.id;

        scene_queue_message(scene, handle_copy(scene->a, scene->b, scene->own), handle);
}

void scene_init(struct scene *scene, const struct operation *operation) {
        *scene = (struct scene){.a = peer_open(), .b = peer_open(), .opened = -1};
        scene->pages = mmap(NULL, N_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT(scene->pages != MAP_FAILED);
        /* Make all pages present. Then no command faults unless a test takes a page away. */
        memset(scene->pages, 0, N_PAGES * PAGE_SIZE);

        if (operation->is_2016)
                scene_init_2016(scene);
        else
                scene_init_2026(scene);
}

void scene_deinit(struct scene *scene) {
        close(scene->a);
        close(scene->b);
        if (scene->opened >= 0)
                close(scene->opened);
        munmap(scene->pages, N_PAGES * PAGE_SIZE);
}

int scene_run(struct scene *scene) {
        if (scene->request)
                return command(scene->a, scene->request, scene_page(scene, PAGE_COMMAND));
        scene->opened = open("/dev/bus1", O_RDWR | O_CLOEXEC);
        return scene->opened < 0 ? -errno : 0;
}

/* Print the objects and charges of all open peers, which must be those of the scene. */
static void print_usage(FILE *f) {
        FILE *peers = fopen("/sys/kernel/debug/bus1/peers", "re");
        char *line = NULL, *usage;
        size_t n = 0;

        EXPECT(peers != NULL);
        while (getline(&line, &n, peers) >= 0) {
                usage = strstr(line, " open ");
                if (usage)
                        fprintf(f, "%s", usage);
        }
        free(line);
        fclose(peers);
}

void scene_state(const struct scene *scene, const struct operation *operation, struct state *ret) {
        FILE *f;

        memset(ret, 0, sizeof(*ret));
        f = fmemopen(ret->usage, sizeof(ret->usage), "w");
        EXPECT(f != NULL);
        print_usage(f);
        fclose(f);
        if (!operation->is_2016)
                ret->a = query(scene->a);
        ret->b = query(scene->b);
        ret->n_fds = count_fds();
}

/* transcripts */

static uint32_t sum_of(const uint8_t *data, size_t n) {
        uint32_t sum = 0;

        for (size_t i = 0; i < n; i++)
                sum = 31 * sum + data[i];
        return sum;
}

uint32_t scene_pool_sum(const struct scene *scene, uint64_t offset, size_t n) {
        uint8_t *pool = mmap(NULL, offset + n, PROT_READ, MAP_SHARED, scene->a, 0);
        uint32_t sum;

        EXPECT(pool != MAP_FAILED);
        sum = sum_of(pool + offset, n);
        EXPECT(munmap(pool, offset + n) == 0);
        return sum;
}

static void describe_message(FILE *f, const struct bus1_message_fds *message,
                             const struct bus1_transfer *transfers, uint32_t sum,
                             const int32_t *fds) {
        size_t n_valid = 0;

        fprintf(f, "type %llu", (unsigned long long)message->message.type);
        if (message->message.type == BUS1_MESSAGE_TYPE_USER) {
                for (size_t i = 0; i < message->message.n_transfers; i++)
                        n_valid += transfers[i].id != BUS1_INVALID;
                fprintf(f, " data %llu sum %u handles %llu valid %zu fds %llu",
                        (unsigned long long)message->message.n_data, sum,
                        (unsigned long long)message->message.n_transfers, n_valid,
                        (unsigned long long)message->n_fds);
        }
        fprintf(f, "\n");
        for (size_t i = 0; fds && i < message->n_fds; i++)
                EXPECT(close(fds[i]) == 0);
}

static void describe_queue(FILE *f, int fd) {
        static uint8_t data[2 * N_DATA];

        for (;;) {
                struct bus1_transfer transfers[N_TRANSFERS];
                struct iovec vec = {data, sizeof(data)};
                struct bus1_metadata metadata;
                int32_t fds[N_FDS];
                struct bus1_message_fds message = {
                        .message = {.flags = BUS1_MESSAGE_FLAG_FDS,
                                    .type = BUS1_INVALID,
                                    .n_transfers = N_TRANSFERS,
                                    .ptr_transfers = ptr(transfers),
                                    .n_data = sizeof(data),
                                    .n_data_vecs = 1,
                                    .ptr_data_vecs = ptr(&vec)},
                        .n_fds = N_FDS,
                        .ptr_fds = ptr(fds),
                };
                int r = recv_message(fd, &message.message, 0, &metadata);

                if (r == -EAGAIN)
                        return;
                EXPECT(r == 0);
                describe_message(f, &message, transfers, sum_of(data, message.message.n_data), fds);
        }
}

static void describe_peer(FILE *f, const char *name, int fd) {
        struct bus1_cmd_query q;

        fprintf(f, "%s:\n", name);
        describe_queue(f, fd);
        q = query(fd);
        fprintf(f, "nodes %llu handles %llu messages %llu bytes %llu fds %llu\n",
                (unsigned long long)q.n_nodes, (unsigned long long)q.n_handles,
                (unsigned long long)q.n_messages, (unsigned long long)q.n_bytes,
                (unsigned long long)q.n_fds);
}

/* Describe the message that the operation has received, peeked at or discarded. */
static void describe_received(FILE *f, struct scene *scene, const struct operation *operation) {
        const struct bus1_message_pool *message = scene_page(scene, PAGE_MESSAGE);
        size_t n = message->fds.message.n_data;

        describe_message(f, &message->fds, scene_page(scene, PAGE_TRANSFERS),
                         message->fds.message.flags & BUS1_MESSAGE_FLAG_POOL
                                 ? scene_pool_sum(scene, message->offset, n)
                                 : sum_of(scene_page(scene, PAGE_DATA), n),
                         operation->pages & BIT(PAGE_FDS) ? scene_page(scene, PAGE_FDS) : NULL);
}

char *scene_transcript(struct scene *scene, const struct operation *operation) {
        char *transcript = NULL;
        size_t n = 0;
        FILE *f = open_memstream(&transcript, &n);

        EXPECT(f != NULL);
        if (scene->request == BUS1_CMD_RECV)
                describe_received(f, scene, operation);
        if (operation->is_2016 && !operation->ends)
                scene_describe_2016(f, scene);
        else if (!operation->ends)
                describe_peer(f, "a", scene->a);
        describe_peer(f, "b", scene->b);
        print_usage(f);
        fclose(f);
        return transcript;
}
