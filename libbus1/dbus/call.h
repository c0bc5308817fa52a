/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls. */

#include "libbus1/dbus/membership.h"

/* Like bus1_dbus_call(), with n_created new nodes in front of the handles; created gets their IDs.
 */
int call_with(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
              struct bus1_transfer *created, size_t n_created, const uint64_t *handles,
              size_t n_handles, int timeout_ms, struct bus1_dbus_message **ret_reply,
              DBusError *error);
