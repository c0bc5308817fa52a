/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Introspection data. */

#include "libbus1/dbus/membership.h"

/* The XML text of an object, or of a path without one (object NULL). NULL: out of memory. */
char *introspect(struct bus1_dbus *bus, struct bus1_dbus_object *object, const char *path);
/* Is an object at or below the path? */
bool path_has_objects(struct bus1_dbus *bus, const char *path);
