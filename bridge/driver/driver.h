/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The driver - org.freedesktop.DBus, the bus's own object */

#include "bridge/bus/bus.h"

/* Give the bus its driver: the standard interfaces, and the function that runs calls. -ENOSPC. */
int driver_add_interfaces(struct bus *bus);
