/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/outgoing.h"

#include <errno.h>
#include <stdlib.h>

#include "libbus1/dbus/ids.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/send.h"

int outgoing_new(struct bus1_dbus *bus, const uint64_t *handles, size_t n_handles,
                 struct outgoing **ret_outgoing) {
        struct bus1_transfer from[HANDLES_MAX], copies[HANDLES_MAX];
        struct outgoing *o;
        int r;

        if (n_handles > HANDLES_MAX)
                return -EMSGSIZE;
        o = calloc(1, sizeof(*o) + n_handles * sizeof(*o->handles));
        if (!o)
                return -ENOMEM;
        if (n_handles > 0) {
                for (size_t i = 0; i < n_handles; i++)
                        from[i] = (struct bus1_transfer){.id = ids_to_peer(bus, handles[i])};
                r = bus1_client_transfer(bus->client, NULL, n_handles, from, copies);
                if (r < 0) {
                        free(o);
                        return r;
                }
        }
        for (size_t i = 0; i < n_handles; i++)
                o->handles[o->n_handles++] = ids_from_peer(bus, copies[i].id);
        *ret_outgoing = o;
        return 0;
}

void outgoing_free(struct bus1_dbus *bus, struct outgoing *o) {
        if (!o)
                return;
        for (size_t i = 0; i < o->n_handles; i++)
                handle_release(bus, o->handles[i]);
        wire_deinit(&o->wire);
        free(o);
}
