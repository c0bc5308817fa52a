/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Waiting for something to dispatch
 *
 * The descriptor that programs poll is an epoll set of the peer's descriptor, the D-Bus socket
 * (readable when the bus has closed it), and a timer. The timer stands for everything else that
 * dispatch has to do: it expires at the next time-out of a call, when objects have to be announced,
 * when it is time to go on with joining again, and at once when received messages wait for
 * dispatch.
 */

#include "libbus1/dbus/membership.h"

/*
 * Block until bus1_dbus_get_fd() is readable. Returns 1, 0 on time-out or after a Unix signal, or a
 * negative errno.
 */
int wait_for_all(struct bus1_dbus *bus, int timeout_ms);
/*
 * The same, but only new messages and the end of the bus end the wait: not the received messages
 * that wait for dispatch, and not the time-outs of calls.
 */
int wait_for_peer(struct bus1_dbus *bus, int timeout_ms);
/*
 * The time at which dispatch has something to do even if nothing arrives: end a call, announce
 * objects, or go on with joining again. UINT64_MAX: there is none.
 */
uint64_t wait_due(const struct bus1_dbus *bus);
/* Set the timer for received messages and the next time-out. It may also expire earlier. */
void wait_arm(struct bus1_dbus *bus);
/* The bus has gone, but calls wait for their end: the descriptor shows only that these are due. */
void wait_without_peer(struct bus1_dbus *bus);
/* The bus has gone: the descriptor that programs poll is not readable any more. */
void wait_end(struct bus1_dbus *bus);
