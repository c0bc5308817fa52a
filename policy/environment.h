/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The environment of a configuration - home directory, XDG variables and the state of SELinux
 *
 * Tests give bus_config_load() an environment of their own; buses use that of the process.
 */

#include "policy/config.h"

/* The environment of this process and system, and the strings that it owns. */
struct bus_config_environment_own {
        struct bus_config_environment environment;
        char *home;
        char *selinux_root;
};

int bus_config_environment_read(struct bus_config_environment_own *ret_own);
void bus_config_environment_clear(struct bus_config_environment_own *own);

/*
 * Call func for each directory that <standard_session_servicedirs/> or
 * <standard_system_servicedirs/> stands for, in order of precedence. A negative result of func
 * stops the iteration and is returned.
 */
typedef int (*bus_servicedir_func)(void *userdata, const char *path, bool is_runtime);
int bus_config_session_servicedirs(const struct bus_config_environment *environment,
                                   bus_servicedir_func func, void *userdata);
int bus_config_system_servicedirs(bus_servicedir_func func, void *userdata);
