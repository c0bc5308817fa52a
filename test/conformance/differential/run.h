/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Running steps, and altering what was received to see whether the comparison notices. */

#include "test/conformance/differential/world.h"

enum alteration_kind {
        ALTER_BODY, /* one bit of a body */
        ALTER_FLAGS,
        ALTER_SERIAL, /* of a message that a client sent */
        ALTER_SENDER,
        ALTER_DROP,
        ALTER_DUPLICATE,
        ALTER_SWAP,
        ALTER_CLOSE,
        N_ALTERATIONS,
};

struct alteration {
        enum alteration_kind kind;
        unsigned long *n; /* counts what was altered */
};
/* Alter what one client received from the bridge, if there is something of the kind. */
void alteration_apply(struct world *world, const struct alteration *alteration);

/* Both daemons and the control. */
void world_start(struct world *world);
/* False when a daemon did not end cleanly. */
bool world_stop(struct world *world);
/* Do the step, compare, note what it changed. alteration: NULL, or for a comparison that fails. */
bool world_step(struct world *world, struct step *step, unsigned long sequence, unsigned number,
                const struct alteration *alteration);
