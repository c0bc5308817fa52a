/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Does an object exist?
 *
 * Only its owner knows. Ping is no question: libraries answer it at each path. An unknown method is
 * none either: GLib has the same error for it, whether there is an object or not. The answer of
 * Introspect tells it, if it is read with care. It is UnknownObject, or a document with interfaces:
 *
 *        owner            no object        only objects below        an object
 *
 *        libbus1-dbus     UnknownObject    Peer, Introspectable      Properties and its own
 *        sd-bus           UnknownObject    Properties, ...           Properties and its own
 *        GLib             none             none                      Properties and its own
 *        python3-dbus     none             none                      its own
 *        libdbus-1        none             none                      none, or what the program says
 *
 * So there is an object if the owner names an interface other than Peer and Introspectable. There
 * is one, too, if the owner does not know Introspect, but does not say UnknownObject. In two cases
 * this is wrong: a path of sd-bus with objects below it counts as an object, and an object of a
 * program on libdbus-1 that does not describe itself counts as none.
 */

#include <dbus/dbus.h>

/* The call of Introspect; NULL without memory. */
DBusMessage *exists_question(void);
/*
 * Read the answer: reply is the method return, or NULL if the owner has answered with *error.
 * Returns 0 if there is an object (*error is freed), -ENOENT if there is none (*error is
 * UnknownObject), or -EREMOTEIO for another error, which stays in *error.
 */
int exists_answer(DBusMessage *reply, DBusError *error);
