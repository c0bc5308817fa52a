/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Calls that wait for their reply
 *
 * A pending call ends exactly once: with a reply, an error made here, its time-out, or when it is
 * cancelled. Each of these removes it and the entry of its reply node.
 */

#include "libbus1/dbus/membership.h"

struct pending {
        uint64_t node; /* the one-shot node that the reply arrives on */
        uint32_t serial;
        uint64_t deadline; /* CLOCK_MONOTONIC, nanoseconds; UINT64_MAX: none */
        bool blocking;     /* completes while receiving, not in dispatch */
        bus1_dbus_message_fn fn;
        void *userdata;
        struct pending *prev, *next; /* by deadline */
};

void pending_insert(struct bus1_dbus *bus, struct pending *p);
struct pending *pending_free(struct bus1_dbus *bus, struct pending *p);
/* End the call and pass on the reply. Takes over the reference of reply. */
void pending_complete(struct bus1_dbus *bus, struct pending *p, struct bus1_dbus_message *reply);
/* End the call with an error made here. */
void pending_fail(struct bus1_dbus *bus, struct pending *p, const char *name, const char *text);
/* End the first call, if its deadline has passed. */
bool pending_expire(struct bus1_dbus *bus);
