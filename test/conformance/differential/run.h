/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Runs steps, and alters received messages on purpose: the comparison must notice this. */

#include "test/conformance/differential/world.h"

/* All but ALTER_CLOSE change a received message that a client sent. */
enum alteration_kind {
        ALTER_BODY, /* one bit of the body */
        ALTER_FLAGS,
        ALTER_SERIAL,
        ALTER_SENDER,
        ALTER_DROP,
        ALTER_DUPLICATE,
        ALTER_SWAP,
        ALTER_CLOSE, /* a connection looks closed by the bridge */
        N_ALTERATIONS,
};

struct alteration {
        enum alteration_kind kind;
        unsigned long *n; /* is increased if something was altered */
};
/* Alter what a client received from the bridge, if a message or connection fits the alteration. */
void alteration_apply(struct world *world, const struct alteration *alteration);

/* Start both daemons and connect the control. */
void world_start(struct world *world);
/* Close all connections and end both daemons. Returns false if a daemon did not end cleanly. */
bool world_stop(struct world *world);
/*
 * Do a step on both sides, and compare what the clients received. Returns false if it differs. If
 * alteration is not NULL, alteration_apply() is called before the comparison.
 */
bool world_step(struct world *world, struct step *step, unsigned long sequence, unsigned number,
                const struct alteration *alteration);
