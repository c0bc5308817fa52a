/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reply handles that were used
 *
 * The node of a reply handle is one-shot, so the handle ends with the reply. But a program that can
 * call an object without the bus can send the handle of any other node in this place, and bus1 does
 * not tell the receiver which kind it is. Such handles would stay with the owner of the object.
 *
 * To release each handle would cost a system call per reply. So the library tries to release one of
 * SPENT_MAX, chosen at random. If it is still there, all are released from then on. Before a caller
 * is found out, it has left about SPENT_MAX handles, whichever share of its handles is of the wrong
 * kind.
 */

#include "libbus1/dbus/membership.h"

/* A reply was sent through the handle, which did not come from the bus. */
void spent_add(struct bus1_dbus *bus, uint64_t handle);
