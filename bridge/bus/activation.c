/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Activation: starts of services, and the messages and calls that wait for them. */

#include "bridge/bus/activation.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/container-of.h"
#include "base/error.h"
#include "bridge/base/log.h"
#include "bridge/bus/account.h"
#include "bridge/bus/docket.h"
#include "bridge/bus/held.h"
#include "bridge/bus/monitor.h"
#include "bridge/bus/pace.h"
#include "bridge/bus/route.h"
#include "bridge/bus/tell.h"
#include "bridge/bus/unicast.h"
#include "bridge/bus/unit-watch.h"
#include "bridge/bus/verdict.h"
#include "bridge/bus/waiter.h"
#include "bridge/wire/names.h"
#include "bridge/wire/reader.h"

#define WARNINGS_MAX 200

void activation_forget(struct client *client) {
        while (client->waiters) {
                struct waiter *waiter = client->waiters;

                route_end_cookie(client, waiter->m->serial, waiter->caller_cookie);
                waiter_free(waiter);
        }
}

/* starts */

static int start_expired(struct loop_timer *timer) {
        struct start *start = container_of(timer, struct start, timer);
        struct bus *bus = start->activation->bus;
        char text[512];

        snprintf(text, sizeof(text),
                 "Failed to activate service '%s': timed out (service_start_timeout=%lldms)",
                 start->name, (long long)bus->limits.service_start_timeout);
        complain(&bus->complaints, start->uid, "%s", text);
        /* Like the reference: a program that is too late must not interfere with the next start. */
        if (start->child)
                kill(child_pid(start->child), SIGKILL);
        return activation_fail(start, DRIVER_ERROR("TimedOut"), text);
}

/* Nobody asks systemd for the start any more. */
static void forget_unit(struct start *start) {
        if (start->is_watched)
                unit_watch_end(start->activation->watches, start->unit);
        free(start->unit);
        start->unit = NULL;
        start->is_watched = false;
        start->by_template = false;
}

/* It does not begin, or another user pays for it. */
static void give_back(struct start *start) {
        struct account *account = account_find(start->activation->bus, start->payer);

        if (account)
                pace_give_back(&account->starts_due);
}

static void start_free(struct start *start) {
        struct activation *activation = start->activation;

        if (start->turn > 0)
                give_back(start);
        while (start->waiters)
                waiter_free(start->waiters);
        if (!start->is_over)
                HASH_DEL(activation->starts, start);
        loop_timer_cancel(activation->loop, &start->timer);
        child_forget(start->child);
        forget_unit(start);
        free(start);
}

/* From now on, the start has service_start_timeout to succeed. */
static int start_set_timeout(struct start *start) {
        struct activation *activation = start->activation;

        start->timer.expired = start_expired;
        return loop_timer_set(activation->loop, &start->timer,
                              loop_now() + activation->bus->limits.service_start_timeout * 1000000);
}

static int start_new(struct activation *activation, const char *name, uint32_t uid,
                     struct start **ret_start) {
        CLEANUP_FREE struct start *start = NULL;
        size_t n = strlen(name);
        int r;

        start = calloc(1, sizeof(*start) + n + 1);
        if (!start)
                return -ENOMEM;
        start->activation = activation;
        start->uid = uid;
        memcpy(start->name, name, n);
        HASH_ADD_KEYPTR(hh, activation->starts, start->name, n, start);
        if (!start->hh.tbl)
                return -ENOMEM;
        r = start_set_timeout(start);
        if (r < 0) {
                HASH_DEL(activation->starts, start);
                return r;
        }
        *ret_start = steal_ptr(&start);
        return 0;
}

static struct start *start_find(struct activation *activation, const char *name) {
        struct start *start;

        HASH_FIND(hh, activation->starts, name, strlen(name), start);
        return start;
}

/* services */

void activation_exchange_table(struct activation *activation, struct service_table **table) {
        struct service_table *old = activation->table, *now = *table;

        activation->table = now;
        *table = old;
        for (size_t i = 0; i < now->n_warnings && i < WARNINGS_MAX; i++)
                log_write(activation->bus->log, LOG_LEVEL_WARNING, "%s", now->warnings[i]);
}

int activation_look_for_template(struct activation *activation) {
        return unit_watch_look_for_template(activation->watches);
}

/*
 * Find the service. If service_table_refresh() finds that the table is out of date, the directories
 * are read again first.
 */
static const struct service *find_service(struct activation *activation, const char *name) {
        struct service_table *table;

        /* If no new table can be made (no memory or descriptors), the old one stays in use. */
        if (service_table_refresh(activation->table, name, &table) > 0) {
                activation_exchange_table(activation, &table);
                service_table_free(table);
        }
        return service_table_find(activation->table, name);
}

/*
 * Is name that of systemd, on a bus with --systemd-activation? The bus then waits for systemd even
 * if there is no service file of this name.
 */
static bool is_waited_for(const struct activation *activation, const char *name) {
        return activation->bus->systemd_activation && strcmp(name, LAUNCH_SYSTEMD_NAME) == 0;
}

bool activation_knows(struct activation *activation, const char *name) {
        return is_waited_for(activation, name) || find_service(activation, name);
}

/* systemd */

static int hold_for_systemd(struct activation *activation, struct message *m) {
        struct start *start = start_find(activation, LAUNCH_SYSTEMD_NAME);
        int r;

        if ((int64_t)activation->n_own >= activation->bus->limits.max_pending_service_starts) {
                complain(&activation->bus->complaints, activation->bus->uid,
                         "The bus drops a message to systemd: too many messages wait for it");
                return 0;
        }
        if (!start) {
                r = start_new(activation, LAUNCH_SYSTEMD_NAME, activation->bus->uid, &start);
                if (r < 0)
                        return r;
        }
        return waiter_new(start, NULL, m, 0, WAITER_MESSAGE);
}

int activation_tell_systemd(struct bus *bus, struct message *m) {
        struct client *systemd = launch_find_systemd(bus);
        int r;

        if (systemd)
                return route_from_driver(bus, systemd, m, NULL);
        r = monitor_observe(bus, NULL, NULL, m);
        return r < 0 ? r : hold_for_systemd(bus->activation, m);
}

static int request_unit(struct bus *bus, const char *unit) {
        CLEANUP(message_unrefp) struct message *m = NULL;
        struct writer w;
        int r;

        voice_init_signal(bus, &w, NULL, "ActivationRequest", "s");
        w.interface = LAUNCH_SYSTEMD_INTERFACE;
        w.destination = LAUNCH_SYSTEMD_NAME;
        writer_string(&w, unit);
        r = writer_finish(&w, &m);
        return r < 0 ? r : activation_tell_systemd(bus, m);
}

/* unit_watches.request */
static int request_again(struct unit_watches *watches, const char *unit) {
        return request_unit(watches->bus, unit);
}

/* Ask systemd for start->unit, and watch the unit. */
static int start_unit(struct start *start) {
        struct unit_watches *watches = start->activation->watches;
        int r;

        r = unit_watch_begin(watches, start->unit);
        if (r < 0)
                return r;
        start->is_watched = true;
        r = request_unit(watches->bus, start->unit);
        return r < 0 ? r : unit_watch_requested(watches, start->unit);
}

/* beginning */

/*
 * Begin a start. Returns 0, 1 with the reason in *ret_failure, or a negative errno that is fatal.
 * client is NULL if the start was begun before, in another way.
 */
static int begin(struct start *start, const struct service *service, const struct client *client,
                 struct launch_failure *ret_failure) {
        struct activation *activation = start->activation;
        int r;

        /* Without systemd, a service that needs no unit does not wait for it. */
        activation->has_template = activation->watches->has_template;
        r = launch(start, service, client, ret_failure);
        return r == 0 && start->unit ? start_unit(start) : r;
}

/* The time has come for a start that had to wait (pace.h). */
static int begin_late(struct loop_timer *timer) {
        struct start *start = container_of(timer, struct start, timer);
        const struct service *service;
        struct launch_failure failure;
        int r;

        if (!start->waiters) { /* all who wanted it have left */
                start_free(start);
                return 0;
        }
        start->turn = 0;
        service = find_service(start->activation, start->name);
        if (!service) {
                snprintf(failure.text, sizeof(failure.text), "The service file of %s was removed",
                         start->name);
                return activation_fail(start, DRIVER_ERROR("ServiceUnknown"), failure.text);
        }
        r = start_set_timeout(start);
        if (r >= 0)
                r = begin(start, service, start->waiters->client, &failure);
        return r > 0 ? activation_fail(start, failure.name, failure.text) : r;
}

/* Begin the start now, or when the user of the client may begin one more. Returns as begin(). */
static int begin_in_turn(struct start *start, const struct service *service, struct client *client,
                         struct launch_failure *ret_failure) {
        int64_t now = loop_now(), at = pace_start(&client->account->starts_due, now);

        if (at <= now)
                return begin(start, service, client, ret_failure);
        account_note(client->bus, client->account, ACCOUNT_PACED);
        start->timer.expired = begin_late;
        start->turn = at;
        start->payer = client->account->uid;
        return loop_timer_set(start->activation->loop, &start->timer, at);
}

/* Another user wants a start that has to wait for its turn: does this user's come sooner? */
static int begin_sooner(struct start *start, struct client *client) {
        int64_t at;

        if (start->turn == 0 || start->payer == client->account->uid)
                return 0;
        at = pace_start(&client->account->starts_due, loop_now());
        if (at >= start->turn) {
                pace_give_back(&client->account->starts_due);
                return 0;
        }
        give_back(start);
        start->payer = client->account->uid;
        start->turn = at;
        return loop_timer_set(start->activation->loop, &start->timer, at);
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
        service = start ? service_table_find(activation->table, name)
                        : find_service(activation, name);
        if (!service && !start && !is_waited_for(activation, name))
                return ACTIVATION_E_UNKNOWN;

        if (kind == WAITER_MESSAGE)
                r = check_send(client, m, caller_cookie, service, ret_failure);
        if (r == 0 && !charge(client, m, name, ret_failure))
                r = WAIT_E_REFUSED;
        if (r != 0)
                return r;

        if (!start) {
                r = start_new(activation, name, client->credentials.uid, &start);
                if (r >= 0 && !is_waited_for(activation, name))
                        r = begin_in_turn(start, service, client, ret_failure);
                if (r > 0)
                        start_free(start);
        } else {
                r = begin_sooner(start, client);
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
        return r <= 0 ? r : tell_refused(client, m, caller_cookie, &failure);
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
 * Deliver a message or call that was held. What was delivered before it may have changed the owner:
 * then it is routed anew.
 */
static int deliver(const char *name, struct client *owner, struct client *client, struct message *m,
                   uint64_t caller_cookie, bool is_call) {
        struct bus *bus = owner->bus;

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

int activation_fail(struct start *start, const char *error, const char *text) {
        int result = 0;

        while (start->waiters) {
                struct waiter *waiter = start->waiters;

                if (waiter->client)
                        keep_error(&result, tell_failure(waiter->client, waiter->m,
                                                         waiter->caller_cookie, error, "%s", text));
                waiter_free(waiter);
        }
        start_free(start);
        return result;
}

static bool is_failure(const struct message *m) {
        return m->type == MESSAGE_TYPE_SIGNAL && m->interface.s &&
               strcmp(m->interface.s, LAUNCH_SYSTEMD_INTERFACE) == 0 &&
               strcmp(m->member.s, "ActivationFailure") == 0;
}

static bool read_failure(struct message *m, const char **ret_unit, const char **ret_error,
                         const char **ret_text) {
        struct wire_string error;
        struct reader reader;

        if (strcmp(m->signature.s, "sss") != 0)
                return false;
        reader_init(&reader, m);
        *ret_unit = reader_string(&reader).s;
        error = reader_string(&reader);
        *ret_error = error.s;
        *ret_text = reader_string(&reader).s;
        return name_is_valid_error(error.s, error.n);
}

/*
 * systemd does not have the template unit any more: start the service in the way without it.
 * Returns as begin().
 */
static int start_without_template(struct start *start, struct launch_failure *ret_failure) {
        struct activation *activation = start->activation;
        const struct service *service = service_table_find(activation->table, start->name);

        activation->watches->has_template = false;
        forget_unit(start);
        if (service)
                return begin(start, service, NULL, ret_failure);
        ret_failure->name = DRIVER_ERROR("ServiceUnknown");
        snprintf(ret_failure->text, sizeof(ret_failure->text), "The service file of %s was removed",
                 start->name);
        return 1;
}

static bool lacks_template(const struct start *start, const char *error) {
        return start->by_template && (strcmp(error, "org.freedesktop.systemd1.NoSuchUnit") == 0 ||
                                      strcmp(error, "org.freedesktop.systemd1.UnitMasked") == 0);
}

/* systemd cannot begin to start the unit of this start. */
static int unit_refused(struct start *start, const char *error, const char *text) {
        struct launch_failure failure;
        int r;

        if (!lacks_template(start, error))
                return activation_fail(start, error, text);
        r = start_without_template(start, &failure);
        return r > 0 ? activation_fail(start, failure.name, failure.text) : r;
}

/* unit_watches.failed */
static int unit_failed(struct unit_watches *watches, const char *unit,
                       const struct launch_failure *failure, const struct unit_end *end) {
        struct bus *bus = watches->bus;
        struct start *start, *next;
        bool is_logged = false;
        int result = 0;

        HASH_ITER(hh, bus->activation->starts, start, next) {
                struct launch_failure own = *failure;

                if (!start->unit || strcmp(start->unit, unit) != 0)
                        continue;
                if (!is_logged)
                        complain(&bus->complaints, start->uid,
                                 "Activation via systemd failed for unit '%s': %s", unit,
                                 failure->text);
                is_logged = true;
                if (start->by_template && unit_end_is_exit(end))
                        launch_explain_template(start, end->status, &own);
                keep_error(&result, activation_fail(start, own.name, own.text));
        }
        return result;
}

int activation_receive_signal(struct client *client, struct message *m) {
        const char *unit, *error, *text;
        struct start *start, *next;
        struct bus *bus = client->bus;
        int r = 0;

        if (!bus->activation || !is_failure(m))
                return 0;
        if (!client_is_privileged(client) || launch_find_systemd(bus) != client) {
                complain(&bus->complaints, client->credentials.uid,
                         "Ignoring forged ActivationFailure message from connection %s (uid=%d "
                         "pid=%d)",
                         client->unique_name, (int)client->credentials.uid,
                         (int)client->credentials.pid);
                return 0;
        }
        if (!read_failure(m, &unit, &error, &text)) {
                complain(&bus->complaints, client->credentials.uid,
                         "systemd sent an ActivationFailure with unexpected arguments; ignored");
                return 0;
        }
        log_write(bus->log, LOG_LEVEL_WARNING, "Activation via systemd failed for unit '%s': %s",
                  unit, text);
        HASH_ITER(hh, bus->activation->starts, start, next) {
                if (r >= 0 && start->unit && strcmp(start->unit, unit) == 0)
                        r = unit_refused(start, error, text);
        }
        return r;
}

/* systemd answers and tells */

bool activation_expects_reply(const struct client *client, const struct message *m) {
        const struct activation *activation = client->bus->activation;

        return activation && unit_watch_expects(activation->watches, client, m);
}

int activation_receive_reply(struct client *client, struct message *m) {
        return unit_watch_receive_reply(client->bus->activation->watches, m);
}

int activation_receive_broadcast(struct client *client, struct message *m) {
        return unit_watch_receive_signal(client->bus->activation->watches, m);
}

int activation_note_owner(struct bus *bus, const char *name, struct client *owner) {
        if (!bus->activation || !is_waited_for(bus->activation, name))
                return 0;
        return unit_watch_set_systemd(bus->activation->watches, owner);
}

int activation_resume(struct bus *bus, const char *name) {
        if (!bus->activation || !is_waited_for(bus->activation, name))
                return 0;
        return unit_watch_resume(bus->activation->watches);
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
        activation->failed = activation_fail;
        r = unit_watches_new(bus, &activation->watches);
        if (r < 0)
                return r;
        activation->watches->failed = unit_failed;
        activation->watches->request = request_again;
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
