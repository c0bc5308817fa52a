/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Calls that wait for their reply
 *
 * A pending call ends exactly once: with a reply, with an error that the library makes (a time-out,
 * for example), or because it is cancelled or the bus is freed. Each of these removes the call and
 * the entry of its reply node. The list of calls is in the order of their deadlines, so the first
 * call has the next time-out.
 */

#include "libbus1/dbus/membership.h"

struct pending {
        uint64_t node; /* the one-shot node that the reply arrives on */
        uint32_t serial;
        uint64_t deadline; /* CLOCK_MONOTONIC, nanoseconds; UINT64_MAX: none */
        bool blocking;     /* its reply is handled at reception, not in dispatch */
        bus1_dbus_message_fn fn;
        void *userdata;
        struct pending *prev, *next; /* by deadline */
};

void pending_insert(struct bus1_dbus *bus, struct pending *p);
void pending_free(struct bus1_dbus *bus, struct pending *p);
/* End the call, and release its reply node, so that the callee can no longer answer. */
void pending_cancel(struct bus1_dbus *bus, struct pending *p);
/* End the call and pass the reply to its handler. Takes over the reference of reply. */
void pending_complete(struct bus1_dbus *bus, struct pending *p, struct bus1_dbus_message *reply);
/* End the call with an error that the library makes. Does nothing when memory runs out. */
void pending_fail(struct bus1_dbus *bus, struct pending *p, const char *name, const char *text);
/* If the deadline of the first call has passed, end this call and return true. */
bool pending_expire(struct bus1_dbus *bus);
