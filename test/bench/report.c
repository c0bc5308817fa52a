/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The report: see report.h. */

#include "test/bench/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "test/bench/raw.h"

/* What a target limits. Its value is a lower limit (at least) or an upper limit (at most). */
enum metric {
        RATE,     /* at least: operations per second, divided by those of dbus-broker */
        CPU,      /* at least: CPU time of dbus-broker, divided by that of the bridge */
        BASELINE, /* at most: CPU time, divided by that of another workload on the bridge */
        CALLS,    /* at most: system calls per message */
        START,    /* this and the following: at most, KiB of memory */
        CONNECTION,
        RULE,
};

static const struct target {
        const char *workload;
        enum metric metric;
        double value;
        const char *baseline;
} targets[] = {
        {"ping-pong", RATE, 1.2},
        {"ping-pong", CPU, 1.4},
        {"ping-pong", CALLS, 3.0},
        {"64 calls outstanding", RATE, 2.5},
        {"64 calls outstanding", CPU, 3.8},
        {"64 outstanding, one write each", CPU, 2.7},
        {"stream of unicast signals", RATE, 4},
        {"broadcast to 10, backlog", RATE, 4},
        {"broadcast to 100, backlog", RATE, 4},
        {"broadcast to 500, backlog", RATE, 4},
        {"broadcast to 10, one in flight", CPU, 1.4},
        {"broadcast to 100, one in flight", CPU, 1.4},
        {"50 clients, mixed", CPU, 1.3},
        {"ping-pong, policy of 861 rules", BASELINE, 1.02, "ping-pong to a name"},
        {"ping-pong, policy of 20,000 rules", BASELINE, 1.1, "ping-pong to a name"},
        {"ping-pong, 10,000 clients idle", BASELINE, 1.05, "ping-pong"},
        {"unicast signals, 861 rules", BASELINE, 1.15, "stream of unicast signals"},
        {"unicast signals, 20,000 rules", BASELINE, 1.15, "stream of unicast signals"},
        {"broadcast to 100, 861 rules", BASELINE, 1.15, "broadcast to 100, backlog"},
        {"broadcast to 100, 20,000 rules", BASELINE, 1.15, "broadcast to 100, backlog"},
        {"connect, policy of 20,000 rules", BASELINE, 1.1, "connect, Hello, close"},
        {"signals, 10,000 paths", BASELINE, 1.2, "signals, no foreign rules"},
        {"signals, 10,000 arg0", BASELINE, 1.2, "signals, no foreign rules"},
        {"signals, 10,000 path_namespace", BASELINE, 1.2, "signals, no foreign rules"},
        {"signals, 10,000 arg0namespace", BASELINE, 1.2, "signals, no foreign rules"},
        {"signals, 10,000 arg0path", BASELINE, 1.2, "signals, no foreign rules"},
        {"signals, 10,000 arg0", CPU, 100},
        {"signals, 10,000 path_namespace", CPU, 100},
        {"connect, Hello, close", RATE, 1.2},
        {"memory at start, KiB", START, 2.5 * 1024},
        {"memory per connection, KiB", CONNECTION, 2.0},
        {"memory per match rule, KiB", RULE, 0.4},
};

static void print_number(double v, int width, int digits) {
        if (isnan(v))
                printf(" %*s", width, "-");
        else
                printf(" %*.*f", width, digits, v);
}

/*
 * If lower is set, lower numbers are better, and each ratio is that of the other bus to the bridge.
 * Otherwise it is that of the bridge to the other bus.
 */
static void print_row(const char *name, const double values[N_BUSES], int digits, bool lower) {
        bool any = false;

        for (int b = 0; b < N_BUSES; b++)
                any = any || !isnan(values[b]);
        if (!any)
                return;
        printf("%-36s", name);
        for (int b = 0; b < N_BUSES; b++)
                print_number(values[b], 11, digits);
        printf("  ");
        for (int b = BUS_BROKER; b <= BUS_DAEMON; b++)
                print_number(lower ? values[b] / values[BUS_BRIDGE]
                                   : values[BUS_BRIDGE] / values[b],
                             9, 2);
        printf("\n");
}

static void print_table(const char *title, const double (*values)[N_BUSES], int digits,
                        bool lower) {
        printf("\n%-36s %11s %11s %11s %11s   %9s %9s\n", title, "forwarder", "bridge",
               "dbus-broker", "dbus-daemon", "/broker", "/daemon");
        for (size_t w = 0; w < n_workloads; w++)
                print_row(workloads[w].name, values[w], digits, lower);
}

static void print_footprint(const struct results *results) {
        double spawn[N_BUSES], start[N_BUSES], connection[N_BUSES], rule[N_BUSES];

        for (int b = 0; b < N_BUSES; b++) {
                spawn[b] = results->footprint[b].spawn_ms;
                start[b] = results->footprint[b].start_kib;
                connection[b] = results->footprint[b].connection_kib;
                rule[b] = results->footprint[b].rule_kib;
        }
        printf("\n%-36s %11s %11s %11s %11s   %9s %9s\n", "footprint", "forwarder", "bridge",
               "dbus-broker", "dbus-daemon", "/broker", "/daemon");
        print_row("spawn to first Hello reply, ms", spawn, 2, true);
        print_row("memory at start, KiB", start, 0, true);
        print_row("memory per connection, KiB", connection, 2, true);
        print_row("memory per match rule, KiB", rule, 2, true);
}

static size_t find(const char *name) {
        for (size_t w = 0; w < n_workloads; w++)
                if (strcmp(workloads[w].name, name) == 0)
                        return w;
        raw_fail("no workload is called \"%s\"", name);
}

static double measured(const struct results *r, const struct target *t) {
        size_t w;

        switch (t->metric) {
        case START:
                return r->footprint[BUS_BRIDGE].start_kib;
        case CONNECTION:
                return r->footprint[BUS_BRIDGE].connection_kib;
        case RULE:
                return r->footprint[BUS_BRIDGE].rule_kib;
        default:
                w = find(t->workload);
        }
        switch (t->metric) {
        case RATE:
                return r->rate[w][BUS_BRIDGE] / r->rate[w][BUS_BROKER];
        case CPU:
                return r->cpu[w][BUS_BROKER] / r->cpu[w][BUS_BRIDGE];
        case BASELINE:
                return r->cpu[w][BUS_BRIDGE] / r->cpu[find(t->baseline)][BUS_BRIDGE];
        default:
                return r->calls[w][BUS_BRIDGE];
        }
}

static void print_targets(const struct results *results) {
        static const char *const what[] = {
                [RATE] = "rate against dbus-broker",
                [CPU] = "CPU against dbus-broker",
                [BASELINE] = "CPU against none of it",
                [CALLS] = "system calls per message",
                [START] = "",
                [CONNECTION] = "",
                [RULE] = "",
        };
        unsigned n = 0, met = 0;

        printf("\n%-36s %-26s %9s %12s\n", "targets", "", "measured", "target");
        for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
                const struct target *t = &targets[i];
                bool at_least = t->metric == RATE || t->metric == CPU;
                double v = measured(results, t);
                /* the system calls that begin and end a measurement are also counted */
                double slack = t->metric == CALLS ? 0.005 : 0;
                bool ok = at_least ? v >= t->value : v <= t->value + slack;

                if (isnan(v))
                        continue;
                n++;
                met += ok;
                printf("%-36s %-26s %9.2f   %s %7.2f  %s\n", t->workload, what[t->metric], v,
                       at_least ? ">=" : "<=", t->value, ok ? "met" : "MISSED");
        }
        printf("%u of %u targets met\n", met, n);
}

void report_print(const struct results *results) {
        print_table("operations per second", results->rate, 0, false);
        print_table("bus CPU, us per message", results->cpu, 2, true);
        print_table("system calls per message", results->calls, 2, true);
        print_footprint(results);
        printf("\nRatios are the bridge's advantage: above 1.00 it is faster or needs less.\n");
        print_targets(results);
}

void report_print_instructions(const double (*values)[N_BUSES]) {
        print_table("instructions per message", values, 0, true);
}
