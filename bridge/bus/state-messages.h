/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages in a state document that are in no queue, but wait for something else */

#include "bridge/bus/client.h"
#include "bridge/state/load.h"

/*
 * The message with this number, of an array in the field, which waits, and which sender (NULL: the
 * bus) has sent. It can be charged to the sender: held_restore(). 0 or load->error.
 */
int messages_load_held(struct state_load *load, const char *field, uint32_t id,
                       const struct client *sender, struct message **ret_m);
