/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lingering sockets - what is left of connections whose clients have not read all descriptors
 *
 * Descriptors in a socket are in flight until its reader receives them, or closes its end, even if
 * the bus has closed its own. The kernel counts them against the bus. So the bus keeps its end,
 * shut down, until it sees that they are gone, and its user stays charged for them: nobody gets rid
 * of the charge by being disconnected.
 */

#include "bridge/socket/server.h"

struct account;
struct output;
struct state_load;
struct state_save;

/*
 * The connection with this output ends. If its client still has descriptors to read, take over fd
 * and the charge, and return true. Otherwise the caller closes fd.
 */
bool linger_take(struct server *server, struct output *output, int fd);
/* Close the sockets whose descriptors are gone. */
void linger_check(struct server *server);
/* The records of these sockets in a state document. linger_load() returns 1 if it is of another. */
void linger_save(const struct server *server, struct state_save *save);
int linger_load(struct server *server, struct state_load *load);
/* Close all. */
void linger_end(struct server *server);
