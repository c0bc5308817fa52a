/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The service table - all names that can be started
 *
 * It is made of the *.service files in the <servicedir>s of a configuration. If several files
 * define a name, the first directory counts; within a directory the file that is named after the
 * service, or else the first one by name. A file with an error is left out with a warning. A
 * missing directory counts as empty.
 *
 * Any thread may load a table; one thread at a time may use it.
 */

#include "bridge/activation/service-file.h"
#include "policy/config.h"

/* Further files are left out, so that ListActivatableNames fits into a message. */
#define SERVICE_TABLE_FILES_MAX 65536

/* A file that was left out, with its stamp at that time. */
struct service_left_out {
        char *path;
        uint64_t stamp;
};

struct service_table {
        struct service **services; /* sorted by name, each name once */
        size_t n_services;
        struct bus_servicedir *directories;
        uint64_t *stamps; /* of each directory when it was read; 0: it did not exist */
        size_t n_directories;
        struct service_left_out *left_out; /* watched for repairs */
        size_t n_left_out;
        bool has_servicehelper;
        /* Texts "FILE:LINE: …", to be logged by the owner of the table. */
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
 * Check whether the table is still true for a name that is about to be started, or that is unknown
 * and has no owner. If not, read the directories again. So a file that existed before a message was
 * sent is found, even without inotify. Costs one stat() for a known name. For an unknown one it
 * costs a stat() of each directory and of each file that was left out, so asking for unknown names
 * causes no reading.
 *
 * Returns 0 if nothing changed, or 1 with a new table in *ret_table; the caller frees the old one.
 * -ENOMEM, -EMFILE, -ENFILE.
 */
int service_table_refresh(const struct service_table *table, const char *name,
                          struct service_table **ret_table);
