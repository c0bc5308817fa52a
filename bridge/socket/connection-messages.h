/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The messages of a connection - reading its socket, and the stage CONNECTION_MESSAGES */

#include "bridge/socket/connection.h"

/* connection.take of this stage. */
int connection_take_messages(struct connection *connection, const uint8_t **bytes, size_t *n);
/* connection.read: read once, or take what is left of an earlier read. */
int connection_read(struct schedule_job *job);
/* source.dispatch: schedule what the events ask for. */
int connection_dispatch(struct loop_source *source, uint32_t events);
