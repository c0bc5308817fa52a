/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Requests to systemd - messages of the bus to the program that owns the name of systemd
 */

#include "bridge/bus/launch.h"

/*
 * Send m, a signal or call of the bus, to systemd, or hold it until systemd owns its bus name. m is
 * dropped if too many messages of the bus are held already, or if service_start_timeout passes
 * first. Returns 0 or a negative errno that is fatal.
 */
int activation_tell_systemd(struct bus *bus, struct message *m);
/* Send or hold ActivationRequest for this unit. Returns 0 or a negative errno that is fatal. */
int activation_request_unit(struct bus *bus, const char *unit);
