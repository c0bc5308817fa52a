/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The bytes and descriptors of a message
 */

#include <bus1/bus1.h>
#include <dbus/dbus.h>

/* A message on its way out. data is freed with dbus_free(), fds are owned. */
struct wire {
        char *data;
        int n_data;
        int *fds;
        size_t n_fds;
};

int wire_from_message(DBusMessage *message, struct wire *ret_wire);
void wire_deinit(struct wire *wire);
/* Duplicates descriptors, and leaves those of received open. -EBADMSG for an invalid message. */
int wire_to_message(struct bus1_received *received, DBusMessage **ret_message);
