/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Connections in a state document (bridge/state/document.h)
 *
 *      Connection   a socket with its handshake, and the bytes and descriptors that were received
 *      Output       the messages that wait for the socket
 *      Lingerer     a socket that only waits until its descriptors have been read
 *
 * The order of the document is: the accounts, the listeners, connections_save(), clients_save()
 * (bridge/bus/state-clients.h), names_save() (bridge/bus/state-names.h), outputs_save().
 *
 * What a connection will do next is not in the document: the bus that takes over lets each one find
 * out, with connections_wake().
 */

#include "bridge/socket/server.h"
#include "bridge/state/load.h"
#include "bridge/state/save.h"

/* A connection that is about to close cannot be saved: see connections_end_closing(). */
void connections_save(const struct server *server, struct state_save *save);
void outputs_save(const struct server *server, struct state_save *save);
/*
 * Take over the current record, before server_start(). Nothing is sent, logged or scheduled, and
 * limits do not count. The kind Client is one of these, too: the client of a native session is made
 * by bus_hooks.session_load(). Returns 0, 1 if the kind of the record is none of these, or
 * load->error.
 */
int connections_load(struct server *server, struct state_load *load);
/* The document has been read: is it complete? Returns 0 or load->error. */
int connections_loaded(const struct server *server, struct state_load *load);
/*
 * After server_start(): all connections go on. Returns 0 or a negative errno that is fatal, like
 * jobs of the schedule.
 */
int connections_wake(struct server *server);
