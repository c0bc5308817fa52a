/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Limits of the bus, for messages that do not pass it
 *
 * A call through a looked-up handle must not succeed or fail depending on the way that it takes. So
 * what the bus limits in each message is limited on direct channels, too. The bus tells its limits
 * when it opens a channel, and when it closes all channels, which it does when they change. A bus
 * that is too old to tell them limits nothing here.
 *
 * The caller's library sends a call that is too large through the bus, which refuses it. The
 * owner's library answers for the bus when a reply is too large.
 */

#include "libbus1/dbus/membership.h"
#include "libbus1/dbus/wire.h"

/* The first two INT64 in the body are max_message_size and max_message_unix_fds. */
void limits_learn(struct bus1_dbus *bus, DBusMessage *message);
/* Why the bus would refuse this message, as it says itself; NULL: it would not. */
const char *limits_check(const struct bus1_dbus *bus, const struct wire *wire);
