/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Configuring - putting a configuration into force */

#include "bridge/bus/bus.h"

/*
 * Use the limits and the policy of a configuration, also for the clients that are connected. After
 * -ENOMEM nothing has changed. The caller still owns the configuration, which must live until the
 * bus gets another one or ends.
 */
int bus_configure(struct bus *bus, const struct bus_config *config);
