/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starts: making, finding, failing and freeing them. */

#include "bridge/bus/start.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/container-of.h"
#include "base/error.h"
#include "bridge/bus/account.h"
#include "bridge/bus/pace.h"
#include "bridge/bus/tell.h"
#include "bridge/bus/unit-watch.h"
#include "bridge/bus/waiter.h"

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
        return start_fail(start, DRIVER_ERROR("TimedOut"), text);
}

void start_forget_unit(struct start *start) {
        if (start->is_watched)
                unit_watch_end(start->activation->watches, start->unit);
        free(start->unit);
        start->unit = NULL;
        start->is_watched = false;
        start->by_template = false;
}

void start_give_back(struct start *start) {
        struct account *account = account_find(start->activation->bus, start->payer);

        if (account)
                pace_give_back(&account->starts_due);
}

void start_free(struct start *start) {
        struct activation *activation = start->activation;

        if (start->turn > 0)
                start_give_back(start);
        while (start->waiters)
                waiter_free(start->waiters);
        if (!start->is_over)
                HASH_DEL(activation->starts, start);
        loop_timer_cancel(activation->loop, &start->timer);
        child_forget(start->child);
        start_forget_unit(start);
        free(start);
}

int start_set_deadline(struct start *start, int64_t deadline) {
        start->timer.expired = start_expired;
        return loop_timer_set(start->activation->loop, &start->timer, deadline);
}

int start_set_timeout(struct start *start) {
        const struct bus_limits *limits = &start->activation->bus->limits;

        return start_set_deadline(start, loop_now() + limits->service_start_timeout * 1000000);
}

int start_restore(struct activation *activation, const char *name, uint32_t uid,
                  struct start **ret_start) {
        CLEANUP_FREE struct start *start = NULL;
        size_t n = strlen(name);

        start = calloc(1, sizeof(*start) + n + 1);
        if (!start)
                return -ENOMEM;
        start->activation = activation;
        start->uid = uid;
        memcpy(start->name, name, n);
        HASH_ADD_KEYPTR(hh, activation->starts, start->name, n, start);
        if (!start->hh.tbl)
                return -ENOMEM;
        *ret_start = steal_ptr(&start);
        return 0;
}

int start_new(struct activation *activation, const char *name, uint32_t uid,
              struct start **ret_start) {
        struct start *start;
        int r;

        r = start_restore(activation, name, uid, &start);
        if (r < 0)
                return r;
        r = start_set_timeout(start);
        if (r < 0)
                start_free(start);
        else
                *ret_start = start;
        return r;
}

struct start *start_find(struct activation *activation, const char *name) {
        struct start *start;

        HASH_FIND(hh, activation->starts, name, strlen(name), start);
        return start;
}

int start_fail(struct start *start, const char *error, const char *text) {
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
