/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/spent.h"

#include "base/pick.h"
#include "libbus1/dbus/use.h"

void spent_add(struct bus1_dbus *bus, uint64_t handle) {
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
        if (bus1_client_release(bus->client, 1, &bus->spent[i]) < 0)
                return; /* it has ended with the reply */
        bus->releases_spent = true;
        for (i = 0; i < SPENT_MAX; i++)
                use_release(bus, bus->spent[i]);
}
