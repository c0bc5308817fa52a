/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Receiving: where a message goes, by its destination and the state of its sender. */

#include "bridge/bus/receive.h"

#include <string.h>

#include "base/cleanup.h"
#include "bridge/bus/activation-systemd.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/docket.h"
#include "bridge/bus/membership.h"
#include "bridge/bus/monitor.h"
#include "bridge/bus/name.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/reply.h"
#include "bridge/bus/route.h"
#include "bridge/bus/tell.h"
#include "bridge/bus/unicast.h"
#include "bridge/bus/verdict.h"

/* For the path of each message. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

int client_violation(struct client *client, const char *rule) {
        complain(&client->bus->complaints, client->credentials.uid,
                 "Connection %s (uid=%d pid=%d) is dropped, it broke the protocol: %s",
                 client_name(client), (int)client->credentials.uid, (int)client->credentials.pid,
                 rule);
        return CLIENT_E_VIOLATION;
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
        /* The newer configuration may have other directories of service files. */
        if (may_start && client->bus->activation && m->destination.s[0] != ':' &&
            docket_hold(client, m, cookie, DOCKET_MESSAGE))
                return 0;
        if (!may_start)
                return tell_error(client, m, cookie, DRIVER_ERROR("NameHasNoOwner"),
                                  "Name \"%s\" does not exist", m->destination.s);
        return tell_error(client, m, cookie, DRIVER_ERROR("ServiceUnknown"),
                          "The name %s was not provided by any .service files", m->destination.s);
}

static inline int route_unicast(struct client *client, struct message *m, uint64_t cookie) {
        struct client *target;
        int r;

        name_settle(client->bus, m->destination.s, m->destination.n);
        /* An earlier call may have been sent again, and wait for a newer policy. */
        if (__builtin_expect(client->docket != NULL, false) && docket_is_before(client, m)) {
                r = docket_queue(client, m, cookie, DOCKET_MESSAGE);
                return r <= 0 ? r : client_receive_again(client, m, cookie, false);
        }
        target = name_resolve(&client->bus->names, m->destination.s, m->destination.n);
        if (!target)
                return route_to_nobody(client, m, cookie);

        r = monitor_observe(client->bus, client, target, m);
        if (r < 0)
                return r;
        return unicast_route(client, m, cookie, target);
}

static int route_to_driver(struct client *client, struct message *m, uint64_t cookie) {
        const struct verdict_context context = {
                .may_wait = true,
                .requested_reply = message_is_reply(m) && activation_expects_reply(client, m),
        };
        CLEANUP_FREE char *rule = NULL;
        bool allowed;
        int r = 0;

        allowed = verdict_check(client->bus, client, NULL, m, &context, &rule);
        /* Like the reference: monitors see the messages that a signal causes before the signal. */
        if (allowed && m->type == MESSAGE_TYPE_SIGNAL)
                r = activation_receive_signal(client, m);
        if (r >= 0)
                r = monitor_observe(client->bus, client, NULL, m);
        if (r >= 0 && !allowed && !docket_waits(client, m, cookie))
                r = tell_failure(client, m, cookie, DRIVER_ERROR("AccessDenied"),
                                 "Sending this message to the bus is not allowed (%s)",
                                 rule ? rule : "");
        if (r < 0 || !allowed)
                return r;

        if (m->type == MESSAGE_TYPE_METHOD_CALL)
                r = client->bus->dispatch(client, m, cookie);
        else if (context.requested_reply)
                r = activation_receive_reply(client, m);
        if (r != 0)
                return r;
        /* After the call, like the reference: a new eavesdropper sees its own AddMatch. */
        return monitor_eavesdrop(client->bus, client, NULL, m);
}

static int route_broadcast_of(struct client *client, struct message *m) {
        int r;

        r = route_broadcast(client->bus, client, m);
        if (r >= 0 && client == client->bus->unit_manager)
                r = activation_receive_broadcast(client, m);
        return r;
}

static bool is_for_driver(const struct message *m) {
        return m->destination.n == strlen(BUS_DRIVER_NAME) &&
               !memcmp(m->destination.s, BUS_DRIVER_NAME, m->destination.n);
}

/*
 * Before Hello nothing is routed; the driver answers calls to the bus and calls without
 * destination.
 */
static int receive_connected(struct client *client, struct message *m, uint64_t cookie) {
        int r;

        if (m->type == MESSAGE_TYPE_METHOD_CALL && (!m->destination.s || is_for_driver(m))) {
                r = client->bus->dispatch(client, m, cookie);
                if (r != 0 || client->state != CLIENT_REGISTERED)
                        return r;
                return monitor_eavesdrop(client->bus, client, NULL, m); /* m was Hello */
        }
        if (m->destination.s ? is_for_driver(m) : m->type != MESSAGE_TYPE_SIGNAL)
                return 0;
        return client_violation(client, "a message before Hello");
}

/* Route m, which is stamped, by its destination. Returns 0 or a negative errno that is fatal. */
static ALWAYS_INLINE int route(struct client *client, struct message *m, uint64_t cookie) {
        if (!m->destination.s) {
                if (m->type == MESSAGE_TYPE_SIGNAL)
                        return route_broadcast_of(client, m);
                if (m->type == MESSAGE_TYPE_METHOD_CALL)
                        return client->bus->dispatch(client, m, cookie);
                return 0;
        }
        if (is_for_driver(m))
                return route_to_driver(client, m, cookie);
        return route_unicast(client, m, cookie);
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
                return 0; /* D-Bus spec, "Message Format": unknown types are ignored */
        if (__builtin_expect(client->docket != NULL, false)) {
                r = docket_queue(client, m, cookie, DOCKET_MESSAGE);
                /* what was judged may have made the client a monitor */
                return r <= 0 ? r : client_receive_again(client, m, cookie, false);
        }
        return route(client, m, cookie);
}

/*
 * Note the size of m for the statistics, and its place among the messages of the client. The bus
 * routes one message of a client at a time.
 */
static void begin_receiving(struct client *client, struct message *m) {
        uint64_t bytes = m->n_wire + client->backlog->bytes;
        uint64_t fds = m->n_fds + client->backlog->fds;

        m->order = ++client->n_received;
        client->incoming_bytes = m->n_wire;
        client->incoming_fds = m->n_fds;
        KEEP_PEAK(client->stats.peak_incoming_bytes, bytes);
        KEEP_PEAK(client->stats.peak_incoming_fds, fds);
}

int client_receive(struct client *client, struct message *m, uint64_t caller_cookie) {
        struct schedule_user *before =
                schedule_switch(&client->bus->schedule, &client->account->schedule);
        int r = 0;

        /* A message that will have no answer needs no reply handle. */
        if (!message_wants_reply(m)) {
                route_end_cookie(client, m->serial, caller_cookie);
                caller_cookie = 0;
        }

        quota_set_cause(client, m);
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

        client->incoming_bytes = 0;
        client->incoming_fds = 0;
        route_step_end(client->bus);
        schedule_switch(&client->bus->schedule, before);
        return r;
}

int client_receive_again(struct client *client, struct message *m, uint64_t caller_cookie,
                         bool is_call) {
        struct schedule_user *before =
                schedule_switch(&client->bus->schedule, &client->account->schedule);
        int r = 0;

        if (client_is_registered(client))
                r = is_call ? client->bus->dispatch(client, m, caller_cookie)
                            : route(client, m, caller_cookie);
        else
                route_end_cookie(client, m->serial, caller_cookie);
        route_step_end(client->bus);
        schedule_switch(&client->bus->schedule, before);
        return r;
}

int client_receive_reply(struct client *callee, struct reply *reply, struct message *m) {
        const struct message_stamp stamp = {
                .sender = callee->unique_name,
                .destination = reply->caller->unique_name,
        };
        int r;

        reply->callee_cookie = 0;
        m->order = ++callee->n_received;
        quota_set_cause(callee, m);

        if (!message_is_reply(m) || m->reply_serial != reply->serial) {
                r = tell_no_reply(reply, "The recipient sent something else as the reply");
                return r < 0 ? r
                             : client_violation(callee, "a message to a reply handle with the "
                                                        "wrong type or REPLY_SERIAL");
        }

        r = message_stamp(m, &stamp);
        if (r != 0) {
                int k = tell_no_reply(reply, "The reply is too large");

                return r < 0 ? r : k;
        }

        if (__builtin_expect(callee->docket != NULL, false)) {
                r = docket_queue(callee, m, 0, DOCKET_MESSAGE);
                /* The pending reply may have ended meanwhile. */
                if (r > 0)
                        r = client_receive_again(callee, m, 0, false);
                route_step_end(callee->bus);
                return r;
        }

        r = monitor_observe(callee->bus, callee, reply->caller, m);
        if (r < 0)
                return r;
        r = unicast_reply(callee, m, reply);
        route_step_end(callee->bus);
        return r;
}
