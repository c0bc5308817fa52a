/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Calls that wait for their reply
 *
 * A pending call ends exactly once: with a reply, with an error that the library makes (a time-out,
 * for example), or because it is cancelled or the bus is freed. Each of these removes the call and
 * the entry of its reply node. The list of calls is in the order of their deadlines, so the first
 * call has the next time-out.
 *
 * A call through a direct channel that is sent again (channel.h) gets a new reply node. The entry
 * of the former node stays: the program may know the call by this ID.
 */

#include "libbus1/dbus/membership.h"

struct outgoing;

struct pending {
        uint64_t node;   /* the one-shot node that the reply arrives on */
        uint64_t former; /* the node before that; BUS1_INVALID: none */
        uint32_t serial;
        uint64_t deadline; /* CLOCK_MONOTONIC, nanoseconds; UINT64_MAX: none; 0: it ends as soon as
                              it may */
        int error;         /* a negative errno with which the call is going to end; 0: none */
        const char *failure, *failure_text; /* see pending_fail(); NULL: it has not failed */
        bool at_reception;                  /* its reply is handled at reception, not in dispatch */
        bool lazy;     /* its reply needs no DBusMessage at first, see lazy.h */
        bool is_quiet; /* of the library itself: fn gets NULL instead of an error made here */
        /* how a call through a looked-up handle was sent, see channel.h */
        uint64_t via;              /* the looked-up handle; BUS1_INVALID: another one */
        uint64_t number;           /* among the messages through the bus, or through channels */
        bool is_direct;            /* through a channel */
        bool owner_gone;           /* the handle has ended, and the bus had the call */
        struct outgoing *outgoing; /* NULL: the call need not be sent again */
        /* the rule of a call of AddMatch or RemoveMatch, if the program may join again; or NULL */
        char *rule;
        bool removes_rule;
        bus1_dbus_message_fn fn;
        void *userdata;
        struct pending *prev, *next; /* by deadline */
};

void pending_init(struct pending *p);
void pending_insert(struct bus1_dbus *bus, struct pending *p);
void pending_free(struct bus1_dbus *bus, struct pending *p);
/* End the call, and release its reply node, so that the callee can no longer answer. */
void pending_cancel(struct bus1_dbus *bus, struct pending *p);
/*
 * The reply arrives on another node now. Takes over the node, even on failure. Returns 0 or
 * -ENOMEM.
 */
int pending_move(struct bus1_dbus *bus, struct pending *p, uint64_t node);
/* Let the call end with a negative errno, as soon as it may: handlers run only in dispatch. */
void pending_abort(struct bus1_dbus *bus, struct pending *p, int error);
/* End the call and pass the reply to its handler. Takes over the reference of reply. */
void pending_complete(struct bus1_dbus *bus, struct pending *p, struct bus1_dbus_message *reply);
/*
 * End the call with an error that the library makes, of which the texts are static. When memory
 * runs out, a call of the program stays pending a little longer, and pending_expire() ends it; one
 * of the library ends in any case.
 */
void pending_fail(struct bus1_dbus *bus, struct pending *p, const char *name, const char *text);
/* The same, but only pending_expire() ends the call. */
void pending_fail_in_dispatch(struct bus1_dbus *bus, struct pending *p, const char *name,
                              const char *text);
/* If the deadline of the first call has passed, or it was aborted, end it and return true. */
bool pending_expire(struct bus1_dbus *bus);
