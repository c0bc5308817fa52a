/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The bus1 front end
 *
 * Native programs speak to the bus through bus1 handles instead of a socket. The bus is one bus1
 * peer; all nodes that programs talk to it through belong to that peer. Without /dev/bus1 the bus
 * hosts the core itself and serves each program a peer of it.
 */

#include "bridge/bus/bus.h"

struct loop;
struct native;

/*
 * Give the bus its native side: sets bus->native and the bus's hooks, adds org.bus1.Bridge1 to the
 * driver, and serves from the loop. As the user the bus runs as. Negative errno when there is
 * neither device nor memory for a core.
 */
int native_new(struct native **ret_native, struct bus *bus, struct loop *loop);
/* Ends all sessions; while the socket front end is still there. Returns NULL; NULL is fine. */
struct native *native_free(struct native *native);
