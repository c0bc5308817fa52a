/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The driver's signals. */

#include <string.h>

#include "bridge/bus/activation.h"
#include "bridge/bus/route.h"
#include "bridge/driver/driver.h"

static void signal_init(struct bus *bus, struct writer *w, const char *member,
                        const char *signature) {
        writer_init(w, MESSAGE_TYPE_SIGNAL, MESSAGE_FLAG_NO_REPLY_EXPECTED, bus_next_serial(bus),
                    signature);
        w->path = BUS_DRIVER_PATH;
        w->interface = BUS_DRIVER_INTERFACE;
        w->member = member;
        w->sender = BUS_DRIVER_NAME;
}

int driver_send_name_signal(struct client *client, const char *member, const char *name) {
        struct message *m;
        struct writer w;
        int r;

        /* What is said to those who left is for monitors. */
        if (client->state == CLIENT_GONE && !client->bus->monitors)
                return 0;
        signal_init(client->bus, &w, member, "s");
        w.destination = client->unique_name;
        writer_string(&w, name);
        r = writer_finish(&w, &m);
        if (r < 0)
                return r;
        r = route_from_driver(client->bus, client, m, NULL);
        message_unref(m);
        return r;
}

/* On a bus where nobody asked for any signal, none is made. */
static bool has_listeners(const struct bus *bus) {
        return bus->matches.n_rules > 0 || bus->monitors;
}

/* The writer is empty afterwards. */
static int broadcast(struct bus *bus, struct writer *w) {
        struct message *m;
        int r;

        r = writer_finish(w, &m);
        if (r < 0)
                return r;
        r = route_broadcast(bus, NULL, m);
        message_unref(m);
        return r;
}

int driver_broadcast_owner_changed(struct bus *bus, const char *name, const char *old_owner,
                                   const char *new_owner) {
        struct writer w;

        if (!has_listeners(bus))
                return 0;
        signal_init(bus, &w, "NameOwnerChanged", "sss");
        writer_string(&w, name);
        writer_string(&w, old_owner);
        writer_string(&w, new_owner);
        return broadcast(bus, &w);
}

int driver_announce_change(struct bus *bus, const char *name, const struct name_change *change) {
        struct client *old_owner = change->old_owner, *new_owner = change->new_owner;
        struct start *start;
        int r;

        if (old_owner == new_owner)
                return 0;

        if (bus->hooks.name_owner_changed)
                bus->hooks.name_owner_changed(bus->hooks_userdata, name, old_owner, new_owner);
        if (old_owner) {
                r = driver_send_name_signal(old_owner, "NameLost", name);
                if (r < 0)
                        return r;
        }
        r = driver_broadcast_owner_changed(bus, name, old_owner ? old_owner->unique_name : "",
                                           new_owner ? new_owner->unique_name : "");
        if (r < 0)
                return r;
        if (!new_owner)
                return 0;

        start = activation_find(bus, name);
        r = activation_answer(start);
        if (r < 0)
                return r;
        r = driver_send_name_signal(new_owner, "NameAcquired", name);
        return r < 0 ? r : activation_deliver(start, new_owner);
}

int driver_broadcast_activatable_changed(struct bus *bus) {
        struct writer w;

        if (!has_listeners(bus))
                return 0;
        signal_init(bus, &w, "ActivatableServicesChanged", "");
        return broadcast(bus, &w);
}
