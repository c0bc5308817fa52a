/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Configuring - putting a configuration into force */

#include "bridge/bus/bus.h"

/*
 * Take over limits and policy of a configuration, for the clients that are there, too. On -ENOMEM
 * nothing has changed. The configuration stays the caller's, and must live until the bus gets
 * another one.
 */
int bus_configure(struct bus *bus, const struct bus_config *config);
