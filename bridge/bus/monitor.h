/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Monitors - clients that see every message, without anybody noticing (spec,
 * "Monitoring.BecomeMonitor")
 *
 * And eavesdroppers, the older kind: ordinary clients with rules that say eavesdrop='true', to whom
 * the policy applies.
 */

#include "bridge/bus/client.h"

/* Show m to all monitors whose rules match. sender, receiver NULL: the bus. Negative errno is
 * fatal. */
int monitor_observe(struct bus *bus, struct client *sender, struct client *receiver,
                    struct message *m);
/* Show the unicast message m to all eavesdroppers but its receiver. */
int monitor_eavesdrop(struct bus *bus, struct client *sender, struct client *receiver,
                      struct message *m);
