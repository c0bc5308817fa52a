/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Calls
 *
 * A call carries the handle of a new one-shot node, at which the reply arrives. The node, not the
 * serial, says which call is answered. So only who has the handle can answer the call. When the
 * handle is released without a reply, the call ends with NoReply.
 */

#include "libbus1/dbus/membership.h"
#include "libbus1/dbus/wire.h"

/*
 * Like bus1_dbus_call(). If ret_node is not NULL, the call also makes a node: *ret_node gets its
 * ID, and the message carries the only handle to the node, behind the reply handle and in front of
 * the n_handles others.
 */
int call_with_node(struct bus1_dbus *bus, uint64_t to, DBusMessage *message, uint64_t *ret_node,
                   const uint64_t *handles, size_t n_handles, int timeout_ms,
                   struct bus1_dbus_message **ret_reply, DBusError *error);
/* Like bus1_dbus_call(), for a call without handles that is marshalled already. */
int call_wire(struct bus1_dbus *bus, uint64_t to, struct wire *wire, int timeout_ms,
              struct bus1_dbus_message **ret_reply, DBusError *error);
