/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The service table - all names that can be started
 *
 * Made of the *.service files in the <servicedir>s of a configuration. A name is had from the first
 * directory that has it; within a directory, from the file that is named after it, or else the
 * first by name. A file that is wrong is left out, with a warning; it disturbs no other. A
 * directory that is missing is an empty one.
 *
 * A table is loaded on any thread, and then belongs to one.
 */

#include "bridge/activation/service-file.h"
#include "policy/config.h"

/* Files beyond these are left out: nobody has as many, and what is listed has to fit a message. */
#define SERVICE_TABLE_FILES_MAX 65536

/* A file that was left out, as it was then. */
struct service_left_out {
        char *path;
        uint64_t stamp;
};

struct service_table {
        struct service **services; /* sorted by name, each name once */
        size_t n_services;
        struct bus_servicedir *directories;
        uint64_t *stamps; /* of each as it was read; 0: it was not there */
        size_t n_directories;
        struct service_left_out *left_out; /* they may be put right in place */
        size_t n_left_out;
        bool has_servicehelper;
        /* What was odd, "FILE:LINE: …"; to be logged, by whom the table belongs to. */
        char **warnings;
        size_t n_warnings;
};

/* Read the directories of config, which is not needed later. -ENOMEM, -EMFILE, -ENFILE. */
int service_table_load(const struct bus_config *config, struct service_table **ret_table);
/* NULL is fine; returns NULL. */
struct service_table *service_table_free(struct service_table *table);

/* By what was read; NULL when there is none. What it returns lives as long as the table. */
const struct service *service_table_find(const struct service_table *table, const char *name);

/*
 * For what is about to be started, or has no owner and is not known: is it still as it was read? If
 * not, the directories are read again. So a file that was there before a message was sent is seen,
 * even where nothing watches. Costs a stat() of each directory and of each file that was left out,
 * or one of the file of a name that is known; whoever asks for nonsense makes nothing be read.
 *
 * 0 when nothing changed. 1 when *ret_table is a new table to go on with in place of table, which
 * is left to the caller with all that points into it. -ENOMEM, -EMFILE, -ENFILE.
 */
int service_table_refresh(const struct service_table *table, const char *name,
                          struct service_table **ret_table);
