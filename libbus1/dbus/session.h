/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * org.bus1.Session1: the calls that the bus makes to a member
 *
 * A direct channel is a node of a service and the handle that one caller has to it. The bus sets it
 * up, and the calls then go from peer to peer:
 *
 *        caller             bus                 service
 *          |-- OpenChannel ->|                     |
 *          |                 |--- OpenChannel ---->|  makes a node for calls of this caller only
 *          |                 |<-- handle ----------|
 *          |<-- handle ------|                     |
 *          |--- calls ---------------------------->|
 *                            |--- CloseChannel --->|  ends the node of one caller's look-up
 *                            |--- CloseChannels -->|  ends these nodes
 *
 * channel.h is about the caller's side, channel-node.h about the service's.
 */

#include "libbus1/dbus/membership.h"

/* Is the message a call of this interface, and from the bus? */
bool session_is_call(struct bus1_dbus_message *message);
/* Run the call, and answer it if the method has a reply (the others have none). */
void session_dispatch(struct bus1_dbus_message *call);
/* Look at a message to the home node: NameLost ends the direct channels to that name. */
void session_handle_signal(struct bus1_dbus_message *signal);
