/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bus1-bench-vm - measures how fast bus1.ko is
 *
 * Runs in a virtual machine with one processor (test/vm/run BUILD bench). It measures messages,
 * handles and descriptors over the device, similar operations over sockets and pipes in the same
 * kernel, and, if dbus-broker starts, calls through dbus-broker. It runs rounds of all of them in
 * turn and prints the medians.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/bench/bus.h"
#include "test/bench/median.h"
#include "test/bench/raw.h"
#include "test/bench/vm-ends.h"
#include "test/bench/workload.h"

#define MAX_ROUNDS 101
#define MAX_SIZE 65536
#define MAX_RECEIVERS 100
#define BATCH 16 /* messages of a stream before the sender waits for a reply; a pipe holds 16 */

static uint8_t data[MAX_SIZE];

struct row {
        const char *name;
        double (*run)(const struct row *row, enum end_kind kind);
        size_t size;
        unsigned n_receivers;
        unsigned n_times;
        unsigned kinds;
        double most;      /* target: the greatest ratio of END_BUS1 to END_SOCKET; 0: no target */
        double call_most; /* likewise of END_CALL to END_SOCKET, but in ping-pong to END_BLOCKING */
        double us_most;   /* target: the greatest number of microseconds of END_BUS1 */
};

/* workloads: each returns the microseconds of one operation */

static double ping_pong(const struct row *row, enum end_kind kind) {
        struct end ends[2];
        double begin, took;
        pid_t pid;

        end_pair(kind, ends);
        pid = peer_fork();
        if (pid == 0)
                for (unsigned n_out = 0;; n_out = 1)
                        end_exchange(&ends[1], data, row->size, n_out, data, row->size, 1);
        begin = bench_now();
        for (unsigned i = 0; i < row->n_times; i++)
                end_exchange(&ends[0], data, row->size, 1, data, row->size, 1);
        took = bench_now() - begin;
        peer_end(pid);
        for (int i = 0; i < 2; i++)
                end_close(&ends[i]);
        return took * 1e6 / row->n_times;
}

/* Send batches to another process, which sends one message back for each batch. */
static double stream(const struct row *row, enum end_kind kind) {
        struct end ends[2];
        double begin, took;
        pid_t pid;

        end_pair(kind, ends);
        pid = peer_fork();
        if (pid == 0)
                for (unsigned n = 0, n_out = 0;; n_out = n == BATCH) {
                        n = n_out ? 0 : n;
                        n += end_exchange(&ends[1], data, 1, n_out, data, row->size, BATCH - n);
                }
        begin = bench_now();
        for (unsigned i = 0; i < row->n_times; i += BATCH)
                end_exchange(&ends[0], data, row->size, BATCH, data, 1, 1);
        took = bench_now() - begin;
        peer_end(pid);
        for (int i = 0; i < 2; i++)
                end_close(&ends[i]);
        return took * 1e6 / row->n_times;
}

/* Send and receive in one process. Only the time of the sending counts. */
static double multicast(const struct row *row, enum end_kind kind) {
        struct end ends[MAX_RECEIVERS][2], *sender = &ends[0][0];
        uint64_t handles[MAX_RECEIVERS];
        double took = 0;

        for (unsigned i = 0; i < row->n_receivers; i++)
                end_pair(kind, ends[i]);
        if (kind == END_BUS1)
                for (unsigned i = 0; i < row->n_receivers; i++)
                        handles[i] = end_introduce(&ends[i][1], sender);
        for (unsigned i = 0; i < row->n_times; i++) {
                double begin = bench_now();

                if (kind == END_BUS1)
                        end_multicast(sender, handles, row->n_receivers, data, row->size);
                else
                        for (unsigned j = 0; j < row->n_receivers; j++)
                                end_send(&ends[j][0], data, row->size);
                took += bench_now() - begin;
                for (unsigned j = 0; j < row->n_receivers; j++)
                        if (!end_recv(&ends[j][1], data, row->size))
                                raw_fail("multicast: receiver %u has got nothing", j);
        }
        for (unsigned i = 0; i < row->n_receivers; i++)
                for (int j = 0; j < 2; j++)
                        end_close(&ends[i][j]);
        return took * 1e6 / row->n_times;
}

static double pass_new(const struct row *row, enum end_kind kind) {
        struct end ends[2];
        double begin, took;

        end_pair(kind == END_PIPE ? END_SOCKET : kind, ends);
        ends[0].kind = kind;
        begin = bench_now();
        for (unsigned i = 0; i < row->n_times; i++)
                capability_pass_new(&ends[0], &ends[1]);
        took = bench_now() - begin;
        for (int i = 0; i < 2; i++)
                end_close(&ends[i]);
        return took * 1e6 / row->n_times;
}

static double pass_fds(unsigned n_times, const struct end *from, const struct end *to) {
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        double begin = bench_now(), took;

        if (fd < 0)
                raw_fail("/dev/null: %s", strerror(errno));
        for (unsigned i = 0; i < n_times; i++) {
                end_send_fd(from, fd);
                close(end_recv_fd(to));
        }
        took = bench_now() - begin;
        close(fd);
        return took;
}

static double pass_handles(unsigned n_times, const struct end *from, const struct end *to) {
        uint64_t handle = end_introduce(from, from);
        double begin = bench_now();

        for (unsigned i = 0; i < n_times; i++)
                capability_pass(from, to, handle);
        return bench_now() - begin;
}

static double pass_fd(const struct row *row, enum end_kind kind) {
        struct end ends[2];
        double took;

        end_pair(kind, ends);
        took = pass_fds(row->n_times, &ends[0], &ends[1]);
        for (int i = 0; i < 2; i++)
                end_close(&ends[i]);
        return took * 1e6 / row->n_times;
}

/* Pass a handle for END_BUS1, and a descriptor for END_SOCKET. */
static double pass_handle(const struct row *row, enum end_kind kind) {
        struct end ends[2];
        double took;

        if (kind != END_BUS1)
                return pass_fd(row, kind);
        end_pair(kind, ends);
        took = pass_handles(row->n_times, &ends[0], &ends[1]);
        for (int i = 0; i < 2; i++)
                end_close(&ends[i]);
        return took * 1e6 / row->n_times;
}

/* Another pair stays open meanwhile, because most users have something open already. */
static double open_close(const struct row *row, enum end_kind kind) {
        struct end others[2];
        double begin, took;

        end_pair(kind, others);
        begin = bench_now();
        for (unsigned i = 0; i < row->n_times; i++)
                end_open_close(kind);
        took = bench_now() - begin;
        for (int i = 0; i < 2; i++)
                end_close(&others[i]);
        return took * 1e6 / row->n_times;
}

#define ALL ((1u << N_END_KINDS) - 1)
#define KERNEL (1u << END_BUS1 | 1u << END_SOCKET)
#define NO_PIPE (ALL & ~(1u << END_PIPE))

static const struct row rows[] = {
        {"ping-pong, 64 B", ping_pong, 64, 1, 400, ALL, 1.25, 0.75},
        {"ping-pong, 512 B", ping_pong, 512, 1, 400, ALL, 1.25},
        {"ping-pong, 4 KiB", ping_pong, 4096, 1, 400, ALL, 1.25, 0.9},
        {"ping-pong, 64 KiB", ping_pong, 65536, 1, 50, NO_PIPE, 0, 1.0},
        {"stream, 64 B", stream, 64, 1, 100 * BATCH, ALL, 1.25, 0.8},
        {"stream, 512 B", stream, 512, 1, 100 * BATCH, ALL, 1.25},
        {"stream, 4 KiB", stream, 4096, 1, 100 * BATCH, ALL, 1.25},
        {"multicast to 10, 64 B", multicast, 64, 10, 100, KERNEL},
        {"multicast to 10, 4 KiB", multicast, 4096, 10, 100, KERNEL},
        {"multicast to 100, 64 B", multicast, 64, 100, 20, KERNEL, 1 / 3.0},
        {"multicast to 100, 4 KiB", multicast, 4096, 100, 20, KERNEL, 1 / 3.0},
        {"node or pair: make, pass, end", pass_new, 1, 1, 400, KERNEL | 1u << END_PIPE},
        {"handle or descriptor: pass, end", pass_handle, 1, 1, 400, KERNEL},
        {"descriptor: pass, close", pass_fd, 1, 1, 400, KERNEL},
        {"peer or pair: open, close", open_close, 0, 1, 400, KERNEL, 0, 0, 8.0},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* Measure calls through dbus-broker, one at a time. Returns the microseconds of one call. */
static double call(struct bench_bus *bus, size_t size) {
        const struct workload w = {
                .kind = WORKLOAD_CALLS,
                .one_cpu = true,
                .window = 1,
                .n_body = size,
        };
        struct workload_result result;

        if (!workload_run(&w, bus, 0.02, NULL, &result))
                raw_fail("dbus-broker: no result");
        return 1e6 / result.rate;
}

struct results {
        double kernel[N_ROWS][N_END_KINDS];
        double dbus[N_ROWS]; /* calls through dbus-broker, for the rows of ping-pong */
};

static void measure(struct bench_bus *broker, unsigned n_rounds, struct results *ret_results) {
        static double kernel[N_ROWS][N_END_KINDS][MAX_ROUNDS], dbus[N_ROWS][MAX_ROUNDS];

        for (unsigned round = 0; round < n_rounds; round++)
                for (size_t i = 0; i < N_ROWS; i++) {
                        for (int kind = 0; kind < N_END_KINDS; kind++)
                                kernel[i][kind][round] = rows[i].kinds & 1u << kind
                                                                 ? rows[i].run(&rows[i], kind)
                                                                 : NAN;
                        dbus[i][round] = rows[i].run == ping_pong && broker->available
                                                 ? call(broker, rows[i].size)
                                                 : NAN;
                }
        for (size_t i = 0; i < N_ROWS; i++) {
                for (int kind = 0; kind < N_END_KINDS; kind++)
                        ret_results->kernel[i][kind] = median(kernel[i][kind], n_rounds);
                ret_results->dbus[i] = median(dbus[i], n_rounds);
        }
}

/* report */

static void print_number(double v, int width) {
        if (isnan(v))
                printf(" %*s", width, "-");
        else
                printf(" %*.2f", width, v);
}

static void print_table(const struct results *results) {
        printf("%-32s %8s %8s %8s %8s %8s %8s %8s %8s %8s  %9s %9s %9s %9s\n", "us", "bus1",
               "users", "call", "users", "libbus1", "socket", "blocking", "pipe", "broker",
               "of socket", "blocking", "pipe", "broker");
        for (size_t i = 0; i < N_ROWS; i++) {
                const double *v = results->kernel[i];

                printf("%-32s", rows[i].name);
                for (int kind = 0; kind < N_END_KINDS; kind++)
                        print_number(v[kind], 8);
                print_number(results->dbus[i], 8);
                printf(" ");
                for (int kind = END_SOCKET; kind < N_END_KINDS; kind++)
                        print_number(v[END_BUS1] / v[kind], 9);
                print_number(v[END_BUS1] / results->dbus[i], 9);
                printf("\n");
        }
        printf("\nRatios are bus1's time in theirs: below 1.00 it is faster.\n");
}

static unsigned print_target(const char *name, const char *of, double measured, double most) {
        printf("%-32s %-12s %9.2f  <= %5.2f  %s\n", name, of, measured, most,
               measured <= most ? "met" : "MISSED");
        return measured <= most;
}

static void print_targets(const struct results *results) {
        unsigned n = 0, met = 0;

        printf("\n%-32s %-12s %9s  %8s\n", "targets", "", "measured", "target");
        for (size_t i = 0; i < N_ROWS; i++) {
                const double *v = results->kernel[i];

                if (rows[i].most > 0) {
                        n++;
                        met += print_target(rows[i].name, "of socket", v[END_BUS1] / v[END_SOCKET],
                                            rows[i].most);
                }
                if (rows[i].kinds & 1u << END_USERS) {
                        n += 2;
                        met += print_target(rows[i].name, "of one user", v[END_USERS] / v[END_BUS1],
                                            1.1);
                        met += print_target(rows[i].name, "call, users",
                                            v[END_CALLERS] / v[END_CALL], 1.1);
                }
                if (rows[i].call_most > 0) {
                        bool waits = rows[i].run == ping_pong;

                        n++;
                        met += print_target(rows[i].name, waits ? "of blocking" : "of socket",
                                            v[END_CALL] / v[waits ? END_BLOCKING : END_SOCKET],
                                            rows[i].call_most);
                }
                if (rows[i].us_most > 0) {
                        n++;
                        met += print_target(rows[i].name, "us", v[END_BUS1], rows[i].us_most);
                }
                if (rows[i].most > 0 && !isnan(results->dbus[i])) {
                        n++;
                        met += print_target(rows[i].name, "of broker",
                                            v[END_BUS1] / results->dbus[i], 0.5);
                }
        }
        printf("%u of %u targets met\n", met, n);
}

int main(int argc, char **argv) {
        static const struct option long_options[] = {
                {"rounds", required_argument, NULL, 'r'},
                {"broker", required_argument, NULL, 'b'},
                {},
        };
        const char *binary = NULL;
        struct bench_bus broker;
        struct results results;
        unsigned n_rounds = 7;
        int c;

        while ((c = getopt_long(argc, argv, "", long_options, NULL)) >= 0)
                switch (c) {
                case 'r':
                        n_rounds = atoi(optarg);
                        break;
                case 'b':
                        binary = optarg;
                        break;
                default:
                        fprintf(stderr, "bus1-bench-vm [--rounds=N] [--broker=PATH]\n");
                        return 1;
                }
        if (n_rounds < 1 || n_rounds > MAX_ROUNDS)
                return 1;
        bus_start(&broker, BUS_BROKER, binary, "/tmp", NULL);
        if (!broker.available)
                printf("dbus-broker is not measured: %s\n", broker.why_not);
        measure(&broker, n_rounds, &results);
        bus_stop(&broker);
        print_table(&results);
        print_targets(&results);
        return 0;
}
