/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Monitors and eavesdroppers - clients that see messages between other clients
 *
 * A monitor (D-Bus spec, "BecomeMonitor") sees every message that its rules match, and no other
 * client notices it. An eavesdropper is the older kind: an ordinary client with a match rule that
 * says eavesdrop='true'. The policy applies to eavesdroppers, but not to monitors.
 */

#include "bridge/bus/bus.h"

/* What the two functions below call if the bus has monitors or eavesdroppers. */
int monitor_show(struct bus *bus, struct client *sender, struct client *receiver,
                 struct message *m);
int monitor_show_eavesdroppers(struct bus *bus, struct client *sender, struct client *receiver,
                               struct message *m);

/*
 * Show m to all monitors whose rules match. A sender or receiver of NULL stands for the bus.
 * Returns 0 or a negative errno that is fatal.
 */
static inline int monitor_observe(struct bus *bus, struct client *sender, struct client *receiver,
                                  struct message *m) {
        return bus->monitors ? monitor_show(bus, sender, receiver, m) : 0;
}

/*
 * Show the unicast message m to all eavesdroppers but its receiver. Parameters and results are as
 * above.
 */
static inline int monitor_eavesdrop(struct bus *bus, struct client *sender, struct client *receiver,
                                    struct message *m) {
        if (bus->matches.n_eavesdrop == 0)
                return 0;
        return monitor_show_eavesdroppers(bus, sender, receiver, m);
}
