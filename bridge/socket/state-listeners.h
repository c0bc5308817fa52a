/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The listening sockets in a state document (bridge/state/document.h): records of kind Listener */

#include "bridge/socket/server.h"
#include "bridge/state/load.h"
#include "bridge/state/save.h"

void listeners_save(const struct server *server, struct state_save *save);
/*
 * Take over the current record, before server_start(). Returns 0, 1 if it is of another kind, or
 * load->error.
 */
int listeners_load(struct server *server, struct state_load *load);
