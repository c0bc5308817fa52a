/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bus: setting up, configuring, ending. */

#include "bridge/bus/bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bridge/bus/credentials.h"
#include "bridge/bus/denial.h"
#include "bridge/bus/mediate.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/registry.h"
#include "bridge/driver/driver.h"
#include "bridge/driver/interfaces.h"

void bus_make_id(char id[33]) {
        uint8_t bytes[16];

        if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != sizeof(bytes)) {
                struct hash_seed seed;

                hash_seed_init(&seed);
                memcpy(bytes, &seed, sizeof(bytes));
        }
        for (size_t i = 0; i < sizeof(bytes); i++)
                snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

void bus_refresh_identity(struct bus *bus) {
        client_credentials_deinit(&bus->credentials);
        credentials_of_self(&bus->credentials);
        bus->uid = bus->credentials.uid;
        bus->pid = bus->credentials.pid;
}

int bus_init(struct bus *bus, struct log *log) {
        *bus = (struct bus){.log = log};
        client_credentials_init(&bus->credentials);
        bus_refresh_identity(bus);
        bus->selinux = access("/sys/fs/selinux/enforce", F_OK) == 0;
        bus_make_id(bus->id);
        hash_seed_init(&bus->seed);
        bus_limits_default(&bus->limits);
        match_index_init(&bus->matches, &bus->seed);
        reply_table_init(&bus->replies, &bus->seed);
        return driver_add_interfaces(bus);
}

void bus_deinit(struct bus *bus) {
        mediate_free_all(bus);
        service_environment_clear(&bus->environment);
        client_credentials_deinit(&bus->credentials);
        policy_unref(bus->policy);
        free(bus->type);
        free(bus->address);
        HASH_CLEAR(hh, bus->names);
        reply_table_deinit(&bus->replies);
        *bus = (struct bus){};
}

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
                        client_policy_changed(client);
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
                bus->hooks.policy_changed(bus->hooks_userdata);
        return 0;
}

uint32_t bus_count_names(struct bus *bus) {
        uint32_t n = 1 + bus->n_registered + bus->n_names;

        if (n > bus->peak_names)
                bus->peak_names = n;
        return n;
}

uint32_t bus_next_serial(struct bus *bus) {
        if (++bus->serial == 0)
                bus->serial = 1;
        return bus->serial;
}

bool bus_check_connect(struct bus *bus, const struct client_credentials *credentials,
                       bool anonymous) {
        const struct policy_rule *rule = NULL;
        char *text;

        if (!bus->policy ||
            policy_check_connect(bus->policy, anonymous ? POLICY_UID_ANONYMOUS : credentials->uid,
                                 credentials->gids, credentials->n_gids, bus->uid, &rule))
                return true;

        text = policy_rule_describe(rule);
        denial_log_connect(bus, credentials,
                           &(struct denial_source){.policy = "policy", .rule = rule, .text = text});
        free(text);
        return false;
}
