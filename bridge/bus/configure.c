/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Configuring: the bus and its clients get new limits and a new policy. */

#include "bridge/bus/configure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bridge/bus/newcomer.h"
#include "bridge/bus/permit.h"
#include "bridge/bus/quota.h"

/*
 * Give every client its struct policy_client of the policy. On failure every client keeps its old
 * one.
 */
static int reconfigure_clients(struct bus *bus, struct policy *policy) {
        CLEANUP_FREE struct policy_client **made = NULL;
        struct client *client;
        size_t n = 0, i = 0;
        int r = 0;

        DL_COUNT2(bus->clients, client, n, next);
        made = calloc(n + 1, sizeof(*made));
        if (!made)
                return -ENOMEM;

        DL_FOREACH2(bus->clients, client, next) {
                if (r >= 0)
                        r = policy_client_new(policy, client->credentials.uid,
                                              client->credentials.gids, client->credentials.n_gids,
                                              &made[i++]);
        }
        /*
         * Swap the new and the old struct policy_client of each client, unless there was a failure.
         * The last loop frees those that no client uses.
         */
        i = 0;
        DL_FOREACH2(bus->clients, client, next) {
                struct policy_client *old = client->policy;

                if (r < 0)
                        break;
                client->policy = made[i];
                made[i++] = old;
                permit_policy_changed(client);
        }
        for (i = 0; i < n; i++)
                policy_client_free(made[i]);
        return r;
}

int bus_configure(struct bus *bus, const struct bus_config *config) {
        CLEANUP_FREE char *type = config->type ? strdup(config->type) : NULL;
        struct client *client;
        int r;

        if (config->type && !type)
                return -ENOMEM;
        r = reconfigure_clients(bus, config->policy);
        if (r < 0)
                return r;

        policy_unref(bus->policy);
        bus->policy = policy_ref(config->policy);
        bus->config = config;
        bus->limits = config->limits;
        DL_FOREACH2(bus->clients, client, next) {
                quota_recheck(client);
        }
        newcomer_recheck(bus);
        free(bus->type);
        bus->type = steal_ptr(&type);
        bus->has_servicehelper = config->servicehelper != NULL;
        if (bus->hooks.policy_changed)
                bus->hooks.policy_changed(bus->hooks.native);
        return 0;
}
