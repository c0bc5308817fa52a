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
struct state_load;
struct state_save;

/*
 * Add the front end to the bus: set the hooks of the bus, add org.bus1.Bridge1 to the driver, and
 * let the loop watch for native messages. Call this as the user that the bus is to run as. Without
 * the device of the kernel module, the bus hosts a core itself. Returns 0 or a negative errno.
 */
int native_new(struct native **ret_native, struct bus *bus, struct loop *loop);
/* Is the core that of the kernel, not one that the bus hosts? */
bool native_uses_kernel(const struct native *native);
/* Ends all sessions. Call it before the socket front end ends. Returns NULL; NULL is fine. */
struct native *native_free(struct native *native);

/*
 * In a state document (bridge/state/document.h), these kinds of records belong to the front end:
 *
 *      Native    the peer of the bus
 *      Handle    a handle of the bus to a node of a program
 *      Lookup    a node of the bus, made for a program that has looked up
 *      Opening   a call of OpenChannel that waits for the owner
 *      Core...   the core, if the bus hosts it: see state-core.h
 *
 * The fields of a session are in the record of its client, and the nodes of pending replies in the
 * records of these. The core keeps all nodes and handles under their IDs, and the messages in the
 * queue of the bus. The next bus has the same peer.
 *
 * The order of the document is: native_save(), the connections, the clients, their names and what
 * they wait for, native_save_tables().
 */

/*
 * End the sessions that are about to end, at once, like connections_end_closing(). NULL is fine.
 * *ret_ended: there were some, so connections may be about to close, too. Returns 0 or a negative
 * errno that is fatal.
 */
int native_end_closing(struct native *native, bool *ret_ended);

/* Write records. NULL is fine: there are none, and the next bus looks for a core itself. */
void native_save(const struct native *native, struct state_save *save);
void native_save_tables(const struct native *native, struct state_save *save);

/*
 * Take over the current record. Native makes *native, which is NULL at first. Nothing is sent,
 * logged, scheduled or released. Returns 0, 1 if the kind of the record is none of these, or
 * load->error.
 */
int native_load(struct native **native, struct bus *bus, struct loop *loop,
                struct state_load *load);
/* The document has been read: is it complete? NULL is fine. Returns 0 or load->error. */
int native_loaded(struct native *native, struct state_load *load);
/* From now on the peer is that of this bus, which may release its nodes and handles. NULL is fine.
 */
void native_settle(struct native *native);
/*
 * The sessions go on, with the policy and the limits of this bus. NULL is fine. Returns 0 or a
 * negative errno that is fatal.
 */
int native_wake(struct native *native);
