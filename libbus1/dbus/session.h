/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * org.bus1.Session1: what the bus asks of a member
 *
 * A direct channel is a node of a service and the handle that one caller has to it. The bus
 * arranges it and then stays out of the way:
 *
 *        caller             bus                 service
 *          |--- Lookup ----->|                     |
 *          |                 |--- OpenNode ------->|  makes a node for calls of this caller only
 *          |                 |<-- handle ----------|
 *          |<-- handle ------|                     |
 *          |--- calls ---------------------------->|
 *                            |--- CloseNodes ----->|  releases all such nodes: look up again
 */

#include "libbus1/dbus/membership.h"

/* Is the message a call of this interface by the bus? */
bool session_is_call(struct bus1_dbus_message *message);
void session_dispatch(struct bus1_dbus_message *call);
/* A signal arrived on the home node. NameLost ends the direct channels of that name. */
void session_handle_signal(struct bus1_dbus_message *signal);
