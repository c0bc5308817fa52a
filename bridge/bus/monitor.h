/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Monitors and eavesdroppers - clients that see messages between other clients
 *
 * A monitor (D-Bus spec, "BecomeMonitor") gets copies of the messages that its rules match, and
 * sends none. An eavesdropper is the older kind: an ordinary client with a match rule that says
 * eavesdrop='true'. The policy is asked about each copy for an eavesdropper, but not about those
 * for monitors.
 */

#include "bridge/bus/bus.h"

/*
 * monitor_observe() and monitor_eavesdrop() call these, if the bus has monitors or eavesdroppers.
 */
int monitor_show(struct bus *bus, struct client *sender, struct client *receiver,
                 struct message *m);
int monitor_show_eavesdroppers(struct bus *bus, struct client *sender, struct client *receiver,
                               struct message *m);

/*
 * Show m to all monitors whose rules match and that take its descriptors. sender NULL is the bus.
 * receiver NULL is the bus, the receivers of a broadcast, or a service that does not run. If
 * monitors have seen m already, because it has waited in a docket since or is sent again
 * (resend.h), nothing is done. Returns 0 or a negative errno that is fatal.
 */
static inline int monitor_observe(struct bus *bus, struct client *sender, struct client *receiver,
                                  struct message *m) {
        return bus->monitors ? monitor_show(bus, sender, receiver, m) : 0;
}

/*
 * Show the unicast message m to all eavesdroppers whose rules match and that may get it, except its
 * receiver. They have seen a call that is sent again (resend.h). Parameters and results are those
 * of monitor_observe().
 */
static inline int monitor_eavesdrop(struct bus *bus, struct client *sender, struct client *receiver,
                                    struct message *m) {
        if (bus->matches.n_eavesdrop == 0 || m->n_resent > 0)
                return 0;
        return monitor_show_eavesdroppers(bus, sender, receiver, m);
}
