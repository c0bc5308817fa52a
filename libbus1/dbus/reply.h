/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Replies to received calls
 *
 * A method call that wants a reply carries a one-shot reply handle as its first handle:
 *
 *        caller                                       callee
 *
 *        makes a one-shot node
 *        call + handle of the node  --------------->  reply_handle
 *                                                       |  bus1_dbus_reply()
 *        reply arrives on the node  <-----------------  |  used up by the send
 *        or NoReply                 <-----------------  |  released with the last reference
 *
 * So a callee that drops a call without answering thereby tells the caller that no reply will come.
 */

#include <stdarg.h>

#include "libbus1/dbus/membership.h"

/* Answer a call with the D-Bus error for a negative errno. */
void reply_errno(struct bus1_dbus_message *call, int r);
/*
 * Answer a call with values by type string. Returns -EOPNOTSUPP, and has done nothing, if they need
 * a DBusMessage (plain.h), or an error of bus1_dbus_reply().
 */
int reply_plain(struct bus1_dbus_message *call, const char *types, va_list args);
