/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Functions of the program, or of an adapter to an event loop, that hear of the end of the bus */

#include "libbus1/dbus/slot.h"

/* The bus is going to be freed: call them, and free their slots. */
void free_handlers_run(struct bus1_dbus *bus);
