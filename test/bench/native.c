/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bus1-bench-native - measures how fast the hosted core is
 *
 * Measures ping-pong between two bus1 peers: in two processes, each of which reaches the core
 * through a socket, and in two threads of the process that hosts the core. The baseline is the same
 * ping-pong over a SOCK_SEQPACKET socket, without a core.
 */

#include <bus1/bus1.h>
#include <bus1/hosted.h>

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/bench/median.h"

#define MAX_ROUNDS 101
#define MAX_SIZE 65536

/* One end of a ping-pong: a socket, or a peer that holds a handle to a node of the other end. */
struct end {
        int fd;
        struct bus1_client *client;
        uint64_t handle;
        size_t size;
};

static void check(int r, const char *what) {
        if (r >= 0)
                return;
        fprintf(stderr, "%s: %s\n", what, strerror(-r));
        exit(1);
}

static double now(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static void pin(int cpu) {
        cpu_set_t set;

        CPU_ZERO(&set);
        for (int i = 0; i < CPU_SETSIZE; i++)
                if (cpu < 0 || cpu == i)
                        CPU_SET(i, &set);
        sched_setaffinity(0, sizeof(set), &set);
}

/* messages */

static void peer_send(struct bus1_client *client, uint64_t to, const void *data, size_t n,
                      struct bus1_transfer *transfer) {
        struct iovec vec = {(void *)data, n};
        struct bus1_message m = {
                .type = BUS1_MESSAGE_TYPE_USER,
                .n_transfers = transfer ? 1 : 0,
                .ptr_transfers = (uintptr_t)transfer,
                .n_data = n,
                .n_data_vecs = 1,
                .ptr_data_vecs = (uintptr_t)&vec,
        };

        check(bus1_client_send(client, 1, &to, NULL, &m), "send");
}

/*
 * Wait for the next message, and skip notifications. Returns the ID of the handle in the message,
 * or BUS1_INVALID if there is none.
 */
static uint64_t peer_recv(struct bus1_client *client, void *data, size_t n) {
        for (;;) {
                struct bus1_transfer transfer = {.id = BUS1_INVALID};
                struct iovec vec = {data, n};
                struct bus1_metadata metadata = {};
                struct bus1_message m = {
                        .type = BUS1_INVALID,
                        .n_transfers = 1,
                        .ptr_transfers = (uintptr_t)&transfer,
                        .n_data = n,
                        .n_data_vecs = 1,
                        .ptr_data_vecs = (uintptr_t)&vec,
                };
                int r = bus1_client_recv(client, 0, &metadata, &m);

                if (r == -EAGAIN) {
                        poll(&(struct pollfd){bus1_client_get_fd(client), POLLIN, 0}, 1, -1);
                        continue;
                }
                check(r, "recv");
                if (m.type == BUS1_MESSAGE_TYPE_USER)
                        return m.n_transfers > 0 ? transfer.id : BUS1_INVALID;
        }
}

static void end_send(struct end *end, const void *data) {
        if (end->client)
                peer_send(end->client, end->handle, data, end->size, NULL);
        else if (send(end->fd, data, end->size, MSG_NOSIGNAL) != (ssize_t)end->size)
                exit(1);
}

static bool end_recv(struct end *end, void *data) {
        if (end->client) {
                peer_recv(end->client, data, end->size);
                return true;
        }
        return recv(end->fd, data, end->size, 0) == (ssize_t)end->size;
}

static void echo(struct end *end) {
        static __thread uint8_t data[MAX_SIZE];

        while (end_recv(end, data))
                end_send(end, data);
}

/* Returns round trips per second. */
static double ping(struct end *end, double seconds) {
        static __thread uint8_t data[MAX_SIZE];
        double start = now(), stop;
        uint64_t n = 0;

        do {
                end_send(end, data);
                end_recv(end, data);
                n++;
                stop = now();
        } while (stop < start + seconds);
        return n / (stop - start);
}

/* arrangements: each returns round trips per second, or NAN if there is no result */

typedef double (*arrangement)(size_t size, double seconds);

static double socket_processes(size_t size, double seconds) {
        struct end end = {.size = size};
        int pair[2];
        double rate;
        pid_t pid;

        check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0,
              "socketpair");
        pid = fork();
        if (pid == 0) {
                close(pair[0]);
                end.fd = pair[1];
                echo(&end);
                _exit(0);
        }
        close(pair[1]);
        end.fd = pair[0];
        rate = ping(&end, seconds);
        close(pair[0]);
        waitpid(pid, NULL, 0);
        return rate;
}

static void *echo_thread(void *argument) {
        echo(argument);
        return NULL;
}

static double socket_threads(size_t size, double seconds) {
        struct end one = {.size = size}, two = {.size = size};
        pthread_t thread;
        int pair[2];
        double rate;

        check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0,
              "socketpair");
        one.fd = pair[0];
        two.fd = pair[1];
        check(-pthread_create(&thread, NULL, echo_thread, &two), "thread");
        rate = ping(&one, seconds);
        close(pair[0]);
        pthread_join(thread, NULL);
        close(pair[1]);
        return rate;
}

/*
 * Open the peer that the domain serves over the socket fd, and exchange handles with the peer of
 * the other process. Both peers were granted a handle to a node of a third peer, the acquaintance.
 * Each of the two sends the acquaintance a handle to a new node of its own, and gets the handle
 * that the other one sent.
 */
static void served_peer_meet(struct end *end, int fd, uint64_t acquaintance) {
        struct bus1_transfer node = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        uint8_t byte = 0;

        check(bus1_client_new_from_fd(&end->client, fd), "peer");
        peer_send(end->client, acquaintance, &byte, 1, &node);
        end->handle = peer_recv(end->client, &byte, 1);
}

/* Serve both peers and introduce them to each other, until a result comes from the pipe done. */
static void serve(struct bus1_domain *domain, struct bus1_client *acquaintance, int done) {
        uint64_t handles[2];
        unsigned n = 0;

        for (;;) {
                struct pollfd fds[] = {
                        {bus1_domain_get_fd(domain), POLLIN, 0},
                        {done, POLLIN, 0},
                        {n < 2 ? bus1_client_get_fd(acquaintance) : -1, POLLIN, 0},
                };

                poll(fds, 3, -1);
                if (fds[1].revents)
                        return;
                if (fds[0].revents)
                        check(bus1_domain_dispatch(domain), "dispatch");
                if (fds[2].revents) {
                        uint8_t byte;

                        handles[n++] = peer_recv(acquaintance, &byte, 1);
                        if (n < 2)
                                continue;
                        for (int i = 0; i < 2; i++)
                                peer_send(acquaintance, handles[i], &byte, 1,
                                          &(struct bus1_transfer){0, handles[!i]});
                }
        }
}

static double hosted_processes(size_t size, double seconds) {
        struct bus1_domain *domain;
        struct bus1_client *acquaintance;
        uint64_t node, handle, tokens[2], granted[2];
        int fds[2], result[2];
        double rate = NAN;
        pid_t pids[2];

        check(bus1_domain_new(&domain), "domain");
        check(bus1_domain_client_new(domain, &acquaintance), "client");
        check(bus1_client_create_node(acquaintance, 0, &node, &handle), "node");
        check(pipe(result) < 0 ? -errno : 0, "pipe");
        for (int i = 0; i < 2; i++) {
                check(bus1_domain_serve_peer(domain, getuid(), getgid(), getpid(), &fds[i],
                                             &tokens[i]),
                      "serve");
                check(bus1_domain_grant(domain, acquaintance, handle, tokens[i], &granted[i]),
                      "grant");
        }
        for (int i = 0; i < 2; i++) {
                pids[i] = fork();
                if (pids[i] == 0) {
                        struct end end = {.size = size};

                        prctl(PR_SET_PDEATHSIG, SIGKILL);
                        close(fds[!i]);
                        if (i == 1)
                                close(result[1]);
                        served_peer_meet(&end, fds[i], granted[i]);
                        if (i == 1)
                                echo(&end);
                        rate = ping(&end, seconds);
                        _exit(write(result[1], &rate, sizeof(rate)) == sizeof(rate) ? 0 : 1);
                }
        }
        close(fds[0]);
        close(fds[1]);
        close(result[1]);
        serve(domain, acquaintance, result[0]);
        if (read(result[0], &rate, sizeof(rate)) != sizeof(rate))
                rate = NAN;
        close(result[0]);
        kill(pids[1], SIGKILL);
        for (int i = 0; i < 2; i++)
                waitpid(pids[i], NULL, 0);
        bus1_client_free(acquaintance);
        bus1_domain_free(domain);
        return rate;
}

struct local_echo {
        struct end end;
        bool stop; /* set before the last message is sent */
};

static void *local_echo_thread(void *argument) {
        struct local_echo *e = argument;
        static __thread uint8_t data[MAX_SIZE];

        for (;;) {
                end_recv(&e->end, data);
                if (__atomic_load_n(&e->stop, __ATOMIC_ACQUIRE))
                        return NULL;
                end_send(&e->end, data);
        }
}

/* Give one end a handle to a new node of the other end. */
static void introduce(struct end *one, struct end *other) {
        struct bus1_transfer src = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID},
                             dst = {0, BUS1_INVALID};

        check(bus1_client_transfer(other->client, one->client, 1, &src, &dst), "transfer");
        one->handle = dst.id;
}

static double local_threads(size_t size, double seconds) {
        struct local_echo two = {.end.size = size};
        struct end one = {.size = size};
        struct bus1_domain *domain;
        static uint8_t data[MAX_SIZE];
        pthread_t thread;
        double rate;

        check(bus1_domain_new(&domain), "domain");
        check(bus1_domain_client_new(domain, &one.client), "client");
        check(bus1_domain_client_new(domain, &two.end.client), "client");
        introduce(&one, &two.end);
        introduce(&two.end, &one);
        check(-pthread_create(&thread, NULL, local_echo_thread, &two), "thread");
        rate = ping(&one, seconds);
        __atomic_store_n(&two.stop, true, __ATOMIC_RELEASE);
        end_send(&one, data);
        pthread_join(thread, NULL);
        bus1_client_free(one.client);
        bus1_client_free(two.end.client);
        bus1_domain_free(domain);
        return rate;
}

static const struct {
        const char *name;
        arrangement run;
        int baseline; /* index of the row to compare with */
} rows[] = {
        {"seqpacket, two processes (baseline)", socket_processes, 0},
        {"bus1 hosted, two processes", hosted_processes, 0},
        {"seqpacket, two threads (baseline)", socket_threads, 2},
        {"bus1 in process, two threads", local_threads, 2},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static void measure(size_t size, unsigned n_rounds, double seconds) {
        double rates[N_ROWS][MAX_ROUNDS], medians[N_ROWS];

        for (unsigned round = 0; round < n_rounds; round++)
                for (size_t i = 0; i < N_ROWS; i++)
                        rates[i][round] = rows[i].run(size, seconds);
        printf("\n%-40s %12s %12s %9s\n",
               size == 8 ? "ping-pong of 8 bytes, one CPU" : "ping-pong of 64 KiB, one CPU",
               "per second", "us", "of baseline");
        for (size_t i = 0; i < N_ROWS; i++) {
                medians[i] = median(rates[i], n_rounds);
                printf("%-40s %12.0f %12.2f %9.2f\n", rows[i].name, medians[i], 1e6 / medians[i],
                       medians[i] / medians[rows[i].baseline]);
        }
}

int main(int argc, char **argv) {
        static const struct option long_options[] = {
                {"rounds", required_argument, NULL, 'r'},
                {"seconds", required_argument, NULL, 's'},
                {"quick", no_argument, NULL, 'q'},
                {},
        };
        unsigned n_rounds = 7;
        double seconds = 0.2;
        int c;

        while ((c = getopt_long(argc, argv, "", long_options, NULL)) >= 0)
                switch (c) {
                case 'r':
                        n_rounds = atoi(optarg);
                        break;
                case 's':
                        seconds = atof(optarg);
                        break;
                case 'q':
                        n_rounds = 2;
                        seconds = 0.05;
                        break;
                default:
                        fprintf(stderr, "bus1-bench-native [--rounds=N] [--seconds=S] [--quick]\n");
                        return 1;
                }
        if (n_rounds < 1 || n_rounds > MAX_ROUNDS || !(seconds > 0))
                return 1;
        /* If the core loses a message, a peer may wait for ever. SIGALRM ends the program then. */
        alarm(30 + (unsigned)(4 * N_ROWS * n_rounds * seconds));
        pin(0);
        measure(8, n_rounds, seconds);
        measure(MAX_SIZE, n_rounds, seconds);
        return 0;
}
