/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Security modules can refuse a message, a handle and a file
 *
 * BPF is the security module (refuse.h).
 */

#include "device.h"
#include "refuse.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int send_handle(int fd, uint64_t destination, uint64_t handle) {
        struct bus1_transfer transfer = {.id = handle};
        struct bus1_message message = {.n_transfers = 1, .ptr_transfers = ptr(&transfer)};

        return send_message(fd, destination, &message);
}

static int recv_fd(int fd) {
        struct bus1_metadata_credentials metadata;
        int passed = -1;
        struct bus1_message_fds message = {
                .message.type = BUS1_INVALID,
                .message.flags = BUS1_MESSAGE_FLAG_FDS,
                .n_fds = 1,
                .ptr_fds = ptr(&passed),
        };
        int r = recv_message(fd, &message.message, BUS1_RECV_FLAG_CREDENTIALS, &metadata);

        return r < 0 ? r : passed;
}

static void test_messages(int a, int b, uint64_t node, uint64_t handle) {
        struct bus1_metadata_credentials metadata;
        int link = refuse("bpf_lsm_binder_transaction");

        EXPECT(send_bytes(b, handle, "x", 1) == -EACCES);
        EXPECT(recv_any(a, &metadata) == -EAGAIN);
        close(link);
        EXPECT(send_bytes(b, handle, "x", 1) == 0);
        EXPECT(recv_any(a, &metadata) == BUS1_MESSAGE_TYPE_USER && metadata.metadata.id == node);
}

static void test_handles(int a, int b, uint64_t handle) {
        struct bus1_transfer src = {.id = handle}, dst;
        struct bus1_metadata_credentials metadata;
        int link = refuse("bpf_lsm_binder_transfer_binder");

        EXPECT(send_handle(b, handle, handle) == -EACCES);
        EXPECT(transfer(b, a, &src, &dst) == -EACCES);
        EXPECT(send_bytes(b, handle, "x", 1) == 0);
        EXPECT(transfer(b, UINT64_MAX, &src, &dst) == 0);
        close(link);
        EXPECT(send_handle(b, handle, handle) == 0);
        EXPECT(transfer(b, a, &src, &dst) == 0);
        EXPECT(recv_any(a, &metadata) == BUS1_MESSAGE_TYPE_USER);
        EXPECT(recv_any(a, &metadata) == BUS1_MESSAGE_TYPE_USER);
}

static void test_files(int a, int b, uint64_t handle) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC), n = count_fds(), link, fd;

        EXPECT(null >= 0 && send_fd(b, handle, null) == 0);
        link = refuse("bpf_lsm_file_receive");
        fd = recv_fd(a);
        close(link);
        EXPECT(fd == -EPERM && count_fds() == n);
        /* the message is still queued */
        fd = recv_fd(a);
        EXPECT(fd >= 0);
        close(fd);
        close(null);
}

int main(void) {
        int a = peer_open(), b = peer_open();
        uint64_t node, handle;

        node_create(a, b, &node, &handle);
        test_messages(a, b, node, handle);
        test_handles(a, b, handle);
        test_files(a, b, handle);
        close(a);
        close(b);
        printf("messages, handles and files were refused\n");
        return 0;
}
