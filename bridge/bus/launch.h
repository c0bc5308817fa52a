/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Launching - how the bus starts a service, so that its name gets an owner
 *
 * The bus takes the first of these ways that applies:
 *
 *  - with --systemd-activation, and SystemdService= in the service file, it asks systemd to start
 *    this unit;
 *  - with --systemd-activation, if the service file is one that bus1-launch will find, and systemd
 *    is on the bus and has the template unit LAUNCH_TEMPLATE, it asks systemd to start the instance
 *    of this unit for the name. bus1-launch runs in this instance, becomes the user in User= and
 *    executes the command line in Exec=;
 *  - with <servicehelper> in the configuration it executes the helper, which may change users, with
 *    the name as argument;
 *  - it executes the command line in Exec= of the service file.
 *
 * The last three need Exec=, and on a bus with a helper also User=. Without these the start fails,
 * with one exception: for a service file with neither Exec= nor SystemdService=, the bus only waits
 * for a client that takes the name.
 *
 * To start a unit, the bus sends the signal ActivationRequest(unit) to org.freedesktop.systemd1. If
 * systemd cannot start the unit, it sends the signal ActivationFailure(unit, error, text) to the
 * bus. While systemd is not on the bus, signals to it are held (activation_tell_systemd()).
 */

#include "bridge/activation/child.h"
#include "bridge/activation/service-table.h"
#include "bridge/bus/bus.h"

#define LAUNCH_SYSTEMD_NAME "org.freedesktop.systemd1"
#define LAUNCH_SYSTEMD_INTERFACE "org.freedesktop.systemd1.Activator"

/*
 * The template unit for services that have no unit of their own. bus1-launch reads the standard
 * configuration of its bus, so a bus with another configuration does not use it.
 */
#define LAUNCH_TEMPLATE_PREFIX "bus1-service@"
#define LAUNCH_TEMPLATE_SUFFIX ".service"
#define LAUNCH_TEMPLATE LAUNCH_TEMPLATE_PREFIX LAUNCH_TEMPLATE_SUFFIX
#define LAUNCH_UNIT_NAME_MAX 255

/* Results of StartServiceByName, with the numbers of the D-Bus specification. */
enum {
        LAUNCH_STARTED = 1,
        LAUNCH_RUNS_ALREADY = 2,
};

struct launch_failure {
        const char *name; /* the D-Bus error; static */
        char text[1024];
};

struct unit_watches;
struct waiter;

/* The start of one service. */
struct start {
        struct activation *activation;
        struct waiter *waiters; /* in the order in which they came */
        struct child *child;    /* the program, until its end; or NULL */
        uint32_t uid;           /* user of the client (or bus) that asked first; for the log */
        bool by_helper;         /* child is the <servicehelper> */
        char *unit;             /* the unit, if systemd starts the service; else NULL */
        bool by_template;       /* unit is an instance of LAUNCH_TEMPLATE */
        bool is_watched;        /* the unit has a watch for this start */
        bool is_over;           /* the name has an owner; the start is in no hash any more */
        int64_t turn;           /* when it may begin (pace.h); 0: it has begun */
        uint32_t payer;         /* the account for which pace_start() has counted it */
        struct loop_timer timer;
        UT_hash_handle hh;
        char name[];
};

struct activation {
        struct bus *bus;
        struct loop *loop;
        struct children children;
        struct service_table *table;
        bool table_is_old;    /* the process knows that it is out of date */
        struct start *starts; /* hash by name */
        uint32_t n_own;       /* messages of the bus itself that wait */
        struct unit_watches *watches;
        bool has_template; /* set before launch() is called: may it use LAUNCH_TEMPLATE? */
        /*
         * Called when the program of a start failed: start_fail(), which is on a floor above.
         */
        int (*failed)(struct start *start, const char *error, const char *text);
};

/*
 * Begin to start the service that client wants (NULL: not logged). If systemd shall start it,
 * start->unit is set, and the calling function sends ActivationRequest. Returns 0, 1 with the
 * reason in *ret_failure, or a negative errno that is fatal.
 */
int launch(struct start *start, const struct service *service, const struct client *client,
           struct launch_failure *ret_failure);
/*
 * A bus that takes over from another one (state-starts.h): pid is the program of the start. fd is
 * the pipe that tells whether the program could be executed, or -1 after it has done so; after a
 * failure it is the caller's. -ENOMEM and others.
 */
int launch_adopt_child(struct start *start, pid_t pid, int fd);
/* bus1-launch, or the service that it became, has exited with this status. */
void launch_explain_template(const struct start *start, int status,
                             struct launch_failure *ret_failure);
/* The client that owns the bus name of systemd now, or NULL. */
struct client *launch_find_systemd(struct bus *bus);
