/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bus1-bench - measures how fast buses are, and how much memory they need
 *
 * Runs each selected workload on each bus that can run it, one after the other. It does so in
 * several rounds, so that other work of the machine disturbs all buses alike. It prints medians and
 * ratios. The times of different machines cannot be compared, but the ratios can. With
 * --instructions, it only counts instructions, in one round.
 */

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/bench/calls.h"
#include "test/bench/instructions.h"
#include "test/bench/median.h"
#include "test/bench/raw.h"
#include "test/bench/report.h"
#include "test/bench/workload.h"

#define MAX_ROUNDS 101

struct options {
        const char *binary[N_BUSES];
        unsigned rounds;
        double seconds;
        const char *only;
        const char *system_policy;
        bool instructions;                  /* only count instructions: see instructions.sh */
        struct bench_bus (*buses)[N_BUSES]; /* first index: enum setting */
};

static bool selected(const struct options *o, const char *name) {
        return !o->only || strstr(name, o->only);
}

/* The bus of this kind for workloads of this setting. The first call starts the bus. */
static struct bench_bus *bus_for(const struct options *o, enum setting setting, enum bus_kind kind,
                                 const char *directory) {
        struct bench_bus *bus = &o->buses[setting][kind];

        if (!bus->name) {
                setting_start(setting, bus, kind, o->binary[kind], directory, o->system_policy);
                if (!bus->available && bus->why_not)
                        printf("%s: %s\n", bus->name, bus->why_not);
        }
        return bus;
}

struct samples {
        double values[MAX_ROUNDS];
        size_t n;
};

static void add(struct samples *s, double v) {
        if (!isnan(v))
                s->values[s->n++] = v;
}

static void run_workloads(const struct options *o, const char *directory, struct results *results) {
        static struct samples rate[WORKLOADS_MAX][N_BUSES], cpu[WORKLOADS_MAX][N_BUSES];

        for (unsigned round = 0; round < o->rounds; round++) {
                for (size_t w = 0; w < n_workloads; w++)
                        for (int b = 0; b < N_BUSES && selected(o, workloads[w].name); b++) {
                                struct bench_bus *bus =
                                        bus_for(o, workloads[w].setting, b, directory);
                                struct workload_result result;

                                if (!bus->available ||
                                    !workload_run(&workloads[w], bus, o->seconds, NULL, &result))
                                        continue;
                                add(&rate[w][b], result.rate);
                                add(&cpu[w][b], result.cpu);
                        }
                fprintf(stderr, "\rround %u of %u", round + 1, o->rounds);
        }
        fprintf(stderr, "\n");
        for (size_t w = 0; w < n_workloads; w++)
                for (int b = 0; b < N_BUSES; b++) {
                        results->rate[w][b] = median(rate[w][b].values, rate[w][b].n);
                        results->cpu[w][b] = median(cpu[w][b].values, cpu[w][b].n);
                }
}

static void measure_footprints(const struct options *o, const char *directory,
                               struct results *results) {
        static struct samples samples[N_BUSES][4];

        for (unsigned round = 0; round < o->rounds; round++)
                for (int b = 0; b < N_BUSES && selected(o, "footprint"); b++) {
                        struct footprint f;

                        if (!footprint_measure(b, o->binary[b], directory, &f))
                                continue;
                        add(&samples[b][0], f.spawn_ms);
                        add(&samples[b][1], f.start_kib);
                        add(&samples[b][2], f.connection_kib);
                        add(&samples[b][3], f.rule_kib);
                }
        for (int b = 0; b < N_BUSES; b++)
                results->footprint[b] = (struct footprint){
                        .spawn_ms = median(samples[b][0].values, samples[b][0].n),
                        .start_kib = median(samples[b][1].values, samples[b][1].n),
                        .connection_kib = median(samples[b][2].values, samples[b][2].n),
                        .rule_kib = median(samples[b][3].values, samples[b][3].n),
                };
}

/* Count system calls. One round is enough, because the counts hardly vary. */
static void count_calls(const struct options *o, const char *directory, struct results *results) {
        for (size_t w = 0; w < n_workloads; w++)
                for (int b = 0; b < N_BUSES; b++) {
                        results->calls[w][b] = NAN;
                        if (workloads[w].count_calls && selected(o, workloads[w].name)) {
                                struct bench_bus *bus =
                                        bus_for(o, workloads[w].setting, b, directory);

                                if (bus->available)
                                        results->calls[w][b] =
                                                calls_per_message(&workloads[w], bus, o->seconds);
                        }
                }
}

static void count_instructions(const struct options *o, const char *directory) {
        static double values[WORKLOADS_MAX][N_BUSES];

        for (size_t w = 0; w < n_workloads; w++)
                for (int b = 0; b < N_BUSES; b++) {
                        values[w][b] = NAN;
                        if (workloads[w].count_calls && selected(o, workloads[w].name)) {
                                struct bench_bus *bus =
                                        bus_for(o, workloads[w].setting, b, directory);

                                if (bus->available)
                                        values[w][b] = instructions_per_message(&workloads[w], bus,
                                                                                o->seconds);
                        }
                }
        report_print_instructions(values);
}

static void measure(const struct options *o, const char *directory) {
        static struct results results;

        if (o->instructions) {
                count_instructions(o, directory);
                return;
        }

        /*
         * The footprints come first: run_workloads() leaves buses running, and the measured bus
         * would share pages with them.
         */
        measure_footprints(o, directory, &results);
        run_workloads(o, directory, &results);
        count_calls(o, directory, &results);
        report_print(&results);
}

static void usage(FILE *f) {
        fprintf(f, "bus1-bench [--bridge=BIN] [--daemon=BIN] [--broker=BIN] [--rounds=N] "
                   "[--seconds=S]\n"
                   "           [--quick] [--only=PART OF A NAME] [--instructions]\n"
                   "           [--system-policy=FILE]\n");
}

int main(int argc, char **argv) {
        static const struct option long_options[] = {
                {"bridge", required_argument, NULL, 'b'},
                {"daemon", required_argument, NULL, 'd'},
                {"broker", required_argument, NULL, 'k'},
                {"rounds", required_argument, NULL, 'r'},
                {"seconds", required_argument, NULL, 's'},
                {"only", required_argument, NULL, 'o'},
                {"system-policy", required_argument, NULL, 'p'},
                {"instructions", no_argument, NULL, 'i'},
                {"quick", no_argument, NULL, 'q'},
                {"help", no_argument, NULL, 'h'},
                {},
        };
        static struct bench_bus buses[N_SETTINGS][N_BUSES];
        struct options o = {
                .binary = {[BUS_BROKER] = "dbus-broker", [BUS_DAEMON] = "dbus-daemon"},
                .rounds = 5,
                .seconds = 0.2,
                .buses = buses,
        };
        char directory[] = "/tmp/bus1-bench-XXXXXX", command[64];
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
                case 'p':
                        o.system_policy = optarg;
                        break;
                case 'o':
                        o.only = optarg;
                        break;
                case 'i':
                        o.instructions = true;
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
        /* If a bus loses a message, a workload may wait for ever. SIGALRM ends the program then. */
        alarm(300 + (unsigned)(8 * N_BUSES * n_workloads * o.rounds * o.seconds));
        if (!mkdtemp(directory))
                raw_fail("no temporary directory");

        if (n_workloads > WORKLOADS_MAX)
                raw_fail("too many workloads");
        measure(&o, directory);
        for (int setting = 0; setting < N_SETTINGS; setting++)
                for (int b = 0; b < N_BUSES; b++)
                        bus_stop(&buses[setting][b]);
        snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command) == 0 ? 0 : 1;
}
