/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The environment of a configuration: home directory, XDG variables, SELinux. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "policy/environment.h"
#include "policy/ids.h"

/*
 * Read SELINUXTYPE, the name of the directory of the SELinux policy, from /etc/selinux/config. The
 * default is "targeted".
 */
static char *selinux_type(void) {
        static const char key[] = "SELINUXTYPE=";
        CLEANUP_FCLOSE FILE *f = fopen("/etc/selinux/config", "re");
        char line[256], *type = NULL;

        while (f && fgets(line, sizeof(line), f)) {
                if (strncmp(line, key, strlen(key)) != 0)
                        continue;
                line[strcspn(line, " \t\r\n")] = '\0';
                free(type);
                type = strdup(line + strlen(key));
        }
        return type ?: strdup("targeted");
}

int bus_config_environment_read(struct bus_config_environment_own *ret_own) {
        struct bus_config_environment_own own = {};
        CLEANUP_FREE char *type = NULL;
        int r;

        r = policy_find_home(&own.home);
        if (r < 0)
                return r;
        own.directory = getcwd(NULL, 0);
        type = selinux_type();
        if (!type || asprintf(&own.selinux_root, "/etc/selinux/%s", type) < 0) {
                free(own.home);
                free(own.directory);
                return -ENOMEM;
        }
        own.environment = (struct bus_config_environment){
                .home = own.home,
                .xdg_runtime_dir = getenv("XDG_RUNTIME_DIR"),
                .xdg_data_home = getenv("XDG_DATA_HOME"),
                .xdg_data_dirs = getenv("XDG_DATA_DIRS"),
                .directory = own.directory,
                .selinux_enabled = !access("/sys/fs/selinux/enforce", F_OK),
                .selinux_root = own.selinux_root,
                .subuid = "/etc/subuid",
        };
        *ret_own = own;
        return 0;
}

void bus_config_environment_clear(struct bus_config_environment_own *own) {
        free(own->home);
        free(own->directory);
        free(own->selinux_root);
        *own = (struct bus_config_environment_own){};
}
