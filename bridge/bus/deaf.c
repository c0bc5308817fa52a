/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Deaf clients: see deaf.h. */

#include "bridge/bus/deaf.h"

#include "base/container-of.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/match.h"

static int expired(struct loop_timer *timer) {
        struct bus *bus = container_of(timer, struct bus, deaf_timer);

        while (bus->deaf)
                deaf_end(bus->deaf);
        return 0;
}

bool deaf_for_a_time(struct client *client) {
        struct bus *bus = client->bus;
        struct loop *loop = bus->schedule.loop;

        if (client->in_deaf)
                return true;
        bus->deaf_timer.expired = expired;
        if (!loop || (bus->deaf_timer.index == 0 &&
                      loop_timer_set(loop, &bus->deaf_timer, loop_now() + DEAF_TIME) < 0))
                return false;
        DL_APPEND2(bus->deaf, client, deaf_prev, deaf_next);
        client->in_deaf = true;
        return true;
}

void deaf_end(struct client *client) {
        struct bus *bus = client->bus;

        client->is_deaf = false;
        match_rules_wake(client);
        if (!client->in_deaf)
                return;
        client->in_deaf = false;
        DL_DELETE2(bus->deaf, client, deaf_prev, deaf_next);
        if (!bus->deaf)
                loop_timer_cancel(bus->schedule.loop, &bus->deaf_timer);
}
