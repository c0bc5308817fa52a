/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bus configuration - the settings and the policy in the XML files of a bus
 *
 *      main.conf --<include>--> a.conf          each file is a document (policy/document.h)
 *          |
 *          `--<includedir>--> d/1.conf d/2.conf
 *          v
 *      each document fills a fragment (policy/fragment.h), which is merged into the fragment of the
 *      including document; the fragment of the main file becomes
 *          v
 *      struct bus_config: settings, limits, and the policy (policy/policy.h)
 *
 * The rules are those of dbus-daemon(1). An error in a file makes each file invalid that includes
 * it with <include>, up to the main file. But an error in a file of an <includedir> only excludes
 * that file, with a warning. Each error text and warning starts with the place that it is about:
 * FILE, FILE:LINE or FILE:LINE:COLUMN.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "policy/policy.h"
#include "policy/subuid.h"

/* The standard configurations of session buses and of the system bus. */
#define BUS_CONFIG_SESSION "/usr/share/dbus-1/session.conf"
#define BUS_CONFIG_SYSTEM "/usr/share/dbus-1/system.conf"

/*
 * A limit without a <limit> element has the value that bus_limits_default() sets. No <limit> is
 * negative; only reply_timeout is -1 by default, which means none.
 */
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
        int64_t reply_timeout; /* ms; by default -1: none */
        int64_t max_containers;
        int64_t max_containers_per_user;
        int64_t max_container_metadata_bytes;
        int64_t max_connections_per_container;
};

void bus_limits_default(struct bus_limits *ret_limits);

enum bus_servicedir_kind {
        SERVICEDIR_FIXED, /* the configuration names it, or it is a directory of the system */
        /*
         * A variable of the environment names it. A bus of root does not use what in it belongs to
         * others: who becomes root may keep the environment of a user.
         */
        SERVICEDIR_ENVIRONMENT,
        /*
         * The same, below XDG_RUNTIME_DIR: the bus makes it, its files must be named after their
         * services, and it is not watched.
         */
        SERVICEDIR_RUNTIME,
};

struct bus_servicedir {
        char *path;
        enum bus_servicedir_kind kind;
};

/* <selinux><associate own="..." context="..."/></selinux> */
struct bus_selinux_association {
        char *own;
        char *context;
        const char *file; /* owned by the policy */
        unsigned line;
};

enum bus_apparmor_mode {
        BUS_APPARMOR_ENABLED,
        BUS_APPARMOR_DISABLED,
        BUS_APPARMOR_REQUIRED,
};

/* The place of an element; file is NULL if the configuration does not have the element. */
struct bus_config_place {
        const char *file;
        unsigned line;
};

/* A file or directory as it was when the configuration was read. */
struct bus_config_source {
        const char *path; /* owned by the configuration */
        uint64_t stamp;   /* bus_config_stamp() at that time; 0: stat() failed */
        bool is_directory;
};

/* A user or group that the configuration names, as it was when the name was looked up. */
struct bus_config_identity {
        char *name;
        bool is_group;
        bool is_known; /* /etc/passwd or /etc/group has the name, with this number */
        id_t id;
};

/* The files and directories that a configuration was read from, for noticing changes. */
struct bus_config_inputs {
        struct bus_config_source
                *sources; /* files that were opened, the main one first, and includedirs */
        size_t n_sources;
        char **files; /* each file that was opened, or that exists but could not be opened */
        size_t n_files;
        char **missing; /* each file that was to be read but does not exist */
        size_t n_missing;
        char **includedirs; /* each <includedir> */
        size_t n_includedirs;
        struct bus_config_identity *identities; /* each user and group in rules and policies */
        size_t n_identities;
};

struct bus_config {
        char *type; /* NULL: none given */
        char *user; /* a name or number, as written; NULL: none given */
        bool fork;
        bool keep_umask;
        bool syslog;
        bool allow_anonymous;
        char *pidfile;
        char *servicehelper; /* if set, services that systemd does not start are started by it */

        char **listen; /* D-Bus addresses, verbatim; a part may have none */
        size_t n_listen;
        char **auth; /* SASL mechanisms; an empty list allows all */
        size_t n_auth;
        struct bus_servicedir *servicedirs; /* absolute, in order of precedence */
        size_t n_servicedirs;

        struct bus_limits limits;
        struct bus_subuids subuids;
        struct policy *policy;

        bool selinux_enabled; /* on the system, when the files were read */
        struct bus_selinux_association *selinux;
        size_t n_selinux;
        enum bus_apparmor_mode apparmor;

        struct bus_config_place place_user;
        struct bus_config_place place_servicehelper;
        struct bus_config_place place_apparmor;
        struct bus_config_place place_allow_anonymous;

        struct bus_config_inputs inputs;

        /* Texts for the log, about mistakes that do not make the configuration invalid. */
        char **warnings;
        size_t n_warnings;
        /* The last of the warnings: about rules that dbus-daemon understands differently. */
        size_t n_differences;
};

/* What the result depends on besides the files and the databases of users and groups. */
struct bus_config_environment {
        const char *home; /* home directory of the effective user, from the user database */
        const char *xdg_runtime_dir;
        const char *xdg_data_home;
        const char *xdg_data_dirs;
        const char *directory; /* working directory, for relative paths; NULL if there is none */
        bool selinux_enabled;
        const char *selinux_root; /* of the configured SELinux policy: /etc/selinux/TYPE */
        const char *subuid;       /* the file with subordinate uids; NULL: there are none */
};

/*
 * Read a configuration. If environment is NULL, that of this process and system is used. The
 * function looks up users and groups, so it may block. Returns 0; -EINVAL if the configuration is
 * wrong or cannot be read; -ENOENT if the main file does not exist; -ENOMEM. On failure *ret_config
 * is unchanged, and *ret_error (ret_error may be NULL) is a text for the user, which the caller
 * frees; it is NULL for -ENOMEM.
 */
int bus_config_load(const char *path, const struct bus_config_environment *environment,
                    struct bus_config **ret_config, char **ret_error);
/*
 * Like bus_config_load(), for a bus that already runs: if the new configuration is invalid, the bus
 * keeps the old one and watches the files for changes. After every failure, also -ENOMEM,
 * *ret_config has only the member "inputs": the files and directories that were found until then.
 * *ret_config is NULL if there is no memory for it.
 */
int bus_config_reload(const char *path, const struct bus_config_environment *environment,
                      struct bus_config **ret_config, char **ret_error);
/* Like bus_config_load(), for a part: a file that others include. It need not have a <listen>. */
int bus_config_load_part(const char *path, const struct bus_config_environment *environment,
                         struct bus_config **ret_config, char **ret_error);
/* Free a configuration. config may be NULL. Returns NULL. */
struct bus_config *bus_config_free(struct bus_config *config);

/* May clients use the SASL mechanism? True if auth contains it or is empty. */
bool bus_config_allows_auth(const struct bus_config *config, const char *name);

/* Hash the identity, size and change time of a file, to notice changes. The result is never 0. */
uint64_t bus_config_stamp(const struct stat *st);

/* enforcement */

/* The features that a bus may or may not have, for policy_unenforced(). */
enum {
        BUS_ENFORCES_SELINUX = 1 << 0,
        BUS_ENFORCES_APPARMOR = 1 << 1,
        BUS_ENFORCES_ACTIVATION = 1 << 2,
        BUS_ENFORCES_SERVICEHELPER = 1 << 3,
        BUS_ENFORCES_ANONYMOUS = 1 << 4,
        BUS_ENFORCES_COOKIES = 1 << 5, /* DBUS_COOKIE_SHA1 */
        /* those that bus1-bridge has even without a security module */
        BUS_ENFORCES_ALWAYS = BUS_ENFORCES_ACTIVATION | BUS_ENFORCES_SERVICEHELPER |
                              BUS_ENFORCES_ANONYMOUS | BUS_ENFORCES_COOKIES,
};

enum policy_unenforced_severity {
        /* the bus lacks a feature, but ignores no restriction of the configuration */
        POLICY_UNENFORCED_NOTE,
        /* the bus would ignore a restriction of the configuration; only a session bus may start */
        POLICY_UNENFORCED_REFUSE,
        /* the configuration says that the bus must not run without the feature */
        POLICY_UNENFORCED_REQUIRED,
};

struct policy_unenforced {
        enum policy_unenforced_severity severity;
        char *text; /* "FILE:LINE: …", or "…" if it is about no line */
};

/*
 * List the settings that a bus with these features (BUS_ENFORCES_*) does not enforce. Returns 0 or
 * -ENOMEM. The caller frees the list, which is NULL if empty, with policy_unenforced_free().
 */
int policy_unenforced(const struct bus_config *config, unsigned features,
                      struct policy_unenforced **ret_list, size_t *ret_n);
struct policy_unenforced *policy_unenforced_free(struct policy_unenforced *list, size_t n);
