/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A storm: programs talk while the bus executes its program again and again
 *
 * Two services, a legacy one and a native one, and several clients of both kinds are processes of
 * their own. Each client sends streams of numbered calls: to the name of each service, and, if it
 * is native, through handles that it has looked up, of which that of the native service becomes a
 * direct one. Several calls of each stream are always pending. Some carry a descriptor or a handle.
 * The services emit numbered signals, which all clients have subscribed to.
 *
 * The services check that no call of a stream is lost, doubled or overtaken, and whose it is. The
 * clients check the same for replies and signals.
 */

/* n: how often the bus is to execute its program. Says what happened. Returns an exit status. */
int storm_main(const char *program, unsigned n);
