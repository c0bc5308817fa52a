/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A fuzzer of the device's commands that knows their structures
 *
 * Threads share a few peers, and commands are mostly valid: they use IDs that may exist, pointers
 * to memory, and small counts. Now and then a value is invalid, or a thread closes a peer that
 * others use and opens another one in its place. Every error must be a documented one. In the
 * virtual machine, test/vm/init also checks that the kernel does not complain, and the part
 * usage-after-stress checks that no account is charged afterwards.
 *
 *      device-fuzz [SECONDS [SEED]]
 */

#include "coverage.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/bus1-2016.h>
#include <linux/bus1.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define N_THREADS 4
#define N_PEERS 7
/* commands of 2016 mostly go to the last N_OLD peers, those of 2026 to the others */
#define N_OLD 3
#define N_ARRAY 20
#define MEMORY 65536

static const int documented[] = {0,       -EAGAIN, -EBADF,       -EBADRQC,   -EDQUOT,
                                 -EFAULT, -EINTR,  -EINVAL,      -EMFILE,    -EMSGSIZE,
                                 -ENOMEM, -ENOTTY, -EOPNOTSUPP,  -ESHUTDOWN, -ENXIO,
                                 -EPERM,  -ERANGE, -EHOSTUNREACH};

static int peers[N_PEERS];
static time_t end;
static atomic_ullong n_commands, n_successes;

struct fuzzer {
        pthread_t thread;
        uint64_t random;
        /* 2 * MEMORY bytes, of which the second half cannot be accessed */
        uint8_t *memory;
};

static uint64_t draw(struct fuzzer *fuzzer, uint64_t n) {
        fuzzer->random ^= fuzzer->random << 13;
        fuzzer->random ^= fuzzer->random >> 7;
        fuzzer->random ^= fuzzer->random << 17;
        return fuzzer->random % n;
}

static bool rarely(struct fuzzer *fuzzer) {
        return draw(fuzzer, 40) == 0;
}

static uint64_t anything(struct fuzzer *fuzzer) {
        static const uint64_t values[] = {0,          1,          UINT64_MAX, UINT64_MAX - 1,
                                          1ULL << 32, 1ULL << 63, INT32_MAX,  1025,
                                          65537,      1ULL << 47, 4096};

        return draw(fuzzer, 2) ? values[draw(fuzzer, sizeof(values) / sizeof(values[0]))]
                               : fuzzer->random;
}

static uint64_t pointer(struct fuzzer *fuzzer, const void *p) {
        if (!rarely(fuzzer))
                return (uintptr_t)p;
        /* at most 63 bytes before the end of the accessible memory, or anywhere */
        return draw(fuzzer, 2) ? (uintptr_t)fuzzer->memory + MEMORY - draw(fuzzer, 64)
                               : anything(fuzzer);
}

static uint64_t count(struct fuzzer *fuzzer, uint64_t n) {
        return rarely(fuzzer) ? anything(fuzzer) : draw(fuzzer, n + 1);
}

static uint64_t flags(struct fuzzer *fuzzer, uint64_t known) {
        return rarely(fuzzer) ? anything(fuzzer) : fuzzer->random & known;
}

/* The core gives out odd, ascending IDs, so a lower ID is older. Low IDs are drawn more often. */
static uint64_t id(struct fuzzer *fuzzer) {
        return rarely(fuzzer) ? anything(fuzzer) : 2 * draw(fuzzer, 1 + draw(fuzzer, 3000)) + 1;
}

static int a_peer(struct fuzzer *fuzzer) {
        return peers[draw(fuzzer, N_PEERS)];
}

static int a_peer_of(struct fuzzer *fuzzer, bool old) {
        if (rarely(fuzzer))
                return a_peer(fuzzer);
        return old ? peers[N_PEERS - 1 - draw(fuzzer, N_OLD)]
                   : peers[draw(fuzzer, N_PEERS - N_OLD)];
}

static void fill_transfers(struct fuzzer *fuzzer, struct bus1_transfer *transfers) {
        for (size_t i = 0; i < N_ARRAY; i++) {
                bool create = draw(fuzzer, 3) == 0;

                transfers[i] = (struct bus1_transfer){
                        .flags = create ? BUS1_TRANSFER_FLAG_CREATE |
                                                  flags(fuzzer, BUS1_TRANSFER_FLAG_ONESHOT)
                                        : 0,
                        .id = create ? BUS1_INVALID : id(fuzzer),
                };
        }
}

/* everything that one command can refer to */
struct arguments {
        struct bus1_transfer src[N_ARRAY], dst[N_ARRAY];
        uint64_t ids[N_ARRAY];
        int32_t errors[N_ARRAY], fds[N_ARRAY];
        struct bus1_message_pool message;
        struct bus1_metadata_secctx metadata;
        char secctx[100];
        struct iovec vecs[4];
        uint8_t data[4][2000];
};

static void fill_message(struct fuzzer *fuzzer, struct arguments *a, bool receive) {
        uint64_t into_pool = receive && draw(fuzzer, 3) == 0 ? BUS1_MESSAGE_FLAG_POOL : 0;

        for (size_t i = 0; i < 4; i++)
                a->vecs[i] = (struct iovec){(void *)(uintptr_t)pointer(fuzzer, a->data[i]),
                                            receive ? 2000 : draw(fuzzer, 2000)};
        for (size_t i = 0; i < N_ARRAY; i++)
                a->fds[i] = rarely(fuzzer) ? (int)draw(fuzzer, 64) : peers[0] - 1;
        a->message.fds = (struct bus1_message_fds){
                .message = {.flags = flags(fuzzer, BUS1_MESSAGE_FLAG_FDS) | into_pool,
                            .type = receive ? BUS1_INVALID : BUS1_MESSAGE_TYPE_USER,
                            .n_transfers = receive ? N_ARRAY : count(fuzzer, 3),
                            .ptr_transfers = pointer(fuzzer, a->src),
                            .n_data = receive ? 8000 : count(fuzzer, 1000),
                            .n_data_vecs = into_pool ? 0
                                           : receive ? 4
                                                     : count(fuzzer, 4),
                            .ptr_data_vecs = pointer(fuzzer, a->vecs)},
                .n_fds = receive ? N_ARRAY : count(fuzzer, 2),
                .ptr_fds = pointer(fuzzer, a->fds),
        };
        a->message.offset = rarely(fuzzer) ? anything(fuzzer) : UINT64_MAX;
}

static int command_of(struct fuzzer *fuzzer, int fd, unsigned long request, void *argument) {
        return ioctl(fd, request, (void *)(uintptr_t)pointer(fuzzer, argument)) < 0 ? -errno : 0;
}

static int command(struct fuzzer *fuzzer, unsigned long request, void *argument) {
        bool old = _IOC_TYPE(request) == BUS1_2016_IOCTL_MAGIC;

        return command_of(fuzzer, a_peer_of(fuzzer, old), request, argument);
}

static int slice_release(struct fuzzer *fuzzer, int fd, uint64_t offset) {
        return command_of(
                fuzzer, fd, BUS1_CMD_SLICE_RELEASE,
                &(struct bus1_cmd_slice_release){.flags = flags(fuzzer, 0), .offset = offset});
}

static int step(struct fuzzer *fuzzer, struct arguments *a) {
        struct bus1_cmd_query query = {.flags = flags(fuzzer, 0)};
        struct bus1_cmd_recv recv;
        int r, fd;

        fill_transfers(fuzzer, a->src);
        for (size_t i = 0; i < N_ARRAY; i++)
                a->ids[i] = id(fuzzer);

        switch (draw(fuzzer, 11)) {
        case 0:
        case 1:
                return command(fuzzer, BUS1_CMD_TRANSFER,
                               &(struct bus1_cmd_transfer){.flags = flags(fuzzer, 0),
                                                           .to = rarely(fuzzer)
                                                                         ? anything(fuzzer)
                                                                         : (uint64_t)a_peer(fuzzer),
                                                           .n_transfers = count(fuzzer, 2),
                                                           .ptr_src = pointer(fuzzer, a->src),
                                                           .ptr_dst = pointer(fuzzer, a->dst)});
        case 2:
                return command(fuzzer, BUS1_CMD_RELEASE,
                               &(struct bus1_cmd_release){.flags = flags(fuzzer, 0),
                                                          .n_ids = count(fuzzer, 2),
                                                          .ptr_ids = pointer(fuzzer, a->ids)});
        case 3:
        case 4:
        case 5:
                fill_message(fuzzer, a, false);
                return command(
                        fuzzer, BUS1_CMD_SEND,
                        &(struct bus1_cmd_send){.flags = flags(fuzzer, BUS1_SEND_FLAG_CONTINUE),
                                                .n_destinations = count(fuzzer, 2),
                                                .ptr_destinations = pointer(fuzzer, a->ids),
                                                .ptr_errors = pointer(fuzzer, a->errors),
                                                .ptr_message = pointer(fuzzer, &a->message)});
        case 6:
        case 7:
        case 8:
                fill_message(fuzzer, a, true);
                a->metadata = (struct bus1_metadata_secctx){
                        .n_secctx = count(fuzzer, sizeof(a->secctx)),
                        .ptr_secctx = pointer(fuzzer, a->secctx),
                };
                recv = (struct bus1_cmd_recv){
                        .flags = flags(fuzzer, BUS1_RECV_FLAG_CREDENTIALS | BUS1_RECV_FLAG_PEEK |
                                                       BUS1_RECV_FLAG_SECCTX |
                                                       BUS1_RECV_FLAG_DISCARD),
                        .ptr_metadata = pointer(fuzzer, &a->metadata),
                        .ptr_message = pointer(fuzzer, &a->message),
                };
                fd = a_peer_of(fuzzer, false);
                r = command_of(fuzzer, fd, BUS1_CMD_RECV, &recv);
                if (r == 0 && a->message.fds.message.flags & BUS1_MESSAGE_FLAG_FDS &&
                    !(recv.flags & (BUS1_RECV_FLAG_PEEK | BUS1_RECV_FLAG_DISCARD)) &&
                    a->message.fds.ptr_fds == (uintptr_t)a->fds && a->message.fds.n_fds <= N_ARRAY)
                        for (size_t i = 0; i < a->message.fds.n_fds; i++)
                                if (a->fds[i] >= peers[N_PEERS - 1] + 1)
                                        close(a->fds[i]);
                if (r == 0 && a->message.fds.message.flags & BUS1_MESSAGE_FLAG_POOL &&
                    draw(fuzzer, 4))
                        slice_release(fuzzer, fd, a->message.offset);
                return r;
        case 9:
                return slice_release(fuzzer, a_peer_of(fuzzer, false),
                                     rarely(fuzzer) ? anything(fuzzer) : 8 * draw(fuzzer, 500));
        default:
                if (!rarely(fuzzer))
                        return command(fuzzer, BUS1_CMD_QUERY, &query);
                return command(fuzzer, draw(fuzzer, 2) ? BUS1_CMD_RESET : BUS1_CMD_DISCONNECT,
                               &(uint64_t){flags(fuzzer, 0)});
        }
}

/* An ID of 2016: one that the user chose (0, 4, ...), or one that the core chose (7, 11, ...). */
static uint64_t id_2016(struct fuzzer *fuzzer) {
        if (rarely(fuzzer))
                return anything(fuzzer);
        return draw(fuzzer, 2) ? 4 * draw(fuzzer, 8) : 4 * draw(fuzzer, 1 + draw(fuzzer, 500)) + 3;
}

static int send_2016(struct fuzzer *fuzzer, struct arguments *a) {
        fill_message(fuzzer, a, false);
        return command(fuzzer, BUS1_2016_SEND,
                       &(struct bus1_2016_send){
                               .flags = flags(fuzzer, draw(fuzzer, 3) ? BUS1_2016_SEND_CONTINUE
                                                                      : BUS1_2016_SEND_SEED),
                               .ptr_destinations = pointer(fuzzer, a->ids),
                               .ptr_errors = pointer(fuzzer, a->errors),
                               .n_destinations = count(fuzzer, 2),
                               .ptr_vecs = a->message.fds.message.ptr_data_vecs,
                               .n_vecs = a->message.fds.message.n_data_vecs,
                               .ptr_handles = pointer(fuzzer, a->ids + 1),
                               .n_handles = count(fuzzer, 3),
                               .ptr_fds = a->message.fds.ptr_fds,
                               .n_fds = a->message.fds.n_fds,
                       });
}

/*
 * The numbers of received descriptors are in a slice of the pool. Another thread may have released
 * the slice, so these numbers may be wrong.
 */
static int recv_2016(struct fuzzer *fuzzer) {
        int fd = a_peer_of(fuzzer, true), made[N_ARRAY];
        struct bus1_2016_recv recv = {
                .flags = flags(fuzzer, BUS1_2016_RECV_PEEK | BUS1_2016_RECV_SEED |
                                               BUS1_2016_RECV_INSTALL_FDS),
                .max_offset = rarely(fuzzer) ? anything(fuzzer) : UINT64_MAX,
        };
        uint64_t at;

        if (ioctl(fd, BUS1_2016_RECV, (void *)(uintptr_t)pointer(fuzzer, &recv)) < 0)
                return -errno;
        if (recv.msg.type != BUS1_2016_MSG_DATA)
                return 0;
        at = recv.msg.offset + (recv.msg.n_bytes + 7) / 8 * 8 + 8 * recv.msg.n_handles;
        if (recv.msg.n_fds > 0 && recv.msg.n_fds <= N_ARRAY) {
                uint64_t start = at & ~4095ULL;
                uint8_t *pool = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, start);

                if (pool != MAP_FAILED) {
                        /* a direct read could fault: fd may be another peer by now */
                        struct iovec to = {made, recv.msg.n_fds * sizeof(*made)};
                        struct iovec from = {pool + (at - start), to.iov_len};

                        if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)to.iov_len)
                                for (size_t i = 0; i < recv.msg.n_fds; i++)
                                        if (made[i] > peers[N_PEERS - 1])
                                                close(made[i]);
                        munmap(pool, 8192);
                }
        }
        if (draw(fuzzer, 4))
                ioctl(fd, BUS1_2016_SLICE_RELEASE, &recv.msg.offset);
        return 0;
}

static int step_2016(struct fuzzer *fuzzer, struct arguments *a) {
        struct bus1_2016_peer_reset reset = {
                .flags = flags(fuzzer, 3),
                .peer_flags = flags(fuzzer, BUS1_2016_PEER_WANT_SECCTX),
                .max_slices = draw(fuzzer, 2) ? UINT32_MAX : draw(fuzzer, 100),
                .max_handles = draw(fuzzer, 2) ? UINT32_MAX : draw(fuzzer, 100),
                .max_inflight_bytes = UINT32_MAX,
                .max_inflight_fds = UINT32_MAX,
        };
        uint64_t offset = draw(fuzzer, 100) * 8;

        for (size_t i = 0; i < N_ARRAY; i++)
                a->ids[i] = id_2016(fuzzer);

        switch (draw(fuzzer, 12)) {
        case 0:
        case 1:
                return command(fuzzer, BUS1_2016_HANDLE_TRANSFER,
                               &(struct bus1_2016_handle_transfer){
                                       .flags = flags(fuzzer, 0),
                                       .src_handle = a->ids[0],
                                       .dst_fd = rarely(fuzzer) ? anything(fuzzer)
                                                                : (uint64_t)a_peer(fuzzer),
                                       .dst_handle = rarely(fuzzer) ? 0 : BUS1_2016_INVALID});
        case 2:
                return command(fuzzer, BUS1_2016_HANDLE_RELEASE, a->ids);
        case 3:
                return command(fuzzer, BUS1_2016_NODES_DESTROY,
                               &(struct bus1_2016_nodes_destroy){
                                       .flags = flags(fuzzer, BUS1_2016_DESTROY_RELEASE_HANDLES),
                                       .ptr_nodes = pointer(fuzzer, a->ids),
                                       .n_nodes = count(fuzzer, 2)});
        case 4:
        case 5:
        case 6:
                return send_2016(fuzzer, a);
        case 7:
        case 8:
        case 9:
                return recv_2016(fuzzer);
        case 10:
                return command(fuzzer, BUS1_2016_SLICE_RELEASE, &offset);
        default:
                if (!rarely(fuzzer))
                        return command(fuzzer, BUS1_2016_PEER_QUERY, &reset);
                return command(fuzzer,
                               rarely(fuzzer) ? BUS1_2016_PEER_DISCONNECT : BUS1_2016_PEER_RESET,
                               &reset);
        }
}

static void replace_peer(struct fuzzer *fuzzer) {
        int fd = open("/dev/bus1", O_RDWR | O_CLOEXEC);

        if (fd < 0)
                return;
        /* dup3() closes the old peer, which ends now or when its last command has ended */
        dup3(fd, a_peer(fuzzer), O_CLOEXEC);
        close(fd);
}

static void *fuzz(void *data) {
        struct fuzzer *fuzzer = data;
        struct coverage coverage;
        struct arguments a = {};

        coverage_start(&coverage);
        while (time(NULL) < end) {
                int r = draw(fuzzer, 2) ? step(fuzzer, &a) : step_2016(fuzzer, &a);
                bool known = false;

                for (size_t i = 0; i < sizeof(documented) / sizeof(documented[0]); i++)
                        known |= r == documented[i];
                if (!known) {
                        fprintf(stderr, "undocumented error %d\n", r);
                        abort();
                }
                coverage_collect(&coverage);
                ++n_commands;
                n_successes += r == 0;
                if (draw(fuzzer, 3000) == 0)
                        replace_peer(fuzzer);
        }
        return NULL;
}

int main(int argc, char **argv) {
        uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
        struct fuzzer fuzzers[N_THREADS];
        size_t n_places;

        printf("seed %llu\n", (unsigned long long)seed);
        /* Descriptors have ascending numbers: the one that is sent, then peers, then all others. */
        if (eventfd(0, EFD_CLOEXEC) < 0)
                return 1;
        for (size_t i = 0; i < N_PEERS; i++) {
                peers[i] = open("/dev/bus1", O_RDWR | O_CLOEXEC);
                if (peers[i] < 0) {
                        perror("/dev/bus1");
                        return 1;
                }
        }
        end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 20);
        for (size_t i = 0; i < N_THREADS; i++) {
                fuzzers[i].random = (seed + i + 1) * 0x9e3779b97f4a7c15ULL;
                fuzzers[i].memory = mmap(NULL, 2 * MEMORY, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (fuzzers[i].memory == MAP_FAILED ||
                    mprotect(fuzzers[i].memory + MEMORY, MEMORY, PROT_NONE) < 0 ||
                    pthread_create(&fuzzers[i].thread, NULL, fuzz, &fuzzers[i]) != 0)
                        return 1;
        }
        for (size_t i = 0; i < N_THREADS; i++)
                pthread_join(fuzzers[i].thread, NULL);
        n_places = coverage_count();
        printf("%llu commands, %llu of them did something", n_commands, n_successes);
        if (n_places > 0)
                printf("; %zu places of the module reached", n_places);
        printf("\n");
        return n_successes > 0 ? 0 : 1;
}
