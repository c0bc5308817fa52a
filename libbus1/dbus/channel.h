/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Direct channels, the side of the caller
 *
 * The handle that a program has from a look-up is routed: it leads to the bus. Beside it the
 * library may have a direct channel, which leads to the owner, and through which it sends while
 * nobody has to see or check the messages. The program does not notice. The library keeps the
 * messages in order when it begins and ceases to use the channel:
 *
 *        NONE ----- a message is sent ----> ASKED      the bus is asked for a channel
 *        ASKED ---- the bus has one ------> READY
 *        READY ---- a message is sent ----> OPEN       all earlier messages have passed the bus
 *        OPEN ----- too large a message --> READY      the bus gets it, and refuses it
 *        OPEN ----- Closed(n) ------------> NONE
 *
 * - READY: what was sent through the bus must be in the owner's queue before anything is sent
 *   through the channel. The bus handles the messages of its queue in order. So a reply, also one
 *   from the bus itself, shows how far it has come. If that is not enough, the library asks the bus
 *   for a reply, and waits for it.
 * - OPEN: the library keeps each message until it knows that the owner's library has it. A reply
 *   shows this for all earlier messages, too. When many messages have no reply, the library asks
 *   for one (Confirm), which the owner's library gives at once.
 * - Closed(n): the owner's library has taken n messages through this channel. The library sends the
 *   others again, in order, through the bus. What the program sends from then on follows them.
 *
 * If there is no channel now, the library asks again after some messages.
 */

#include "libbus1/dbus/outgoing.h"

struct bus1_received;
struct node;

enum channel_state {
        CHANNEL_NONE,
        CHANNEL_ASKED,
        CHANNEL_READY,
        CHANNEL_OPEN,
};

struct channel {
        struct bus1_dbus *bus;
        uint64_t handle;   /* that the program has */
        uint64_t lookup;   /* the number by which the bus knows the look-up */
        char *name;        /* that was looked up */
        char *path;        /* NULL: all objects of the name */
        bool is_lost;      /* with the bus; it has to be looked up again, see restore.h */
        bool find_started; /* this look-up may start the service: it is the last one */
        enum channel_state state;
        unsigned n_wait;  /* messages that are sent through the bus before the next question */
        uint64_t direct;  /* the handle of the channel; BUS1_INVALID: not ready */
        uint64_t control; /* the node where Closed arrives; BUS1_INVALID: none, or closed */
        struct pending *asking;     /* the call of OpenChannel */
        struct pending *confirming; /* the call of Confirm */

        /* numbers of messages through the bus: the last one, and the last that has surely passed */
        uint64_t n_routed, n_passed;
        uint64_t n_routed_when_asked;
        /* numbers of messages through channels: the last one, and the last before this channel */
        uint64_t n_direct, n_before;
        struct outgoing *unconfirmed; /* those that the owner may not have */
        unsigned n_unconfirmed;
        size_t unconfirmed_bytes, unconfirmed_fds, unconfirmed_handles;
        bool withdrawn;           /* by the bus; the owner has not said Closed yet */
        bool released;            /* by the program; the channel waits for the end of unconfirmed */
        UT_hash_handle hh;        /* in bus->channels, by handle */
        UT_hash_handle hh_direct; /* in bus->channels_direct */
};

/*
 * The program gets the handle of a look-up, which may have a channel. path NULL: of a name. Without
 * memory it has no channel, and is not found again.
 */
void channel_new(struct bus1_dbus *bus, uint64_t handle, uint64_t lookup, const char *name,
                 const char *path);
struct channel *channel_find(struct bus1_dbus *bus, uint64_t handle);
void channel_free(struct channel *c);

/* sending: these functions are called for each message that is sent through the handle */

/* NONE becomes ASKED, if it is time for that. A channel that the bus has withdrawn may end. */
void channel_prepare(struct channel *c);
/* READY: have all messages passed the bus? */
bool channel_has_passed(const struct channel *c);
/* READY becomes OPEN. */
void channel_open(struct channel *c);
/*
 * OPEN becomes READY: one message goes through the bus, because it exceeds a limit
 * (message-limits.h). The bus refuses it, as it would without the channel.
 */
void channel_detour(struct channel *c);
/* OPEN: is so much unconfirmed that nothing may be sent? */
bool channel_is_full(const struct channel *c);
/* The bus has gone, and the handle with it; or it was found anew, with the number of a look-up. */
void channel_lose(struct channel *c);
void channel_found(struct channel *c, uint64_t lookup);
/* Use no channel for the time being. What is unconfirmed is forgotten. */
void channel_drop(struct channel *c);
/*
 * A message was sent: through the channel if o is not NULL, which is taken over, or else through
 * the bus. p can be NULL.
 */
void channel_sent(struct channel *c, struct outgoing *o, struct pending *p);

/* receiving; the library does all this at reception */

/* A reply to p has arrived. */
void channel_replied(struct bus1_dbus *bus, const struct pending *p);
/* A message or notification has arrived on the control node. Does not take over received. */
void channel_controlled(struct bus1_dbus *bus, struct node *node, struct bus1_received *received);
/* The node of a handle has ended. Returns true if it is the handle of a channel. */
bool channel_ended(struct bus1_dbus *bus, uint64_t handle);
/*
 * The bus closes all channels. From now on, cease to use each as soon as the owner has everything,
 * even if its library does not say Closed.
 */
void channels_withdraw(struct bus1_dbus *bus);
