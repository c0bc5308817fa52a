/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Live - a running bus, asked over its interface org.bus1.Bridge1.Policy
 *
 * On failure all functions print a message on standard error and return an exit status.
 */

#include <systemd/sd-bus.h>

#include "tools/bus1ctl/answer.h"
#include "tools/bus1ctl/who.h"

/* What the bus has read its policy from. */
struct live_sources {
        char *main;
        char **changed; /* files and directories that are not as they were */
        size_t n_changed;
};

/* What the question means on the bus, besides the answer. */
struct live_context {
        struct who who;
        uid_t bus_uid;
        char **names; /* those that the other side of the message has */
};

/* The options that say which bus is meant. */
struct live_bus {
        bool is_live;
        bool is_session;
        const char *address; /* NULL: as the environment has it */
};

int live_open(const struct live_bus *which, sd_bus **ret_bus);
/* client NULL: ask about who. n is the number of words. */
int live_explain(sd_bus *bus, const char *client, const struct who *who, char *const *words,
                 size_t n, bool matching, struct answer *ret_answer,
                 struct live_context *ret_context);
void live_context_clear(struct live_context *context);
int live_get_sources(sd_bus *bus, struct live_sources *ret_sources);
void live_sources_clear(struct live_sources *sources);
