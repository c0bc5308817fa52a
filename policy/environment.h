/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The environment of a configuration - what its meaning depends on besides the files
 */

#include "policy/config.h"

/* That of this process and system, with the strings it owns. */
struct bus_config_environment_own {
        struct bus_config_environment environment;
        char *home;
        char *selinux_root;
};

int bus_config_environment_read(struct bus_config_environment_own *ret_own);
void bus_config_environment_clear(struct bus_config_environment_own *own);

/*
 * The directories that <standard_session_servicedirs/> and <standard_system_servicedirs/> stand
 * for, one call each, in order of precedence. Stops at, and returns, the first negative result.
 */
typedef int (*bus_servicedir_func)(void *userdata, const char *path, bool is_runtime);
int bus_config_session_servicedirs(const struct bus_config_environment *environment,
                                   bus_servicedir_func func, void *userdata);
int bus_config_system_servicedirs(bus_servicedir_func func, void *userdata);
