/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Slots: what a program asked a bus for, until it releases the slot
 *
 * A slot is the first member of the structure that keeps the request. Its end function undoes the
 * request and frees the structure. A program that does not want the slot leaves it with the bus:
 * then the request ends by itself, or with the bus.
 */

#include "libbus1/dbus/membership.h"

struct bus1_dbus_slot {
        struct bus1_dbus *bus;
        /* Undo the request and free the structure. The slot is not in bus->slots any more. */
        void (*end)(struct bus1_dbus_slot *slot);
        /*
         * The program has joined again (reconnect.h), and has its subscriptions and names back.
         * This may call functions of the program, which may free the slot and the bus. NULL: not
         * needed.
         */
        void (*rejoined)(struct bus1_dbus_slot *slot);
        unsigned joined;                    /* bus->n_joins when rejoined was last called */
        struct bus1_dbus_slot *prev, *next; /* in bus->slots */
};

void slot_init(struct bus1_dbus_slot *slot, struct bus1_dbus *bus,
               void (*end)(struct bus1_dbus_slot *slot));
/*
 * The result of a function of the program that began something with this slot: r < 0 ends it, and
 * otherwise the program gets the slot, if it wants it.
 */
int slot_result(struct bus1_dbus_slot *slot, int r, struct bus1_dbus_slot **ret_slot);
