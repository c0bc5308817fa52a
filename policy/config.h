/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bus configuration - the busconfig XML files, read
 *
 * One main file with everything it includes becomes one struct bus_config, by the rules of
 * dbus-daemon(1): what is wrong in the main file or an <include>d one makes all of it fail, what is
 * wrong in a file found through <includedir> only leaves that file out, with a warning. Every
 * message starts with FILE:LINE:COLUMN.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "policy/policy.h"

/* Without <limit> these are the values of bus_limits_default(). All >= 0 unless said otherwise. */
struct bus_limits {
        int64_t max_incoming_bytes;
        int64_t max_incoming_unix_fds;
        int64_t max_outgoing_bytes;
        int64_t max_outgoing_unix_fds;
        int64_t max_message_size;
        int64_t max_message_unix_fds;
        int64_t service_start_timeout; /* ms */
        int64_t auth_timeout;          /* ms */
        int64_t pending_fd_timeout;    /* ms */
        int64_t max_completed_connections;
        int64_t max_incomplete_connections;
        int64_t max_connections_per_user;
        int64_t max_pending_service_starts;
        int64_t max_names_per_connection;
        int64_t max_match_rules_per_connection;
        int64_t max_replies_per_connection;
        int64_t reply_timeout; /* ms, -1: never */
        int64_t max_containers;
        int64_t max_containers_per_user;
        int64_t max_container_metadata_bytes;
        int64_t max_connections_per_container;
};

void bus_limits_default(struct bus_limits *ret_limits);

struct bus_servicedir {
        char *path;
        /* XDG_RUNTIME_DIR's: a file must be named after its service, and the directory is not
         * watched. */
        bool is_runtime;
};

/* <selinux><associate own= context=/></selinux> */
struct bus_selinux_association {
        char *own;
        char *context;
        const char *file; /* one of the configuration's files */
        unsigned line;
};

enum bus_apparmor_mode {
        BUS_APPARMOR_ENABLED,
        BUS_APPARMOR_DISABLED,
        BUS_APPARMOR_REQUIRED,
};

/* Where an element stands in the files; file is NULL if there is none. */
struct bus_config_place {
        const char *file;
        unsigned line;
};

/* A file or directory as it was when the configuration was read. */
struct bus_config_source {
        const char *path; /* owned by the configuration */
        uint64_t stamp;   /* bus_config_stamp() at that time; 0: it did not exist */
        bool is_directory;
};

/* The files and directories that a configuration was read from, for noticing changes. */
struct bus_config_inputs {
        struct bus_config_source *sources; /* all files read, the main one first; <includedir>s */
        size_t n_sources;
        char **files; /* each file that exists */
        size_t n_files;
        char **missing; /* each included file that does not exist */
        size_t n_missing;
        char **includedirs; /* each <includedir> */
        size_t n_includedirs;
};

struct bus_config {
        char *type; /* NULL when there is none */
        char *user; /* as written: a name or number; NULL when there is none */
        bool fork;
        bool keep_umask;
        bool syslog;
        bool allow_anonymous;
        char *pidfile;
        char *servicehelper; /* its presence makes this a bus of system activation */

        char **listen; /* D-Bus addresses, verbatim; at least one */
        size_t n_listen;
        char **auth; /* SASL mechanisms; none means all */
        size_t n_auth;
        struct bus_servicedir *servicedirs; /* absolute, in order of precedence */
        size_t n_servicedirs;

        struct bus_limits limits;
        struct policy *policy;

        bool selinux_enabled; /* the system's state when the files were read */
        struct bus_selinux_association *selinux;
        size_t n_selinux;
        enum bus_apparmor_mode apparmor;

        struct bus_config_place place_user;
        struct bus_config_place place_servicehelper;
        struct bus_config_place place_apparmor;
        struct bus_config_place place_allow_anonymous;

        struct bus_config_inputs inputs;

        /* Texts to be logged: what is odd but not an error. */
        char **warnings;
        size_t n_warnings;
};

/* What the result depends on besides the files. */
struct bus_config_environment {
        const char *home; /* of the user, from the user database */
        const char *xdg_runtime_dir;
        const char *xdg_data_home;
        const char *xdg_data_dirs;
        bool selinux_enabled;
        const char *selinux_root; /* of the configured SELinux policy: /etc/selinux/TYPE */
};

/*
 * Read a configuration. environment NULL means that of this process and system. Looks up users and
 * groups, so it may block. -EINVAL for a configuration that is wrong or cannot be read, -ENOENT
 * when the main file does not exist, -ENOMEM. On failure *ret_error (may be NULL) is what to tell
 * the user, to be freed (NULL only without memory), and *ret_config is untouched.
 */
int bus_config_load(const char *path, const struct bus_config_environment *environment,
                    struct bus_config **ret_config, char **ret_error);
/*
 * Likewise, for a bus that keeps what it has on failure: *ret_config is then what to watch until it
 * can be read, a configuration of sources, files, missing and includedirs alone. NULL without
 * memory.
 */
int bus_config_reload(const char *path, const struct bus_config_environment *environment,
                      struct bus_config **ret_config, char **ret_error);
/* As bus_config_load(), of a file meant to be included by another: it need not have a <listen>. */
int bus_config_load_part(const char *path, const struct bus_config_environment *environment,
                         struct bus_config **ret_config, char **ret_error);
/* NULL is fine; returns NULL. */
struct bus_config *bus_config_free(struct bus_config *config);

/* Whether SASL mechanism name may be used: one of auth, or any when there is none. */
bool bus_config_allows_auth(const struct bus_config *config, const char *name);

/* A number that changes with a file. Never 0. */
uint64_t bus_config_stamp(const struct stat *st);

/* enforcement */

/* What a bus can do; for policy_unenforced(). */
enum {
        BUS_ENFORCES_SELINUX = 1 << 0,
        BUS_ENFORCES_APPARMOR = 1 << 1,
        BUS_ENFORCES_ACTIVATION = 1 << 2,
        BUS_ENFORCES_SERVICEHELPER = 1 << 3,
        BUS_ENFORCES_ANONYMOUS = 1 << 4,
        BUS_ENFORCES_COOKIES = 1 << 5, /* DBUS_COOKIE_SHA1 */
};

enum policy_unenforced_severity {
        /* something will be missing, nobody gets a right he should not have */
        POLICY_UNENFORCED_NOTE,
        /* a restriction would be ignored: only a session bus may start with that */
        POLICY_UNENFORCED_REFUSE,
        /* it says that no bus may run without */
        POLICY_UNENFORCED_REQUIRED,
};

struct policy_unenforced {
        enum policy_unenforced_severity severity;
        char *text; /* "FILE:LINE: …" */
};

/*
 * What the configuration asks for and a bus with these features (BUS_ENFORCES_*) does not do. 0 or
 * -ENOMEM. The list, NULL when empty, is freed with policy_unenforced_free().
 */
int policy_unenforced(const struct bus_config *config, unsigned features,
                      struct policy_unenforced **ret_list, size_t *ret_n);
struct policy_unenforced *policy_unenforced_free(struct policy_unenforced *list, size_t n);
