/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names, match rules and monitors in a state document (bridge/state/document.h)
 *
 *      UniqueNames   the clients that have said Hello, by their ids
 *      Monitors      the monitors
 *      Name          a well-known name, and its queue
 *      Rules         match rules of a client
 *
 * They follow the clients, whose numbers are in the table STATE_CLIENTS.
 */

#include "bridge/state/load.h"
#include "bridge/state/save.h"

struct bus;

void names_save(const struct bus *bus, struct state_save *save);
/*
 * Take over the current record, into a bus whose clients are as client_init() has left them, and
 * whose next unique name (bus->ids) is known. Nobody is told. Returns 0, 1 if the kind of the
 * record is none of these, or load->error.
 */
int names_load(struct bus *bus, struct state_load *load);
/* The document has been read: put the names of each client in order. 0 or load->error. */
int names_loaded(struct bus *bus, struct state_load *load);
