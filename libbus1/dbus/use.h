/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who may use a membership: the process that joined, and one thread of it at a time
 *
 * After fork(), both processes have the descriptors of the peer. If both used them, each would take
 * messages from the other, and the child would speak as its parent. So in the child, everything
 * that sends or receives fails with -ECHILD, and only memory and descriptors are freed.
 *
 * In builds with assertions, a function that finds another thread inside the membership fails with
 * -EBUSY. In other builds, the threads would damage what they share.
 */

#include "libbus1/dbus/membership.h"

/* How often this process and its ancestors have been forked off, since they loaded the library. */
unsigned use_generation(void);

/* Is this the process that joined? */
static inline bool use_is_own(const struct bus1_dbus *bus) {
        return bus->generation == use_generation();
}

/*
 * Begin and end an operation of this thread, which can consist of other operations. use_begin()
 * returns 0, or -ECHILD or -EBUSY, and then use_end() must not be called.
 */
int use_begin(struct bus1_dbus *bus);
void use_end(struct bus1_dbus *bus);

/* Release a node or handle of the peer. Does nothing in a child process. */
void use_release(struct bus1_dbus *bus, uint64_t id);
