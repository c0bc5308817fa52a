/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The report of a run: prints tables of results, and which of the project's targets are met. */

#include "test/bench/footprint.h"
#include "test/bench/workload.h"

#define WORKLOADS_MAX 64

/* The medians of all rounds; calls: of one round. NAN: not measured. */
struct results {
        double rate[WORKLOADS_MAX][N_BUSES];
        double cpu[WORKLOADS_MAX][N_BUSES];
        double calls[WORKLOADS_MAX][N_BUSES];
        struct footprint footprint[N_BUSES];
};

void report_print(const struct results *results);
void report_print_instructions(const double (*values)[N_BUSES]);
