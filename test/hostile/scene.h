/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Scenes - what the processes on a bus know of each other
 *
 * The harness starts a bus and the processes of several users: the victim, and its attackers or,
 * for comparison, burners. All of them share the record of a scene.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "test/bench/bus.h"

/*
 * The well-known name of the victim's service, which is also the interface of its calls and signals
 * and the argument of its signals; and the path of both.
 */
#define VICTIM_NAME "com.example.Victim"
#define VICTIM_PATH "/com/example/Victim"

/* In memory that all processes share, and mostly written by one of them (atomically). */
struct scene_record {
        /* the harness: */
        bool counting; /* what the victim does counts */
        bool stop;     /* the victim shall end after its current step */
        /* the victim: */
        bool serving;        /* the service has its name */
        bool ended;          /* the client has done all it should */
        uint64_t done;       /* calls answered, connections made or signals delivered */
        uint64_t failed;     /* calls that failed, signals that were lost */
        double longest;      /* the longest step in seconds */
        double waiting;      /* bench_now() at the beginning of the current step; 0: none */
        const char *current; /* what the current step is */
        /* the attackers: */
        unsigned at_work; /* how many of them have begun */
        unsigned members; /* how many connections they want */
        unsigned entered; /* how many connections have been prepared */
        unsigned dropped; /* how many the bus closed */
};

struct scene {
        struct bench_bus bus;
        char directory[128];
        struct scene_record *record;
        /* for the attackers: */
        unsigned process; /* which of them this one is */
        unsigned n_processes;
};
