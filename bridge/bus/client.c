/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Clients: their life from connection to departure. */

#include "bridge/bus/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/bus/activation.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/name.h"
#include "bridge/bus/permit.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/registry.h"
#include "bridge/bus/reply.h"
#include "bridge/driver/driver.h"

/* credentials */

void client_credentials_init(struct client_credentials *credentials) {
        *credentials = (struct client_credentials){
                .uid = UINT32_MAX,
                .gid = UINT32_MAX,
                .pidfd = -1,
        };
}

int client_credentials_copy(const struct client_credentials *credentials,
                            struct client_credentials *ret_copy) {
        struct client_credentials copy = *credentials;

        copy.pidfd = -1;
        copy.gids = NULL;
        copy.label = NULL;

        if (credentials->pidfd >= 0) {
                copy.pidfd = fcntl(credentials->pidfd, F_DUPFD_CLOEXEC, 3);
                if (copy.pidfd < 0)
                        return -errno;
        }
        if (credentials->n_gids > 0) {
                copy.gids = malloc(credentials->n_gids * sizeof(*copy.gids));
                if (!copy.gids)
                        goto oom;
                memcpy(copy.gids, credentials->gids, credentials->n_gids * sizeof(*copy.gids));
        }
        if (credentials->label) {
                copy.label = malloc(credentials->n_label + 1);
                if (!copy.label)
                        goto oom;
                memcpy(copy.label, credentials->label, credentials->n_label);
                copy.label[credentials->n_label] = '\0';
        }
        *ret_copy = copy;
        return 0;

oom:
        client_credentials_deinit(&copy);
        return -ENOMEM;
}

void client_credentials_deinit(struct client_credentials *credentials) {
        if (credentials->pidfd >= 0)
                close(credentials->pidfd);
        free(credentials->gids);
        free(credentials->label);
        client_credentials_init(credentials);
}

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
                client_policy_changed(client);
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

void client_policy_changed(struct client *client) {
        client->may_send_all = !client->policy || policy_client_allows_all_send(client->policy);
        client->may_receive_all =
                !client->policy || policy_client_allows_all_receive(client->policy);
        for (unsigned is_nameless = 0; client->policy && is_nameless < 2; is_nameless++) {
                client->settled_send[is_nameless] =
                        policy_client_settled_send(client->policy, is_nameless);
                client->settled_receive[is_nameless] =
                        policy_client_settled_receive(client->policy, is_nameless);
        }
        permit_drop(client);
}

int client_register(struct client *client) {
        struct bus *bus = client->bus;
        int n;

        client->id = bus->next_client_id;
        n = snprintf(client->unique_name, sizeof(client->unique_name), ":1.%llu",
                     (unsigned long long)client->id);
        client->n_unique_name = n;
        client->unique_hash = hash_bytes(&bus->seed, client->unique_name, n);
        HASH_ADD_KEYPTR_BYHASHVALUE(hh, bus->registered, client->unique_name, client->n_unique_name,
                                    (unsigned)client->unique_hash, client);
        if (!client->hh.tbl)
                return -ENOMEM;

        bus->next_client_id++;
        client->state = CLIENT_REGISTERED;
        bus->n_registered++;
        bus_count_names(bus);
        client->account->n_registered++;
        return 0;
}

static int release_well_known_name(struct client *client, struct name_ownership *ownership) {
        struct name_change change;
        char name[256];

        memcpy(name, ownership->name->name, ownership->name->n_name + 1);
        name_ownership_release(ownership, &change);
        return driver_announce_change(client->bus, name, &change);
}

static int release_unique_name(struct client *client) {
        struct bus *bus = client->bus;
        int r;

        HASH_DEL(bus->registered, client);
        bus->n_registered--;
        client->account->n_registered--;
        r = driver_send_name_signal(client, "NameLost", client->unique_name);
        if (r < 0)
                return r;
        return driver_broadcast_owner_changed(bus, client->unique_name, client->unique_name, "");
}

/* As the reference: the unique name first, then the others in the order they were acquired. */
int client_unregister(struct client *client) {
        int r;

        r = release_unique_name(client);
        while (r >= 0 && client->ownerships)
                r = release_well_known_name(client, client->ownerships);
        return r;
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
        struct match_rule *rule, *next;
        int r = 0;

        if (state == CLIENT_GONE)
                return 0;
        client->state = CLIENT_GONE;

        DL_FOREACH_SAFE2(client->rules, rule, next, client_next) {
                match_rule_free(rule);
        }

        driver_later_forget(client);
        activation_forget(client);
        if (state == CLIENT_MONITOR)
                DL_DELETE2(bus->monitors, client, monitor_prev, monitor_next);
        else if (state == CLIENT_REGISTERED) {
                int k;

                r = client_release_names(client);
                k = reply_client_gone(client);
                if (k < 0)
                        r = k;
        }

        if (bus->hooks.client_gone)
                bus->hooks.client_gone(bus->hooks_userdata, client);
        if (bus->hooks.broadcast_end)
                bus->hooks.broadcast_end(bus->hooks_userdata);
        return r;
}

int client_violation(struct client *client, const char *rule) {
        complain(client->bus, client->credentials.uid,
                 "Connection %s (uid=%d pid=%d) is dropped, it broke the protocol: %s",
                 client_name(client), (int)client->credentials.uid, (int)client->credentials.pid,
                 rule);
        return CLIENT_E_VIOLATION;
}

const char *client_name(const struct client *client) {
        return client->unique_name[0] ? client->unique_name : "(inactive)";
}

bool client_is_privileged(const struct client *client) {
        return client->credentials.uid == 0 || client->credentials.uid == client->bus->uid;
}
