/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls on transports without BUS1_CMD_CALL, by sends, receives and poll() */

#include <bus1/bus1.h>

/* Like bus1_client_call(), except that the node must be BUS1_INVALID (else -EOPNOTSUPP). */
int call_emulate(struct bus1_client *client, struct bus1_cmd_call *call);
