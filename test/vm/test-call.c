/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Commands that wait: BUS1_RECV_FLAG_WAIT, and BUS1_CMD_CALL, which sends before it waits and can
 * send and receive several messages. The test also runs such commands by io_uring.
 *
 * Needs bus1.ko, but not root.
 */

#include "device.h"
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define MAX 16
#define N_WAITERS 4

static uint64_t now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

static void sleep_ms(unsigned ms) {
        usleep(ms * 1000);
}

/* A BUS1_CMD_CALL with everything that it points to. It can receive texts of up to 8 bytes. */
struct call {
        struct bus1_cmd_call cmd;
        struct bus1_cmd_send sends[MAX];
        struct bus1_cmd_recv recvs[MAX];
        struct bus1_message out[MAX], in[MAX];
        struct iovec vecs_out[MAX], vecs_in[MAX];
        struct bus1_metadata metadata[MAX];
        uint64_t destinations[MAX];
        char texts[MAX][8];
};

static void call_init(struct call *call, uint64_t n_sends, uint64_t n_recvs) {
        *call = (struct call){
                .cmd =
                        {
                                .n_sends = n_sends,
                                .ptr_sends = ptr(call->sends),
                                .n_recvs = n_recvs,
                                .ptr_recvs = ptr(call->recvs),
                                .node = BUS1_INVALID,
                                .timeout = BUS1_INVALID,
                        },
        };
        for (int i = 0; i < MAX; i++) {
                call->vecs_in[i] = (struct iovec){call->texts[i], sizeof(call->texts[i])};
                call->in[i] = (struct bus1_message){
                        .type = BUS1_INVALID,
                        .n_data = sizeof(call->texts[i]),
                        .n_data_vecs = 1,
                        .ptr_data_vecs = ptr(&call->vecs_in[i]),
                };
                call->recvs[i] = (struct bus1_cmd_recv){
                        .ptr_metadata = ptr(&call->metadata[i]),
                        .ptr_message = ptr(&call->in[i]),
                };
        }
}

static void call_send(struct call *call, unsigned i, uint64_t handle, const char *text) {
        call->destinations[i] = handle;
        call->vecs_out[i] = (struct iovec){(char *)text, strlen(text)};
        call->out[i] = (struct bus1_message){
                .type = BUS1_MESSAGE_TYPE_USER,
                .n_data = strlen(text),
                .n_data_vecs = 1,
                .ptr_data_vecs = ptr(&call->vecs_out[i]),
        };
        call->sends[i] = (struct bus1_cmd_send){
                .n_destinations = 1,
                .ptr_destinations = ptr(&call->destinations[i]),
                .ptr_message = ptr(&call->out[i]),
        };
}

static int call_run(int fd, struct call *call) {
        return command(fd, BUS1_CMD_CALL, &call->cmd);
}

static bool call_has(const struct call *call, unsigned i, const char *text) {
        return call->in[i].n_data == strlen(text) &&
               memcmp(call->texts[i], text, strlen(text)) == 0;
}

static void expect_empty(int fd) {
        struct call call;

        call_init(&call, 0, 1);
        call.cmd.timeout = 0;
        EXPECT(call_run(fd, &call) == -EAGAIN);
}

/* Two peers, each with a node to which the other one has a handle. */
struct pair {
        int a, b;
        uint64_t a_node, to_a, b_node, to_b;
};

static struct pair pair_new(void) {
        struct pair pair = {.a = peer_open(), .b = peer_open()};

        node_create(pair.a, pair.b, &pair.a_node, &pair.to_a);
        node_create(pair.b, pair.a, &pair.b_node, &pair.to_b);
        return pair;
}

static void pair_free(struct pair *pair) {
        close(pair->a);
        close(pair->b);
}

static void wait_children(void) {
        int status;

        while (wait(&status) > 0)
                EXPECT(status == 0);
}

static void test_round_trips(void) {
        struct pair pair = pair_new();
        struct call call;
        char text[16];

        if (fork() == 0) {
                call_init(&call, 0, 1);
                for (int i = 0; i < 1000; i++) {
                        EXPECT(call_run(pair.b, &call) == 0);
                        snprintf(text, sizeof(text), "r%d", i);
                        call_init(&call, 1, i < 999 ? 1 : 0);
                        call_send(&call, 0, pair.to_a, text);
                }
                EXPECT(call_run(pair.b, &call) == 0);
                _exit(0);
        }
        for (int i = 0; i < 1000; i++) {
                call_init(&call, 1, 1);
                call_send(&call, 0, pair.to_b, "call");
                EXPECT(call_run(pair.a, &call) == 0);
                snprintf(text, sizeof(text), "r%d", i);
                EXPECT(call_has(&call, 0, text));
                EXPECT(call.metadata[0].id == pair.a_node);
        }
        wait_children();
        pair_free(&pair);
}

static void test_time(void) {
        struct pair pair = pair_new();
        struct call call;
        uint64_t begin = now();

        expect_empty(pair.a);
        call_init(&call, 1, 1);
        call_send(&call, 0, pair.to_b, "once");
        call.cmd.timeout = 50 * MS;
        EXPECT(call_run(pair.a, &call) == -ETIMEDOUT);
        EXPECT(now() - begin >= 50 * MS);
        /* the command tells what is left to do: nothing to send, no time, one receive */
        EXPECT(call.cmd.n_sends == 0 && call.cmd.timeout == 0 && call.cmd.n_recvs == 1);
        EXPECT(call_run(pair.a, &call) == -EAGAIN);
        EXPECT(send_bytes(pair.b, pair.to_a, "x", 1) == 0);
        EXPECT(call_run(pair.a, &call) == 0);
        EXPECT(call_has(&call, 0, "x"));
        call_init(&call, 0, 1);
        EXPECT(call_run(pair.b, &call) == 0);
        EXPECT(call_has(&call, 0, "once"));
        expect_empty(pair.b);
        /* a time-out that the clock never reaches */
        call_init(&call, 0, 1);
        call.cmd.timeout = UINT64_MAX - 1;
        if (fork() == 0) {
                sleep_ms(20);
                EXPECT(send_bytes(pair.b, pair.to_a, "y", 1) == 0);
                _exit(0);
        }
        EXPECT(call_run(pair.a, &call) == 0);
        wait_children();
        pair_free(&pair);
}

static void test_many(void) {
        struct pair pair = pair_new();
        struct call call;

        call_init(&call, MAX, 0);
        for (unsigned i = 0; i < MAX; i++)
                call_send(&call, i, pair.to_b, (const char *[]){"0", "1", "2", "3"}[i % 4]);
        EXPECT(call_run(pair.a, &call) == 0);
        call_init(&call, 0, 10);
        EXPECT(call_run(pair.b, &call) == 0 && call.cmd.n_recvs == 10);
        call_init(&call, 0, 10);
        EXPECT(call_run(pair.b, &call) == 0 && call.cmd.n_recvs == 6);
        EXPECT(call_has(&call, 0, "2") && call_has(&call, 5, "3"));

        /* a message that does not fit ends the command, and stays queued */
        call_init(&call, 3, 0);
        call_send(&call, 0, pair.to_b, "a");
        call_send(&call, 1, pair.to_b, "bcd");
        call_send(&call, 2, pair.to_b, "e");
        EXPECT(call_run(pair.a, &call) == 0);
        call_init(&call, 0, 3);
        call.in[1].n_data = 2;
        EXPECT(call_run(pair.b, &call) == 0 && call.cmd.n_recvs == 1);
        EXPECT(call.in[1].n_data == 3);
        call_init(&call, 0, 3);
        call.in[0].n_data = 2;
        EXPECT(call_run(pair.b, &call) == -EMSGSIZE);
        EXPECT(call.cmd.n_recvs == 3 && call.in[0].n_data == 3);
        EXPECT(call_run(pair.b, &call) == 0 && call.cmd.n_recvs == 2);
        expect_empty(pair.b);
        pair_free(&pair);
}

static void test_errors(void) {
        struct pair pair = pair_new();
        struct call call;

        /* an invalid command sends nothing, even if only its first receive is invalid */
        call_init(&call, 1, 1);
        call_send(&call, 0, pair.to_b, "no");
        call.cmd.flags = 1;
        EXPECT(call_run(pair.a, &call) == -EINVAL);
        call.cmd.flags = 0;
        for (uint64_t flag = 1; flag; flag <<= 1) {
                call.recvs[0].flags = flag;
                if (flag != BUS1_RECV_FLAG_CREDENTIALS && flag != BUS1_RECV_FLAG_SECCTX &&
                    flag != BUS1_RECV_FLAG_DISCARD)
                        EXPECT(call_run(pair.a, &call) == -EINVAL);
        }
        call.recvs[0].flags = 0;
        call.recvs[0].ptr_message = BAD;
        EXPECT(call_run(pair.a, &call) == -EFAULT);
        call.recvs[0].ptr_message = ptr(&call.in[0]);
        call.cmd.ptr_recvs = BAD;
        EXPECT(call_run(pair.a, &call) == -EFAULT);
        call.cmd.ptr_recvs = ptr(call.recvs);
        call.cmd.ptr_sends = BAD;
        EXPECT(call_run(pair.a, &call) == -EFAULT);
        call.cmd.ptr_sends = ptr(call.sends);
        call.cmd.n_sends = BUS1_CALL_MAX + 1;
        EXPECT(call_run(pair.a, &call) == -EMSGSIZE);
        call.cmd.n_sends = 1;
        call.cmd.n_recvs = BUS1_CALL_MAX + 1;
        EXPECT(call_run(pair.a, &call) == -EMSGSIZE);
        EXPECT(command(pair.a, BUS1_CMD_CALL, (void *)BAD) == -EFAULT);
        expect_empty(pair.b);

        /* when a send fails, those before it have been carried out, and it and the rest are left */
        call_init(&call, 3, 1);
        call_send(&call, 0, pair.to_b, "a");
        call_send(&call, 1, BUS1_INVALID, "b");
        call_send(&call, 2, pair.to_b, "c");
        EXPECT(call_run(pair.a, &call) == -EBADRQC);
        EXPECT(call.cmd.n_sends == 2 && call.cmd.ptr_sends == ptr(&call.sends[1]));
        call.destinations[1] = pair.to_b;
        call.cmd.timeout = 0;
        EXPECT(call_run(pair.a, &call) == -EAGAIN && call.cmd.n_sends == 0);
        call_init(&call, 0, 3);
        EXPECT(call_run(pair.b, &call) == 0 && call.cmd.n_recvs == 3);
        EXPECT(call_has(&call, 0, "a") && call_has(&call, 1, "b") && call_has(&call, 2, "c"));

        /* if the metadata cannot be written, the message stays queued */
        EXPECT(send_bytes(pair.a, pair.to_b, "d", 1) == 0);
        call_init(&call, 0, 1);
        call.recvs[0].ptr_metadata = BAD;
        EXPECT(call_run(pair.b, &call) == -EFAULT);
        call_init(&call, 0, 1);
        EXPECT(call_run(pair.b, &call) == 0 && call_has(&call, 0, "d"));
        pair_free(&pair);
}

static void test_node(void) {
        struct pair pair = pair_new();
        uint64_t reply, to_reply, begin;
        struct call call;

        node_create(pair.a, pair.b, &reply, &to_reply);
        EXPECT(send_bytes(pair.b, pair.to_a, "1", 1) == 0);
        call_init(&call, 1, 1);
        call_send(&call, 0, pair.to_b, "call");
        call.cmd.node = reply;
        if (fork() == 0) {
                for (int i = 0; i < 100; i++)
                        EXPECT(send_bytes(pair.b, pair.to_a, "signal", 6) == 0);
                sleep_ms(50);
                EXPECT(send_bytes(pair.b, pair.to_a, "signal", 6) == 0);
                EXPECT(send_bytes(pair.b, to_reply, "reply", 5) == 0);
                _exit(0);
        }
        EXPECT(call_run(pair.a, &call) == 0);
        EXPECT(call_has(&call, 0, "reply") && call.metadata[0].id == reply);
        wait_children();
        EXPECT(query(pair.a).n_messages == 102);

        /* messages to other nodes do not extend the time-out */
        call_init(&call, 0, 1);
        call.cmd.node = reply;
        call.cmd.timeout = 50 * MS;
        begin = now();
        if (fork() == 0) {
                for (int i = 0; i < 20; i++) {
                        sleep_ms(5);
                        EXPECT(send_bytes(pair.b, pair.to_a, "signal", 6) == 0);
                }
                _exit(0);
        }
        EXPECT(call_run(pair.a, &call) == -ETIMEDOUT && now() - begin >= 50 * MS);
        wait_children();
        call.cmd.node = pair.to_b;
        EXPECT(call_run(pair.a, &call) == -EBADRQC);

        /* the node ends while the command waits */
        if (fork() == 0) {
                struct bus1_cmd_reset reset = {};
                uint64_t other, to_other;

                sleep_ms(20);
                node_create(pair.a, pair.b, &other, &to_other);
                EXPECT(release_id(pair.a, other) == 0);
                sleep_ms(20);
                EXPECT(command(pair.a, BUS1_CMD_RESET, &reset) == 0);
                _exit(0);
        }
        call_init(&call, 0, 1);
        call.cmd.node = reply;
        EXPECT(call_run(pair.a, &call) == -EBADRQC);
        wait_children();
        node_create(pair.a, pair.b, &reply, &to_reply);
        if (fork() == 0) {
                sleep_ms(20);
                EXPECT(release_id(pair.a, reply) == 0);
                _exit(0);
        }
        call_init(&call, 0, 1);
        call.cmd.node = reply;
        EXPECT(call_run(pair.a, &call) == -EBADRQC);
        wait_children();

        /* the callee ends, so the last handle to the node for the reply is released */
        node_create(pair.a, pair.b, &reply, &to_reply);
        call_init(&call, 0, 1);
        call.cmd.node = reply;
        if (fork() == 0) {
                struct bus1_cmd_disconnect disconnect = {};

                sleep_ms(20);
                EXPECT(command(pair.b, BUS1_CMD_DISCONNECT, &disconnect) == 0);
                _exit(0);
        }
        EXPECT(call_run(pair.a, &call) == 0);
        EXPECT(call.in[0].type == BUS1_MESSAGE_TYPE_HANDLE_RELEASE);
        EXPECT(call.metadata[0].id == reply);
        wait_children();
        pair_free(&pair);
}

static int recv_wait(int fd) {
        struct call call;

        call_init(&call, 0, 1);
        call.recvs[0].flags = BUS1_RECV_FLAG_WAIT;
        return command(fd, BUS1_CMD_RECV, &call.recvs[0]);
}

static atomic_int n_signals;

static void on_signal(int number) {
        n_signals++;
}

static void handle_signal(int flags) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

        EXPECT(sigaction(SIGUSR1, &action, NULL) == 0);
}

static void test_signals(void) {
        struct pair pair = pair_new();
        pid_t parent = getpid();
        struct call call;

        for (int restart = 0; restart < 2; restart++) {
                handle_signal(restart ? SA_RESTART : 0);
                n_signals = 0;
                if (fork() == 0) {
                        sleep_ms(30);
                        EXPECT(kill(parent, SIGUSR1) == 0);
                        sleep_ms(30);
                        EXPECT(send_bytes(pair.b, pair.to_a, "x", 1) == 0);
                        _exit(0);
                }
                EXPECT(recv_wait(pair.a) == (restart ? 0 : -EINTR));
                EXPECT(n_signals == 1);
                wait_children();
                if (!restart)
                        EXPECT(recv_wait(pair.a) == 0);
        }
        for (int restart = 0; restart < 2; restart++) {
                handle_signal(restart ? SA_RESTART : 0);
                call_init(&call, 1, 1);
                call_send(&call, 0, pair.to_b, "once");
                call.cmd.timeout = 10000 * MS;
                if (fork() == 0) {
                        sleep_ms(30);
                        EXPECT(kill(parent, SIGUSR1) == 0);
                        sleep_ms(30);
                        EXPECT(send_bytes(pair.b, pair.to_a, "x", 1) == 0);
                        _exit(0);
                }
                /* like poll(), the command fails with EINTR even if SA_RESTART is set */
                EXPECT(call_run(pair.a, &call) == -EINTR);
                EXPECT(call.cmd.timeout < 10000 * MS && call.cmd.n_sends == 0);
                EXPECT(call_run(pair.a, &call) == 0);
                wait_children();
                /* b gets the message once, although the command was repeated */
                call_init(&call, 0, 2);
                EXPECT(call_run(pair.b, &call) == 0 && call.cmd.n_recvs == 1);
        }
        pair_free(&pair);
}

static void *waiter(void *argument) {
        return (void *)(intptr_t)recv_wait(*(int *)argument);
}

static void start_waiters(pthread_t threads[static N_WAITERS], int *fd) {
        for (int i = 0; i < N_WAITERS; i++)
                EXPECT(pthread_create(&threads[i], NULL, waiter, fd) == 0);
        sleep_ms(50);
}

static void expect_waiters(const pthread_t threads[static N_WAITERS], int expected) {
        for (int i = 0; i < N_WAITERS; i++) {
                void *result;

                EXPECT(pthread_join(threads[i], &result) == 0);
                EXPECT((intptr_t)result == expected);
        }
}

/* Each message wakes one of the waiting commands. The end of the peer wakes all of them. */
static void test_waiters(void) {
        struct pair pair = pair_new();
        struct bus1_cmd_disconnect disconnect = {};
        pthread_t threads[N_WAITERS];

        start_waiters(threads, &pair.a);
        for (int i = 0; i < N_WAITERS; i++)
                EXPECT(send_bytes(pair.b, pair.to_a, "x", 1) == 0);
        expect_waiters(threads, 0);
        expect_empty(pair.a);

        start_waiters(threads, &pair.a);
        EXPECT(command(pair.a, BUS1_CMD_DISCONNECT, &disconnect) == 0);
        expect_waiters(threads, -ESHUTDOWN);
        pair_free(&pair);
}

static void *peeker(void *argument) {
        struct call call;

        call_init(&call, 0, 1);
        call.recvs[0].flags = BUS1_RECV_FLAG_WAIT | BUS1_RECV_FLAG_PEEK;
        return (void *)(intptr_t)command(*(int *)argument, BUS1_CMD_RECV, &call.recvs[0]);
}

/* A waiting command that only peeks at a message wakes the next one, which takes the message. */
static void test_peeker(void) {
        struct pair pair = pair_new();
        pthread_t first, second;
        void *result;

        EXPECT(pthread_create(&first, NULL, peeker, &pair.a) == 0);
        sleep_ms(50);
        EXPECT(pthread_create(&second, NULL, waiter, &pair.a) == 0);
        sleep_ms(50);
        EXPECT(send_bytes(pair.b, pair.to_a, "x", 1) == 0);
        EXPECT(pthread_join(first, &result) == 0 && result == NULL);
        EXPECT(pthread_join(second, &result) == 0 && result == NULL);
        expect_empty(pair.a);
        pair_free(&pair);
}

/* A waiting process can be killed, and its peer ends with it. */
static void test_killed(void) {
        struct pair pair = pair_new();
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                close(pair.b);
                recv_wait(pair.a);
                _exit(1);
        }
        close(pair.a);
        sleep_ms(50);
        EXPECT(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
        EXPECT(WIFSIGNALED(status));
        EXPECT(recv_any(pair.b, &(struct bus1_metadata_credentials){}) ==
               BUS1_MESSAGE_TYPE_NODE_RELEASE);
        close(pair.b);
}

/* io_uring without a library: one entry at a time */

struct ring {
        int fd;
        struct io_uring_params p;
        uint8_t *sq, *cq;
        struct io_uring_sqe *sqes;
};

static void *ring_map(const struct ring *ring, size_t n, uint64_t offset) {
        void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, (off_t)offset);

        EXPECT(p != MAP_FAILED);
        return p;
}

static void ring_new(struct ring *ring) {
        *ring = (struct ring){};
        ring->fd = (int)syscall(SYS_io_uring_setup, 4, &ring->p);
        EXPECT(ring->fd >= 0);
        ring->sq = ring_map(ring, ring->p.sq_off.array + 4 * sizeof(uint32_t), IORING_OFF_SQ_RING);
        ring->cq = ring_map(ring, ring->p.cq_off.cqes + 8 * sizeof(struct io_uring_cqe),
                            IORING_OFF_CQ_RING);
        ring->sqes = ring_map(ring, 4 * sizeof(*ring->sqes), IORING_OFF_SQES);
}

/* Submit a command. */
static void ring_submit(struct ring *ring, int fd, unsigned long request, void *argument) {
        uint32_t *tail = (uint32_t *)(ring->sq + ring->p.sq_off.tail);
        uint32_t mask = *(uint32_t *)(ring->sq + ring->p.sq_off.ring_mask);
        uint64_t address = ptr(argument);
        struct io_uring_sqe *sqe = &ring->sqes[*tail & mask];

        memset(sqe, 0, sizeof(*sqe));
        sqe->opcode = IORING_OP_URING_CMD;
        sqe->fd = fd;
        sqe->off = (uint32_t)request; /* cmd_op */
        memcpy((uint8_t *)sqe + 48, &address, sizeof(address));
        ((uint32_t *)(ring->sq + ring->p.sq_off.array))[*tail & mask] = *tail & mask;
        __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
        EXPECT(syscall(SYS_io_uring_enter, ring->fd, 1, 0, 0, NULL, 0) == 1);
}

/* Is there a result? */
static bool ring_has_result(const struct ring *ring) {
        return *(uint32_t *)(ring->cq + ring->p.cq_off.head) !=
               __atomic_load_n((uint32_t *)(ring->cq + ring->p.cq_off.tail), __ATOMIC_ACQUIRE);
}

static int ring_result(struct ring *ring) {
        uint32_t *head = (uint32_t *)(ring->cq + ring->p.cq_off.head);
        uint32_t mask = *(uint32_t *)(ring->cq + ring->p.cq_off.ring_mask);
        struct io_uring_cqe *cqes = (struct io_uring_cqe *)(ring->cq + ring->p.cq_off.cqes);
        int r;

        while (!ring_has_result(ring))
                EXPECT(syscall(SYS_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL,
                               0) >= 0);
        r = cqes[*head & mask].res;
        __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
        return r;
}

static void test_uring(void) {
        struct pair pair = pair_new();
        struct call call, reply;
        struct ring ring;

        ring_new(&ring);
        call_init(&call, 1, 1);
        call_send(&call, 0, pair.to_b, "call");
        ring_submit(&ring, pair.a, BUS1_CMD_SEND, &call.sends[0]);
        EXPECT(ring_result(&ring) == 0);
        call_init(&reply, 0, 1);
        ring_submit(&ring, pair.b, BUS1_CMD_RECV, &reply.recvs[0]);
        EXPECT(ring_result(&ring) == 0 && call_has(&reply, 0, "call"));
        call_init(&reply, 0, 1);
        ring_submit(&ring, pair.b, BUS1_CMD_RECV, &reply.recvs[0]);
        EXPECT(ring_result(&ring) == -EAGAIN);

        /* a call waits by io_uring; a receive with WAIT takes the message of the call by ioctl */
        ring_submit(&ring, pair.a, BUS1_CMD_CALL, &call.cmd);
        reply.recvs[0].flags = BUS1_RECV_FLAG_WAIT;
        EXPECT(command(pair.b, BUS1_CMD_RECV, &reply.recvs[0]) == 0);
        sleep_ms(50);
        EXPECT(!ring_has_result(&ring));
        EXPECT(send_bytes(pair.b, pair.to_a, "reply", 5) == 0);
        EXPECT(ring_result(&ring) == 0 && call_has(&call, 0, "reply"));
        expect_empty(pair.b);
        call_init(&reply, 0, 1);
        reply.recvs[0].flags = BUS1_RECV_FLAG_WAIT;
        ring_submit(&ring, pair.b, BUS1_CMD_RECV, &reply.recvs[0]);
        sleep_ms(50);
        EXPECT(send_bytes(pair.a, pair.to_b, "x", 1) == 0);
        EXPECT(ring_result(&ring) == 0 && call_has(&reply, 0, "x"));

        ring_submit(&ring, pair.a, BUS1_CMD_SEND, (void *)BAD);
        EXPECT(ring_result(&ring) == -EFAULT);
        ring_submit(&ring, pair.a, 0x1234, &call.cmd);
        EXPECT(ring_result(&ring) == -ENOTTY);

        /* the end of the ring ends a wait */
        call_init(&call, 0, 1);
        ring_submit(&ring, pair.a, BUS1_CMD_CALL, &call.cmd);
        sleep_ms(50);
        close(ring.fd);
        EXPECT(munmap(ring.sq, ring.p.sq_off.array + 4 * sizeof(uint32_t)) == 0);
        EXPECT(munmap(ring.cq, ring.p.cq_off.cqes + 8 * sizeof(struct io_uring_cqe)) == 0);
        EXPECT(munmap(ring.sqes, 4 * sizeof(*ring.sqes)) == 0);
        sleep_ms(50);
        EXPECT(send_bytes(pair.b, pair.to_a, "y", 1) == 0);
        EXPECT(recv_any(pair.a, &(struct bus1_metadata_credentials){}) == BUS1_MESSAGE_TYPE_USER);
        pair_free(&pair);
}

int main(void) {
        EXPECT(query(peer_open()).features & BUS1_FEATURE_CALL);
        test_round_trips();
        test_time();
        test_many();
        test_errors();
        test_node();
        test_signals();
        test_waiters();
        test_peeker();
        test_killed();
        test_uring();
        printf("calls, waits, signals and times are as documented\n");
        return 0;
}
