/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "libbus1/dbus/object.h"

/*
 * Answer a call of the object, or, if object is NULL, of what is at the call's path. When the
 * result is a negative errno, the caller of this function sends an error reply, unless the call was
 * answered.
 */
int object_dispatch(struct bus1_dbus *bus, struct bus1_dbus_object *object,
                    struct bus1_dbus_message *call);
