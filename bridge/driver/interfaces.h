/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Interfaces - the list of all that the driver's object has, in the order of introspection */

#include "bridge/bus/bus.h"

/* Give the bus its driver: the standard interfaces, and the function that runs calls. -ENOSPC. */
int driver_add_interfaces(struct bus *bus);
