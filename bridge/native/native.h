/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The bus1 front end
 *
 * Native programs speak to the bus through bus1 handles instead of a socket. The bus is one bus1
 * peer, which owns the nodes that programs send to (except those of direct channels). On a machine
 * without /dev/bus1 the bus hosts the core itself, and gives each program a peer on it.
 */

#include "bridge/bus/bus.h"

struct loop;
struct native;
struct state_save;

/*
 * Add the front end to the bus: set the hooks of the bus, add org.bus1.Bridge1 to the driver, and
 * let the loop watch for native messages. Call this as the user that the bus is to run as. Without
 * the device of the kernel module, the bus hosts a core itself. Returns 0 or a negative errno.
 */
int native_new(struct native **ret_native, struct bus *bus, struct loop *loop);
/* Is the core that of the kernel, not one that the bus hosts? */
bool native_uses_kernel(const struct native *native);
/* Write what the next bus needs to a state document (bridge/state/save.h). NULL is fine. */
void native_save(const struct native *native, struct state_save *save);
/* Ends all sessions. Call it before the socket front end ends. Returns NULL; NULL is fine. */
struct native *native_free(struct native *native);
