/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Live - calls to a running bus, and questions through its interface org.bus1.Bridge1.Policy
 *
 * Functions that can fail return 0, or print a message on standard error and return an exit status.
 */

#include <systemd/sd-bus.h>

#include "tools/bus1ctl/answer.h"
#include "tools/bus1ctl/who.h"

/* Of the files and directories from which the bus has read its policy: */
struct live_sources {
        char *main;     /* the main file */
        char **changed; /* those that have changed since */
        size_t n_changed;
};

/* The facts that the bus used for its answer. The same question to files needs them, too. */
struct live_context {
        struct who who;
        uid_t bus_uid;
        char **names; /* names that the other end of the message owns */
};

/* The options that select the bus. */
struct live_bus {
        bool is_live;
        bool is_session;
        const char *address; /* NULL: the address in the environment, or the default one */
};

int live_open(const struct live_bus *which, sd_bus **ret_bus);
/*
 * Report why a method of this interface of the bus has failed, with a result r of sd_bus_call().
 * The action says what only some users may do. Returns STATUS_FAILED.
 */
int live_report_error(sd_bus *bus, const char *interface, const char *action,
                      const sd_bus_error *error, int r);
/* Ask about the connection of a client, or, if client is NULL, about one of the given user. */
int live_explain(sd_bus *bus, const char *client, const struct who *who, char **words,
                 bool matching, struct answer *ret_answer, struct live_context *ret_context);
void live_context_clear(struct live_context *context);
int live_get_sources(sd_bus *bus, struct live_sources *ret_sources);
void live_sources_clear(struct live_sources *sources);
