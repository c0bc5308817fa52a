/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/free-handler.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

struct free_handler {
        struct bus1_dbus_slot slot; /* must be first */
        bus1_dbus_free_fn fn;
        void *userdata;
};

static void free_handler_end(struct bus1_dbus_slot *slot) {
        free(slot);
}

static struct free_handler *first(struct bus1_dbus *bus) {
        struct bus1_dbus_slot *slot;

        DL_FOREACH(bus->slots, slot) {
                if (slot->end == free_handler_end)
                        return (struct free_handler *)slot;
        }
        return NULL;
}

void free_handlers_run(struct bus1_dbus *bus) {
        struct free_handler *handler;
        bus1_dbus_free_fn fn;
        void *userdata;

        while ((handler = first(bus))) {
                fn = handler->fn;
                userdata = handler->userdata;
                bus1_dbus_slot_free(&handler->slot);
                fn(bus, userdata);
        }
}

PUBLIC int bus1_dbus_add_free_handler(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                      bus1_dbus_free_fn fn, void *userdata) {
        struct free_handler *handler;

        if (!bus || !fn)
                return -EINVAL;
        handler = calloc(1, sizeof(*handler));
        if (!handler)
                return -ENOMEM;
        handler->fn = fn;
        handler->userdata = userdata;
        slot_init(&handler->slot, bus, free_handler_end);
        return slot_result(&handler->slot, 0, ret_slot);
}
