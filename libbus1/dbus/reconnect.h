/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Joining again when the bus has gone, if the program wants it
 *
 *                                the bus has gone
 *        JOINED ---------------------------------------------> PAUSE <-----------+
 *           ^                                                   |  due           | it fails
 *           |                                                   v                |
 *           |                                                ATTEMPT ------------+
 *           |  dispatch tells                                   |  joined        |
 *           |  the program                                      v                |
 *        RESTORED <---- FINDING <--------------------------- RESTORING --> FAILED
 *
 * The pauses grow from attempt to attempt. No step waits: each is made by dispatch when it is due
 * (bus->due), or when the descriptor of the attempt is ready. The timer and this descriptor are in
 * the epoll set that the program polls. restore.h is about the second half of the way. When the bus
 * goes again before the program was told, everything begins anew.
 *
 * On the device, the peer is the program's own, and stays: so do the handles between programs, and
 * the messages in its queue. They wait until the program has joined again. A hosted core ends with
 * its bus. Then the program gets another peer, and the numbers of the former one mean nothing any
 * more (ids.h).
 */

#include "libbus1/dbus/membership.h"

/*
 * The bus has gone, and all messages and calls are handled. Returns true if the library is going to
 * join again.
 */
bool reconnect_begin(struct bus1_dbus *bus);
/* Is the program in no bus now, but on the way to one? */
bool reconnect_is_away(const struct bus1_dbus *bus);
/*
 * Go on, if it is time. Returns 1 if there was something to do, 0 if not, or -ECONNRESET when the
 * library has given up. This may call the function of the program, which may free the bus.
 */
int reconnect_run(struct bus1_dbus *bus);
void reconnect_free(struct bus1_dbus *bus);
