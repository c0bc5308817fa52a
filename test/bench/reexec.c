/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bus1-bench-reexec - measures how long a bus pauses when it executes its program again
 *
 * Many clients are connected, have match rules, and do nothing. One more calls another one again
 * and again. In a first run nothing else happens. In a second run the bus executes its program
 * again and again: a further client calls Reexecute, and when it has the answer and a tenth of a
 * second has gone by, it calls again. The answer to each call must be the right one.
 *
 * The program prints how long a call took at most, in milliseconds: without re-executions; the
 * longest one of each re-execution, of which it prints the median; and the longest one of all. The
 * last column is the CPU time of the bus for a re-execution, without that of the check, which is
 * another process.
 */

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "test/bench/bus.h"
#include "test/bench/median.h"
#include "test/bench/raw.h"
#include "test/bench/setting.h"
#include "test/bench/traffic.h"
#include "test/bench/workload.h"

#define REST 0.1 /* seconds between two re-executions */
#define MAX_RUNS 1000
#define FDS_SPARE 100 /* of the bus and of this program, for all else */
#define TIMEOUT 60000 /* ms */

enum {
        CALLER,
        CALLEE,
        CONTROL,
        N_ACTIVE,
};

struct run {
        struct bench_bus bus;
        size_t n_fds; /* with those of N_ACTIVE */
        int *fds;
        char (*unique)[64];
        uint8_t *call, *answer;
        size_t n_call, n_answer, reply_serial_at;
        uint32_t serial;
        struct stream in[N_ACTIVE];
        double called;  /* when the caller made its call */
        double longest; /* since it was reset, in seconds */
};

static void add_rules(const struct run *run, unsigned n_rules) {
        size_t n_idle = run->n_fds - N_ACTIVE;

        for (size_t i = 0; i < n_idle; i++) {
                int fd = run->fds[N_ACTIVE + i];

                for (size_t k = i; k < n_rules; k += n_idle) {
                        char rule[128];
                        uint8_t *m;
                        size_t n;

                        snprintf(rule, sizeof(rule),
                                 "type='signal',interface='com.example.I%zu',path='/com/example/O'",
                                 k);
                        m = raw_build_bus_call(10, &n, "AddMatch", rule);
                        m[2] |= RAW_NO_REPLY;
                        raw_write(fd, m, n);
                        free(m);
                }
                raw_bus_call(fd, "GetId", NULL);
        }
}

static void prepare_messages(struct run *run) {
        static const uint8_t number[8];
        struct raw_fields f = {
                .type = RAW_CALL,
                .serial = 1,
                .destination = run->unique[CALLEE],
                .path = "/com/example/Object",
                .interface = "com.example.Interface",
                .member = "Method",
                .signature = "t",
                .body = number,
                .n_body = sizeof(number),
        };

        run->call = raw_build(&f, &run->n_call);
        f = (struct raw_fields){
                .type = RAW_RETURN,
                .flags = RAW_NO_REPLY,
                .serial = 1,
                .reply_serial = 1,
                .destination = run->unique[CALLER],
        };
        run->answer = raw_build(&f, &run->n_answer);
        run->reply_serial_at = raw_message_reply_serial_at(run->answer, run->n_answer);
}

/* the clients */

static void call(struct run *run) {
        raw_message_set_serial(run->call, ++run->serial);
        run->called = bench_now();
        raw_write(run->fds[CALLER], run->call, run->n_call);
}

static void caller_receive(struct run *run, const uint8_t *m, size_t n) {
        double took = bench_now() - run->called;

        if (m[1] == RAW_SIGNAL)
                return; /* NameAcquired */
        if (m[1] != RAW_RETURN || !raw_message_answers(m, n, run->serial))
                raw_fail("the caller has got a wrong answer");
        run->longest = took > run->longest ? took : run->longest;
        call(run);
}

static void callee_receive(struct run *run, const uint8_t *m) {
        uint32_t serial = raw_message_serial(m);

        if (m[1] != RAW_CALL)
                return;
        raw_message_set_serial(run->answer, serial);
        memcpy(run->answer + run->reply_serial_at, &serial, sizeof(serial));
        raw_write(run->fds[CALLEE], run->answer, run->n_answer);
}

/* Returns true for the answer to Reexecute. */
static bool control_receive(const uint8_t *m) {
        if (m[1] == RAW_ERROR)
                raw_fail("a re-execution failed");
        return m[1] == RAW_RETURN;
}

/* Run until the answer to Reexecute has come, or until a time. */
static void serve(struct run *run, double until) {
        for (;;) {
                struct pollfd polls[N_ACTIVE];
                double left = until - bench_now();
                const uint8_t *m;
                bool is_done = false;

                if (until > 0 && left <= 0)
                        return;
                for (size_t i = 0; i < N_ACTIVE; i++)
                        polls[i] = (struct pollfd){.fd = run->fds[i], .events = POLLIN};
                if (poll(polls, N_ACTIVE, TIMEOUT) <= 0)
                        raw_fail("messages are missing");
                for (size_t i = 0; i < N_ACTIVE; i++) {
                        if (!polls[i].revents)
                                continue;
                        if (!stream_read(&run->in[i], run->fds[i]))
                                raw_fail("the bus closed the connection");
                        while ((m = stream_next(&run->in[i])))
                                if (i == CALLER)
                                        caller_receive(run, m, raw_message_size(m, 16));
                                else if (i == CALLEE)
                                        callee_receive(run, m);
                                else
                                        is_done = control_receive(m) || is_done;
                }
                if (is_done)
                        return;
        }
}

static void reexecute(struct run *run, uint32_t serial) {
        struct raw_fields f = {
                .type = RAW_CALL,
                .serial = serial,
                .destination = "org.freedesktop.DBus",
                .path = "/org/freedesktop/DBus",
                .interface = "org.bus1.Bridge1.Manager",
                .member = "Reexecute",
        };
        size_t n;
        uint8_t *m = raw_build(&f, &n);

        raw_write(run->fds[CONTROL], m, n);
        free(m);
        serve(run, 0);
}

static void measure(const char *binary, const char *directory, const struct bench_policy *policy,
                    unsigned n_clients, unsigned n_rules, unsigned n_runs, double target) {
        struct run run = {.n_fds = n_clients + N_ACTIVE};
        struct rlimit limit;
        double peace, longest = 0, each[MAX_RUNS];
        uint64_t cpu = 0;

        getrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_cur < n_clients + FDS_SPARE) {
                printf("%8u clients need more descriptors than there are\n", n_clients);
                return;
        }
        run.fds = calloc(run.n_fds, sizeof(*run.fds));
        run.unique = calloc(run.n_fds, sizeof(*run.unique));
        if (!run.fds || !run.unique)
                raw_fail("out of memory");
        bus_start_silently(&run.bus, BUS_BRIDGE, binary, directory, policy->file ? policy : NULL);
        if (!run.bus.available) {
                printf("%s: %s\n", run.bus.name, run.bus.why_not ?: "it is not available");
                return;
        }
        bus_connect(&run.bus, run.n_fds, run.fds, run.unique, NULL, false);
        add_rules(&run, n_rules);
        prepare_messages(&run);

        call(&run);
        serve(&run, bench_now() + 1);
        peace = run.longest;
        for (unsigned i = 0; i < n_runs; i++) {
                uint64_t before;

                run.longest = 0;
                before = bus_cpu(&run.bus);
                reexecute(&run, 100 + i);
                cpu += bus_cpu(&run.bus) - before;
                serve(&run, bench_now() + REST);
                each[i] = run.longest;
                longest = run.longest > longest ? run.longest : longest;
        }
        printf("%8u %8u %8u %10.1f %10.1f %10.1f %10.0f %10.1f\n", n_clients, n_rules, n_runs,
               peace * 1e3, median(each, n_runs) * 1e3, longest * 1e3, target, cpu / 1e6 / n_runs);
        fflush(stdout);
        bus_disconnect(&run.bus, run.n_fds, run.fds);
        bus_stop(&run.bus);
        for (size_t i = 0; i < N_ACTIVE; i++)
                free(run.in[i].data);
        free(run.call);
        free(run.answer);
        free(run.fds);
        free(run.unique);
}

int main(int argc, char **argv) {
        static const struct option long_options[] = {
                {"bridge", required_argument, NULL, 'b'},
                {"clients", required_argument, NULL, 'c'},
                {"rules", required_argument, NULL, 'r'},
                {"reexecutions", required_argument, NULL, 'n'},
                {"policy", required_argument, NULL, 'p'},
                {"quick", no_argument, NULL, 'q'},
                {},
        };
        struct bench_policy policy = {};
        const char *bridge = NULL;
        char directory[] = "/tmp/bus1-bench-XXXXXX", command[64];
        unsigned n_clients = 0, n_rules = 10000, n_runs = 50;
        int c;

        while ((c = getopt_long(argc, argv, "", long_options, NULL)) >= 0)
                switch (c) {
                case 'b':
                        bridge = optarg;
                        break;
                case 'c':
                        n_clients = (unsigned)strtoul(optarg, NULL, 10);
                        break;
                case 'r':
                        n_rules = (unsigned)strtoul(optarg, NULL, 10);
                        break;
                case 'n':
                        n_runs = (unsigned)strtoul(optarg, NULL, 10);
                        break;
                case 'p':
                        policy.file = optarg;
                        break;
                case 'q':
                        n_runs = 5;
                        break;
                default:
                        fprintf(stderr, "bus1-bench-reexec --bridge=BIN [--clients=N] [--rules=N] "
                                        "[--reexecutions=N] [--policy=FILE] [--quick]\n");
                        return 1;
                }
        if (!bridge || n_runs == 0 || n_runs > MAX_RUNS)
                raw_fail("bus1-bench-reexec needs --bridge, and up to %d re-executions", MAX_RUNS);
        if (!mkdtemp(directory))
                raw_fail("no temporary directory");
        raw_raise_fd_limit();
        printf("\n%8s %8s %8s %10s %10s %10s %10s %10s\n", "clients", "rules", "re-exec", "peace",
               "median", "longest", "target", "CPU");
        if (n_clients > 0)
                measure(bridge, directory, &policy, n_clients, n_rules, n_runs, 0);
        else {
                measure(bridge, directory, &policy, 1000, 10000, n_runs, 50);
                measure(bridge, directory, &policy, 10000, 10000, n_runs, 500);
                measure(bridge, directory, &policy, 10000, 100000, n_runs, 500);
        }
        snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command) == 0 ? 0 : 1;
}
