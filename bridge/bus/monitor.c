/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Monitors and eavesdroppers. */

#include "bridge/bus/monitor.h"

#include "bridge/bus/bus.h"
#include "bridge/bus/verdict.h"

static bool takes(const struct client *client, const struct message *m) {
        return (m->n_fds == 0 || client->fds_negotiated) && (!m->attachment || client->handles_ok);
}

static bool wants(struct client *monitor, struct message *m, const struct match_context *context) {
        struct match_rule *rule;

        if (!monitor->rules)
                return true;
        DL_FOREACH2(monitor->rules, rule, client_next) {
                if (match_keys_match(rule->keys, m, context))
                        return true;
        }
        return false;
}

int monitor_show(struct bus *bus, struct client *sender, struct client *receiver,
                 struct message *m) {
        struct match_context context = {
                .names = &bus->names,
                .sender = sender,
                .destination = receiver,
        };
        struct client *monitor;
        int r;

        if (m->is_shown)
                return 0;
        m->is_shown = true;
        DL_FOREACH2(bus->monitors, monitor, monitor_next) {
                /* Handles go only to their receiver, so a monitor gets a message without them. */
                if ((m->n_fds > 0 && !monitor->fds_negotiated) || !wants(monitor, m, &context))
                        continue;
                r = monitor->ops->deliver(monitor, m, NULL, 0);
                if (r < 0)
                        return r;
        }
        return 0;
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
        /*
         * A client gets one copy for all its rules made with AddMatch, and one for each rule made
         * with org.bus1.Bridge1.Subscribe.
         */
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

int monitor_show_eavesdroppers(struct bus *bus, struct client *sender, struct client *receiver,
                               struct message *m) {
        const struct match_context context = {
                .names = &bus->names,
                .sender = sender,
                .destination = receiver,
        };
        struct eavesdrop eavesdrop = {
                .bus = bus,
                .sender = sender,
                .receiver = receiver,
                .m = m,
        };

        eavesdrop.mark = ++bus->mark;
        return match_index_search(&bus->matches, m, &context, true, eavesdrop_found, &eavesdrop);
}
