/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls to the bus itself. */

#include "libbus1/dbus/membership.h"

/* Say Hello: gives the bus the handle of a new home node, and sets the unique name. */
int membership_hello(struct bus1_dbus *bus, DBusError *error);
/* Call a method of the bus; the arguments are those of dbus_message_append_args(). */
int call_bus(struct bus1_dbus *bus, const char *interface, const char *member,
             const uint64_t *handles, size_t n_handles, struct bus1_dbus_message **ret_reply,
             DBusError *error, int first_arg_type, ...);
