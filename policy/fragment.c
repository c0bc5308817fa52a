/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fragments: merged, extended and freed. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/array.h"
#include "policy/fragment.h"

#define SESSION_SUBDIRECTORY "/dbus-1/services"
#define SYSTEM_SUBDIRECTORY "/dbus-1/system-services"

static void free_strings(char **strings, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(strings[i]);
        free(strings);
}

void bus_fragment_clear(struct bus_fragment *fragment) {
        struct bus_config *config = &fragment->config;

        free(config->type);
        free(config->user);
        free(config->pidfile);
        free(config->servicehelper);
        free_strings(config->listen, config->n_listen);
        free_strings(config->auth, config->n_auth);
        for (size_t i = 0; i < config->n_servicedirs; i++)
                free(config->servicedirs[i].path);
        free(config->servicedirs);
        for (size_t i = 0; i < config->n_selinux; i++) {
                free(config->selinux[i].own);
                free(config->selinux[i].context);
        }
        free(config->selinux);
        bus_subuids_clear(&config->subuids);
        free(config->inputs.sources);
        free_strings(config->inputs.files, config->inputs.n_files);
        free_strings(config->inputs.missing, config->inputs.n_missing);
        free_strings(config->inputs.includedirs, config->inputs.n_includedirs);
        for (size_t i = 0; i < config->inputs.n_identities; i++)
                free(config->inputs.identities[i].name);
        free(config->inputs.identities);
        free_strings(config->warnings, config->n_warnings);
        policy_unref(config->policy);
        for (size_t i = 0; i < fragment->n_blocks; i++)
                policy_block_free(fragment->blocks[i]);
        free(fragment->blocks);
        *fragment = (struct bus_fragment){};
}

/* A value that is set replaces an earlier one. */
static void replace(char **into, char **from) {
        if (!*from)
                return;
        free(*into);
        *into = steal_ptr(from);
}

static void replace_place(struct bus_config_place *into, const struct bus_config_place *from) {
        if (from->file)
                *into = *from;
}

/* Move the items of an array to the end of another one. After a failure the rest is not moved. */
#define MOVE_ALL(into, n_into, from, n_from)                                             \
        ({                                                                               \
                size_t moved_ = 0;                                                       \
                int move_r_ = 0;                                                         \
                while (moved_ < (n_from) && move_r_ >= 0) {                              \
                        move_r_ = POLICY_ARRAY_APPEND((into), (n_into), (from)[moved_]); \
                        if (move_r_ >= 0)                                                \
                                moved_++;                                                \
                }                                                                        \
                if (moved_ > 0) {                                                        \
                        (n_from) -= moved_;                                              \
                        memmove((from), (from) + moved_, (n_from) * sizeof(*(from)));    \
                }                                                                        \
                move_r_;                                                                 \
        })

int bus_fragment_merge(struct bus_fragment *into_fragment, struct bus_fragment *from_fragment) {
        struct bus_config *into = &into_fragment->config, *from = &from_fragment->config;
        int r;

        replace(&into->type, &from->type);
        replace(&into->user, &from->user);
        replace(&into->pidfile, &from->pidfile);
        replace(&into->servicehelper, &from->servicehelper);
        replace_place(&into->place_user, &from->place_user);
        replace_place(&into->place_servicehelper, &from->place_servicehelper);
        replace_place(&into->place_allow_anonymous, &from->place_allow_anonymous);
        if (from->place_apparmor.file) {
                into->place_apparmor = from->place_apparmor;
                into->apparmor = from->apparmor;
        }
        into->fork |= from->fork;
        into->keep_umask |= from->keep_umask;
        into->syslog |= from->syslog;
        into->allow_anonymous |= from->allow_anonymous;
        for (size_t i = 0; i < BUS_LIMIT_N; i++) {
                const struct bus_limit *limit = &bus_limit_table[i];

                if (from_fragment->limits_set[i])
                        bus_fragment_set_limit(into_fragment, limit,
                                               *bus_limit_value(&from->limits, limit));
        }

        r = MOVE_ALL(into->listen, into->n_listen, from->listen, from->n_listen);
        if (r >= 0)
                r = MOVE_ALL(into->auth, into->n_auth, from->auth, from->n_auth);
        for (size_t i = 0; i < from->n_servicedirs && r >= 0; i++)
                r = bus_fragment_add_servicedir(into_fragment, from->servicedirs[i].path,
                                                from->servicedirs[i].kind);
        for (size_t i = 0; i < from->n_selinux && r >= 0; i++) {
                const struct bus_selinux_association *a = &from->selinux[i];
                struct bus_config_place place = {.file = a->file, .line = a->line};

                r = bus_fragment_associate(into_fragment, a->own, a->context, place);
        }
        if (r >= 0)
                r = MOVE_ALL(into_fragment->blocks, into_fragment->n_blocks, from_fragment->blocks,
                             from_fragment->n_blocks);
        if (r >= 0)
                bus_fragment_clear(from_fragment);
        return r;
}

void bus_fragment_set_limit(struct bus_fragment *fragment, const struct bus_limit *limit,
                            int64_t value) {
        *bus_limit_value(&fragment->config.limits, limit) = value;
        fragment->limits_set[limit - bus_limit_table] = true;
}

int bus_fragment_add_servicedir(struct bus_fragment *fragment, const char *path,
                                enum bus_servicedir_kind kind) {
        struct bus_config *config = &fragment->config;
        struct bus_servicedir dir = {.kind = kind};
        int r;

        for (size_t i = 0; i < config->n_servicedirs; i++)
                if (strcmp(config->servicedirs[i].path, path) == 0) {
                        if (kind == SERVICEDIR_FIXED)
                                config->servicedirs[i].kind = kind;
                        return 0;
                }
        dir.path = strdup(path);
        if (!dir.path)
                return -ENOMEM;
        r = POLICY_ARRAY_APPEND(config->servicedirs, config->n_servicedirs, dir);
        if (r < 0)
                free(dir.path);
        return r;
}

int bus_fragment_associate(struct bus_fragment *fragment, const char *own, const char *context,
                           struct bus_config_place place) {
        struct bus_config *config = &fragment->config;
        CLEANUP_FREE char *own_copy = strdup(own), *context_copy = strdup(context);
        struct bus_selinux_association item = {
                .own = own_copy,
                .context = context_copy,
                .file = place.file,
                .line = place.line,
        };
        size_t i;

        if (!own_copy || !context_copy)
                return -ENOMEM;
        for (i = 0; i < config->n_selinux; i++)
                if (strcmp(config->selinux[i].own, own) == 0)
                        break;
        if (i < config->n_selinux) {
                free(config->selinux[i].own);
                free(config->selinux[i].context);
                config->selinux[i] = item;
        } else if (POLICY_ARRAY_APPEND(config->selinux, config->n_selinux, item) < 0) {
                return -ENOMEM;
        }
        own_copy = context_copy = NULL;
        return 0;
}

/* service directories */

/*
 * Add a subdirectory of base, which has n bytes. A relative path is below the working directory,
 * like in dbus-daemon, although the XDG Base Directory Specification says to ignore it.
 */
static int add_below(struct bus_fragment *fragment,
                     const struct bus_config_environment *environment, const char *base, size_t n,
                     const char *subdirectory, enum bus_servicedir_kind kind) {
        CLEANUP_FREE char *path = NULL;
        bool is_relative = n > 0 && base[0] != '/';

        if (!n || (is_relative && !environment->directory))
                return 0;
        if (asprintf(&path, "%s%s%.*s%s", is_relative ? environment->directory : "",
                     is_relative ? "/" : "", (int)n, base, subdirectory) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return bus_fragment_add_servicedir(fragment, path, kind);
}

int bus_fragment_add_session_servicedirs(struct bus_fragment *fragment,
                                         const struct bus_config_environment *environment) {
        const char *runtime = environment->xdg_runtime_dir ?: "";
        const char *data_home = environment->xdg_data_home ?: "", *home = environment->home ?: "";
        const char *dirs = environment->xdg_data_dirs ?: "";
        int r;

        r = add_below(fragment, environment, runtime, strlen(runtime), SESSION_SUBDIRECTORY,
                      SERVICEDIR_RUNTIME);
        if (r >= 0 && *data_home)
                r = add_below(fragment, environment, data_home, strlen(data_home),
                              SESSION_SUBDIRECTORY, SERVICEDIR_ENVIRONMENT);
        else if (r >= 0)
                r = add_below(fragment, environment, home, strlen(home),
                              "/.local/share" SESSION_SUBDIRECTORY, SERVICEDIR_ENVIRONMENT);
        if (!*dirs)
                dirs = "/usr/local/share:/usr/share";
        while (r >= 0 && *dirs) {
                size_t n = strcspn(dirs, ":");

                r = add_below(fragment, environment, dirs, n, SESSION_SUBDIRECTORY,
                              SERVICEDIR_ENVIRONMENT);
                dirs += n + (dirs[n] == ':');
        }
        /* the data directory of the bus itself, whatever the environment says */
        return r < 0 ? r
                     : bus_fragment_add_servicedir(fragment, "/usr/share" SESSION_SUBDIRECTORY,
                                                   SERVICEDIR_FIXED);
}

int bus_fragment_add_system_servicedirs(struct bus_fragment *fragment) {
        static const char *const paths[] = {
                "/etc" SYSTEM_SUBDIRECTORY,
                "/run" SYSTEM_SUBDIRECTORY,
                "/usr/local/share" SYSTEM_SUBDIRECTORY,
                "/usr/share" SYSTEM_SUBDIRECTORY,
                "/lib" SYSTEM_SUBDIRECTORY,
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < sizeof(paths) / sizeof(*paths); i++)
                r = bus_fragment_add_servicedir(fragment, paths[i], SERVICEDIR_FIXED);
        return r;
}

struct bus_config *bus_config_free(struct bus_config *config) {
        struct bus_fragment fragment = {};

        if (!config)
                return NULL;
        fragment.config = *config;
        bus_fragment_clear(&fragment);
        free(config);
        return NULL;
}
