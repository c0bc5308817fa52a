/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bus1-bench-vm-contention - measures bus1.ko on several processors
 *
 * Runs in a virtual machine with two processors and the clock of the host (test/vm/run BUILD smp).
 * Several processes send messages at the same time, over bus1 and over AF_UNIX sockets. The program
 * runs rounds of both in turn and prints the medians. Only the ratios mean something.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/bench/median.h"
#include "test/bench/raw.h"
#include "test/bench/vm-ends.h"
#include "test/bench/workload.h"

#define N 8 /* senders */
#define N_MESSAGES 2000
#define SIZE 64
#define MAX_ROUNDS 101

static uint8_t data[SIZE];

enum pattern {
        PATTERN_PAIRS, /* each sender has a receiver of its own */
        PATTERN_ONE,   /* all send to one receiver */
        PATTERN_CROSS, /* each sends to all others, and receives from all others */
        N_PATTERNS,
};

static const char *const pattern_names[] = {
        "8 senders, 8 receivers",
        "8 senders, 1 receiver",
        "8 that multicast to each other",
};

/* One process: where it sends messages, how many it sends, and how many it receives. */
struct process {
        struct end end;
        uint64_t handles[N]; /* for bus1: the destinations */
        int fds[N];          /* for sockets: one for each destination */
        unsigned n_destinations;
        unsigned n_sends;
        unsigned n_receives;
};

/* Add a receiver to the destinations of a process. */
static void process_connect(struct process *from, struct process *to) {
        struct sockaddr_un address = {};
        socklen_t length = sizeof(address);
        unsigned i = from->n_destinations++;

        if (to->end.kind == END_CALL) {
                from->handles[i] = end_introduce(&to->end, &from->end);
                return;
        }
        from->fds[i] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (from->fds[i] < 0 || getsockname(to->end.fd, (struct sockaddr *)&address, &length) < 0 ||
            connect(from->fds[i], (struct sockaddr *)&address, length) < 0)
                raw_fail("socket: %s", strerror(errno));
}

static void process_open(struct process *process, enum end_kind kind) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct end ends[2];

        *process = (struct process){.end = {.kind = kind, .fd = -1, .out = -1}};
        if (kind == END_CALL) {
                end_pair(kind, ends);
                end_close(&ends[1]);
                process->end = ends[0];
                /* take the two notifications that the end of the closed peer has caused */
                if (end_exchange(&process->end, NULL, 0, 0, data, SIZE, 16) != 2)
                        raw_fail("no notifications");
                return;
        }
        /* without a path, the kernel chooses an abstract name */
        process->end.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (process->end.fd < 0 ||
            bind(process->end.fd, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0)
                raw_fail("socket: %s", strerror(errno));
}

static void process_close(struct process *process) {
        end_close(&process->end);
        for (unsigned i = 0; i < process->n_destinations; i++)
                if (process->fds[i] > 0)
                        close(process->fds[i]);
}

static void process_send(const struct process *process) {
        if (process->end.kind == END_CALL) {
                end_multicast(&process->end, process->handles, process->n_destinations, data, SIZE);
                return;
        }
        for (unsigned i = 0; i < process->n_destinations; i++)
                if (send(process->fds[i], data, SIZE, 0) != SIZE)
                        raw_fail("send: %s", strerror(errno));
}

/*
 * Receive one message from a socket, or one to n messages, but at most 16, from bus1. Returns the
 * number of received messages.
 */
static unsigned process_receive(const struct process *process, unsigned n) {
        uint8_t buffer[SIZE];

        if (n > 16)
                n = 16;
        if (process->end.kind == END_CALL)
                return end_exchange(&process->end, NULL, 0, 0, buffer, SIZE, n);
        if (recv(process->end.fd, buffer, SIZE, 0) != SIZE)
                raw_fail("recv: %s", strerror(errno));
        return 1;
}

/* Send and receive. A process that does both takes turns, so that sockets cannot block for ever. */
static void process_run(const struct process *process) {
        unsigned n_sent = 0, n_received = 0;

        while (n_sent < process->n_sends || n_received < process->n_receives) {
                if (n_sent < process->n_sends) {
                        process_send(process);
                        n_sent++;
                }
                while (n_received < process->n_receives &&
                       (n_sent == process->n_sends ||
                        n_received < (uint64_t)n_sent * process->n_receives / process->n_sends))
                        n_received += process_receive(process,
                                                      process->n_sends && n_sent < process->n_sends
                                                              ? 1
                                                              : process->n_receives - n_received);
        }
}

static void make_processes(enum pattern pattern, enum end_kind kind, struct process processes[],
                           unsigned *ret_n) {
        unsigned n = pattern == PATTERN_PAIRS ? 2 * N : pattern == PATTERN_ONE ? N + 1 : N;

        for (unsigned i = 0; i < n; i++)
                process_open(&processes[i], kind);
        for (unsigned i = 0; i < N; i++) {
                processes[i].n_sends = N_MESSAGES;
                for (unsigned j = 0; j < n; j++) {
                        bool is_receiver = pattern == PATTERN_PAIRS ? j == i + N
                                           : pattern == PATTERN_ONE ? j == N
                                                                    : j != i;

                        if (!is_receiver)
                                continue;
                        process_connect(&processes[i], &processes[j]);
                        processes[j].n_receives += N_MESSAGES;
                }
        }
        *ret_n = n;
}

/* Returns the elapsed microseconds, divided by the number of messages received. */
static double measure(enum pattern pattern, enum end_kind kind) {
        struct process processes[2 * N];
        unsigned n, n_messages = 0;
        int start[2], status;
        double begin;
        char byte;

        make_processes(pattern, kind, processes, &n);
        if (pipe(start) < 0)
                raw_fail("pipe");
        for (unsigned i = 0; i < n; i++) {
                n_messages += processes[i].n_receives;
                if (peer_fork() > 0)
                        continue;
                close(start[1]);
                /* The parent closes its end of the pipe to start all processes at once. */
                if (read(start[0], &byte, 1) != 0)
                        _exit(1);
                process_run(&processes[i]);
                _exit(0);
        }
        close(start[0]);
        begin = bench_now();
        close(start[1]);
        for (unsigned i = 0; i < n; i++)
                if (wait(&status) < 0 || status != 0)
                        raw_fail("a process failed");
        begin = bench_now() - begin;
        for (unsigned i = 0; i < n; i++)
                process_close(&processes[i]);
        return begin * 1e6 / n_messages;
}

/* By default a datagram socket holds about ten messages, so few that senders would mostly wait. */
static void let_sockets_queue(void) {
        int fd = open("/proc/sys/net/unix/max_dgram_qlen", O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, "512", 3) != 3)
                raw_fail("max_dgram_qlen: %s", strerror(errno));
        close(fd);
}

int main(int argc, char **argv) {
        static const struct option long_options[] = {{"rounds", required_argument, NULL, 'r'}, {}};
        static double us[N_PATTERNS][2][MAX_ROUNDS];
        unsigned n_rounds = 5;

        while (getopt_long(argc, argv, "", long_options, NULL) == 'r')
                n_rounds = atoi(optarg);
        if (n_rounds < 1 || n_rounds > MAX_ROUNDS) {
                fprintf(stderr, "bus1-bench-vm-contention [--rounds=N]\n");
                return 1;
        }
        let_sockets_queue();
        for (unsigned round = 0; round < n_rounds; round++)
                for (int i = 0; i < N_PATTERNS; i++) {
                        us[i][0][round] = measure(i, END_CALL);
                        us[i][1][round] = measure(i, END_BLOCKING);
                }
        printf("%-32s %8s %8s %9s\n", "us for a message", "bus1", "socket", "of socket");
        for (int i = 0; i < N_PATTERNS; i++) {
                double bus1 = median(us[i][0], n_rounds), sockets = median(us[i][1], n_rounds);

                printf("%-32s %8.2f %8.2f %9.2f\n", pattern_names[i], bus1, sockets,
                       bus1 / sockets);
        }
        return 0;
}
