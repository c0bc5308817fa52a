/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Fallbacks and enumerators: objects that the program does not make one by one */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/slot.h"
#include "libbus1/dbus/target.h"
#include "libbus1/dbus/tree.h"

struct fallback_slot {
        struct bus1_dbus_slot slot; /* must be first */
        struct branch *branch;
        struct fallback fallback;
};

struct enumerator_slot {
        struct bus1_dbus_slot slot; /* must be first */
        struct branch *branch;
        struct enumerator enumerator;
};

static void fallback_end(struct bus1_dbus_slot *slot) {
        struct fallback_slot *s = (struct fallback_slot *)slot;

        DL_DELETE(s->branch->fallbacks, &s->fallback);
        tree_prune(slot->bus, s->branch);
        interface_free(slot->bus, s->fallback.interface);
        free(s);
}

static bool has_fallback(const struct branch *branch, const char *interface) {
        for (struct fallback *f = branch->fallbacks; f; f = f->next)
                if (strcmp(f->interface->name, interface) == 0)
                        return true;
        return false;
}

/* Takes over the interface, even on failure. */
static int fallback_new(struct bus1_dbus *bus, const char *prefix, struct interface *interface,
                        bus1_dbus_find_fn find, struct bus1_dbus_slot **ret_slot) {
        struct fallback_slot *s;
        int r = -ENOMEM;

        s = calloc(1, sizeof(*s));
        if (s)
                s->branch = tree_grow(bus, prefix);
        if (s && s->branch && has_fallback(s->branch, interface->name))
                r = -EEXIST;
        if (!s || !s->branch || r == -EEXIST) {
                interface_free(bus, interface);
                free(s);
                return r;
        }
        interface->of_fallback = true;
        s->fallback.interface = interface;
        s->fallback.find = find;
        DL_APPEND(s->branch->fallbacks, &s->fallback);
        slot_init(&s->slot, bus, fallback_end);
        if (ret_slot)
                *ret_slot = &s->slot;
        return 0;
}

PUBLIC int bus1_dbus_add_fallback(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                  const char *prefix, const char *interface,
                                  const struct bus1_dbus_vtable *vtable, bus1_dbus_find_fn find,
                                  void *userdata) {
        struct interface *i;
        struct table *table;
        int r;

        if (!bus || !prefix || !dbus_validate_path(prefix, NULL) || !interface ||
            !dbus_validate_interface(interface, NULL) || interface_is_standard(interface) ||
            !vtable)
                return -EINVAL;
        r = table_from_vtable(bus, vtable, &table);
        if (r < 0)
                return r;
        i = interface_new(bus, interface, table, userdata);
        return i ? fallback_new(bus, prefix, i, find, ret_slot) : -ENOMEM;
}

static void enumerator_end(struct bus1_dbus_slot *slot) {
        struct enumerator_slot *s = (struct enumerator_slot *)slot;

        slot->bus->n_enumerators--;
        DL_DELETE(s->branch->enumerators, &s->enumerator);
        tree_prune(slot->bus, s->branch);
        free(s);
}

PUBLIC int bus1_dbus_add_enumerator(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                    const char *prefix, bus1_dbus_enumerate_fn fn, void *userdata) {
        struct enumerator_slot *s;

        if (!bus || !prefix || !dbus_validate_path(prefix, NULL) || !fn)
                return -EINVAL;
        s = calloc(1, sizeof(*s));
        if (s)
                s->branch = tree_grow(bus, prefix);
        if (!s || !s->branch) {
                free(s);
                return -ENOMEM;
        }
        s->enumerator.prefix = s->branch->path;
        s->enumerator.fn = fn;
        s->enumerator.userdata = userdata;
        DL_APPEND(s->branch->enumerators, &s->enumerator);
        bus->n_enumerators++;
        slot_init(&s->slot, bus, enumerator_end);
        if (ret_slot)
                *ret_slot = &s->slot;
        return 0;
}
