/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The stage
 *
 * A scene on the stage: a new bus, the victim, and its attackers or burners. Afterwards nobody is
 * left.
 */

#include <stdbool.h>

#include "test/hostile/attack.h"

struct stage {
        const char *directory; /* for everything that the scenes write */
        const char *binary[N_BUSES];
        bool session;    /* the limits of a session bus, else those of a system bus */
        double seconds;  /* how long it counts what the victim does */
        double patience; /* seconds that the victim may need for its last steps */
        bool from_start; /* count while the attackers prepare, too, and let the victim connect */
};

struct outcome {
        bool available;  /* the bus can be started */
        bool lives;      /* the bus has not ended */
        bool outgrown;   /* the bus grew so much that the scene had to end early */
        bool answered;   /* the victim ended its last step in time */
        const char *gap; /* what the victim did when it did not end */
        double rate;     /* steps of the victim (for signals: signals) per second */
        double longest;  /* its longest step, in seconds */
        uint64_t done;
        uint64_t failed;
        unsigned dropped; /* connections of the attackers that the bus closed */
        double grown_mib;
        unsigned fds;
};

/* Burners take the place of the attackers if burn is set. */
void stage_play(const struct stage *stage, enum bus_kind kind, const struct attack *attack,
                bool burn, struct outcome *ret_outcome);
/* End the processes of the current scene; may be called in a handler of a signal. */
void stage_clear(void);
