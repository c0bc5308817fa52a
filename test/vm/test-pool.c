/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Peers of 2026 that receive into a pool
 *
 * Most tests of mappings are in test-2016.c, because the peers of 2016 and 2026 have the same kind
 * of pool. Needs root and bus1.ko.
 */

#include "device.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define POOL (8 * 1024 * 1024)

struct receiver {
        int fd;
        uint64_t node, handle;
        const uint8_t *pool;
};

static struct receiver receiver_new(void) {
        struct receiver receiver = {.fd = peer_open()};

        node_create(receiver.fd, receiver.fd, &receiver.node, &receiver.handle);
        receiver.pool = mmap(NULL, POOL, PROT_READ, MAP_SHARED, receiver.fd, 0);
        EXPECT(receiver.pool != MAP_FAILED);
        return receiver;
}

/* Copy from memory that may be missing. */
static bool copy_memory(void *to, const void *from, size_t n) {
        int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
        ssize_t l;

        EXPECT(fd >= 0);
        l = pread(fd, to, n, (off_t)(uintptr_t)from);
        close(fd);
        return l == (ssize_t)n;
}

static bool readable(const uint8_t *p) {
        uint8_t byte;

        return copy_memory(&byte, p, 1);
}

static void receiver_free(struct receiver *receiver) {
        close(receiver->fd);
        EXPECT(munmap((void *)receiver->pool, POOL) == 0);
}

static struct bus1_message_pool anything_below(uint64_t max_offset) {
        return (struct bus1_message_pool){
                .fds.message = {.flags = BUS1_MESSAGE_FLAG_POOL,
                                .type = BUS1_INVALID,
                                .n_data = UINT64_MAX},
                .offset = max_offset,
        };
}

static int recv_into_pool(int fd, struct bus1_message_pool *message) {
        struct bus1_metadata metadata;

        *message = anything_below(POOL);
        return recv_message(fd, &message->fds.message, 0, &metadata);
}

static uint64_t expect_text(const struct receiver *receiver, const char *text) {
        struct bus1_message_pool message;

        EXPECT(recv_into_pool(receiver->fd, &message) == 0);
        EXPECT(message.fds.message.type == BUS1_MESSAGE_TYPE_USER);
        EXPECT(message.fds.message.n_data == strlen(text));
        EXPECT(memcmp(receiver->pool + message.offset, text, strlen(text)) == 0);
        return message.offset;
}

static int slice_release(int fd, uint64_t offset) {
        struct bus1_cmd_slice_release cmd = {.offset = offset};

        return command(fd, BUS1_CMD_SLICE_RELEASE, &cmd);
}

static void test_slices(void) {
        struct receiver receiver = receiver_new();
        struct bus1_message_pool message;
        struct bus1_metadata metadata;
        uint64_t first, second;

        EXPECT(query(receiver.fd).features & BUS1_FEATURE_POOL);
        EXPECT(recv_into_pool(receiver.fd, &message) == -EAGAIN);
        EXPECT(send_bytes(receiver.fd, receiver.handle, "first", 5) == 0);
        EXPECT(send_bytes(receiver.fd, receiver.handle, "second", 6) == 0);
        first = expect_text(&receiver, "first");
        second = expect_text(&receiver, "second");
        EXPECT(memcmp(receiver.pool + first, "first", 5) == 0);
        /* both are in one page */
        EXPECT(query(receiver.fd).n_bytes == 4096 && query(receiver.fd).n_messages == 0);

        EXPECT(slice_release(receiver.fd, first) == 0);
        EXPECT(slice_release(receiver.fd, first) == -EBADRQC);
        EXPECT(query(receiver.fd).n_bytes == 4096);
        /* a receive into buffers between receives into the pool */
        EXPECT(send_bytes(receiver.fd, receiver.handle, "buffer", 6) == 0);
        EXPECT(recv_any(receiver.fd, &(struct bus1_metadata_credentials){}) ==
               BUS1_MESSAGE_TYPE_USER);
        EXPECT(send_bytes(receiver.fd, receiver.handle, "third", 5) == 0);
        EXPECT(expect_text(&receiver, "third") == first);
        EXPECT(memcmp(receiver.pool + second, "second", 6) == 0);

        /* a message without data has no slice, and a notification has none */
        EXPECT(send_bytes(receiver.fd, receiver.handle, "", 0) == 0);
        EXPECT(release_id(receiver.fd, receiver.handle) == 0);
        for (int i = 0; i < 2; i++) {
                message = anything_below(0);
                EXPECT(recv_message(receiver.fd, &message.fds.message, 0, &metadata) == 0);
                EXPECT(message.offset == BUS1_INVALID && message.fds.message.n_data == 0);
        }
        EXPECT(message.fds.message.type == BUS1_MESSAGE_TYPE_HANDLE_RELEASE);
        EXPECT(metadata.id == receiver.node);
        receiver_free(&receiver);
}

/* A message that cannot be received stays queued, and takes no room in the pool. */
static void test_errors(void) {
        struct receiver receiver = receiver_new();
        struct bus1_metadata metadata;
        struct bus1_message_pool message;
        struct bus1_transfer transfers[1];
        struct iovec vec = {&message, sizeof(message)};
        char *page;

        EXPECT(slice_release(receiver.fd, 0) == -EBADRQC);
        EXPECT(command(receiver.fd, BUS1_CMD_SLICE_RELEASE, (void *)BAD) == -EFAULT);
        EXPECT(command(receiver.fd, BUS1_CMD_SLICE_RELEASE,
                       &(struct bus1_cmd_slice_release){.flags = 1}) == -EINVAL);

        transfers[0] = (struct bus1_transfer){0, receiver.handle};
        vec = (struct iovec){(void *)"0123456789", 10};
        EXPECT(send_message(receiver.fd, receiver.handle,
                            &(struct bus1_message){.n_transfers = 1,
                                                   .ptr_transfers = ptr(transfers),
                                                   .n_data = 10,
                                                   .n_data_vecs = 1,
                                                   .ptr_data_vecs = ptr(&vec)}) == 0);
        /* the flag POOL is only for receives that take the message and have no vectors */
        message = anything_below(POOL);
        message.fds.message.type = BUS1_MESSAGE_TYPE_USER;
        EXPECT(send_message(receiver.fd, receiver.handle, &message.fds.message) == -EINVAL);
        message = anything_below(POOL);
        EXPECT(recv_message(receiver.fd, &message.fds.message, BUS1_RECV_FLAG_PEEK, &metadata) ==
               -EINVAL);
        message.fds.message.n_data_vecs = 1;
        message.fds.message.ptr_data_vecs = ptr(&vec);
        EXPECT(recv_message(receiver.fd, &message.fds.message, 0, &metadata) == -EINVAL);

        /* too many handles, too much data, no room in the pool */
        EXPECT(recv_into_pool(receiver.fd, &message) == -EMSGSIZE);
        EXPECT(message.fds.message.n_transfers == 1 && message.fds.message.n_data == 10);
        message = anything_below(POOL);
        message.fds.message.n_transfers = 1;
        message.fds.message.ptr_transfers = ptr(transfers);
        message.fds.message.n_data = 9;
        EXPECT(recv_message(receiver.fd, &message.fds.message, 0, &metadata) == -EMSGSIZE);
        EXPECT(message.fds.message.n_data == 10 && message.offset == POOL);
        message.offset = 9;
        EXPECT(recv_message(receiver.fd, &message.fds.message, 0, &metadata) == -ERANGE);

        /* faults in the metadata, in the transfers, and in the field "offset" of the message */
        message.offset = POOL;
        EXPECT(recv_message(receiver.fd, &message.fds.message, 0, (void *)BAD) == -EFAULT);
        message.offset = POOL;
        message.fds.message.ptr_transfers = BAD;
        EXPECT(recv_message(receiver.fd, &message.fds.message, 0, &metadata) == -EFAULT);
        page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT(page != MAP_FAILED && munmap(page + 4096, 4096) == 0);
        message.fds.message.ptr_transfers = ptr(transfers);
        memcpy(page + 4096 - sizeof(message.fds), &message.fds, sizeof(message.fds));
        EXPECT(recv_message(receiver.fd, (void *)(page + 4096 - sizeof(message.fds)), 0,
                            &metadata) == -EFAULT);
        EXPECT(munmap(page, 4096) == 0);

        EXPECT(query(receiver.fd).n_messages == 1 && query(receiver.fd).n_bytes == 10);
        EXPECT(query(receiver.fd).n_handles == 1);
        EXPECT(slice_release(receiver.fd, 0) == -EBADRQC);
        message.offset = 10;
        EXPECT(recv_message(receiver.fd, &message.fds.message, 0, &metadata) == 0);
        EXPECT(message.offset == 0 && memcmp(receiver.pool, "0123456789", 10) == 0);
        EXPECT(message.fds.message.n_transfers == 1 && transfers[0].id != BUS1_INVALID);
        receiver_free(&receiver);
}

static void test_fds(void) {
        struct receiver receiver = receiver_new();
        struct bus1_message_pool message;
        struct bus1_metadata metadata;
        int fds[2] = {-1, -1}, n_fds;

        for (int i = 0; i < 2; i++)
                EXPECT(send_fd(receiver.fd, receiver.handle, STDERR_FILENO) == 0);
        n_fds = count_fds();
        message = anything_below(POOL);
        message.fds.message.flags |= BUS1_MESSAGE_FLAG_FDS;
        message.fds.n_fds = 2;
        message.fds.ptr_fds = ptr(fds);
        EXPECT(recv_message(receiver.fd, &message.fds.message, 0, &metadata) == 0);
        EXPECT(message.fds.n_fds == 1 && message.offset == BUS1_INVALID);
        EXPECT(count_fds() == n_fds + 1 && close(fds[0]) == 0 && fds[1] == -1);
        /* If the receiver does not ask for descriptors, they are dropped, and n_fds stays as is. */
        message = anything_below(POOL);
        message.fds.n_fds = 7;
        EXPECT(recv_message(receiver.fd, &message.fds.message, 0, &metadata) == 0);
        EXPECT(message.fds.n_fds == 7 && count_fds() == n_fds);
        receiver_free(&receiver);
}

/* Large messages: most memory of released slices goes back to the system. */
static void test_memory(void) {
        static uint8_t data[3000000];
        struct receiver receiver = receiver_new();
        struct bus1_message_pool message;

        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t)(i * 7 >> 3);
        /* If this succeeded, it would map the file of the pool without the checks of the device. */
        EXPECT(remap_file_pages((void *)receiver.pool, 4096, 0, 0, 0) < 0);
        for (int i = 0; i < 3; i++) {
                EXPECT(send_bytes(receiver.fd, receiver.handle, data, sizeof(data)) == 0);
                EXPECT(recv_into_pool(receiver.fd, &message) == 0);
                EXPECT(message.fds.message.n_data == sizeof(data) && message.offset == 0);
                EXPECT(memcmp(receiver.pool, data, sizeof(data)) == 0);
                EXPECT(slice_release(receiver.fd, message.offset) == 0);
                EXPECT(!readable(receiver.pool + 2000000));
        }

        /* reset and the end of the peer release all slices; the mapping stays */
        EXPECT(send_bytes(receiver.fd, receiver.handle, data, sizeof(data)) == 0);
        EXPECT(recv_into_pool(receiver.fd, &message) == 0);
        EXPECT(command(receiver.fd, BUS1_CMD_RESET, &(struct bus1_cmd_reset){}) == 0);
        EXPECT(query(receiver.fd).n_bytes == 0 && !readable(receiver.pool));
        EXPECT(slice_release(receiver.fd, message.offset) == -EBADRQC);
        node_create(receiver.fd, receiver.fd, &receiver.node, &receiver.handle);
        EXPECT(send_bytes(receiver.fd, receiver.handle, data, sizeof(data)) == 0);
        EXPECT(recv_into_pool(receiver.fd, &message) == 0);
        EXPECT(command(receiver.fd, BUS1_CMD_DISCONNECT, &(struct bus1_cmd_disconnect){}) == 0);
        EXPECT(!readable(receiver.pool));
        EXPECT(slice_release(receiver.fd, message.offset) == -ESHUTDOWN);
        EXPECT(mmap(NULL, POOL, PROT_READ, MAP_SHARED, receiver.fd, 0) == MAP_FAILED &&
               errno == ESHUTDOWN);
        receiver_free(&receiver);
}

/* Several threads receive from one peer and release the slices. Meanwhile the peer ends. */
#define N_THREADS 4
#define MAX_DATA 20000

static struct receiver shared;
static atomic_uint n_received;
static atomic_bool ending;

static void *receive(void *unused) {
        struct pollfd p = {.fd = shared.fd, .events = POLLIN};
        static _Thread_local uint8_t data[MAX_DATA];

        for (;;) {
                struct bus1_message_pool message;
                int r = recv_into_pool(shared.fd, &message);
                size_t n;

                if (r == -ESHUTDOWN)
                        return unused;
                if (r == -EAGAIN) {
                        EXPECT(poll(&p, 1, -1) == 1);
                        continue;
                }
                EXPECT(r == 0);
                /*
                 * Until the peer ends, each byte of a message is the low byte of the message's
                 * length. The end of the peer takes the memory away, maybe during the copy.
                 */
                n = message.fds.message.n_data;
                EXPECT(copy_memory(data, shared.pool + message.offset, n) || ending);
                for (size_t i = 0; i < n; i++)
                        EXPECT(data[i] == (uint8_t)n || ending);
                ++n_received;
                r = slice_release(shared.fd, message.offset);
                EXPECT(r == 0 || r == -ESHUTDOWN);
        }
}

static void test_threads(void) {
        int sender = peer_open();
        pthread_t threads[N_THREADS];
        static uint8_t data[MAX_DATA];
        uint64_t handle;

        for (unsigned round = 0; round < 5; round++) {
                unsigned n = 0;

                shared = receiver_new();
                n_received = 0;
                ending = false;
                handle = handle_copy(shared.fd, sender, shared.handle);
                for (unsigned i = 0; i < N_THREADS; i++)
                        EXPECT(pthread_create(&threads[i], NULL, receive, NULL) == 0);
                for (unsigned i = 0; i < 200; i++) {
                        size_t l = 1 + i * 6571 % (sizeof(data) - 1);

                        memset(data, (uint8_t)l, l);
                        EXPECT(send_bytes(sender, handle, data, l) == 0);
                        ++n;
                }
                while (round == 0 && n_received < n)
                        usleep(1000);
                ending = true;
                EXPECT(command(shared.fd, BUS1_CMD_DISCONNECT, &(struct bus1_cmd_disconnect){}) ==
                       0);
                for (unsigned i = 0; i < N_THREADS; i++)
                        EXPECT(pthread_join(threads[i], NULL) == 0);
                receiver_free(&shared);
        }
        close(sender);
}

int main(void) {
        test_slices();
        test_errors();
        test_fds();
        test_memory();
        test_threads();
        expect_no_usage();
        printf("pools: as expected\n");
        return 0;
}
