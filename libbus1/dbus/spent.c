/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/spent.h"

#include "base/pick.h"
#include "libbus1/dbus/ids.h"
#include "libbus1/dbus/use.h"

void spent_add(struct bus1_dbus *bus, uint64_t handle) {
        uint64_t id;
        size_t i;

        if (bus->releases_spent) {
                use_release(bus, handle);
                return;
        }
        bus->spent[bus->n_spent++] = handle;
        if (bus->n_spent < SPENT_MAX)
                return;
        bus->n_spent = 0;
        i = pick(SPENT_MAX);
        id = ids_to_peer(bus, bus->spent[i]);
        if (bus1_client_release(bus->client, 1, &id) < 0)
                return; /* it has ended with the reply, or with the peer */
        bus->releases_spent = true;
        for (i = 0; i < SPENT_MAX; i++)
                use_release(bus, bus->spent[i]);
}
