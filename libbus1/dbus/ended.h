/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Look-ups whose owner has gone
 *
 * The handle of a look-up ends when the owner of the name leaves the bus or loses the name. bus1
 * then does not know the handle any more, like one that never was, or that of an object that was
 * freed. So the library keeps the numbers of these handles, to tell the program the reason: who
 * calls through such a handle gets NameHasNoOwner, and through any other unknown one UnknownObject.
 *
 * A number is kept until the program releases the handle. Programs need not do that, and others can
 * make names come and go: so only the last ENDED_MAX numbers are kept.
 */

#include "libbus1/dbus/membership.h"

#define ENDED_MAX 4096

/* Without memory, the number is not kept. */
void ended_add(struct bus1_dbus *bus, uint64_t handle);
/* The program has released the handle, which may be any other one. */
void ended_remove(struct bus1_dbus *bus, uint64_t handle);
bool ended_has(struct bus1_dbus *bus, uint64_t handle);
void ended_free_all(struct bus1_dbus *bus);
