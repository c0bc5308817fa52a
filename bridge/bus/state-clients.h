/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Clients in a state document (bridge/state/document.h)
 *
 *      Client    what the front ends of a client have in common
 *      Orphan    the backlog of a client that has gone, of which others have messages to read yet
 *
 * The names and rules of clients are in other records (state-names.h). Records of the kind Client
 * are in the order of bus->clients. The front end of a client loads its record, because it owns the
 * memory of the client; it knows its clients by the field that client_ops.save() has written.
 */

#include "bridge/bus/client.h"
#include "bridge/bus/quota.h"
#include "bridge/state/load.h"
#include "bridge/state/save.h"

#define STATE_CLIENT "Client"

/* Write all clients. The records of the front ends, to which these refer, come before them. */
void clients_save(const struct bus *bus, struct state_save *save);
/*
 * The current record is of the kind Client: take it over into a client as client_init() has left
 * it, and define its number. Returns 0 or load->error.
 */
int client_load(struct client *client, struct state_load *load);

/*
 * Write the record of a backlog whose client has gone, unless it has one. Other backlogs are known
 * by their clients. No record may be open.
 */
void backlog_save(const struct backlog *backlog, struct state_save *save);
/* Take over the current record. 0, 1 if it is no Orphan, or load->error. */
int orphans_load(struct bus *bus, struct state_load *load);
/* The document has been read: forget orphans whose messages were not in it. */
void orphans_loaded(struct state_load *load);
