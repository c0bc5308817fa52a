/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Announcing - everything that follows when a well-known name gets another owner */

#include "bridge/bus/bus.h"

/*
 * In this order: the hook name_owner_changed, NameLost to the old owner, NameOwnerChanged to all
 * who asked, answers to StartServiceByName, NameAcquired to the new owner, and the messages that
 * were held for the name. Does nothing if nothing changed. 0 or a negative errno that is fatal to
 * the bus.
 */
int announce_change(struct bus *bus, const char *name, const struct name_change *change);
