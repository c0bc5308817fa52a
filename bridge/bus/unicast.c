/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Unicast: policy, the pending reply of a call, delivery, and errors to the sender. */

#include "bridge/bus/unicast.h"

#include <stdlib.h>

#include "bridge/bus/docket.h"
#include "bridge/bus/monitor.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/reply.h"
#include "bridge/bus/route.h"
#include "bridge/bus/tell.h"
#include "bridge/bus/unread.h"
#include "bridge/bus/verdict.h"

/* If m is a call that wants an answer, tell its sender why m could not be delivered. */
static int refuse(struct client *client, struct message *m, uint64_t cookie, struct client *target,
                  int e) {
        switch (e) {
        case CLIENT_E_QUOTA:
                return tell_error(client, m, cookie, DRIVER_ERROR("LimitsExceeded"),
                                  "The queue of %s is full", target->unique_name);
        case CLIENT_E_NO_FDS:
                return tell_error(client, m, cookie, DRIVER_ERROR("NotSupported"),
                                  "%s does not take file descriptors", target->unique_name);
        case CLIENT_E_NO_HANDLES:
                return tell_error(client, m, cookie, DRIVER_ERROR("NotSupported"),
                                  "%s does not take bus1 handles", target->unique_name);
        case CLIENT_E_DENIED:
                return tell_error(client, m, cookie, DRIVER_ERROR("AccessDenied"),
                                  "A security module of the kernel does not let the bus send this "
                                  "message to %s",
                                  target->unique_name);
        default:
                return tell_error(client, m, cookie, DRIVER_ERROR("NoReply"),
                                  "%s is leaving the bus", m->destination.s);
        }
}

/* Route a call, or a signal that has a destination. */
static int route_to_client(struct client *client, struct message *m, uint64_t cookie,
                           struct client *target) {
        static const struct verdict_context context = {.may_wait = true};
        struct reply *reply = NULL;
        char *rule = NULL;
        int r;

        if (!verdict_check(client->bus, client, target, m, &context, &rule)) {
                if (docket_waits(client, m, cookie))
                        return 0;
                r = tell_failure(client, m, cookie, DRIVER_ERROR("AccessDenied"),
                                 "Sending this message to \"%s\" is not allowed (%s)",
                                 m->destination.s, rule ? rule : "");
                free(rule);
                return r;
        }

        if (message_wants_reply(m)) {
                r = reply_new(&client->bus->replies, client, target, m->serial, cookie, &reply);
                if (r < 0)
                        return r;
                if (r == REPLY_E_EXISTS)
                        return tell_error(client, m, cookie, DRIVER_ERROR("AccessDenied"),
                                          "A call with this serial is still waiting for its reply");
                if (r == REPLY_E_QUOTA)
                        return tell_error(
                                client, m, cookie, DRIVER_ERROR("LimitsExceeded"),
                                "Too many calls of this connection are waiting for their replies");
        }

        quota_charge_sender(client, target, m);
        r = route_deliver(target, m, reply, 0);
        if (r == CLIENT_E_GONE && unread_concerns(target, m) && unread_hold(target, m, false))
                r = 0;
        if (r == 0) {
                if (!reply)
                        route_end_cookie(client, m->serial, cookie);
                return monitor_eavesdrop(client->bus, client, target, m);
        }

        if (reply) {
                reply->caller_cookie = 0; /* refuse() ends it */
                route_end_reply(reply);
        }
        return r < 0 ? r : refuse(client, m, cookie, target, r);
}

static const char *why_undelivered(int e) {
        switch (e) {
        case CLIENT_E_QUOTA:
                return "The reply did not fit into the queue";
        case CLIENT_E_DENIED:
                return "A security module of the kernel does not let the bus send the reply";
        case CLIENT_E_GONE:
                return "The caller disconnected";
        default:
                return "The reply carries descriptors or handles, which the caller does not take";
        }
}

int unicast_reply(struct client *callee, struct message *m, struct reply *reply) {
        static const struct verdict_context context = {.requested_reply = true, .may_wait = true};
        struct client *caller = reply->caller;
        struct bus *bus = callee->bus;
        char *rule = NULL;
        int r;

        if (!verdict_check(bus, callee, caller, m, &context, &rule)) {
                int k;

                if (docket_waits(callee, m, 0))
                        return 0;
                r = tell_failure(callee, m, 0, DRIVER_ERROR("AccessDenied"),
                                 "Sending this reply to \"%s\" is not allowed (%s)",
                                 caller->unique_name, rule ? rule : "");
                free(rule);
                k = tell_no_reply(reply, "The reply to this call is not allowed");
                return r < 0 ? r : k;
        }

        r = route_deliver(caller, m, reply, 0);
        if (r > 0)
                return tell_no_reply(reply, why_undelivered(r));
        if (r == 0) {
                reply->caller_cookie = 0;
                r = monitor_eavesdrop(bus, callee, caller, m);
        }
        route_end_reply(reply);
        return r;
}

int unicast_route(struct client *client, struct message *m, uint64_t cookie,
                  struct client *target) {
        struct reply *reply;

        if (!message_is_reply(m))
                return route_to_client(client, m, cookie, target);

        reply = reply_find(&client->bus->replies, target, client, m->reply_serial);
        if (reply)
                return unicast_reply(client, m, reply);
        return tell_failure(client, m, cookie, DRIVER_ERROR("AccessDenied"),
                            "\"%s\" does not wait for this reply", m->destination.s);
}

int unicast_held(struct client *owner, struct client *sender, struct message *m, uint64_t cookie) {
        const struct verdict_context context = {};
        int r;

        if (sender)
                return unicast_route(sender, m, cookie, owner);
        if (!verdict_check(owner->bus, NULL, owner, m, &context, NULL))
                return 0;
        r = route_deliver(owner, m, NULL, 0);
        return r < 0 ? r : 0;
}
