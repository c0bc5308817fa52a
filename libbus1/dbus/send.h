/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sending messages, with the handles that travel beside them */

#include "libbus1/dbus/membership.h"
#include "libbus1/dbus/wire.h"

#define HANDLES_MAX 256

/*
 * Send a message. The handles of n_created new nodes go in front of the other handles, and created
 * gets the IDs of the nodes. A message without a serial gets one.
 */
int send_message(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                 struct bus1_transfer *created, size_t n_created, const uint64_t *handles,
                 size_t n_handles);
/* A serial for a message to send. */
uint32_t serial_next(struct bus1_dbus *bus);
/* Marshal a message to send. A message without a serial gets one. */
int message_to_wire(struct bus1_dbus *bus, DBusMessage *message, struct wire *ret_wire);
/*
 * The same as send_message() for a marshalled message, and then, if ret_received is not NULL, wait
 * for a message until the deadline. *ret_received gets the next message, or NULL if there was none
 * in time, if the wait failed, or if the peer cannot wait (bus->can_wait).
 */
int send_wire(struct bus1_dbus *bus, uint64_t to, const struct wire *wire,
              struct bus1_transfer *created, size_t n_created, const uint64_t *handles,
              size_t n_handles, uint64_t deadline, struct bus1_received **ret_received);
/*
 * Does the handle exist? A send with several handles that fails with -EBADRQC does not say which
 * handle is unknown. Also false if the handle cannot be copied for another reason, such as a quota.
 */
bool handle_is_known(struct bus1_dbus *bus, uint64_t handle);
/* Has its node ended, or the peer? This is known before the notification is received. */
bool handle_has_ended(struct bus1_dbus *bus, uint64_t handle);
