/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Routing: the way of a message from its sender to whom it concerns. */

#include "bridge/bus/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/bus/activation.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/launch.h"
#include "bridge/bus/monitor.h"
#include "bridge/bus/name.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/reply.h"
#include "bridge/bus/verdict.h"
#include "bridge/driver/driver.h"

static bool wants_reply(const struct message *m) {
        return m->type == MESSAGE_TYPE_METHOD_CALL && !(m->flags & MESSAGE_FLAG_NO_REPLY_EXPECTED);
}

static bool is_reply(const struct message *m) {
        return m->type == MESSAGE_TYPE_METHOD_RETURN || m->type == MESSAGE_TYPE_ERROR;
}

static void step_end(struct bus *bus) {
        if (bus->hooks.broadcast_end)
                bus->hooks.broadcast_end(bus->hooks_userdata);
}

void route_end_cookie(struct client *client, uint32_t serial, uint64_t caller_cookie) {
        struct reply reply = {.caller = client, .serial = serial, .caller_cookie = caller_cookie};

        if (caller_cookie && client->ops->reply_closed)
                client->ops->reply_closed(client, &reply);
}

/* Hand over to the front end, if the client can take what the message carries. */
static int deliver(struct client *client, struct message *m, struct reply *reply, uint64_t cookie) {
        if (client->state == CLIENT_GONE)
                return CLIENT_E_GONE;
        if (m->n_fds > 0 && !client->fds_negotiated)
                return CLIENT_E_NO_FDS;
        if (m->attachment && !client->handles_ok)
                return CLIENT_E_NO_HANDLES;

        return client->ops->deliver(client, m, reply, cookie);
}

int route_from_driver(struct bus *bus, struct client *client, struct message *m,
                      struct reply *reply) {
        const struct verdict_context context = {.requested_reply = reply != NULL};
        char *rule = NULL;
        int r;

        r = monitor_observe(bus, NULL, client, m);
        if (r < 0)
                return r;

        r = CLIENT_E_GONE;
        if (verdict_check(bus, NULL, client, m, &context, &rule))
                r = deliver(client, m, reply, 0);
        else {
                int k = driver_show_denial(bus, NULL, m);

                r = k < 0 ? k : r;
        }
        free(rule);

        if (reply) {
                if (r != 0)
                        route_end_cookie(client, reply->serial, reply->caller_cookie);
                reply->caller_cookie = 0;
        }
        step_end(bus);
        return r < 0 ? r : 0;
}

int route_in_private(struct client *client, struct message *m, struct reply *reply) {
        int r;

        r = deliver(client, m, reply, 0);
        if (r != 0)
                route_end_cookie(client, reply->serial, reply->caller_cookie);
        reply->caller_cookie = 0;
        return r < 0 ? r : 0;
}

/* broadcast */

struct broadcast {
        struct bus *bus;
        struct client *sender;
        struct message *m;
        uint64_t mark;
};

static int broadcast_found(struct match_rule *rule, void *userdata) {
        const struct verdict_context context = {};
        struct broadcast *broadcast = userdata;
        struct client *client = rule->client;
        int r;

        /* All of a client's own rules are worth one copy; each subscription of a native one has its
         * own. */
        if (rule->cookie == 0) {
                if (client->mark == broadcast->mark)
                        return 0;
                client->mark = broadcast->mark;
        }

        if (!verdict_check(broadcast->bus, broadcast->sender, client, broadcast->m, &context, NULL))
                return driver_show_denial(broadcast->bus, broadcast->sender, broadcast->m);

        r = deliver(client, broadcast->m, NULL, rule->cookie);
        if (r == CLIENT_E_QUOTA)
                complain(broadcast->bus, client->credentials.uid,
                         "Dropped a signal %s.%s from %s to %s (uid=%d pid=%d): its queue is full.",
                         broadcast->m->interface.s, broadcast->m->member.s,
                         broadcast->sender ? broadcast->sender->unique_name : BUS_DRIVER_NAME,
                         client->unique_name, (int)client->credentials.uid,
                         (int)client->credentials.pid);
        return r < 0 ? r : 0;
}

int route_broadcast(struct bus *bus, struct client *sender, struct message *m) {
        const struct match_context context = {.sender = sender};
        struct broadcast broadcast = {.bus = bus, .sender = sender, .m = m};
        int r;

        r = monitor_observe(bus, sender, NULL, m);
        if (r < 0)
                return r;

        broadcast.mark = ++bus->mark;
        r = match_index_search(&bus->matches, m, &context, false, broadcast_found, &broadcast);
        step_end(bus);
        return r;
}

/* unicast */

/* Tell the sender of a call why it did not arrive. */
static int refuse(struct client *client, struct message *m, uint64_t cookie, struct client *target,
                  int e) {
        switch (e) {
        case CLIENT_E_QUOTA:
                return driver_send_error(client, m, cookie, DRIVER_ERROR("LimitsExceeded"),
                                         "The queue of %s is full", target->unique_name);
        case CLIENT_E_NO_FDS:
                return driver_send_error(client, m, cookie, DRIVER_ERROR("NotSupported"),
                                         "%s does not take file descriptors", target->unique_name);
        case CLIENT_E_NO_HANDLES:
                return driver_send_error(client, m, cookie, DRIVER_ERROR("NotSupported"),
                                         "%s does not take bus1 handles", target->unique_name);
        default:
                return driver_send_error(client, m, cookie, DRIVER_ERROR("NoReply"),
                                         "%s is leaving the bus", m->destination.s);
        }
}

static int route_to_nobody(struct client *client, struct message *m, uint64_t cookie) {
        bool may_start = !(m->flags & MESSAGE_FLAG_NO_AUTO_START);
        int r;

        r = may_start ? activation_hold(client, m, cookie) : ACTIVATION_E_UNKNOWN;
        if (r != ACTIVATION_E_UNKNOWN)
                return r;

        r = monitor_observe(client->bus, client, NULL, m);
        if (r < 0)
                return r;
        if (!may_start)
                return driver_send_error(client, m, cookie, DRIVER_ERROR("NameHasNoOwner"),
                                         "Name \"%s\" does not exist", m->destination.s);
        return driver_send_error(client, m, cookie, DRIVER_ERROR("ServiceUnknown"),
                                 "The name %s was not provided by any .service files",
                                 m->destination.s);
}

/* A call, or a signal to one. */
static int route_to_client(struct client *client, struct message *m, uint64_t cookie,
                           struct client *target) {
        const struct verdict_context context = {};
        struct reply *reply = NULL;
        char *rule = NULL;
        int r;

        if (!verdict_check(client->bus, client, target, m, &context, &rule)) {
                r = driver_send_denial(client, m, cookie,
                                       "The policy forbids to send this message to \"%s\" (%s)",
                                       m->destination.s, rule ? rule : "");
                free(rule);
                return r;
        }

        if (wants_reply(m)) {
                r = reply_new(client, target, m->serial, cookie, &reply);
                if (r < 0)
                        return r;
                if (r == REPLY_E_EXISTS)
                        return driver_send_error(
                                client, m, cookie, DRIVER_ERROR("AccessDenied"),
                                "A call with this serial is still waiting for its reply");
                if (r == REPLY_E_QUOTA)
                        return driver_send_error(client, m, cookie, DRIVER_ERROR("LimitsExceeded"),
                                                 "Too many calls are waiting for their replies");
        }

        quota_charge_sender(client, target, m);
        r = deliver(target, m, reply, 0);
        if (r == 0) {
                if (!reply)
                        route_end_cookie(client, m->serial, cookie);
                return monitor_eavesdrop(client->bus, client, target, m);
        }

        if (reply) {
                reply->caller_cookie = 0; /* the error below answers it */
                reply_free(reply);
        }
        return r < 0 ? r : refuse(client, m, cookie, target, r);
}

/* The answer to a call that waits; ends the slot. */
static int route_reply(struct client *callee, struct message *m, struct reply *reply) {
        const struct verdict_context context = {.requested_reply = true};
        struct client *caller = reply->caller;
        struct bus *bus = callee->bus;
        char *rule = NULL;
        int r;

        if (!verdict_check(bus, callee, caller, m, &context, &rule)) {
                int k;

                r = driver_send_denial(callee, m, 0,
                                       "The policy forbids to send this reply to \"%s\" (%s)",
                                       caller->unique_name, rule ? rule : "");
                free(rule);
                k = driver_send_no_reply(reply, "The policy forbids the reply to this call");
                reply_free(reply);
                return r < 0 ? r : k;
        }

        r = deliver(caller, m, reply, 0);
        if (r == 0) {
                reply->caller_cookie = 0;
                r = monitor_eavesdrop(bus, callee, caller, m);
        } else if (r > 0)
                r = driver_send_no_reply(
                        reply, r == CLIENT_E_QUOTA
                                       ? "The reply did not fit into the queue"
                                       : "The reply carries what the caller does not take");
        reply_free(reply);
        return r;
}

/* To whom the destination is, who is known. */
static int route_to_target(struct client *client, struct message *m, uint64_t cookie,
                           struct client *target) {
        struct reply *reply;

        if (!is_reply(m))
                return route_to_client(client, m, cookie, target);

        reply = reply_find(target, client, m->reply_serial);
        if (reply)
                return route_reply(client, m, reply);
        return driver_send_denial(client, m, cookie, "\"%s\" does not wait for this reply",
                                  m->destination.s);
}

int route_held(struct client *owner, struct client *sender, struct message *m, uint64_t cookie) {
        const struct verdict_context context = {};
        int r;

        if (sender)
                return route_to_target(sender, m, cookie, owner);
        if (!verdict_check(owner->bus, NULL, owner, m, &context, NULL))
                return 0;
        r = deliver(owner, m, NULL, 0);
        return r < 0 ? r : 0;
}

static int route_unicast(struct client *client, struct message *m, uint64_t cookie) {
        struct client *target;
        int r;

        target = name_resolve(client->bus, m->destination.s, m->destination.n);
        if (!target)
                return route_to_nobody(client, m, cookie);

        r = monitor_observe(client->bus, client, target, m);
        if (r < 0)
                return r;
        return route_to_target(client, m, cookie, target);
}

/* To the bus. */
static int route_to_driver(struct client *client, struct message *m, uint64_t cookie) {
        const struct verdict_context context = {};
        char *rule = NULL;
        bool allowed;
        int r = 0;

        allowed = verdict_check(client->bus, client, NULL, m, &context, &rule);
        /* Monitors are shown what it causes first, as by the reference. */
        if (allowed && m->type == MESSAGE_TYPE_SIGNAL)
                r = launch_receive_signal(client, m);
        if (r >= 0)
                r = monitor_observe(client->bus, client, NULL, m);
        if (r >= 0 && !allowed)
                r = driver_send_denial(client, m, cookie,
                                       "The policy forbids to send this message to the bus (%s)",
                                       rule ? rule : "");
        free(rule);
        if (r < 0 || !allowed)
                return r;

        if (m->type == MESSAGE_TYPE_METHOD_CALL) {
                r = driver_dispatch(client, m, cookie);
                if (r != 0)
                        return r;
        }
        /* Afterwards, as the reference: who asks to eavesdrop overhears just that. */
        return monitor_eavesdrop(client->bus, client, NULL, m);
}

static bool is_for_driver(const struct message *m) {
        return m->destination.n == strlen(BUS_DRIVER_NAME) &&
               !memcmp(m->destination.s, BUS_DRIVER_NAME, m->destination.n);
}

/* Before Hello nothing is routed; the driver answers calls to itself. */
static int receive_connected(struct client *client, struct message *m, uint64_t cookie) {
        int r;

        if (m->type == MESSAGE_TYPE_METHOD_CALL && (!m->destination.s || is_for_driver(m))) {
                r = driver_dispatch(client, m, cookie);
                if (r != 0 || client->state != CLIENT_REGISTERED)
                        return r;
                return monitor_eavesdrop(client->bus, client, NULL, m); /* that was Hello */
        }
        if (m->destination.s ? is_for_driver(m) : m->type != MESSAGE_TYPE_SIGNAL)
                return 0;
        return client_violation(client, "a message before Hello");
}

static int receive_registered(struct client *client, struct message *m, uint64_t cookie) {
        const struct message_stamp stamp = {.sender = client->unique_name};
        int r;

        r = message_stamp(m, &stamp);
        if (r < 0)
                return r;
        if (r > 0)
                return client_violation(client, message_violation(r));

        if (m->type < MESSAGE_TYPE_METHOD_CALL || m->type > MESSAGE_TYPE_SIGNAL)
                return 0; /* of a type to come: ignored, as the spec asks */

        if (!m->destination.s) {
                if (m->type == MESSAGE_TYPE_SIGNAL)
                        return route_broadcast(client->bus, client, m);
                if (m->type == MESSAGE_TYPE_METHOD_CALL)
                        return driver_dispatch(client, m, cookie);
                return 0;
        }
        if (is_for_driver(m))
                return route_to_driver(client, m, cookie);
        return route_unicast(client, m, cookie);
}

/* For the statistics: what is received is routed before the next is read. */
static void begin_receiving(struct client *client, const struct message *m) {
        uint64_t bytes = m->n_wire + client->backlog->bytes;
        uint64_t fds = m->n_fds + client->backlog->fds;

        client->incoming_bytes = m->n_wire;
        client->incoming_fds = m->n_fds;
        if (bytes > client->stats.peak_incoming_bytes)
                client->stats.peak_incoming_bytes = bytes;
        if (fds > client->stats.peak_incoming_fds)
                client->stats.peak_incoming_fds = fds;
}

static void end_receiving(struct client *client) {
        client->incoming_bytes = 0;
        client->incoming_fds = 0;
}

int client_receive(struct client *client, struct message *m, uint64_t caller_cookie) {
        bool is_tracked = wants_reply(m);
        int r = 0;

        /* A reply handle that came with something that has no reply is of no use to anyone. */
        if (!is_tracked) {
                route_end_cookie(client, m->serial, caller_cookie);
                caller_cookie = 0;
        }

        begin_receiving(client, m);
        switch (client->state) {
        case CLIENT_CONNECTED:
                r = receive_connected(client, m, caller_cookie);
                break;
        case CLIENT_REGISTERED:
                r = receive_registered(client, m, caller_cookie);
                break;
        case CLIENT_MONITOR:
                r = client_violation(client, "a message sent by a monitor");
                break;
        case CLIENT_GONE:
                break;
        }
        if (r == CLIENT_E_VIOLATION || client->state == CLIENT_GONE)
                route_end_cookie(client, m->serial, caller_cookie);

        end_receiving(client);
        step_end(client->bus);
        return r;
}

int client_receive_reply(struct client *callee, struct reply *reply, struct message *m) {
        const struct message_stamp stamp = {
                .sender = callee->unique_name,
                .destination = reply->caller->unique_name,
        };
        int r;

        reply->callee_cookie = 0;

        if (!is_reply(m) || m->reply_serial != reply->serial) {
                r = driver_send_no_reply(reply, "The recipient sent something else as the reply");
                reply_free(reply);
                return r < 0 ? r : client_violation(callee, "no reply through a reply handle");
        }

        r = message_stamp(m, &stamp);
        if (r != 0) {
                int k = driver_send_no_reply(reply, "The reply is too large");

                reply_free(reply);
                return r < 0 ? r : k;
        }

        r = monitor_observe(callee->bus, callee, reply->caller, m);
        if (r < 0)
                return r;
        r = route_reply(callee, m, reply);
        step_end(callee->bus);
        return r;
}
