/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Routing: the bus's own messages to one client, and broadcasts. */

#include "bridge/bus/route.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "bridge/bus/deaf.h"
#include "bridge/bus/match.h"
#include "bridge/bus/monitor.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/verdict.h"
#include "bridge/bus/voice.h"

void route_end_reply(struct reply *reply) {
        struct client *caller = reply->caller, *callee = reply->callee;

        reply_unlink(reply);
        if (reply->caller_cookie && caller->ops->reply_closed)
                caller->ops->reply_closed(caller, reply);
        if (reply->callee_cookie && callee->ops->reply_closed)
                callee->ops->reply_closed(callee, reply);
        free(reply);
}

/*
 * Show monitors an AccessDenied that the sender does not get: for a broadcast that one receiver may
 * not get, or (sender NULL) for a message of the bus itself.
 */
static int show_denial(struct bus *bus, struct client *sender, struct message *m) {
        CLEANUP(message_unrefp) struct message *error = NULL;
        int r;

        if (!bus->monitors)
                return 0;
        r = voice_error(bus, sender, m->serial, DRIVER_ERROR("AccessDenied"),
                        "The policy or a security module denies a receiver this message", &error);
        return r < 0 ? r : monitor_observe(bus, NULL, sender, error);
}

/* Deliver m if that is allowed. The cookie of the call that m answers is used up in any case. */
static int deliver(struct client *client, struct message *m, struct reply *reply, bool allowed) {
        int r = allowed ? route_deliver(client, m, reply, 0) : CLIENT_E_GONE;

        if (reply) {
                if (r != 0)
                        route_end_cookie(client, reply->serial, reply->caller_cookie);
                reply->caller_cookie = 0;
        }
        return r < 0 ? r : 0;
}

int route_from_driver(struct bus *bus, struct client *client, struct message *m,
                      struct reply *reply) {
        const struct verdict_context context = {.requested_reply = reply != NULL};
        CLEANUP_FREE char *rule = NULL;
        bool allowed;
        int r;

        r = monitor_observe(bus, NULL, client, m);
        if (r < 0)
                return r;

        allowed = verdict_check(bus, NULL, client, m, &context, &rule);
        if (!allowed)
                r = show_denial(bus, NULL, m);
        if (r >= 0)
                r = deliver(client, m, reply, allowed);
        route_step_end(bus);
        return r;
}

int route_in_private(struct client *client, struct message *m, struct reply *reply) {
        return deliver(client, m, reply, true);
}

/* broadcast */

struct broadcast {
        struct bus *bus;
        struct client *sender;
        struct message *m;
        struct verdict_context context;
        uint64_t mark;
};

/*
 * The client cannot take m. May the rule sleep, because it cannot take other broadcasts either? If
 * only the share of one user is full, a smaller one may find room while there is less in the queue,
 * or one without descriptors.
 */
static void let_sleep(struct match_rule *rule, const struct message *m) {
        struct client *client = rule->client;

        if (rule->eavesdrop)
                return;
        if (client->is_deaf)
                match_rule_sleep(rule, MATCH_ALL_USERS);
        else if (client->queued >= QUOTA_RESERVE && m->n_fds == 0 && m->cost <= QUOTA_RESERVE &&
                 deaf_for_a_time(client))
                match_rule_sleep(rule, m->caused_by);
}

static int broadcast_found(struct match_rule *rule, void *userdata) {
        struct broadcast *broadcast = userdata;
        struct client *client = rule->client;
        int r;

        /*
         * A client gets one copy for all its rules made with AddMatch, and one for each rule made
         * with org.bus1.Bridge1.Subscribe.
         */
        if (rule->cookie == 0) {
                if (client->mark == broadcast->mark)
                        return 0;
                client->mark = broadcast->mark;
        }

        if (client->is_deaf) {
                let_sleep(rule, broadcast->m);
                return 0;
        }
        if (!verdict_check(broadcast->bus, broadcast->sender, client, broadcast->m,
                           &broadcast->context, NULL))
                return show_denial(broadcast->bus, broadcast->sender, broadcast->m);

        schedule_count(&broadcast->bus->schedule, 1);
        r = route_deliver(client, broadcast->m, NULL, rule->cookie);
        if (r == CLIENT_E_QUOTA) {
                /* A user who sends too much must not make the client miss signals of others. */
                client->is_deaf = client->queued > 0 && quota_is_full(client, broadcast->m);
                client->deaf_at = client->queued;
                let_sleep(rule, broadcast->m);
                complain(&broadcast->bus->complaints, client->credentials.uid,
                         "Dropped a signal %s.%s from %s to %s (uid=%d pid=%d): the receiver's "
                         "queue is full. It gets no signals%s before it has read.",
                         broadcast->m->interface.s, broadcast->m->member.s,
                         broadcast->sender ? broadcast->sender->unique_name : BUS_DRIVER_NAME,
                         client->unique_name, (int)client->credentials.uid,
                         (int)client->credentials.pid, client->is_deaf ? "" : " of this user");
        }
        return r < 0 ? r : 0;
}

int route_broadcast(struct bus *bus, struct client *sender, struct message *m) {
        const struct match_context context = {.names = &bus->names, .sender = sender};
        uint64_t form = 0;
        struct broadcast broadcast = {
                .bus = bus,
                .sender = sender,
                .m = m,
                .context.form = &form,
        };
        int r;

        r = monitor_observe(bus, sender, NULL, m);
        if (r < 0)
                return r;

        quota_note_cause(bus, m);
        broadcast.mark = ++bus->mark;
        r = match_index_search(&bus->matches, m, &context, false, broadcast_found, &broadcast);
        route_step_end(bus);
        return r;
}
