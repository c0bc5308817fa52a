/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The bytes and descriptors of a D-Bus message
 *
 * libdbus-1 marshals and demarshals messages, but it neither returns the descriptors of a message
 * that it marshals, nor takes descriptors for one that it demarshals. Its iterators can do both:
 *
 *        out:  read the descriptors from the body, in the order in which libdbus-1 numbers them
 *        in:   1. demarshal the message as one without descriptors
 *              2. append the descriptors as an array, which makes the indices in the body valid
 *              3. copy the body, without that array, into a second message
 */

#include <bus1/dbus.h>
#include <stdbool.h>
#include <stdint.h>

struct message;
struct writer;

/* A message to send. wire_deinit() frees data and closes the descriptors. */
struct wire {
        char *data;
        int n_data;
        uint32_t serial;
        int *fds;
        size_t n_fds;
        struct message *message; /* that the data belongs to; NULL: to libdbus-1 */
};

int wire_from_message(DBusMessage *message, struct wire *ret_wire);
/*
 * Finish a message without descriptors. The writer is empty afterwards, whatever the result.
 * Returns an error of writer_finish().
 */
int wire_from_writer(struct writer *writer, struct wire *ret_wire);
void wire_deinit(struct wire *wire);
/* Is this a call whose caller cannot get handles in the reply? The bus says so by a flag. */
bool wire_has_no_handles(const struct bus1_received *received);
/* The size of the D-Bus message, without the credentials behind it. */
size_t wire_message_size(const struct bus1_received *received);
/*
 * Get the credentials of the sender, which the bus adds behind a message. Returns false if there
 * are none. The caller knows whether the bus has sent the message.
 */
bool wire_get_credentials(const struct bus1_received *received,
                          struct bus1_dbus_credentials *ret_credentials);
/*
 * Make a call of Hello with the flag that asks the bus for these credentials, and for more about
 * direct channels. A bus that does not know the flag ignores it. Returns NULL without memory.
 */
DBusMessage *wire_hello(const char *name, const char *path, uint32_t serial);
/*
 * Duplicates descriptors, and leaves those of received open. Sets UNIX_FDS in the data of received
 * to 0. Returns -EBADMSG for an invalid message, or -ENOMEM.
 */
int wire_to_message(struct bus1_received *received, DBusMessage **ret_message);
