/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Attacks - what users do to a bus, and what the bus may suffer
 *
 * Each row of the tables (attack-*.c) is a plan for a crowd (crowd.h), which the processes of one
 * attacker carry out together.
 */

#include "test/hostile/crowd.h"
#include "test/hostile/victim.h"

struct attack {
        const char *name;
        const char *what;
        struct crowd_plan plan;
        enum victim_step victim; /* what the victim does meanwhile */
        unsigned n_processes;    /* 0: 1 */
};

/* Tables end with a row without a name. */
extern const struct attack attacks_connect[];
extern const struct attack attacks_driver[];
extern const struct attack attacks_flood[];
extern const struct attack attacks_match[];
extern const struct attack attacks_memory[];

/* The bounds that hold for each attack: the memory of the bus, and its descriptors. */
#define ATTACK_MIB_MAX 64.0
#define ATTACK_FDS_MAX 16384

/* for the texts of plans */

/* The name that a member owns, and that is different in each process. */
const char *attack_name(unsigned member);
/* A call with NO_REPLY_EXPECTED and a string argument. */
void attack_add_call(struct text *t, const char *destination, const char *argument);
/* A broadcast signal of the attackers, with a string argument. */
void attack_add_signal(struct text *t, const char *argument);
#define ATTACK_INTERFACE "com.example.Attack"
