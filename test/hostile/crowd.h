/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Crowds - many connections of one attacker, as fast as they can
 *
 * Each member of a crowd connects, says its handshake and Hello, enters (writes a first text), and
 * then repeats its round (another text). No member waits for the bus unless its plan says so, and
 * one that the bus drops comes back at once. All sockets are non-blocking; one thread serves them.
 */

#include <stdbool.h>
#include <stddef.h>

#include "test/hostile/scene.h"
#include "test/hostile/text.h"

enum crowd_end {
        CROWD_REPEATS,   /* the round begins anew */
        CROWD_IN_STEP,   /* the same; the last byte waits until it is the turn of all members */
        CROWD_WITHHOLDS, /* the last byte of the round is never written */
        CROWD_LEAVES,    /* the member closes after its round, and comes back */
        CROWD_LEAVES_IN_STEP, /* the same; all members close at once */
};

enum crowd_reading {
        CROWD_READS,
        CROWD_READS_A_BYTE, /* one byte whenever there is something to read */
        CROWD_READS_NOT,
};

/* The index of a member counts through all processes of the attacker. */
typedef void (*crowd_text)(struct text *t, const struct scene *scene, unsigned member);

struct crowd_plan {
        unsigned connections; /* of all processes of the attacker together */
        bool no_handshake;    /* a member writes nothing before it enters */
        bool alike;           /* all members have the same texts, which are built once */
        bool renumber;        /* the messages of each round have new serials; not if alike */
        bool settles;         /* a member has entered when the bus has answered; it must read */
        crowd_text enter;     /* may be NULL */
        crowd_text round;     /* may be NULL; a member without a round rests */
        enum crowd_end end;
        enum crowd_reading reading;
        unsigned await; /* before a member leaves: messages that it gets */
        size_t chunk;   /* bytes that are written at a time; 0: as many as possible */
        unsigned n_fds; /* with each message of a round: so many descriptors */
};

__attribute__((noreturn)) void crowd_run(const struct scene *scene, const struct crowd_plan *plan);
