/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Announcing: the order of signals and deliveries that clients rely on. */

#include "bridge/bus/announce.h"

#include "bridge/bus/activation.h"
#include "bridge/bus/tell.h"

int announce_change(struct bus *bus, const char *name, const struct name_change *change) {
        struct client *old_owner = change->old_owner, *new_owner = change->new_owner;
        struct start *start;
        int r;

        if (old_owner == new_owner)
                return 0;

        if (bus->hooks.name_owner_changed)
                bus->hooks.name_owner_changed(bus->hooks.native, name, old_owner, new_owner);
        if (old_owner) {
                r = tell_name_signal(old_owner, "NameLost", name);
                if (r < 0)
                        return r;
        }
        r = tell_owner_changed(bus, name, old_owner ? old_owner->unique_name : "",
                               new_owner ? new_owner->unique_name : "");
        if (r < 0)
                return r;
        if (!new_owner)
                return 0;

        start = activation_find(bus, name);
        r = activation_answer(start);
        if (r < 0)
                return r;
        r = tell_name_signal(new_owner, "NameAcquired", name);
        return r < 0 ? r : activation_deliver(start, new_owner);
}
