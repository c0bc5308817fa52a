/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Monitors - clients that see every message, without anybody noticing (spec,
 * "Monitoring.BecomeMonitor")
 *
 * And eavesdroppers, the older kind: ordinary clients with rules that say eavesdrop='true', to whom
 * the policy applies.
 */

#include "bridge/bus/bus.h"

/* The same as the two functions below, for a bus that has monitors or eavesdroppers. */
int monitor_show(struct bus *bus, struct client *sender, struct client *receiver,
                 struct message *m);
int monitor_show_eavesdroppers(struct bus *bus, struct client *sender, struct client *receiver,
                               struct message *m);

/* Show m to all monitors whose rules match. sender, receiver NULL: the bus. 0 or fatal. */
static inline int monitor_observe(struct bus *bus, struct client *sender, struct client *receiver,
                                  struct message *m) {
        return bus->monitors ? monitor_show(bus, sender, receiver, m) : 0;
}

/* Show the unicast message m to all eavesdroppers but its receiver. 0 or fatal. */
static inline int monitor_eavesdrop(struct bus *bus, struct client *sender, struct client *receiver,
                                    struct message *m) {
        if (bus->matches.n_eavesdrop == 0)
                return 0;
        return monitor_show_eavesdroppers(bus, sender, receiver, m);
}
