/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The environment of a configuration - home directory, XDG variables and the state of SELinux
 *
 * Tests give bus_config_load() an environment of their own. The bus and bus1ctl use that of the
 * process.
 */

#include "policy/config.h"

/* The environment of this process and system, and the strings that it owns. */
struct bus_config_environment_own {
        struct bus_config_environment environment;
        char *home;
        char *directory;
        char *selinux_root;
};

/* Read the environment. Returns 0 or -ENOMEM. The caller clears the environment. */
int bus_config_environment_read(struct bus_config_environment_own *ret_own);
void bus_config_environment_clear(struct bus_config_environment_own *own);
