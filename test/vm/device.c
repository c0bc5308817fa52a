/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The device without a library, see device.h
 */

#include "device.h"
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define USAGE_PATH "/sys/kernel/debug/bus1/usage"

int peer_open(void) {
        int fd = open("/dev/bus1", O_RDWR | O_CLOEXEC);

        EXPECT(fd >= 0);
        return fd;
}

int transfer(int from, uint64_t to, struct bus1_transfer *src, struct bus1_transfer *dst) {
        struct bus1_cmd_transfer cmd = {
                .to = to,
                .n_transfers = 1,
                .ptr_src = ptr(src),
                .ptr_dst = ptr(dst),
        };

        return command(from, BUS1_CMD_TRANSFER, &cmd);
}

void node_create(int owner, int holder, uint64_t *ret_node, uint64_t *ret_handle) {
        struct bus1_transfer src = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}, dst;

        EXPECT(transfer(owner, holder == owner ? UINT64_MAX : (uint64_t)holder, &src, &dst) == 0);
        EXPECT(src.flags == 0 && src.id != BUS1_INVALID && dst.flags == 0);
        *ret_node = src.id;
        *ret_handle = dst.id;
}

int peer_open_as(uid_t uid) {
        int fd;

        EXPECT(seteuid(uid) == 0);
        fd = peer_open();
        EXPECT(seteuid(0) == 0);
        return fd;
}

struct bus1_cmd_query query(int fd) {
        struct bus1_cmd_query q = {};

        EXPECT(command(fd, BUS1_CMD_QUERY, &q) == 0);
        return q;
}

uint64_t handle_copy(int from, int to, uint64_t handle) {
        struct bus1_transfer src = {0, handle}, dst;

        EXPECT(transfer(from, (uint64_t)to, &src, &dst) == 0);
        return dst.id;
}

int release_id(int fd, uint64_t id) {
        struct bus1_cmd_release cmd = {.n_ids = 1, .ptr_ids = ptr(&id)};

        return command(fd, BUS1_CMD_RELEASE, &cmd);
}

int send_message(int fd, uint64_t handle, struct bus1_message *message) {
        struct bus1_cmd_send cmd = {
                .n_destinations = 1,
                .ptr_destinations = ptr(&handle),
                .ptr_message = ptr(message),
        };

        return command(fd, BUS1_CMD_SEND, &cmd);
}

int send_bytes(int fd, uint64_t handle, const void *data, size_t n) {
        struct iovec vec = {(void *)data, n};
        struct bus1_message message = {.n_data = n, .n_data_vecs = 1, .ptr_data_vecs = ptr(&vec)};

        return send_message(fd, handle, &message);
}

int send_fd(int fd, uint64_t handle, int passed) {
        struct bus1_message_fds message = {
                .message.flags = BUS1_MESSAGE_FLAG_FDS,
                .n_fds = 1,
                .ptr_fds = ptr(&passed),
        };

        return send_message(fd, handle, &message.message);
}

int recv_message(int fd, struct bus1_message *message, uint64_t flags, void *metadata) {
        struct bus1_cmd_recv cmd = {
                .flags = flags,
                .ptr_metadata = ptr(metadata),
                .ptr_message = ptr(message),
        };

        return command(fd, BUS1_CMD_RECV, &cmd);
}

int recv_any(int fd, struct bus1_metadata_credentials *ret) {
        static char data[65536];
        struct iovec vec = {data, sizeof(data)};
        struct bus1_transfer transfers[16] = {};
        struct bus1_message message = {
                .type = BUS1_INVALID,
                .n_transfers = 16,
                .ptr_transfers = ptr(transfers),
                .n_data = sizeof(data),
                .n_data_vecs = 1,
                .ptr_data_vecs = ptr(&vec),
        };
        int r = recv_message(fd, &message, BUS1_RECV_FLAG_CREDENTIALS, ret);

        return r < 0 ? r : (int)message.type;
}

void write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        EXPECT(fd >= 0);
        EXPECT(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
        close(fd);
}

void map_ids(pid_t pid, const char *file, unsigned first, unsigned n) {
        char path[64], map[64];

        snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
        snprintf(map, sizeof(map), "0 %u %u", first, n);
        write_file(path, map);
}

int count_fds(void) {
        int n = 0;

        for (int i = 0; i < 256; i++)
                n += fcntl(i, F_GETFD) >= 0;
        return n;
}

void expect_exit(pid_t pid) {
        int status;

        EXPECT(waitpid(pid, &status, 0) == pid);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void expect_no_usage(void) {
        bool used = true;

        /* After peers were closed, a work queue of the kernel drops the last references later. */
        for (int i = 0; i < 200 && used; i++) {
                FILE *f = fopen(USAGE_PATH, "re");
                unsigned long long n;

                EXPECT(f != NULL);
                used = false;
                while (fscanf(f, "%*s %llu", &n) == 1)
                        used |= n > 0;
                fclose(f);
                if (used)
                        usleep(20000);
        }
        EXPECT(!used);
}
