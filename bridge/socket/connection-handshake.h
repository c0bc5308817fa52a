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
