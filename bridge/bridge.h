/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The process: all parts of a bus */

#include <sys/resource.h>

#include "bridge/base/log.h"
#include "bridge/base/loop.h"
#include "bridge/bus/bus.h"
#include "bridge/options.h"
#include "bridge/reexec.h"
#include "bridge/reload.h"
#include "bridge/socket/server.h"
#include "bridge/state/load.h"
#include "bridge/watch.h"
#include "policy/config.h"

struct later;
struct native;
struct service_table;

struct bridge {
        struct options options;
        struct log log;
        struct loop loop;
        struct bus bus;
        struct server server;
        struct native *native; /* NULL: without bus1 */
        struct bus_config *config;
        struct service_table *services; /* until the bus takes it over */
        struct rlimit fd_limit;         /* of descriptors, as inherited; services get it too */
        char *config_path;              /* absolute, because a bus in the background is in / */
        struct loop_source signals;
        struct loop_timer reply_timer;
        struct reload reload;
        struct watch watch;
        struct reexec reexec;
        char *pidfile;  /* made by this process, which removes it at its end; or NULL */
        int pidfile_fd; /* locked; -1: none */
        int ready_fd;   /* of daemon_fork() */

        /* to take over from the program that this process has executed before */
        int state_fd;  /* the document; -1: this is a first start */
        int old_fd;    /* that program; -1: there is no way back */
        bool is_old;   /* this is that program: the new one could not take over */
        bool is_check; /* only see whether the document can be taken over */
        struct watch_before watch_before;
        struct state_load load;   /* the document, until it has been taken over */
        struct later *laters;     /* answers of that program that are due; until hand_over_wake() */
        uint32_t logged_warnings; /* hash of the warnings of the configuration that are logged */
};
