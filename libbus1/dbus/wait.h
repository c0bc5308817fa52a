/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Waiting, and the descriptor that says when there is something to do. */

#include "libbus1/dbus/membership.h"

/* Wait for something to receive; unlike bus1_dbus_wait(), not for messages received earlier. */
int wait_for_peer(struct bus1_dbus *bus, int timeout_ms);
/* Make bus1_dbus_get_fd() readable for messages received earlier, and at the next time-out. */
void wait_arm(struct bus1_dbus *bus);
