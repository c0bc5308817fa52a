/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls of objects. */

#include "libbus1/dbus/membership.h"

/* Answer a call; object NULL: the one at the call's path. A negative errno asks for an error reply.
 */
int object_dispatch(struct bus1_dbus *bus, struct bus1_dbus_object *object,
                    struct bus1_dbus_message *call);
