/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The measuring form: see measure.h. */

#include "test/hostile/measure.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "test/bench/median.h"

/* The targets: shares of the rate beside burners, and milliseconds above their longest wait. */
#define RATE_MIN 0.95
#define RATE_MIN_COARSE 0.8 /* if the burners differ from themselves by more than RATE_NOISE */
#define RATE_NOISE 0.05
#define WAIT_MAX_MS 5

struct row {
        double rate[MEASURE_ROUNDS_MAX];  /* beside the attackers, by that beside the burners */
        double noise[MEASURE_ROUNDS_MAX]; /* the second burners by the first ones */
        double wait[MEASURE_ROUNDS_MAX];  /* the longest, less that of the burners; ms */
        size_t n;
        uint64_t failed;
        double grown_mib;
        unsigned fds;
        unsigned stopped; /* rounds in which the victim was stopped, or the bus ended */
};

static unsigned n_lines, n_met;

static void play_round(const struct stage *stage, enum bus_kind kind, const struct attack *attack,
                       struct row *row) {
        struct outcome before, during, after;

        stage_play(stage, kind, attack, true, &before);
        if (!before.available)
                return;
        stage_play(stage, kind, attack, false, &during);
        stage_play(stage, kind, attack, true, &after);
        row->rate[row->n] = 2 * during.rate / (before.rate + after.rate);
        row->noise[row->n] = after.rate / before.rate;
        row->wait[row->n] = 1e3 * (during.longest - (before.longest + after.longest) / 2);
        row->n++;
        row->failed += during.failed;
        row->grown_mib = fmax(row->grown_mib, during.grown_mib);
        row->fds = during.fds > row->fds ? during.fds : row->fds;
        row->stopped += !during.answered || !during.lives;
}

static void print(const struct attack *attack, enum bus_kind kind, struct row *row) {
        double rate = median(row->rate, row->n), noise = median(row->noise, row->n),
               wait = median(row->wait, row->n);
        double least = fabs(noise - 1) > RATE_NOISE ? RATE_MIN_COARSE : RATE_MIN;
        bool met = rate >= least && wait < WAIT_MAX_MS && row->failed == 0 && row->stopped == 0 &&
                   row->grown_mib < attack_memory_mib(attack);

        printf("%-22s %-12s %7.3f %7.3f %9.1f %7" PRIu64 " %8.1f %7u  %s%s\n", attack->name,
               bus_name(kind), rate, noise, wait, row->failed, row->grown_mib, row->fds,
               met ? "met" : "MISSED", row->stopped ? ", stopped" : "");
        if (kind != BUS_BRIDGE)
                return;
        n_lines++;
        n_met += met;
}

void measure_print_head(void) {
        printf("%-22s %-12s %7s %7s %9s %7s %8s %7s\n", "attack", "bus", "rate", "A/A", "wait, ms",
               "failed", "MiB", "fds");
}

void measure_run(const struct stage *stage, const struct attack *attack, unsigned n_rounds) {
        static struct row rows[N_BUSES];

        for (int b = 0; b < N_BUSES; b++)
                rows[b] = (struct row){};
        for (unsigned round = 0; round < n_rounds; round++)
                for (int b = 0; b < N_BUSES; b++)
                        if (stage->binary[b] && (b == BUS_BRIDGE || !attack->native))
                                play_round(stage, b, attack, &rows[b]);
        for (int b = 0; b < N_BUSES; b++)
                if (rows[b].n > 0)
                        print(attack, b, &rows[b]);
}

void measure_print_sum(void) {
        printf("\nrate: what the victim gets done, divided by what it gets done beside as many "
               "burners;\nA/A: the same for the burners alone; wait: its longest, less that beside "
               "the burners;\nMiB, fds: by how much the bus grew, and its descriptors.\n"
               "%u of %u attacks on the bridge met the targets (rate %.2f, or %.2f where A/A is "
               "off "
               "by %.2f;\nwait %d ms; nothing failed; %d MiB)\n",
               n_met, n_lines, RATE_MIN, RATE_MIN_COARSE, RATE_NOISE, WAIT_MAX_MS,
               ATTACK_MEMORY_MIB);
}
