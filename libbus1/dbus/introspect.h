/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Introspection data of a target (D-Bus spec, "Introspection Data Format") */

#include "libbus1/dbus/target.h"

/*
 * Make the XML text: the standard interfaces, those of the target, and what is below its path.
 * Returns 1; 0 if there is nothing at or below the path; -ENOMEM; or what a find function or an
 * enumerator returned, which also sets error. The caller frees the text.
 */
int introspect_target(const struct target *target, char **ret_xml, DBusError *error);
