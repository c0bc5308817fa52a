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

struct native;

/*
 * Give the bus its native side: sets bus->native and the bus's hooks, and adds org.bus1.Bridge1 to the driver.
 * Negative errno when there is neither device nor memory for a core.
 */
int native_new(struct native **ret_native, struct bus *bus);
/* Ends all sessions. Returns NULL; NULL is fine. */
struct native *native_free(struct native *native);

/* Readable whenever native_dispatch() has something to do. */
int native_get_fd(const struct native *native);
/* Do a bounded amount of what there is to do. Negative errno is fatal to the bus. */
int native_dispatch(struct native *native);
