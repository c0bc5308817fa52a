/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Membership: how clients join the bus, change and leave. */

#include "bridge/bus/membership.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/base/log.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/announce.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/later.h"
#include "bridge/bus/permit.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/route.h"
#include "bridge/bus/tell.h"

/* life */

int client_init(struct client *client, struct bus *bus, const struct client_ops *ops,
                struct client_credentials *credentials) {
        int r;

        *client = (struct client){
                .bus = bus,
                .ops = ops,
                .state = CLIENT_CONNECTED,
                .credentials = *credentials,
                .may_send_all = true,
                .may_receive_all = true,
        };
        client_credentials_init(credentials);

        r = account_get(bus, client->credentials.uid, &client->account);
        if (r < 0)
                goto fail;
        r = backlog_new(client, &client->backlog);
        if (r < 0)
                goto fail;

        if (bus->policy) {
                r = policy_client_new(bus->policy, client->credentials.uid,
                                      client->credentials.gids, client->credentials.n_gids,
                                      &client->policy);
                if (r < 0)
                        goto fail;
                permit_policy_changed(client);
        }

        DL_APPEND2(bus->clients, client, prev, next);
        return 0;

fail:
        backlog_abandon(client->backlog);
        account_put(bus, client->account);
        client_credentials_deinit(&client->credentials);
        return r;
}

void client_deinit(struct client *client) {
        struct bus *bus = client->bus;

        client_disconnect(client);
        DL_DELETE2(bus->clients, client, prev, next);
        policy_client_free(client->policy);
        permit_drop(client);
        backlog_abandon(client->backlog);
        account_put(bus, client->account);
        client_credentials_deinit(&client->credentials);
}

int client_register(struct client *client) {
        struct bus *bus = client->bus;
        int n;

        client->id = bus->next_client_id;
        n = snprintf(client->unique_name, sizeof(client->unique_name), ":1.%llu",
                     (unsigned long long)client->id);
        client->n_unique_name = n;
        client->unique_hash = hash_bytes(&bus->seed, client->unique_name, n);
        HASH_ADD_KEYPTR_BYHASHVALUE(hh, bus->names.registered, client->unique_name,
                                    client->n_unique_name, (unsigned)client->unique_hash, client);
        if (!client->hh.tbl)
                return -ENOMEM;

        bus->next_client_id++;
        client->state = CLIENT_REGISTERED;
        bus->names.n_registered++;
        name_count(&bus->names);
        client->account->n_registered++;
        return 0;
}

static int release_well_known_name(struct client *client, struct name_ownership *ownership) {
        struct name_change change;
        char name[256];

        memcpy(name, ownership->name->name, ownership->name->n_name + 1);
        name_ownership_release(&client->bus->names, ownership, &change);
        return announce_change(client->bus, name, &change);
}

static int release_unique_name(struct client *client) {
        struct bus *bus = client->bus;
        int r;

        HASH_DEL(bus->names.registered, client);
        bus->names.n_registered--;
        client->account->n_registered--;
        r = tell_name_signal(client, "NameLost", client->unique_name);
        if (r < 0)
                return r;
        return tell_owner_changed(bus, client->unique_name, client->unique_name, "");
}

/* Like the reference: the unique name first, then the others in the order of acquisition. */
static int client_unregister(struct client *client) {
        int r;

        r = release_unique_name(client);
        while (r >= 0 && client->ownerships)
                r = release_well_known_name(client, client->ownerships);
        return r;
}

int client_become_monitor(struct client *client, struct match_rule **rules, size_t n_rules) {
        struct bus *bus = client->bus;
        int r;

        match_rules_free(client);
        r = client_unregister(client);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_rules; i++)
                match_rule_attach(&bus->matches, rules[i]);

        client->state = CLIENT_MONITOR;
        DL_APPEND2(bus->monitors, client, monitor_prev, monitor_next);
        if (bus->hooks.observed)
                bus->hooks.observed(bus->hooks.native);
        log_write(bus->log, LOG_LEVEL_NOTICE, "Connection %s (uid=%d pid=%d) became a monitor.",
                  client->unique_name, (int)client->credentials.uid, (int)client->credentials.pid);

        later_forget(client);
        activation_forget(client);
        /* It is a monitor already, so it sees the NoReply that its callers get now. */
        return tell_replies_gone(client);
}

/*
 * All names of a client that has gone, last acquired first, the unique one at the end; each change
 * is announced. NameLost reaches monitors only.
 */
static int client_release_names(struct client *client) {
        while (client->ownerships) {
                int r = release_well_known_name(client, client->ownerships->client_prev);

                if (r < 0)
                        return r;
        }
        return release_unique_name(client);
}

int client_disconnect(struct client *client) {
        struct bus *bus = client->bus;
        enum client_state state = client->state;
        int r = 0;

        if (state == CLIENT_GONE)
                return 0;
        client->state = CLIENT_GONE;

        match_rules_free(client);
        later_forget(client);
        activation_forget(client);
        if (state == CLIENT_MONITOR)
                DL_DELETE2(bus->monitors, client, monitor_prev, monitor_next);
        else if (state == CLIENT_REGISTERED) {
                int k;

                r = client_release_names(client);
                k = tell_replies_gone(client);
                if (k < 0)
                        r = k;
        }

        if (bus->hooks.client_gone)
                bus->hooks.client_gone(bus->hooks.native, client);
        route_step_end(bus);
        return r;
}
