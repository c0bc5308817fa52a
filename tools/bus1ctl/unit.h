/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Units - where systemd finds the units of a machine
 *
 * systemd has two scopes: the system manager, and the managers of users. For each of them it looks
 * for a unit in a list of directories, and the first directory that has the unit counts. A unit is
 * masked by a link to /dev/null or by an empty file. These functions look at the files only, so
 * that they also work for the tree of a machine that does not run. They do not look at directories
 * below /run, which are gone after the next boot, and at those in the home directories of users.
 */

#include <stdbool.h>

#define UNIT_BUS "dbus.service"
#define UNIT_SOCKET "dbus.socket"
#define UNIT_BRIDGE "bus1-bridge.service"

enum unit_scope {
        UNIT_SYSTEM,
        UNIT_USER,
        UNIT_SCOPE_N,
};

enum unit_kind {
        UNIT_NONE,
        UNIT_FILE,
        UNIT_LINK,
        UNIT_MASKED,
        UNIT_OTHER, /* for example a directory */
};

struct unit {
        enum unit_kind kind;
        char *path;   /* without the root; NULL: there is no unit */
        char *target; /* the text of a link, else NULL */
};

/* What a unit starts. */
struct unit_program {
        char *path;   /* of the program, without the root */
        char *config; /* the configuration that its options name; NULL: none */
        bool systemd_activation;
        bool hides_home; /* the sandbox: ProtectHome=, PrivateTmp= */
        bool hides_tmp;
};

/* "system" or "user" */
const char *unit_scope_name(enum unit_scope scope);
/* The directory in which administrators make links: /etc/systemd/SCOPE. */
const char *unit_directory(enum unit_scope scope);
/* The directories in which systemd looks for units, up to NULL. */
const char *const *unit_search_path(enum unit_scope scope);
/* root + path, which the caller frees. */
char *unit_below(const char *root, const char *path);

/*
 * Look at one file, without following a link. root is "" for the running machine. Returns 0, or a
 * negative errno if it cannot be read. The caller clears the unit.
 */
int unit_read(struct unit *ret_unit, const char *root, const char *path);
/*
 * Find a unit of this name. If there is none, the result has the kind UNIT_NONE. Returns like
 * unit_read().
 */
int unit_find(struct unit *ret_unit, const char *root, enum unit_scope scope, const char *name);
/* The same, but only in the directories that come before unit_directory(), or only after it. */
int unit_find_above(struct unit *ret_unit, const char *root, enum unit_scope scope,
                    const char *name);
int unit_find_below(struct unit *ret_unit, const char *root, enum unit_scope scope,
                    const char *name);
void unit_clear(struct unit *unit);
/* The name of the unit that the link leads to; for another file, that of the file itself. */
const char *unit_name(const struct unit *unit);

/*
 * Find the file that a unit consists of: the unit itself, or what its link leads to. The result is
 * not a link. Returns 0; -ENOENT if there is no such file; or another negative errno. The caller
 * clears the result.
 */
int unit_follow(const struct unit *unit, const char *root, enum unit_scope scope,
                struct unit *ret_file);
/*
 * Call the function for each line KEY=VALUE in the section [Service] of a file. Returns 0; -ENOENT
 * if there is no file; -ENODATA if it is not a regular one; or another negative errno.
 */
int unit_read_settings(const char *root, const char *path,
                       void (*function)(void *userdata, const char *key, const char *value),
                       void *userdata);
/*
 * Read from the unit file, or from the file that it is a link to, which program it starts
 * (ExecStart), without its drop-ins. Returns 0; -ENOENT if the file cannot be found; -ENODATA if it
 * starts no program; or another negative errno. The caller clears the result.
 */
int unit_get_program(const struct unit *unit, const char *root, enum unit_scope scope,
                     struct unit_program *ret_program);
/*
 * Make the changes of a drop-in. After it, the program can have no path. Returns 0 or a negative
 * errno.
 */
int unit_program_change(struct unit_program *program, const char *root, const char *dropin);
/* Is the program a link to bus1-bridge, such as that of the package bus1-bridge-as-dbus? */
bool unit_program_is_link(const struct unit_program *program, const char *root);
void unit_program_clear(struct unit_program *program);
