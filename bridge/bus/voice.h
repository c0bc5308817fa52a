/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Voice - making the bus's own messages
 *
 * The bus's own messages get their headers here: the next serial of the bus, the sender
 * org.freedesktop.DBus, the unique name of the receiver (if it is one client that has a name), and
 * the flag NO_REPLY_EXPECTED. route.h and tell.h send these messages.
 */

#include <stdarg.h>

#include "bridge/bus/bus.h"
#include "bridge/wire/writer.h"

/* The full name of an error of D-Bus, for example DRIVER_ERROR("NoReply"). */
#define DRIVER_ERROR(x) "org.freedesktop.DBus.Error." x

/*
 * Begin a message of the given type. client is the receiver; NULL, or a client that has no unique
 * name yet, leaves the destination out. The caller sets the other header fields, writes the values
 * of the signature and calls writer_finish().
 */
void voice_init(struct bus *bus, struct writer *w, uint8_t type, const struct client *client,
                const char *signature);
/* Begin a signal of the driver's object; the interface is org.freedesktop.DBus. */
void voice_init_signal(struct bus *bus, struct writer *w, const struct client *client,
                       const char *member, const char *signature);
/*
 * Set serial, sender and destination. voice_init() calls this. The driver calls it only after a
 * method has written its results, so that serials follow the order in which messages are sent, not
 * the order in which they are begun.
 */
void voice_address(struct bus *bus, struct writer *w, const struct client *client);

/*
 * Make an error about the message with this serial. client NULL stands for the bus itself as the
 * receiver (only monitors see that error). Returns 0 or a negative errno of writer_finish().
 */
int voice_error(struct bus *bus, const struct client *client, uint32_t serial, const char *name,
                const char *text, struct message **ret_message);

/*
 * Format a text for an error. A text that does not fit is cut between two characters. A text that
 * is not valid UTF-8, for example because it quotes a file name, has its non-ASCII bytes replaced
 * by '?', because D-Bus strings must be valid.
 */
void voice_format(char *text, size_t n_text, const char *format, va_list args)
        __attribute__((format(printf, 3, 0)));
