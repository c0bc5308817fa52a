/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who may call privileged members, see "privileged members" in <bus1/dbus-vtable.h>
 *
 *        call of a privileged member
 *          |
 *          +-- trusted bus, or came through a handle  ----------------------->  runs
 *          +-- its sender is root or has our uid  --------------------------->  runs
 *          +-- check function  --- allow  ----------------------------------->  runs
 *                              --- refuse; or there is none  --------------->  AccessDenied
 *                              --- later --- bus1_dbus_message_continue() --->  runs or not
 */

#include "libbus1/dbus/target.h"

/* The check function has let the call pass, and may have changed everything: look up anew. */
#define ACCESS_AGAIN 2

/*
 * May the call run the member, or set the property? Returns 1; 0 if it may not (now): the call is
 * answered, or is going to be; ACCESS_AGAIN; or a negative errno, for the reply. If the result is
 * not 1, a check function may have freed what the walk and the target refer to.
 */
int access_check(const struct walk *walk, const struct member *member,
                 struct bus1_dbus_message *call);
/* Does introspection say that the member is privileged? */
bool access_is_privileged(const struct bus1_dbus *bus, const struct member *member);
