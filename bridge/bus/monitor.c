/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Monitors and eavesdroppers. */

#include "bridge/bus/monitor.h"

#include "bridge/base/log.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/registry.h"
#include "bridge/bus/reply.h"
#include "bridge/bus/verdict.h"
#include "bridge/driver/driver.h"

static bool takes(const struct client *client, const struct message *m) {
        return (m->n_fds == 0 || client->fds_negotiated) && (!m->attachment || client->handles_ok);
}

static bool wants(struct client *monitor, struct message *m, const struct match_context *context) {
        struct match_rule *rule;

        if (!monitor->rules)
                return true;
        DL_FOREACH2(monitor->rules, rule, client_next) {
                if (match_keys_match(&rule->keys, m, context))
                        return true;
        }
        return false;
}

int monitor_observe(struct bus *bus, struct client *sender, struct client *receiver,
                    struct message *m) {
        struct match_context context = {.sender = sender, .destination = receiver};
        struct client *monitor;
        int r;

        DL_FOREACH2(bus->monitors, monitor, monitor_next) {
                /* Handles stay with those they are for: a monitor gets the bytes alone. */
                if ((m->n_fds > 0 && !monitor->fds_negotiated) || !wants(monitor, m, &context))
                        continue;
                r = monitor->ops->deliver(monitor, m, NULL, 0);
                if (r < 0)
                        return r;
        }
        return 0;
}

int monitor_become(struct client *client, struct match_rule **rules, size_t n_rules) {
        struct bus *bus = client->bus;
        struct match_rule *rule, *next;
        int r;

        DL_FOREACH_SAFE2(client->rules, rule, next, client_next) {
                match_rule_free(rule);
        }
        r = client_unregister(client);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_rules; i++)
                match_rule_attach(rules[i]);

        client->state = CLIENT_MONITOR;
        DL_APPEND2(bus->monitors, client, monitor_prev, monitor_next);
        if (bus->hooks.observed)
                bus->hooks.observed(bus->hooks_userdata);
        log_write(bus->log, LOG_LEVEL_NOTICE, "Connection %s (uid=%d pid=%d) became a monitor.",
                  client->unique_name, (int)client->credentials.uid, (int)client->credentials.pid);

        driver_later_forget(client);
        activation_forget(client);
        /* What its callers are told it sees as the monitor that it is now. */
        return reply_client_gone(client);
}

/* eavesdroppers */

struct eavesdrop {
        struct bus *bus;
        struct client *sender;
        struct client *receiver;
        struct message *m;
        uint64_t mark;
};

static int eavesdrop_found(struct match_rule *rule, void *userdata) {
        const struct verdict_context context = {.eavesdropping = true};
        struct eavesdrop *eavesdrop = userdata;
        struct client *client = rule->client;
        int r;

        if (client == eavesdrop->receiver)
                return 0;
        /* one copy, as of a broadcast: each subscription has its own */
        if (rule->cookie == 0) {
                if (client->mark == eavesdrop->mark)
                        return 0;
                client->mark = eavesdrop->mark;
        }

        if (!takes(client, eavesdrop->m) ||
            !verdict_check(eavesdrop->bus, eavesdrop->sender, client, eavesdrop->m, &context, NULL))
                return 0;

        r = client->ops->deliver(client, eavesdrop->m, NULL, rule->cookie);
        return r < 0 ? r : 0;
}

int monitor_eavesdrop(struct bus *bus, struct client *sender, struct client *receiver,
                      struct message *m) {
        const struct match_context context = {.sender = sender, .destination = receiver};
        struct eavesdrop eavesdrop = {
                .bus = bus,
                .sender = sender,
                .receiver = receiver,
                .m = m,
        };

        if (bus->matches.n_eavesdrop == 0)
                return 0;
        eavesdrop.mark = ++bus->mark;
        return match_index_search(&bus->matches, m, &context, true, eavesdrop_found, &eavesdrop);
}
