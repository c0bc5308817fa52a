/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the rest of libbus1 needs of a client beyond its public functions. */

#include <bus1/bus1.h>

/*
 * Run BUS1_CMD_CALL through the transport. If the core lacks the command, this function returns
 * -EOPNOTSUPP and has no effect.
 */
int client_call_core(struct bus1_client *client, struct bus1_cmd_call *call);
