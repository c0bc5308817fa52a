/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the program had before the bus went, and has again after it has joined again
 *
 *        the bus has gone     restore_leave()      nodes that only the bus had handles of end; the
 *                                                  handles of look-ups are lost
 *        the peer has gone    restore_peer_lost()  who holds handles of others, and whose objects
 *                                                  had holders, is told
 *        joined               restore_begin()      Hello, subscriptions, match rules, published
 *                                                  objects, exports, names, in this order
 *                                                  - now others can call, and dispatch goes on -
 *                             restore_find()       look-ups; the library asks again and again for
 *                                                  owners that are not there yet
 *        all is there, or is known to be lost      RECONNECT_RESTORED
 *
 * The names come last, so nobody can call a service by its name before all of it is there. The
 * library makes one call of the bus after the other, and looks for the next thing to restore after
 * each: so the program may free what it likes meanwhile. What is restored has the present
 * bus->n_joins in its field joined. A name that the program releases meanwhile is given back after
 * the answer: the program cannot call the bus yet.
 *
 * A service that starts together with the bus, or joins again like this program, needs some time.
 * Starting it would start it twice. So look-ups do not start services at first. After FIND_GRACE
 * they do, and whoever cannot be found then is lost.
 */

#include "libbus1/dbus/lost.h"
#include "libbus1/dbus/standing.h"

struct join;
struct pending;

enum reconnect_state {
        RECONNECT_JOINED,    /* nothing to do */
        RECONNECT_PAUSE,     /* the bus has gone; the next attempt is due at bus->due */
        RECONNECT_ATTEMPT,   /* an attempt to join is under way */
        RECONNECT_RESTORING, /* bus->restoring is true */
        RECONNECT_FINDING,   /* only look-ups are missing */
        RECONNECT_RESTORED,  /* dispatch has to tell the program */
        RECONNECT_FAILED,    /* dispatch has to leave the bus: it does not let the program in */
};

struct reconnect {
        bus1_dbus_reconnect_fn fn; /* NULL: do not join again */
        void *userdata;
        uint64_t timeout; /* nanoseconds; UINT64_MAX: never give up */
        enum reconnect_state state;
        uint64_t give_up_at;
        uint64_t pause;
        uint64_t lasting_from; /* if the bus stays until then, the pauses begin anew */
        struct join *join;

        char *former_name;
        bool peer_is_lost; /* and restore_peer_lost() was called */
        /* the call of the bus that is under way, about bus->being_restored */
        struct pending *call;
        enum bus1_dbus_lost_kind kind;
        bool releases;       /* the call gives a name back */
        uint64_t node;       /* the new node that goes with it; BUS1_INVALID: none */
        uint64_t find_at;    /* when to look up what is missing */
        uint64_t find_until; /* from then on, start services */
        uint64_t find_pause;
        struct lost_list lost;
};

/* restore-leave.c */
void restore_leave(struct bus1_dbus *bus);
void restore_peer_lost(struct bus1_dbus *bus);
/* The program has another peer: give the objects nodes there, behind the numbers they had. */
void restore_peer_new(struct bus1_dbus *bus);
/* restore.c */
void restore_begin(struct bus1_dbus *bus);
/* restore-find.c. RECONNECT_FINDING: go on; it was due. */
void restore_find(struct bus1_dbus *bus);

/* for restore-find.c */

/* The session has ended, although the library has not received this yet. */
void restore_gone_again(struct bus1_dbus *bus);
/* The error that a reply says; NoReply if it is NULL; NULL: it is no error. */
const char *restore_error(struct bus1_dbus_message *reply);
/* Ask for the next thing of this kind. Returns false if there is none. */
bool restore_standing(struct bus1_dbus *bus, enum standing_kind kind);
