/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * libbus1-dbus: calls without a DBusMessage
 *
 * Making the DBusMessage of a received message takes more time than all else of a short call on a
 * direct channel. A program that reads arguments with bus1_dbus_message_read(), and answers with
 * bus1_dbus_reply_values(), does not need it. Such a program can ask the library to make the
 * DBusMessage only when something needs it.
 */

#include <bus1/dbus.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * From now on, the field message is NULL in some messages that this bus receives: in calls of
 * methods of the program's own tables and vtables, and in method returns that
 * bus1_dbus_call_method() returns, or bus1_dbus_call() for a handle. All functions of this library
 * that take a received message take such a message: those that read values, reply, let a call
 * continue, tell the credentials, and those for references and handles. Whether a message has its
 * DBusMessage depends on the way that it took, so ask for it with bus1_dbus_message_get_dbus().
 */
void bus1_dbus_set_lazy_messages(struct bus1_dbus *bus, bool lazy);
/*
 * Get the DBusMessage of a received message, which is also in its field message from then on. It
 * belongs to the message. Returns NULL when memory runs out.
 */
DBusMessage *bus1_dbus_message_get_dbus(struct bus1_dbus_message *message);

#ifdef __cplusplus
}
#endif
