/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Instructions: see instructions.h. */

#include "test/bench/instructions.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct counting {
        struct workload_probe probe;
        pid_t pid;
        uint64_t n;
};

/*
 * Send a command to callgrind. If callgrind answers with the number of instructions since the last
 * command "zero", returns this number, else 0.
 */
static uint64_t ask_callgrind(pid_t pid, const char *command) {
        char text[64], line[256];
        uint64_t n = 0, sum = 0;
        FILE *f;

        snprintf(text, sizeof(text), "vgdb --pid=%d %s 2>&1", (int)pid, command);
        f = popen(text, "re");
        while (f && fgets(line, sizeof(line), f)) {
                unsigned thread;

                if (sscanf(line, "events-%u: %" SCNu64, &thread, &n) == 2)
                        sum += n;
        }
        if (f)
                pclose(f);
        return sum;
}

static void counting_begin(struct workload_probe *probe, const struct bench_bus *bus) {
        struct counting *counting = (struct counting *)probe;

        counting->pid = bus->pid;
        ask_callgrind(bus->pid, "zero");
}

static void counting_end(struct workload_probe *probe) {
        struct counting *counting = (struct counting *)probe;

        counting->n = ask_callgrind(counting->pid, "status internal");
}

double instructions_per_message(const struct workload *w, struct bench_bus *bus, double seconds) {
        struct counting counting = {.probe = {counting_begin, counting_end}};
        struct workload_result result;

        /* run once without counting, because the first messages cost more than the others */
        if (!workload_run(w, bus, seconds / 4, NULL, &result) ||
            !workload_run(w, bus, seconds, &counting.probe, &result) || counting.n == 0)
                return NAN;
        return (double)counting.n / result.messages;
}
