/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/ended.h"

#include <stdlib.h>

struct ended {
        uint64_t handle;
        UT_hash_handle hh; /* in bus->ended_lookups, which keeps the order of their ends */
};

static struct ended *ended_find(struct bus1_dbus *bus, uint64_t handle) {
        struct ended *e = NULL;

        if (bus->ended_lookups)
                HASH_FIND(hh, bus->ended_lookups, &handle, sizeof(handle), e);
        return e;
}

static void ended_free(struct bus1_dbus *bus, struct ended *e) {
        HASH_DELETE(hh, bus->ended_lookups, e);
        free(e);
}

void ended_add(struct bus1_dbus *bus, uint64_t handle) {
        struct ended *e = calloc(1, sizeof(*e));

        if (!e)
                return;
        e->handle = handle;
        HASH_ADD(hh, bus->ended_lookups, handle, sizeof(e->handle), e);
        if (!e->hh.tbl)
                free(e);
        else if (HASH_COUNT(bus->ended_lookups) > ENDED_MAX)
                ended_free(bus, bus->ended_lookups);
}

void ended_remove(struct bus1_dbus *bus, uint64_t handle) {
        struct ended *e = ended_find(bus, handle);

        if (e)
                ended_free(bus, e);
}

bool ended_has(struct bus1_dbus *bus, uint64_t handle) {
        return ended_find(bus, handle);
}

void ended_free_all(struct bus1_dbus *bus) {
        while (bus->ended_lookups)
                ended_free(bus, bus->ended_lookups);
}
