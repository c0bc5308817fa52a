/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Received messages without a DBusMessage
 *
 * libdbus-1 takes more instructions to make a DBusMessage from bytes than bus1 takes to bring them
 * from one program to another. A program that reads values with the functions of this library does
 * not need it. So, if the program wants that (bus1_dbus_set_lazy_messages()), the library keeps the
 * bytes of a message, which it has checked, and makes the DBusMessage when something asks for it.
 *
 * The header of the DBusMessage is not always that of the bytes: for example, the library sets
 * SENDER on a direct channel. A struct lazy keeps what differs.
 */

#include <bus1/bus1.h>
#include <dbus/dbus.h>

#include "bridge/wire/message.h"

struct lazy {
        struct message wire;   /* checked; the strings of the header are those of the bytes */
        bool keeps_sender;     /* the SENDER is that of the bytes */
        char *sender;          /* otherwise: the SENDER; NULL: none */
        char *path;            /* the PATH; NULL: that of the bytes */
        uint32_t reply_serial; /* the REPLY_SERIAL; 0: that of the bytes */
        uint8_t bytes[];
};

/*
 * Copy a received message of this type (MESSAGE_TYPE_*). Returns NULL if the message has another
 * type or descriptors, or is not valid, and when memory runs out: then the caller makes a
 * DBusMessage, and gets the reason if it cannot.
 */
struct lazy *lazy_new(const struct bus1_received *received, uint8_t type);
/* Replace the SENDER of the bytes. Returns 0 or -ENOMEM. */
int lazy_set_sender(struct lazy *lazy, const char *sender);
static inline const char *lazy_get_sender(const struct lazy *lazy) {
        return lazy->keeps_sender ? lazy->wire.sender.s : lazy->sender;
}
/* NULL is fine. */
void lazy_free(struct lazy *lazy);
/* Is it a call of this method? */
bool lazy_is_call(const struct lazy *lazy, const char *interface, const char *member);
/* Make the DBusMessage. Returns NULL when memory runs out, or libdbus-1 refuses the bytes. */
DBusMessage *lazy_make(const struct lazy *lazy);
