/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Cgroups - which units the managers of systemd run
 *
 * A unit that runs has a cgroup with its name. Looking there asks no manager.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "tools/bus1ctl/unit.h"

/*
 * Is bus1-bridge the bus that the manager of the system runs, or that of the user uid?
 * units/bus1-bridge-generator decides in the same way.
 */
bool cgroup_runs_bridge(enum unit_scope scope, uid_t uid);
