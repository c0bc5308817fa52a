/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Places: see place.h. */

#include "bridge/bus/place.h"

#include "bridge/bus/account.h"
#include "bridge/bus/bus.h"

/* The places that a user keeps: those of clients that leave can be given away already. */
static uint32_t places_of(const struct account *account) {
        return account->n_registered - account->n_giving_way;
}

static struct account *largest(const struct bus *bus) {
        struct account *account, *next, *most = NULL;

        HASH_ITER(hh, bus->accounts, account, next)
                if (!most || places_of(account) > places_of(most))
                        most = account;
        return most;
}

/* The account has at least one place. */
static struct client *newest_of(const struct account *account, const struct bus *bus) {
        struct client *client = bus->clients;

        do
                client = client->prev; /* that of the first one is the last one */
        while (client->account != account || client->state != CLIENT_REGISTERED ||
               client->gives_way);
        return client;
}

void place_promise(struct client *client) {
        if (client->gives_way)
                return;
        client->gives_way = true;
        client->account->n_giving_way++;
        client->bus->n_giving_way++;
}

bool place_find(struct client *client) {
        struct bus *bus = client->bus;
        const struct bus_limits *limits = &bus->limits;
        struct account *most;
        struct client *newest;

        if ((int64_t)places_of(client->account) >= limits->max_connections_per_user)
                return false;
        if ((int64_t)(bus->names.n_registered - bus->n_giving_way) <
            limits->max_completed_connections)
                return true;
        most = largest(bus);
        if (places_of(most) <= places_of(client->account) + 1)
                return false;
        newest = newest_of(most, bus);
        place_promise(newest);
        account_note(bus, most, ACCOUNT_DISPLACED);
        newest->ops->displace(newest);
        return true;
}

void place_leave(struct client *client) {
        if (!client->gives_way)
                return;
        client->gives_way = false;
        client->account->n_giving_way--;
        client->bus->n_giving_way--;
}
