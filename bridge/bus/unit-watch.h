/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Unit watches - the bus learns from systemd that a unit that it wants started cannot take its name
 *
 * The signal ActivationFailure (launch.h) only tells that systemd cannot begin to start a unit. For
 * the rest the bus is a client of systemd, over its own routing: it sends calls from
 * org.freedesktop.DBus to the owner of org.freedesktop.systemd1, and gets the answers and the
 * signals of this client. While a start waits for a unit:
 *
 *      bus                                 systemd
 *      Subscribe               ---------->             once for each owner of the name, as from
 *                                                      systemd itself
 *      ActivationRequest       ---------->             by activation.c
 *      LoadUnit                ---------->
 *                              <----------  path of the unit
 *      GetAll of Unit          ---------->
 *                              <----------  unit_state_is_over()? If not:
 *                              <----------  JobRemoved, PropertiesChanged, ...: GetAll again
 *      GetAll of Service       ---------->             if it is over and a service
 *                              <----------  unit_state_explain(), and the start fails
 *
 * systemd handles messages in order, so there is a job when it answers LoadUnit. Signals only cause
 * another question, with two exceptions: the result of a job is only in JobRemoved, and systemd may
 * have forgotten how a unit ended when the answer comes, so this is also taken from
 * PropertiesChanged. For each unit the bus has one question under way at a time.
 *
 * If systemd leaves the bus, for example to execute itself again, all questions end. When it comes
 * back, the bus subscribes and asks again. A systemd that refuses a question, or does not answer,
 * is not asked any more about this unit; then only ActivationFailure and the time-out end the
 * start. A program that owns the name but is not called "systemd", such as one that stands in for
 * systemd in a test, is not asked anything.
 */

#include "bridge/bus/launch.h"
#include "bridge/bus/unit-state.h"

struct unit_watch;

struct unit_watches {
        struct bus *bus;
        struct unit_watch *watches; /* hash by the name of the unit */
        struct client *systemd;     /* that owns the name now, and can be asked; NULL: none */
        bool is_subscribed;
        uint32_t template_serial;  /* of the call of GetUnitFileState; 0: none is under way */
        bool template_is_outdated; /* ask again after this answer */
        bool has_template;         /* systemd has LAUNCH_TEMPLATE */
        /*
         * The unit will not take its name. end is how it ended, if it is a service, else all zero.
         * The watch may end before the function returns.
         */
        int (*failed)(struct unit_watches *watches, const char *unit,
                      const struct launch_failure *failure, const struct unit_end *end);
        /* Send ActivationRequest again: systemd left the bus before it handled the last one. */
        int (*request)(struct unit_watches *watches, const char *unit);
};

/* -ENOMEM. The caller sets the two functions. */
int unit_watches_new(struct bus *bus, struct unit_watches **ret_watches);
/* No start may have a watch any more. NULL is fine; returns NULL. */
struct unit_watches *unit_watches_free(struct unit_watches *watches);

/*
 * The functions below that return int return 0 or a negative errno that is fatal to the bus.
 *
 * A start by this unit begins: call unit_watch_begin() before ActivationRequest is sent, and
 * unit_watch_requested() after it was sent or held. When the start ends, call unit_watch_end() once
 * for each successful unit_watch_begin().
 */
int unit_watch_begin(struct unit_watches *watches, const char *unit);
int unit_watch_requested(struct unit_watches *watches, const char *unit);
void unit_watch_end(struct unit_watches *watches, const char *unit);

/*
 * The name of systemd has this owner now; NULL: none. Call this when the owner can get messages,
 * but before it gets held ones, and unit_watch_resume() after it has got these.
 */
int unit_watch_set_systemd(struct unit_watches *watches, struct client *owner);
int unit_watch_resume(struct unit_watches *watches);

/*
 * Ask systemd, if it can be asked, whether it has LAUNCH_TEMPLATE. The answer sets has_template. A
 * new owner of the name is asked anyway.
 */
int unit_watch_look_for_template(struct unit_watches *watches);

/* Is m, a return or error to the bus, the answer to a question? */
bool unit_watch_expects(const struct unit_watches *watches, const struct client *client,
                        const struct message *m);
/* Handle such an answer. */
int unit_watch_receive_reply(struct unit_watches *watches, struct message *m);
/* Handle a broadcast of watches->systemd. */
int unit_watch_receive_signal(struct unit_watches *watches, struct message *m);

/* for a bus that takes over from another one (state-units.h), and unit-watch-private.h */

/* Find the watch of a unit, or NULL. */
struct unit_watch *unit_watch_find(const struct unit_watches *watches, const char *unit);
/* Make one, which no start has yet. -ENOMEM. */
int unit_watch_new(struct unit_watches *watches, const char *unit, struct unit_watch **ret_watch);
/* Broadcasts of systemd are of interest only while there are watches. */
void unit_watches_choose_signals(struct unit_watches *watches);
