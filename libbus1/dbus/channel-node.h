/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Direct channels, the side of the owner
 *
 * The library makes the node of a channel when the bus asks for it, and counts the messages that
 * arrive there. When the bus wants the channel to be closed (or the name is lost, or the object
 * freed), the library tells this number to the caller's library, through the control handle that
 * came with the request of the bus, and ends the node. From the number the caller's library knows
 * which of its messages it has to send again.
 *
 *        what the peer receives    what becomes of it
 *
 *        call 1, call 2            they are served
 *        CloseChannels             the library says Closed(2), and ends the node
 *        call 3                    bus1 drops it; the caller's library sends it through the bus
 *
 * Closed is sent before the node ends. So the caller's library receives it before it can learn that
 * a call was dropped.
 */

#include "libbus1/dbus/node.h"

#define CHANNEL_INTERFACE "org.bus1.Channel1"

/* Is this the node of a channel? */
static inline bool node_is_channel(const struct node *node) {
        return node->name != NULL;
}

/*
 * Make the node of a channel for the calls of one member. object NULL: of all objects. Takes over
 * control, but only on success. The caller owns *ret_handle, and *ret_node is valid until the node
 * is closed. -EDQUOT: there are too many channels.
 */
int channel_node_new(struct bus1_dbus *bus, struct bus1_dbus_object *object, const char *member,
                     const char *name, uint64_t lookup, uint64_t control, uint64_t *ret_handle,
                     struct node **ret_node);
/* End the node. Its entry stays until dispatch has handled the messages that were received. */
void channel_node_close(struct bus1_dbus *bus, struct node *node);
/* Close the channels to the name, or, if name is NULL, to all names. */
void channel_nodes_close(struct bus1_dbus *bus, const char *name);
/* Close the channel of one look-up. */
void channel_node_close_lookup(struct bus1_dbus *bus, uint64_t lookup);
/* A message has arrived at the node. */
static inline void channel_node_accepted(struct node *node) {
        node->n_accepted++;
}
/* A message to the node goes into the queue of the membership, or leaves it. */
void channel_node_queued(struct node *node);
void channel_node_served(struct bus1_dbus *bus, struct node *node);
/* If the message is a question of the caller's library, answer it and return true. */
bool channel_node_answers(struct bus1_dbus_message *message);
