/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A 32-bit program on the device of a 64-bit kernel
 *
 * The structures are the same for both, but the vectors of a message are not. The program calls the
 * kernel directly, so it needs no C library for 32 bits. Exits with 0, or prints the line of the
 * expectation that failed.
 */

#include <asm/unistd_32.h>
#include <linux/bus1.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/io_uring.h>
#include <linux/mman.h>
#include <linux/poll.h>
#include <stddef.h>
#include <stdint.h>

_Static_assert(sizeof(void *) == 4, "this is the point of it");
_Static_assert(sizeof(struct bus1_cmd_transfer) == 40 && sizeof(struct bus1_cmd_release) == 24 &&
                       sizeof(struct bus1_cmd_send) == 40 && sizeof(struct bus1_cmd_recv) == 24 &&
                       sizeof(struct bus1_cmd_query) == 96 && sizeof(struct bus1_message) == 56 &&
                       sizeof(struct bus1_message_fds) == 72 &&
                       sizeof(struct bus1_metadata_credentials) == 56 &&
                       sizeof(struct bus1_metadata_secctx) == 72,
               "structures have the size they have in 64-bit programs");

struct vec {
        uint32_t base;
        uint32_t n;
};

static long kernel(long number, long a, long b, long c) {
        long r;

        __asm__ volatile("int $0x80" : "=a"(r) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
        return r;
}

/* gcc generates calls of these */
void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);

void *memset(void *p, int c, size_t n) {
        for (volatile uint8_t *q = p; n > 0; --n)
                *q++ = c;
        return p;
}

void *memcpy(void *to, const void *from, size_t n) {
        const volatile uint8_t *q = from;

        for (volatile uint8_t *p = to; n > 0; --n)
                *p++ = *q++;
        return to;
}

static void fail(int line) {
        char text[] = "test-compat.c:0000: not as expected\n";

        for (char *p = text + 17; line > 0; line /= 10)
                *p-- = '0' + line % 10;
        kernel(__NR_write, 1, (long)text, sizeof(text) - 1);
        kernel(__NR_exit, 1, 0, 0);
        __builtin_unreachable();
}

#define EXPECT(condition)               \
        do {                            \
                if (!(condition))       \
                        fail(__LINE__); \
        } while (0)

#define PTR(p) ((uintptr_t)(p))

/* Submit one entry and wait for its result. */
static long uring_enter(long fd) {
        long r;

        __asm__ volatile("int $0x80"
                         : "=a"(r)
                         : "a"(__NR_io_uring_enter), "b"(fd), "c"(1), "d"(1),
                           "S"(IORING_ENTER_GETEVENTS), "D"(0)
                         : "memory");
        return r;
}

static long command(int fd, unsigned long request, void *argument) {
        return kernel(__NR_ioctl, fd, request, (long)argument);
}

static uint8_t *map(int fd, uint32_t n, uint32_t offset) {
        uint32_t arguments[] = {0, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset};
        long r = kernel(__NR_mmap, PTR(arguments), 0, 0);

        EXPECT(r > 0 || r < -4095);
        return (uint8_t *)r;
}

/*
 * io_uring does not take commands of a 32-bit program, because it could not read their vectors. The
 * kernel runs the second one in a thread of its own.
 */
static void run_uring(int peer, struct bus1_cmd_send *send) {
        static const uint8_t flags[] = {0, IOSQE_ASYNC};
        struct io_uring_params p = {};
        struct io_uring_sqe *sqe;
        uint8_t *ring;
        long fd;

        fd = kernel(__NR_io_uring_setup, 1, PTR(&p), 0);
        EXPECT(fd >= 0 && p.features & IORING_FEAT_SINGLE_MMAP);
        ring = map(fd, p.cq_off.cqes + 2 * sizeof(struct io_uring_cqe), IORING_OFF_SQ_RING);
        sqe = (struct io_uring_sqe *)map(fd, sizeof(*sqe), IORING_OFF_SQES);
        for (uint32_t i = 0; i < 2; i++) {
                const struct io_uring_cqe *cqe = (struct io_uring_cqe *)(ring + p.cq_off.cqes) + i;

                *sqe = (struct io_uring_sqe){
                        .opcode = IORING_OP_URING_CMD,
                        .flags = flags[i],
                        .fd = peer,
                        .off = BUS1_CMD_SEND,
                        .addr3 = PTR(send), /* the first 8 bytes for the command */
                };
                __atomic_store_n((uint32_t *)(ring + p.sq_off.tail), i + 1, __ATOMIC_RELEASE);
                EXPECT(uring_enter(fd) == 1);
                EXPECT(__atomic_load_n((uint32_t *)(ring + p.cq_off.tail), __ATOMIC_ACQUIRE) ==
                       i + 1);
                EXPECT(cqe->res == -EOPNOTSUPP);
                *(uint32_t *)(ring + p.cq_off.head) = i + 1;
        }
        EXPECT(kernel(__NR_close, fd, 0, 0) == 0);
}

static void run(void) {
        struct bus1_transfer src[2] = {{BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID},
                                       {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}};
        struct bus1_transfer dst[2] = {}, carried = {}, received = {};
        char part[2][3] = {{'h', 'e', 'l'}, {'l', 'o', '!'}}, in[2][4] = {};
        struct vec vecs[2] = {{PTR(part[0]), 3}, {PTR(part[1]), 3}};
        struct bus1_cmd_transfer transfer;
        struct bus1_metadata_credentials metadata = {};
        struct bus1_message_fds message;
        struct bus1_cmd_release release;
        struct bus1_cmd_query query = {};
        struct bus1_cmd_send send;
        struct bus1_cmd_recv recv;
        struct pollfd poll;
        int32_t fd, errors[2] = {1, 1};
        uint64_t destinations[2];
        int a, b;

        a = kernel(__NR_open, (long)"/dev/bus1", O_RDWR, 0);
        b = kernel(__NR_open, (long)"/dev/bus1", O_RDWR, 0);
        EXPECT(a >= 0 && b >= 0);

        transfer = (struct bus1_cmd_transfer){
                .to = b, .n_transfers = 2, .ptr_src = PTR(src), .ptr_dst = PTR(dst)};
        EXPECT(command(a, BUS1_CMD_TRANSFER, &transfer) == 0);
        EXPECT(src[0].id & BUS1_MANAGED && src[1].id > src[0].id && dst[1].id > dst[0].id);

        /* the kernel uses all 64 bits of counts and pointers */
        transfer.n_transfers = (1ULL << 32) | 1;
        EXPECT(command(a, BUS1_CMD_TRANSFER, &transfer) == -EMSGSIZE);
        transfer.n_transfers = 1;
        transfer.ptr_src = (1ULL << 32) | PTR(src);
        EXPECT(command(a, BUS1_CMD_TRANSFER, &transfer) == -EFAULT);
        transfer.to = (1ULL << 32) | b;
        EXPECT(command(a, BUS1_CMD_TRANSFER, &transfer) == -EBADF);

        fd = kernel(__NR_open, (long)"/dev/null", O_RDONLY, 0);
        EXPECT(fd >= 0);
        carried = (struct bus1_transfer){.id = dst[1].id};
        message = (struct bus1_message_fds){
                .message.flags = BUS1_MESSAGE_FLAG_FDS,
                .message.n_transfers = 1,
                .message.ptr_transfers = PTR(&carried),
                .message.n_data = 6,
                .message.n_data_vecs = 2,
                .message.ptr_data_vecs = PTR(vecs),
                .n_fds = 1,
                .ptr_fds = PTR(&fd),
        };
        destinations[0] = destinations[1] = dst[0].id;
        send = (struct bus1_cmd_send){
                .flags = BUS1_SEND_FLAG_CONTINUE,
                .n_destinations = 2,
                .ptr_destinations = PTR(destinations),
                .ptr_errors = PTR(errors),
                .ptr_message = PTR(&message),
        };
        run_uring(b, &send);
        EXPECT(errors[0] == 1 && errors[1] == 1);
        EXPECT(command(b, BUS1_CMD_SEND, &send) == 0);
        EXPECT(errors[0] == 0 && errors[1] == 0);
        /* data that does not fit into the vectors */
        message.message.n_data = 7;
        EXPECT(command(b, BUS1_CMD_SEND, &send) == -EINVAL);
        message.message.n_data = 6;
        /* a vector that ends beyond the address space */
        vecs[1] = (struct vec){0xfffffff0, 0x7fffffff};
        EXPECT(command(b, BUS1_CMD_SEND, &send) == -EFAULT);

        poll = (struct pollfd){.fd = a, .events = POLLIN};
        EXPECT(kernel(__NR_poll, (long)&poll, 1, 0) == 1 && poll.revents == POLLIN);
        EXPECT(command(a, BUS1_CMD_QUERY, &query) == 0);
        EXPECT(query.n_messages == 2 && query.n_bytes == 12 && query.n_fds == 2);

        vecs[0] = (struct vec){PTR(in[0]), 4};
        vecs[1] = (struct vec){PTR(in[1]), 4};
        for (int i = 0; i < 2; i++) {
                message = (struct bus1_message_fds){
                        .message.flags = BUS1_MESSAGE_FLAG_FDS,
                        .message.type = BUS1_INVALID,
                        .message.n_transfers = 1,
                        .message.ptr_transfers = PTR(&received),
                        .message.n_data = 8,
                        .message.n_data_vecs = 2,
                        .message.ptr_data_vecs = PTR(vecs),
                        .n_fds = 1,
                        .ptr_fds = PTR(&fd),
                };
                recv = (struct bus1_cmd_recv){
                        .flags = BUS1_RECV_FLAG_CREDENTIALS,
                        .ptr_metadata = PTR(&metadata),
                        .ptr_message = PTR(&message),
                };
                fd = -1;
                EXPECT(command(a, BUS1_CMD_RECV, &recv) == 0);
                EXPECT(message.message.type == BUS1_MESSAGE_TYPE_USER);
                EXPECT(message.message.n_data == 6 && message.message.n_transfers == 1);
                EXPECT(in[0][0] == 'h' && in[0][3] == 'l' && in[1][0] == 'o' && in[1][1] == '!');
                EXPECT(metadata.metadata.id == src[0].id);
                EXPECT(metadata.pid == (uint64_t)kernel(__NR_getpid, 0, 0, 0));
                EXPECT(received.flags == 0 && received.id & BUS1_MANAGED);
                EXPECT(message.n_fds == 1 && kernel(__NR_close, fd, 0, 0) == 0);
        }
        EXPECT(command(a, BUS1_CMD_RECV, &recv) == -EINVAL);
        message.message.type = BUS1_INVALID;
        EXPECT(command(a, BUS1_CMD_RECV, &recv) == -EAGAIN);

        release = (struct bus1_cmd_release){.n_ids = 1, .ptr_ids = PTR(&src[0].id)};
        EXPECT(command(a, BUS1_CMD_RELEASE, &release) == 0);
        EXPECT(command(b, BUS1_CMD_RECV, &recv) == 0);
        EXPECT(message.message.type == BUS1_MESSAGE_TYPE_NODE_RELEASE);
        EXPECT(metadata.metadata.id == dst[0].id && metadata.metadata.account == BUS1_INVALID);
        EXPECT(command(b, BUS1_CMD_RESET, &(struct bus1_cmd_reset){}) == 0);
        EXPECT(command(b, BUS1_CMD_DISCONNECT, &(struct bus1_cmd_disconnect){}) == 0);
        EXPECT(command(b, BUS1_CMD_QUERY, &query) == -ESHUTDOWN);
        /* not a command */
        EXPECT(command(a, _IOWR(BUS1_IOCTL_MAGIC, 0x7f, uint32_t), &query) == -ENOTTY);
}

void _start(void);

/* The kernel does not align the stack as gcc expects it. */
__attribute__((force_align_arg_pointer)) void _start(void) {
        static const char done[] = "32-bit commands, vectors and descriptors\n";

        run();
        kernel(__NR_write, 1, (long)done, sizeof(done) - 1);
        kernel(__NR_exit, 0, 0, 0);
        __builtin_unreachable();
}
