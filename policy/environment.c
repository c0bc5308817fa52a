/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The environment of a configuration: home directory, XDG variables, SELinux. */

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "policy/environment.h"

#define SESSION_SUBDIRECTORY "/dbus-1/services"
#define SYSTEM_SUBDIRECTORY "/dbus-1/system-services"
#define PASSWD_MAX (16 << 20)

/* Read SELINUXTYPE, the directory of the SELinux policy, from /etc/selinux/config. */
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

/* *ret_home is NULL if the user database does not know the user. */
static int find_home(char **ret_home) {
        struct passwd entry, *found = NULL;
        size_t n = 4096;
        int r;

        do {
                CLEANUP_FREE char *buffer = malloc(n);

                if (!buffer)
                        return -ENOMEM;
                r = getpwuid_r(geteuid(), &entry, buffer, n, &found);
                if (found) {
                        *ret_home = strdup(found->pw_dir);
                        return *ret_home ? 0 : -ENOMEM;
                }
                n *= 4;
        } while (r == ERANGE && n < PASSWD_MAX);
        *ret_home = NULL;
        return 0;
}

int bus_config_environment_read(struct bus_config_environment_own *ret_own) {
        struct bus_config_environment_own own = {};
        CLEANUP_FREE char *type = NULL;
        int r;

        r = find_home(&own.home);
        if (r < 0)
                return r;
        type = selinux_type();
        if (!type || asprintf(&own.selinux_root, "/etc/selinux/%s", type) < 0) {
                free(own.home);
                return -ENOMEM;
        }
        own.environment = (struct bus_config_environment){
                .home = own.home,
                .xdg_runtime_dir = getenv("XDG_RUNTIME_DIR"),
                .xdg_data_home = getenv("XDG_DATA_HOME"),
                .xdg_data_dirs = getenv("XDG_DATA_DIRS"),
                .selinux_enabled = !access("/sys/fs/selinux/enforce", F_OK),
                .selinux_root = own.selinux_root,
        };
        *ret_own = own;
        return 0;
}

void bus_config_environment_clear(struct bus_config_environment_own *own) {
        free(own->home);
        free(own->selinux_root);
        *own = (struct bus_config_environment_own){};
}

/*
 * Report a subdirectory of base, which has n bytes. Relative paths are ignored, as the XDG Base
 * Directory specification demands.
 */
static int add_below(const char *base, size_t n, const char *subdirectory, bool is_runtime,
                     bus_servicedir_func func, void *userdata) {
        CLEANUP_FREE char *path = NULL;

        if (!n || base[0] != '/')
                return 0;
        if (asprintf(&path, "%.*s%s", (int)n, base, subdirectory) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return func(userdata, path, is_runtime);
}

static int add_data_dirs(const char *dirs, bus_servicedir_func func, void *userdata) {
        int r;

        for (;; dirs++) {
                size_t n = strcspn(dirs, ":");

                r = add_below(dirs, n, SESSION_SUBDIRECTORY, false, func, userdata);
                if (r < 0)
                        return r;
                dirs += n;
                if (!*dirs)
                        return 0;
        }
}

static bool is_set(const char *variable) {
        return variable && *variable;
}

int bus_config_session_servicedirs(const struct bus_config_environment *e, bus_servicedir_func func,
                                   void *userdata) {
        int r = 0;

        if (is_set(e->xdg_runtime_dir))
                r = add_below(e->xdg_runtime_dir, strlen(e->xdg_runtime_dir), SESSION_SUBDIRECTORY,
                              true, func, userdata);
        if (r < 0)
                return r;
        if (is_set(e->xdg_data_home))
                r = add_below(e->xdg_data_home, strlen(e->xdg_data_home), SESSION_SUBDIRECTORY,
                              false, func, userdata);
        else if (is_set(e->home))
                r = add_below(e->home, strlen(e->home), "/.local/share" SESSION_SUBDIRECTORY, false,
                              func, userdata);
        if (r < 0)
                return r;
        r = add_data_dirs(is_set(e->xdg_data_dirs) ? e->xdg_data_dirs
                                                   : "/usr/local/share:/usr/share",
                          func, userdata);
        if (r < 0)
                return r;
        /* the data directory of the bus itself, regardless of the environment */
        return func(userdata, "/usr/share" SESSION_SUBDIRECTORY, false);
}

int bus_config_system_servicedirs(bus_servicedir_func func, void *userdata) {
        static const char *const paths[] = {
                "/etc" SYSTEM_SUBDIRECTORY,
                "/run" SYSTEM_SUBDIRECTORY,
                "/usr/local/share" SYSTEM_SUBDIRECTORY,
                "/usr/share" SYSTEM_SUBDIRECTORY,
                "/lib" SYSTEM_SUBDIRECTORY,
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < sizeof(paths) / sizeof(*paths); i++)
                r = func(userdata, paths[i], false);
        return r;
}
