/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Configuring: new limits and policies for the bus and its clients. */

#include "bridge/bus/configure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/bus/permit.h"
#include "bridge/bus/quota.h"

/* New policies for all clients, made first so that it is all or nothing. */
static int reconfigure_clients(struct bus *bus, struct policy *policy) {
        struct policy_client **made;
        struct client *client;
        size_t n = 0, i = 0;
        int r = 0;

        DL_FOREACH2(bus->clients, client, next) {
                n++;
        }
        made = calloc(n + 1, sizeof(*made));
        if (!made)
                return -ENOMEM;

        DL_FOREACH2(bus->clients, client, next) {
                r = policy_client_new(policy, client->credentials.uid, client->credentials.gids,
                                      client->credentials.n_gids, &made[i]);
                if (r < 0)
                        break;
                i++;
        }
        if (r >= 0) {
                i = 0;
                DL_FOREACH2(bus->clients, client, next) {
                        struct policy_client *old = client->policy;

                        client->policy = made[i];
                        made[i++] = NULL;
                        policy_client_free(old);
                        permit_policy_changed(client);
                }
        }

        for (i = 0; i < n; i++)
                policy_client_free(made[i]);
        free(made);
        return r < 0 ? r : 0;
}

int bus_configure(struct bus *bus, const struct bus_config *config) {
        struct client *client;
        char *type = NULL;
        int r;

        if (config->type) {
                type = strdup(config->type);
                if (!type)
                        return -ENOMEM;
        }
        r = reconfigure_clients(bus, config->policy);
        if (r < 0) {
                free(type);
                return r;
        }

        policy_unref(bus->policy);
        bus->policy = policy_ref(config->policy);
        bus->config = config;
        bus->limits = config->limits;
        DL_FOREACH2(bus->clients, client, next) {
                quota_recheck(client);
        }
        free(bus->type);
        bus->type = type;
        bus->has_servicehelper = config->servicehelper != NULL;
        if (bus->hooks.policy_changed)
                bus->hooks.policy_changed(bus->hooks.native);
        return 0;
}
