/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Peers of 2016 and of 2026 on one device: what decides the interface of a peer, and the exchange
 * of handles and messages between them
 *
 * Needs bus1.ko, but not root.
 */

#include "command.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/bus1-2016.h>
#include <linux/bus1.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define POOL (1024 * 1024)

static int peer_open(void) {
        int fd = open("/dev/bus1", O_RDWR | O_CLOEXEC);

        EXPECT(fd >= 0);
        return fd;
}

static int query_2026(int fd) {
        return command(fd, BUS1_CMD_QUERY, &(struct bus1_cmd_query){});
}

static int query_2016(int fd) {
        return command(fd, BUS1_2016_PEER_QUERY, &(struct bus1_2016_peer_reset){});
}

/* 2026 */

static int transfer_2026(int from, uint64_t to, struct bus1_transfer *src,
                         struct bus1_transfer *dst) {
        struct bus1_cmd_transfer cmd = {
                .to = to, .n_transfers = 1, .ptr_src = ptr(src), .ptr_dst = ptr(dst)};

        return command(from, BUS1_CMD_TRANSFER, &cmd);
}

static int send_2026(int fd, uint64_t handle, const char *text, const struct bus1_transfer *given) {
        struct iovec vec = {(void *)text, strlen(text)};
        struct bus1_message message = {
                .n_transfers = given ? 1 : 0,
                .ptr_transfers = ptr(given),
                .n_data = strlen(text),
                .n_data_vecs = 1,
                .ptr_data_vecs = ptr(&vec),
        };
        struct bus1_cmd_send cmd = {
                .n_destinations = 1,
                .ptr_destinations = ptr(&handle),
                .ptr_message = ptr(&message),
        };

        return command(fd, BUS1_CMD_SEND, &cmd);
}

static void expect_2026(int fd, uint64_t type, uint64_t id, const char *text,
                        uint64_t *ret_handle) {
        char data[64] = {};
        struct iovec vec = {data, sizeof(data)};
        struct bus1_transfer transfer;
        struct bus1_message message = {
                .type = BUS1_INVALID,
                .n_transfers = 1,
                .ptr_transfers = ptr(&transfer),
                .n_data = sizeof(data),
                .n_data_vecs = 1,
                .ptr_data_vecs = ptr(&vec),
        };
        struct bus1_metadata metadata;
        struct bus1_cmd_recv cmd = {.ptr_metadata = ptr(&metadata), .ptr_message = ptr(&message)};

        EXPECT(command(fd, BUS1_CMD_RECV, &cmd) == 0);
        EXPECT(message.type == type && metadata.id == id);
        EXPECT(strcmp(data, text) == 0);
        EXPECT(message.n_transfers == (ret_handle ? 1 : 0));
        if (ret_handle)
                *ret_handle = transfer.id;
}

/* 2016 */

static int transfer_2016(int from, uint64_t src, uint64_t to, uint64_t *ret_dst) {
        struct bus1_2016_handle_transfer cmd = {
                .src_handle = src, .dst_fd = to, .dst_handle = BUS1_2016_INVALID};
        int r = command(from, BUS1_2016_HANDLE_TRANSFER, &cmd);

        *ret_dst = cmd.dst_handle;
        return r;
}

static int send_2016(int fd, uint64_t handle, const char *text, const uint64_t *given) {
        struct iovec vec = {(void *)text, strlen(text)};
        struct bus1_2016_send cmd = {
                .ptr_destinations = ptr(&handle),
                .n_destinations = 1,
                .ptr_vecs = ptr(&vec),
                .n_vecs = 1,
                .ptr_handles = ptr(given),
                .n_handles = given ? 1 : 0,
        };

        return command(fd, BUS1_2016_SEND, &cmd);
}

static void expect_2016(int fd, uint64_t type, uint64_t id, const char *text,
                        uint64_t *ret_handle) {
        struct bus1_2016_recv cmd = {.max_offset = POOL};
        const uint8_t *pool;

        EXPECT(command(fd, BUS1_2016_RECV, &cmd) == 0);
        EXPECT(cmd.msg.type == type && cmd.msg.destination == id);
        EXPECT(cmd.msg.n_bytes == strlen(text));
        EXPECT(cmd.msg.n_handles == (ret_handle ? 1 : 0));
        if (type != BUS1_2016_MSG_DATA)
                return;
        pool = mmap(NULL, POOL, PROT_READ, MAP_SHARED, fd, 0);
        EXPECT(pool != MAP_FAILED);
        EXPECT(memcmp(pool + cmd.msg.offset, text, strlen(text)) == 0);
        if (ret_handle)
                memcpy(ret_handle, pool + cmd.msg.offset + (strlen(text) + 7) / 8 * 8, 8);
        EXPECT(munmap((void *)pool, POOL) == 0);
        EXPECT(command(fd, BUS1_2016_SLICE_RELEASE, &cmd.msg.offset) == 0);
}

static void test_first_command_decides(void) {
        int old = peer_open(), new = peer_open(), other = peer_open();
        uint64_t id;

        /* an unknown command does not decide the interface of the peer */
        EXPECT(command(old, _IO(BUS1_2016_IOCTL_MAGIC, 0x77), NULL) == -ENOTTY);
        EXPECT(!isatty(old));
        EXPECT(query_2016(old) == 0);
        EXPECT(query_2026(old) == -ENOTTY);
        EXPECT(query_2016(old) == 0);

        EXPECT(query_2026(new) == 0);
        EXPECT(query_2016(new) == -ENOTTY);

        /* A mapping does not decide, because both generations have pools. A transfer to it does. */
        EXPECT(mmap(NULL, POOL, PROT_READ, MAP_SHARED, other, 0) != MAP_FAILED);
        EXPECT(transfer_2016(old, 0x100, other, &id) == 0);
        EXPECT(query_2026(other) == -ENOTTY);
        EXPECT(query_2016(other) == 0);
        close(other);
        other = peer_open();
        EXPECT(transfer_2026(new, other,
                             &(struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID},
                             &(struct bus1_transfer){}) == 0);
        EXPECT(query_2016(other) == -ENOTTY);
        EXPECT(query_2026(other) == 0);
        close(old);
        close(new);
        close(other);
}

static void test_exchange(void) {
        struct bus1_transfer src = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}, dst;
        int old = peer_open(), new = peer_open();
        uint64_t to_old, to_new, node, given = 0x104, handle;

        EXPECT(query_2016(old) == 0 && query_2026(new) == 0);

        /* transfers in both directions */
        EXPECT(transfer_2016(old, 0x100, new, &to_old) == 0);
        EXPECT((to_old & BUS1_MANAGED) != 0);
        EXPECT(transfer_2026(new, old, &src, &dst) == 0);
        node = src.id;
        to_new = dst.id;
        EXPECT((to_new & 3) == (BUS1_2016_HANDLE_MANAGED | BUS1_2016_HANDLE_REMOTE));

        /* messages and handles in both directions */
        EXPECT(send_2026(new, to_old, "to 2016", NULL) == 0);
        expect_2016(old, BUS1_2016_MSG_DATA, 0x100, "to 2016", NULL);
        EXPECT(send_2016(old, to_new, "to 2026", &given) == 0);
        expect_2026(new, BUS1_MESSAGE_TYPE_USER, node, "to 2026", &handle);
        EXPECT(send_2026(new, to_old, "back", &(struct bus1_transfer){0, handle}) == 0);
        expect_2016(old, BUS1_2016_MSG_DATA, 0x100, "back", &given);
        EXPECT(given == 0x104);

        /* both release their references to node 0x104; the peer of 2026 releases the last one */
        EXPECT(command(old, BUS1_2016_HANDLE_RELEASE, &given) == 0);
        EXPECT(command(new, BUS1_CMD_RELEASE,
                       &(struct bus1_cmd_release){.n_ids = 1, .ptr_ids = ptr(&handle)}) == 0);
        expect_2016(old, BUS1_2016_MSG_NODE_RELEASE, 0x104, "", NULL);
        EXPECT(command(old, BUS1_2016_HANDLE_RELEASE, &to_new) == 0);
        expect_2026(new, BUS1_MESSAGE_TYPE_HANDLE_RELEASE, node, "", NULL);

        /* one peer ends, then the other */
        EXPECT(command(old, BUS1_2016_PEER_DISCONNECT, NULL) == 0);
        expect_2026(new, BUS1_MESSAGE_TYPE_NODE_RELEASE, to_old, "", NULL);
        close(old);
        old = peer_open();
        src = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        EXPECT(query_2016(old) == 0);
        EXPECT(transfer_2026(new, old, &src, &dst) == 0);
        close(new);
        expect_2016(old, BUS1_2016_MSG_NODE_DESTROY, dst.id, "", NULL);
        EXPECT(send_2016(old, dst.id, "", NULL) == -EHOSTUNREACH);
        close(old);
}

int main(void) {
        test_first_command_decides();
        test_exchange();
        printf("both generations on one device\n");
        return 0;
}
