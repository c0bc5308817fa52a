/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reload - reading the configuration again without holding up the bus
 *
 * Reading can take long: files may be many or on a slow disk, and users are looked up in a name
 * service. So a thread reads the files and makes an immutable configuration with its policy. The
 * bus thread takes this over between two messages, and another thread frees the old configuration.
 *
 *      reload_request()      bus thread: start a thread, or note that one more run is needed
 *        run()               thread: read files, look up users, make the policy; write to eventfd
 *      job_ended()           bus thread: take_over() or refused(), answer the callers
 *        run()               thread: free the old configuration, read again if asked meanwhile
 *
 * At most one such thread runs at a time. A request that arrives while the thread reads may concern
 * a file that the thread has read already, so everything is read once more, once for all such
 * requests. The functions here are called from the bus thread; the thread that reads also calls
 * reload_read_services().
 */

#include "bridge/base/loop.h"

struct bus;
struct bus_config;
struct later;
struct reload_job;
struct service_table;

/* What a reload replaces: the configuration, and the services in its directories. */
struct reload_state {
        struct bus_config *config;
        struct service_table *services;
};

/*
 * Read the service files that a configuration names, and make the runtime directories that programs
 * expect. The caller owns *ret_services. -ENOMEM, -EMFILE, -ENFILE.
 */
int reload_read_services(const struct bus_config *config, struct service_table **ret_services);

struct reload {
        struct bus *bus;
        struct loop *loop;
        const char *path;
        struct loop_source source; /* eventfd by which the thread reports its end; -1: none */
        struct reload_job *job;    /* NULL: no thread runs */
        struct later *current;     /* calls that are answered when the present run ends */
        struct later *waiting;     /* calls that need another run */
        bool again;                /* another run follows the present one */
        char *failure;             /* why the last run failed; NULL: it did not */
        /*
         * Put *state in force and store what it replaced in *state. On failure nothing changes, the
         * result is a negative errno, and *ret_error, NULL before, may get a text that the caller
         * frees.
         */
        int (*take_over)(void *userdata, struct reload_state *state, char **ret_error);
        /* Reading begins; it has ended, and its result has taken effect or was refused. */
        void (*begins)(void *userdata);
        void (*ended)(void *userdata);
        /* The configuration was refused. Watch its files: a change may repair it. */
        void (*refused)(void *userdata, const struct bus_config *config);
        void *userdata;
};

/*
 * path names the main configuration file; the string must live until reload_deinit(). Returns 0 or
 * a negative errno.
 */
int reload_init(struct reload *reload, struct bus *bus, struct loop *loop, const char *path);
/*
 * Call before bus_deinit(). Waits two seconds at most for the thread; if the thread needs longer,
 * for example for a name service, it may run until the process ends. reload may be uninitialised if
 * all of it is zero except source.fd, which must be -1.
 */
void reload_deinit(struct reload *reload);

/*
 * Read the configuration again. later, if not NULL, is answered when the configuration that is read
 * after this call has taken effect or was refused. Returns 0 or a fatal negative errno.
 */
int reload_request(struct reload *reload, struct later *later);
/*
 * This bus takes over from another one, and has read the configuration and the service files, which
 * may have changed since that one has: tell clients, as after a reload. Answer these calls of
 * ReloadConfig, which the other bus has taken and not answered. The list (owner_next; NULL: none)
 * is used up. Returns 0 or a fatal negative errno.
 */
int reload_answer(struct reload *reload, struct later *list);
