/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Starter - the variables that tell a service which bus has started it
 *
 * They are those that the bus sets for programs that it executes (service-environment.h), here for
 * a process that is not a child of the bus. The other variables are those of systemd.
 */

#include "policy/config.h"

/*
 * Set DBUS_STARTER_ADDRESS, DBUS_STARTER_BUS_TYPE, and DBUS_SESSION_BUS_ADDRESS or
 * DBUS_SYSTEM_BUS_ADDRESS. The address is that of the last of these variables, if it is set. Else
 * it is made of the addresses of the configuration to which a client can connect, or else it is
 * that at which systemd listens for such a bus. Returns 0, or a status of status.h after it has
 * printed the reason.
 */
int starter_set_environment(const struct bus_config *config);
