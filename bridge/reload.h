/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reload - reading the configuration again without holding up the bus
 *
 * Files may be many, on slow disks, and name users that only a slow name service knows. So a thread
 * reads them, and makes of them a configuration with its policy that nobody changes any more; the
 * bus takes it over between two messages. What it replaces is freed by such a thread, too.
 *
 * There is one thread at a time. A request that comes while it reads might be about what it has
 * read already: then all is read once more, for all requests of that time together. Everything here
 * is called from the bus's thread only.
 */

#include "bridge/base/loop.h"

struct bus;
struct bus_config;
struct driver_later;
struct reload_job;
struct service_table;

/* All that is read: the configuration, and the services of its directories. */
struct reload_state {
        struct bus_config *config;
        struct service_table *services;
};

/* The services of a configuration, for a start. Makes the directories that a bus makes. -ENOMEM. */
int reload_read_services(const struct bus_config *config, struct service_table **ret_services);

struct reload {
        struct bus *bus;
        struct loop *loop;
        const char *path;
        struct loop_source source;    /* an eventfd: the thread has done its job; -1: none */
        struct reload_job *job;       /* NULL: there is no thread */
        struct driver_later *current; /* who waits for what is being read */
        struct driver_later *waiting; /* ... for what is to be read after that */
        bool again;                   /* there is something to be read after that */
        /*
         * Put *state in force and leave what it replaces there. Or a negative errno with what to
         * say about it, to be freed (NULL without memory): all stays as it was.
         */
        int (*take_over)(void *userdata, struct reload_state *state, char **ret_error);
        /* Nothing changes: what to watch until this can be read (bus_config_reload()) or used. */
        void (*refused)(void *userdata, const struct bus_config *config);
        void *userdata;
};

/* path is that of the configuration; it stays the caller's. */
int reload_init(struct reload *reload, struct bus *bus, struct loop *loop, const char *path);
/*
 * Before bus_deinit(). Waits for the thread, but not for long: when a name service holds it up, it
 * is left to the end of the process. Also for a reload that is all zero but for its descriptor of
 * -1.
 */
void reload_deinit(struct reload *reload);

/*
 * Have the configuration read, from now on. later (NULL: nobody waits) is ended when that is in
 * force or has failed. 0 or a fatal errno.
 */
int reload_request(struct reload *reload, struct driver_later *later);
