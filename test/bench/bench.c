/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bus1-bench - how fast is a bus
 *
 * Runs every workload on every bus, one after the other, in several rounds, so that what else the
 * machine does meanwhile hits all of them alike; prints medians and, as the numbers that mean
 * something on another machine too, ratios.
 */

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/bench/raw.h"
#include "test/bench/workload.h"

#define MAX_ROUNDS 101

struct options {
        const char *binary[N_BUSES];
        unsigned rounds;
        double seconds;
        const char *only;
};

static int compare(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static double median(double *values, size_t n) {
        if (n == 0)
                return NAN;
        qsort(values, n, sizeof(*values), compare);
        return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void print_number(double v, int width, int digits) {
        if (isnan(v))
                printf(" %*s", width, "-");
        else
                printf(" %*.*f", width, digits, v);
}

static void print_head(const char *title) {
        printf("\n%-34s %11s %11s %11s %11s   %9s %9s\n", title, "floor", "bridge", "dbus-broker",
               "dbus-daemon", "/broker", "/daemon");
}

static void print_tables(double (*rate)[N_BUSES], double (*cpu)[N_BUSES], const char *only) {
        print_head("operations per second");
        for (size_t w = 0; w < n_workloads; w++) {
                if (only && !strstr(workloads[w].name, only))
                        continue;
                printf("%-34s", workloads[w].name);
                for (int b = 0; b < N_BUSES; b++)
                        print_number(rate[w][b], 11, 0);
                printf("  ");
                print_number(rate[w][BUS_BRIDGE] / rate[w][BUS_BROKER], 9, 2);
                print_number(rate[w][BUS_BRIDGE] / rate[w][BUS_DAEMON], 9, 2);
                printf("\n");
        }
        print_head("bus CPU, us per message");
        for (size_t w = 0; w < n_workloads; w++) {
                if (only && !strstr(workloads[w].name, only))
                        continue;
                printf("%-34s", workloads[w].name);
                for (int b = 0; b < N_BUSES; b++)
                        print_number(cpu[w][b], 11, 2);
                printf("  ");
                print_number(cpu[w][BUS_BROKER] / cpu[w][BUS_BRIDGE], 9, 2);
                print_number(cpu[w][BUS_DAEMON] / cpu[w][BUS_BRIDGE], 9, 2);
                printf("\n");
        }
        printf("\nRatios are the bridge's advantage: above 1.00 it is faster or needs less CPU.\n");
}

static void measure(const struct options *o, struct bench_bus *buses) {
        static double rates[64][N_BUSES][MAX_ROUNDS], cpus[64][N_BUSES][MAX_ROUNDS];
        static double rate[64][N_BUSES], cpu[64][N_BUSES];
        size_t n[64][N_BUSES] = {};

        if (n_workloads > 64)
                raw_fail("too many workloads");
        for (unsigned round = 0; round < o->rounds; round++) {
                for (size_t w = 0; w < n_workloads; w++) {
                        if (o->only && !strstr(workloads[w].name, o->only))
                                continue;
                        for (int b = 0; b < N_BUSES; b++) {
                                struct workload_result result;
                                size_t i = n[w][b];

                                if (!buses[b].available ||
                                    !workload_run(&workloads[w], &buses[b], o->seconds, &result))
                                        continue;
                                rates[w][b][i] = result.rate;
                                cpus[w][b][i] = result.cpu;
                                n[w][b]++;
                        }
                }
                fprintf(stderr, "\rround %u of %u", round + 1, o->rounds);
        }
        fprintf(stderr, "\n");
        for (size_t w = 0; w < n_workloads; w++)
                for (int b = 0; b < N_BUSES; b++) {
                        rate[w][b] = median(rates[w][b], n[w][b]);
                        cpu[w][b] = median(cpus[w][b], n[w][b]);
                }
        print_tables(rate, cpu, o->only);
}

static void usage(FILE *f) {
        fprintf(f, "bus1-bench [--bridge=BIN] [--daemon=BIN] [--broker=BIN] [--rounds=N] "
                   "[--seconds=S]\n"
                   "           [--quick] [--only=PART OF A NAME]\n");
}

int main(int argc, char **argv) {
        static const struct option long_options[] = {
                {"bridge", required_argument, NULL, 'b'},
                {"daemon", required_argument, NULL, 'd'},
                {"broker", required_argument, NULL, 'k'},
                {"rounds", required_argument, NULL, 'r'},
                {"seconds", required_argument, NULL, 's'},
                {"only", required_argument, NULL, 'o'},
                {"quick", no_argument, NULL, 'q'},
                {"help", no_argument, NULL, 'h'},
                {},
        };
        struct options o = {
                .binary = {[BUS_BROKER] = "dbus-broker", [BUS_DAEMON] = "dbus-daemon"},
                .rounds = 7,
                .seconds = 0.2,
        };
        char directory[] = "/tmp/bus1-bench-XXXXXX", command[64];
        struct bench_bus buses[N_BUSES];
        int c;

        while ((c = getopt_long(argc, argv, "h", long_options, NULL)) >= 0)
                switch (c) {
                case 'b':
                        o.binary[BUS_BRIDGE] = optarg;
                        break;
                case 'd':
                        o.binary[BUS_DAEMON] = optarg;
                        break;
                case 'k':
                        o.binary[BUS_BROKER] = optarg;
                        break;
                case 'r':
                        o.rounds = atoi(optarg);
                        break;
                case 's':
                        o.seconds = atof(optarg);
                        break;
                case 'o':
                        o.only = optarg;
                        break;
                case 'q':
                        o.rounds = 2;
                        o.seconds = 0.05;
                        break;
                default:
                        usage(c == 'h' ? stdout : stderr);
                        return c == 'h' ? 0 : 1;
                }
        if (optind < argc || o.rounds < 1 || o.rounds > MAX_ROUNDS || !(o.seconds > 0)) {
                usage(stderr);
                return 1;
        }
        /* a bus that loses a message must not look like a slow one */
        alarm(60 + (unsigned)(4 * N_BUSES * n_workloads * o.rounds * o.seconds));
        if (!mkdtemp(directory))
                raw_fail("no temporary directory");

        for (int b = 0; b < N_BUSES; b++) {
                bus_start(&buses[b], b, o.binary[b], directory);
                if (!buses[b].available)
                        printf("%s: %s\n", buses[b].name, buses[b].why_not);
        }
        measure(&o, buses);
        for (int b = 0; b < N_BUSES; b++)
                bus_stop(&buses[b]);
        snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command) == 0 ? 0 : 1;
}
