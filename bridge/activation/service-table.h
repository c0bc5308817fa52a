/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The service table - all names that have a service file
 *
 * The table is made from the *.service files in the <servicedir>s of a configuration. If several
 * files define a name, the first directory counts. Within a directory the file that is named after
 * the service counts, or else the first one by name. A file with an error is left out with a
 * warning, and so is a file with the wrong name in a directory below XDG_RUNTIME_DIR. A missing
 * directory counts as empty.
 *
 * Any thread may load a table. Only one thread at a time may use it.
 */

#include "bridge/activation/service-file.h"
#include "policy/config.h"

/*
 * The limit for one directory. Further files are left out, because the answer to
 * ListActivatableNames has to fit into a message.
 */
#define SERVICE_TABLE_FILES_MAX 65536

/* A file that was left out, and its stamp at that time. */
struct service_left_out {
        char *path;
        uint64_t stamp;
};

struct service_table {
        struct service **services; /* sorted by name, each name once */
        size_t n_services;
        struct bus_servicedir *directories;
        uint64_t *stamps; /* of each directory when it was read; 0: it was missing */
        size_t n_directories;
        struct service_left_out *left_out; /* service_table_is_current() sees a change */
        size_t n_left_out;
        bool has_servicehelper;
        /* Texts "FILE:LINE: …" or "PATH: …"; activation_exchange_table() logs at most 200. */
        char **warnings;
        size_t n_warnings;
};

/* Read the directories of config, which is not needed later. -ENOMEM, -EMFILE, -ENFILE. */
int service_table_load(const struct bus_config *config, struct service_table **ret_table);
/* NULL is fine; returns NULL. */
struct service_table *service_table_free(struct service_table *table);

/* Find a service in the table; NULL if there is none. It lives as long as the table. */
const struct service *service_table_find(const struct service_table *table, const char *name);

/*
 * Is the table up to date, as far as this name is concerned? Call this before a service is started,
 * and for a name that is unknown and has no owner. For a name in the table, this calls stat() for
 * the file of this name. For any other name, it calls stat() for each directory and for each file
 * that was left out. So the bus notices the file of a new name if the file was added before a
 * message to this name was sent, even without inotify.
 */
bool service_table_is_current(const struct service_table *table, const char *name);
