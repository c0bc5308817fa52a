/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Subscriptions: a match rule, and the node that gets what it matches. */

#include "libbus1/dbus/membership.h"

struct bus1_dbus_subscription {
        struct bus1_dbus *bus;
        uint64_t node; /* BUS1_INVALID: the bus has dropped the rule */
        bus1_dbus_message_fn fn;
        void *userdata;
        struct bus1_dbus_subscription *prev, *next;
};
