/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/slot.h"

#include <utlist.h>

void slot_init(struct bus1_dbus_slot *slot, struct bus1_dbus *bus,
               void (*end)(struct bus1_dbus_slot *slot)) {
        slot->bus = bus;
        slot->end = end;
        slot->rejoined = NULL;
        slot->joined = bus->n_joins;
        DL_APPEND(bus->slots, slot);
}

int slot_result(struct bus1_dbus_slot *slot, int r, struct bus1_dbus_slot **ret_slot) {
        if (r < 0) {
                bus1_dbus_slot_free(slot);
                return r;
        }
        if (ret_slot)
                *ret_slot = slot;
        return 0;
}

PUBLIC struct bus1_dbus_slot *bus1_dbus_slot_free(struct bus1_dbus_slot *slot) {
        if (!slot)
                return NULL;
        DL_DELETE(slot->bus->slots, slot);
        slot->end(slot);
        return NULL;
}

PUBLIC struct bus1_dbus *bus1_dbus_slot_get_bus(const struct bus1_dbus_slot *slot) {
        return slot->bus;
}
