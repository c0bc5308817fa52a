/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The handshake of a connection - the stage CONNECTION_HANDSHAKE
 *
 * bridge/wire/sasl.h implements the protocol. This file provides the rest: it checks the nonce of
 * nonce-tcp, looks up cookies of DBUS_COOKIE_SHA1, begins native sessions, and at BEGIN makes the
 * connection a client or the anchor of a native session.
 */

#include "bridge/socket/connection.h"

/* Begin the handshake; connection->credentials are those of the socket. Sets connection->take. */
void connection_handshake_init(struct connection *connection);
void connection_handshake_deinit(struct connection *connection);
/*
 * The client has proved its identity with sasl.mechanism, and connection->credentials are those of
 * the socket. With another mechanism than EXTERNAL it may be another user than that of the socket,
 * so only the pid and the socket in them stay.
 */
void connection_set_identity(struct connection *connection);
/* BEGIN, and the connection has a native session: it becomes its anchor. */
void connection_become_anchor(struct connection *connection);
/*
 * The bus has taken over this connection from another one, in the middle of its handshake, and has
 * started: go on with what the client waits for. Returns 0 or a negative errno that is fatal.
 */
int connection_handshake_resume(struct connection *connection);
