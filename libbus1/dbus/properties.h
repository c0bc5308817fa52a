/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.freedesktop.DBus.Properties. */

#include "libbus1/dbus/membership.h"

/* Answer a call of this interface. A negative errno asks for an error reply. */
int properties_dispatch(struct bus1_dbus_object *object, struct bus1_dbus_message *call);
