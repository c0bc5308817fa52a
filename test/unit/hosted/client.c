/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What tests of frozen domains do with clients, see client.h */

#include "test/unit/hosted/client.h"
#include <check.h>
#include <dirent.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

int count_fds(void) {
        DIR *directory = opendir("/proc/self/fd");
        int n = 0;

        ck_assert_ptr_nonnull(directory);
        while (readdir(directory))
                n++;
        closedir(directory);
        return n;
}

bool is_readable(struct bus1_client *client) {
        struct pollfd p = {.fd = bus1_client_get_fd(client), .events = POLLIN};

        ck_assert_int_ge(poll(&p, 1, 0), 0);
        return p.revents & POLLIN;
}

/* A memfd that contains a number. */
static int numbered_fd(uint64_t number) {
        int fd = memfd_create("test", MFD_CLOEXEC);

        ck_assert_int_eq(pwrite(fd, &number, sizeof(number), 0), sizeof(number));
        return fd;
}

uint64_t number_of(int fd) {
        uint64_t number = 0;

        ck_assert_int_eq(pread(fd, &number, sizeof(number), 0), sizeof(number));
        return number;
}

int send_message(struct bus1_client *client, const uint64_t *destinations, size_t n,
                 struct bus1_transfer *transfers, size_t n_transfers, size_t n_data,
                 uint64_t number, size_t n_fds) {
        uint8_t *data = malloc(n_data + 1);
        struct iovec vec = {data, n_data};
        int fds[4], r;
        struct bus1_message_fds message = {
                .message =
                        {
                                .flags = BUS1_MESSAGE_FLAG_FDS,
                                .type = BUS1_MESSAGE_TYPE_USER,
                                .n_transfers = n_transfers,
                                .ptr_transfers = (uintptr_t)transfers,
                                .n_data = n_data,
                                .n_data_vecs = 1,
                                .ptr_data_vecs = (uintptr_t)&vec,
                        },
                .n_fds = n_fds,
                .ptr_fds = (uintptr_t)fds,
        };

        ck_assert_ptr_nonnull(data);
        for (size_t i = 0; i < n_data; i++)
                data[i] = (uint8_t)((number + i) * 131 >> 3);
        for (size_t i = 0; i < n_fds; i++)
                fds[i] = numbered_fd(number + i);
        r = bus1_client_send(client, n, destinations, NULL, &message.message);
        for (size_t i = 0; i < n_fds; i++)
                close(fds[i]);
        free(data);
        return r;
}

int send_text(struct bus1_client *client, uint64_t handle, size_t n_data) {
        return send_message(client, &handle, 1, NULL, 0, n_data, 1, 0);
}

void expect(struct bus1_client *client, uint64_t id, size_t n_data, size_t n_fds) {
        struct bus1_received *received;

        ck_assert(is_readable(client));
        ck_assert_int_eq(bus1_client_recv_alloc(client, &received), 0);
        ck_assert_uint_eq(received->metadata.metadata.id, id);
        ck_assert_uint_eq(received->n_data, n_data);
        ck_assert_uint_eq(received->n_fds, n_fds);
        bus1_received_free(received);
}

uint64_t give(struct bus1_client *from, struct bus1_client *to, uint64_t handle) {
        struct bus1_transfer src = {.id = handle}, dst;

        ck_assert_int_eq(bus1_client_transfer(from, to, 1, &src, &dst), 0);
        return dst.id;
}

void refreeze(struct site *site) {
        site_stop(site);
        site_refreeze(site);
        site_start(site);
}
