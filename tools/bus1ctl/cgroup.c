/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tools/bus1ctl/output.h"

#define INIT_SCOPE "/init.scope"

/* The cgroup above those of the system manager's units: a container may not be at the top. */
static char *find_system(void) {
        CLEANUP_FCLOSE FILE *f = fopen("/proc/1/cgroup", "re");
        CLEANUP_FREE char *line = NULL;
        size_t size = 0;

        while (f && getline(&line, &size, f) >= 0) {
                char *end;

                if (strncmp(line, "0::", 3) != 0)
                        continue;
                line[strcspn(line, "\n")] = '\0';
                end = strstr(line, INIT_SCOPE);
                if (end && !end[strlen(INIT_SCOPE)])
                        *end = '\0';
                return copy_text(line + 3);
        }
        return copy_text("");
}

static bool runs(const char *manager, const char *unit) {
        /* the second is where there are also cgroups of the first version */
        static const char *const tops[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
        static const char *const slices[] = {"system.slice", "session.slice"};
        bool found = false;

        for (size_t i = 0; i < 4 && !found; i++) {
                CLEANUP_FREE char *path = NULL;

                check_memory(asprintf(&path, "%s%s/%s/%s", tops[i / 2], manager, slices[i % 2],
                                      unit) >= 0);
                found = access(path, F_OK) >= 0;
        }
        return found;
}

bool cgroup_runs_bridge(enum unit_scope scope, uid_t uid) {
        CLEANUP_FREE char *system = find_system(), *user = NULL;
        const char *manager = system;

        if (scope == UNIT_USER) {
                check_memory(asprintf(&user, "%s/user.slice/user-%u.slice/user@%u.service", system,
                                      uid, uid) >= 0);
                manager = user;
        }
        return runs(manager, UNIT_BRIDGE) && !runs(manager, UNIT_BUS) &&
               !runs(manager, "dbus-broker.service");
}
