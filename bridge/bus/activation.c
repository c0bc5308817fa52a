/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Activation: starts of services, and the messages and calls that wait for them. */

#include "bridge/bus/activation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "bridge/base/log.h"
#include "bridge/bus/account.h"
#include "bridge/bus/activation-systemd.h"
#include "bridge/bus/activation-table.h"
#include "bridge/bus/docket.h"
#include "bridge/bus/held.h"
#include "bridge/bus/monitor.h"
#include "bridge/bus/route.h"
#include "bridge/bus/start-begin.h"
#include "bridge/bus/start.h"
#include "bridge/bus/tell.h"
#include "bridge/bus/unicast.h"
#include "bridge/bus/unit-watch.h"
#include "bridge/bus/verdict.h"
#include "bridge/bus/waiter.h"

void activation_forget(struct client *client) {
        while (client->waiters) {
                struct waiter *waiter = client->waiters;

                route_end_cookie(client, waiter->m->serial, waiter->caller_cookie);
                waiter_free(waiter);
        }
}

/* waiting */

enum {
        WAIT_E_REFUSED = 2,  /* not 1: wait_for() also returns ACTIVATION_E_UNKNOWN, which is 1 */
        WAIT_E_JUDGED_LATER, /* the message waits in a docket */
};

/* Charge client with m, which waits for the start of name. False: the reason is in *failure. */
static bool charge(struct client *client, const struct message *m, const char *name,
                   struct launch_failure *failure) {
        size_t n = sizeof(failure->text);

        failure->name = DRIVER_ERROR("LimitsExceeded");
        switch (held_charge(client, m)) {
        case HELD_E_COUNT:
                snprintf(failure->text, n,
                         "The maximum number of pending activations of uid %u has been reached, "
                         "activation of %s failed (max_pending_service_starts=%lld)",
                         client->account->uid, name,
                         (long long)client->bus->limits.max_pending_service_starts);
                return false;
        case HELD_E_FDS:
                snprintf(failure->text, n,
                         "Too many file descriptors in messages of uid %u wait, activation of %s "
                         "failed",
                         client->account->uid, name);
                return false;
        case HELD_E_BACKLOG:
                snprintf(failure->text, n,
                         "Too many messages of %s wait for other clients, activation of %s failed",
                         client->unique_name, name);
                return false;
        }
        return true;
}

/* Returns 0, WAIT_E_REFUSED with the reason in *failure, or WAIT_E_JUDGED_LATER. */
static int check_send(struct client *client, struct message *m, uint64_t caller_cookie,
                      const struct service *service, struct launch_failure *failure) {
        CLEANUP_FREE char *rule = NULL;

        if (verdict_check_activation(client, m, service ? service->apparmor_label : NULL, &rule))
                return 0;
        if (docket_waits(client, m, caller_cookie))
                return WAIT_E_JUDGED_LATER;
        failure->name = DRIVER_ERROR("AccessDenied");
        snprintf(failure->text, sizeof(failure->text),
                 "Sending this message to \"%s\" is not allowed (%s)", m->destination.s,
                 rule ? rule : "");
        return WAIT_E_REFUSED;
}

/*
 * Let m wait for the start of name, and begin this start if there is none. Returns 0,
 * WAIT_E_REFUSED with the reason in *ret_failure, WAIT_E_JUDGED_LATER, ACTIVATION_E_UNKNOWN, or a
 * negative errno that is fatal.
 */
static int wait_for(struct client *client, struct message *m, uint64_t caller_cookie,
                    const char *name, enum waiter_kind kind, struct launch_failure *ret_failure) {
        struct activation *activation = client->bus->activation;
        const struct service *service;
        struct start *start;
        int r = 0;

        start = start_find(activation, name);
        if (!start && activation_table_is_old(activation, name) &&
            docket_hold(client, m, caller_cookie,
                        kind == WAITER_MESSAGE ? DOCKET_MESSAGE : DOCKET_CALL))
                return WAIT_E_JUDGED_LATER;
        service = service_table_find(activation->table, name);
        if (!service && !start && !activation_waits_for(activation, name))
                return ACTIVATION_E_UNKNOWN;

        if (kind == WAITER_MESSAGE)
                r = check_send(client, m, caller_cookie, service, ret_failure);
        if (r == 0 && !charge(client, m, name, ret_failure))
                r = WAIT_E_REFUSED;
        if (r != 0)
                return r;

        if (!start) {
                r = start_new(activation, name, client->credentials.uid, &start);
                if (r >= 0 && !activation_waits_for(activation, name))
                        r = start_begin(start, service, client, ret_failure);
                if (r != 0 && start)
                        start_free(start); /* the next message begins another one */
        } else {
                r = start_begin_sooner(start, client);
        }
        if (r == 0)
                r = waiter_new(start, client, m, caller_cookie, kind);
        if (r != 0)
                held_discharge(client, m);
        return r > 0 ? WAIT_E_REFUSED : r;
}

static int tell_refused(struct client *client, struct message *m, uint64_t caller_cookie,
                        const struct launch_failure *failure) {
        return tell_failure(client, m, caller_cookie, failure->name, "%s", failure->text);
}

int activation_hold(struct client *client, struct message *m, uint64_t caller_cookie) {
        struct launch_failure failure;
        int r, k;

        /* a service file cannot be for a unique name */
        if (!client->bus->activation || m->destination.s[0] == ':')
                return ACTIVATION_E_UNKNOWN;
        r = wait_for(client, m, caller_cookie, m->destination.s, WAITER_MESSAGE, &failure);
        if (r < 0 || r == ACTIVATION_E_UNKNOWN)
                return r;
        /*
         * Like the reference: if m causes a request to systemd, monitors see the request before m.
         */
        k = monitor_observe(client->bus, client, NULL, m);
        if (k < 0)
                return k;
        return r == WAIT_E_REFUSED ? tell_refused(client, m, caller_cookie, &failure) : 0;
}

/*
 * Let a call to the bus wait. Monitors have seen the call, and activation_knows() has just returned
 * true for name.
 */
static int call_wait(struct client *client, struct message *m, uint64_t caller_cookie,
                     const char *name, enum waiter_kind kind) {
        struct launch_failure failure;
        int r;

        r = wait_for(client, m, caller_cookie, name, kind, &failure);
        if (r == ACTIVATION_E_UNKNOWN)
                return tell_failure(client, m, caller_cookie, DRIVER_ERROR("ServiceUnknown"),
                                    "The service file of %s was removed", name);
        return r == WAIT_E_REFUSED ? tell_refused(client, m, caller_cookie, &failure) : r;
}

int activation_start(struct client *client, struct message *m, uint64_t caller_cookie,
                     const char *name) {
        return call_wait(client, m, caller_cookie, name, WAITER_START);
}

int activation_call_later(struct client *client, struct message *m, uint64_t caller_cookie,
                          const char *name) {
        return call_wait(client, m, caller_cookie, name, WAITER_CALL);
}

/* ends */

struct start *activation_find(struct bus *bus, const char *name) {
        if (!bus->activation || !bus->activation->starts)
                return NULL;
        return start_find(bus->activation, name);
}

int activation_answer(struct start *start) {
        struct waiter *waiter, *next;
        int result = 0;

        if (!start)
                return 0;
        complain_at(&start->activation->bus->complaints, LOG_LEVEL_INFO, start->uid,
                    "Successfully activated service '%s'", start->name);
        DL_FOREACH_SAFE(start->waiters, waiter, next) {
                if (waiter->kind != WAITER_START)
                        continue;
                if (message_wants_reply(waiter->m))
                        keep_error(&result, tell_return(waiter->client, waiter->m->serial,
                                                        waiter->caller_cookie,
                                                        &(const uint32_t){LAUNCH_STARTED}));
                waiter_free(waiter);
        }
        return result;
}

/*
 * Deliver a message or call that was held. What was delivered before it may wait for a newer policy
 * now, or may have changed the owner: then it is routed anew.
 */
static int deliver(const char *name, struct client *owner, struct client *client, struct message *m,
                   uint64_t caller_cookie, bool is_call) {
        struct bus *bus = owner->bus;
        int r;

        if (client && docket_is_before(client, m)) {
                r = docket_queue(client, m, caller_cookie, is_call ? DOCKET_CALL : DOCKET_MESSAGE);
                return r <= 0 ? r : bus->receive_again(client, m, caller_cookie, is_call);
        }
        if (is_call)
                return bus->dispatch(client, m, caller_cookie);
        if (client && name_resolve(&bus->names, name, strlen(name)) != owner)
                return bus->receive_again(client, m, caller_cookie, false);
        return unicast_held(owner, client, m, caller_cookie);
}

int activation_deliver(struct start *start, struct client *owner) {
        int result = 0, r;

        if (!start)
                return 0;
        /* The messages may cause that the name loses its owner, and that it is started again. */
        HASH_DEL(start->activation->starts, start);
        start->is_over = true;
        loop_timer_cancel(start->activation->loop, &start->timer);
        while (start->waiters) {
                struct waiter *waiter = start->waiters;
                CLEANUP(message_unrefp) struct message *m = message_ref(waiter->m);
                struct client *client = waiter->client;
                uint64_t caller_cookie = waiter->caller_cookie;
                bool is_call = waiter->kind == WAITER_CALL;

                /* From now on the queue of the owner is charged with it, or a docket. */
                waiter_free(waiter);
                r = deliver(start->name, owner, client, m, caller_cookie, is_call);
                keep_error(&result, r);
        }
        start_free(start);
        return result;
}

/* life */

int activation_new(struct bus *bus, struct loop *loop, const struct rlimit *fd_limit,
                   struct activation **ret_activation) {
        CLEANUP_FREE struct activation *activation = NULL;
        int r;

        activation = calloc(1, sizeof(*activation));
        if (!activation)
                return -ENOMEM;
        activation->bus = bus;
        activation->loop = loop;
        activation->failed = start_fail;
        r = activation_watch_units(activation);
        if (r < 0)
                return r;
        r = children_init(&activation->children, loop, fd_limit);
        if (r >= 0)
                *ret_activation = steal_ptr(&activation);
        else
                unit_watches_free(activation->watches);
        return r;
}

struct activation *activation_free(struct activation *activation) {
        if (!activation)
                return NULL;
        while (activation->starts)
                start_free(activation->starts);
        unit_watches_free(activation->watches);
        children_deinit(&activation->children);
        service_table_free(activation->table);
        free(activation);
        return NULL;
}
