/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Attacks
 *
 * An attack is a function that the processes of an attacker run until they are killed. Each file
 * attack-KIND.c has the functions of one kind and their table.
 */

#include <stddef.h>

#include "test/hostile/scene.h"
#include "test/hostile/victim.h"

#define ATTACK_USERS_MAX 20

struct attack {
        const char *name;
        const char *what;      /* what the attacker does, in a few words */
        unsigned n_processes;  /* of the attacker, or of all attackers */
        enum victim_step step; /* what the victim does meanwhile */
        /* Called by the harness before the bus starts, to write into the directory; may be NULL. */
        void (*set_up)(const struct scene *scene);
        /* Called in each process of the attacker. */
        void (*run)(const struct scene *scene);
        /* the most that the bus may hold for the attacker; 0: ATTACK_MEMORY_MIB and ATTACK_FDS */
        unsigned memory_mib;
        unsigned fds;
        unsigned n_users; /* how many attackers, each with a process of its own; 0: one */
        bool native;      /* speaks bus1: only the bridge understands it */
};

#define ATTACK_MEMORY_MIB 64
/* twice the connections that one user may have on a system bus, and as many for everything else */
#define ATTACK_FDS 1024

struct attack_group {
        const char *name;
        const struct attack *attacks; /* the last one has no name */
};

/* Ends with a group without a name. */
extern const struct attack_group attack_groups[];

/* The tables of the groups. */
extern const struct attack attacks_connect[];
extern const struct attack attacks_memory[];
extern const struct attack attacks_driver[];
extern const struct attack attacks_match[];
extern const struct attack attacks_flood[];
extern const struct attack attacks_start[];
extern const struct attack attacks_native[];
extern const struct attack attacks_many[];

static inline unsigned attack_memory_mib(const struct attack *a) {
        return a->memory_mib > 0 ? a->memory_mib : ATTACK_MEMORY_MIB;
}

static inline unsigned attack_fds(const struct attack *a) {
        return a->fds > 0 ? a->fds : ATTACK_FDS;
}
