/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Beginning a start: its turn, and the watch of its unit. */

#include "bridge/bus/start-begin.h"

#include <errno.h>
#include <stdio.h>

#include "base/container-of.h"
#include "bridge/bus/account.h"
#include "bridge/bus/activation-request.h"
#include "bridge/bus/activation-table.h"
#include "bridge/bus/pace.h"
#include "bridge/bus/start.h"
#include "bridge/bus/unit-watch.h"
#include "bridge/bus/voice.h"
#include "bridge/bus/waiter.h"

/* Ask systemd for start->unit, and watch the unit. */
static int start_unit(struct start *start) {
        struct unit_watches *watches = start->activation->watches;
        int r;

        r = unit_watch_begin(watches, start->unit);
        if (r < 0)
                return r;
        start->is_watched = true;
        r = activation_request_unit(watches->bus, start->unit);
        return r < 0 ? r : unit_watch_requested(watches, start->unit);
}

/*
 * Begin a start. Returns 0, 1 with the reason in *ret_failure, or a negative errno that is fatal.
 * client is NULL if the start was begun before, with the template: then it is begun without.
 */
static int begin(struct start *start, const struct service *service, const struct client *client,
                 struct launch_failure *ret_failure) {
        struct activation *activation = start->activation;
        int r;

        /* Without systemd, a service that needs no unit does not wait for it. */
        activation->has_template = client && activation->watches->has_template;
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
        service = service_table_find(start->activation->table, start->name);
        if (!service) {
                snprintf(failure.text, sizeof(failure.text), "The service file of %s was removed",
                         start->name);
                return start_fail(start, DRIVER_ERROR("ServiceUnknown"), failure.text);
        }
        r = start_set_timeout(start);
        if (r >= 0)
                r = begin(start, service, start->waiters->client, &failure);
        if (r == -ENOMEM)
                return start_fail(start, DRIVER_ERROR("NoMemory"),
                                  "No memory to start the service");
        return r > 0 ? start_fail(start, failure.name, failure.text) : r;
}

int start_wait_for_turn(struct start *start, uint32_t payer, int64_t at) {
        start->timer.expired = begin_late;
        start->turn = at;
        start->payer = payer;
        return loop_timer_set(start->activation->loop, &start->timer, at);
}

int start_begin(struct start *start, const struct service *service, struct client *client,
                struct launch_failure *ret_failure) {
        int64_t now = loop_now(), at = pace_start(&client->account->starts_due, now);

        if (at <= now)
                return begin(start, service, client, ret_failure);
        account_note(client->bus, client->account, ACCOUNT_PACED);
        return start_wait_for_turn(start, client->account->uid, at);
}

int start_begin_sooner(struct start *start, struct client *client) {
        int64_t at;

        if (start->turn == 0 || start->payer == client->account->uid)
                return 0;
        at = pace_start(&client->account->starts_due, loop_now());
        if (at >= start->turn) {
                pace_give_back(&client->account->starts_due);
                return 0;
        }
        start_give_back(start);
        return start_wait_for_turn(start, client->account->uid, at);
}

int start_begin_without_template(struct start *start, struct launch_failure *ret_failure) {
        const struct service *service = service_table_find(start->activation->table, start->name);

        start_forget_unit(start);
        if (service)
                return begin(start, service, NULL, ret_failure);
        ret_failure->name = DRIVER_ERROR("ServiceUnknown");
        snprintf(ret_failure->text, sizeof(ret_failure->text), "The service file of %s was removed",
                 start->name);
        return 1;
}
