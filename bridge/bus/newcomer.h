/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Newcomers - connections that have not called Hello yet
 *
 * Each user has a place for max_incomplete_connections newcomers. The user's further newcomers are
 * parked: the bus has accepted them, but does not read from them before others have called Hello or
 * have left. When a user has twice as many connections as it may complete, or that number and
 * max_incomplete_connections, if this is more, its oldest newcomer makes room for the newest one.
 * So the newcomers of one user never keep those of another one waiting.
 */

#include "bridge/bus/account.h"

struct newcomer {
        struct newcomer *prev, *next; /* oldest first */
        struct account *account;      /* NULL: it is no newcomer any more */
        bool is_parked;
        void (*admit)(struct newcomer *newcomer); /* it got a place: read from it */
        void (*evict)(struct newcomer *newcomer); /* it lost its place, or gets none: free it */
};

/*
 * A connection of the account has come. Calls admit() now or later, unless newcomer_remove() comes
 * before.
 */
void newcomer_add(struct bus *bus, struct account *account, struct newcomer *newcomer);
/*
 * A bus that takes over from another one: the connection, which has come after those that are
 * newcomers here, is one with a place or a parked one. Nobody makes room, and admit() is not
 * called.
 */
void newcomer_restore(struct bus *bus, struct account *account, struct newcomer *newcomer,
                      bool is_parked);
/* It has called Hello, or ends. Does nothing if it is none. */
void newcomer_remove(struct bus *bus, struct newcomer *newcomer);
/* max_incomplete_connections has changed. */
void newcomer_recheck(struct bus *bus);
/* Close the oldest newcomer of the account. Returns whether there was one. */
bool newcomer_evict(struct bus *bus, struct account *account);
