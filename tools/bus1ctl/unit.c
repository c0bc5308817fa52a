/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/unit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "tools/bus1ctl/output.h"

static const struct {
        const char *name;
        const char *directory;
        const char *search[8]; /* as `systemd-analyze unit-paths` lists them */
} scopes[] = {
        [UNIT_SYSTEM] = {.name = "system",
                         .directory = "/etc/systemd/system",
                         .search = {"/etc/systemd/system.control", "/etc/systemd/system",
                                    "/etc/systemd/system.attached", "/usr/local/lib/systemd/system",
                                    "/lib/systemd/system", "/usr/lib/systemd/system"}},
        [UNIT_USER] = {.name = "user",
                       .directory = "/etc/systemd/user",
                       .search = {"/etc/xdg/systemd/user", "/etc/systemd/user",
                                  "/usr/local/share/systemd/user", "/usr/share/systemd/user",
                                  "/usr/local/lib/systemd/user", "/usr/lib/systemd/user"}},
};

const char *unit_scope_name(enum unit_scope scope) {
        return scopes[scope].name;
}

const char *unit_directory(enum unit_scope scope) {
        return scopes[scope].directory;
}

char *unit_below(const char *root, const char *path) {
        char *joined;

        check_memory(asprintf(&joined, "%s%s", root, path) >= 0);
        return joined;
}

/* finding */

static int read_target(const char *path, char **ret_target) {
        char text[PATH_MAX];
        ssize_t n = readlink(path, text, sizeof(text) - 1);

        if (n < 0)
                return -errno;
        text[n] = '\0';
        *ret_target = copy_text(text);
        return 0;
}

int unit_read(struct unit *ret_unit, const char *root, const char *path) {
        CLEANUP_FREE char *full = unit_below(root, path);
        struct unit unit = {};
        struct stat st;
        int r = 0;

        if (lstat(full, &st) < 0) {
                if (errno != ENOENT)
                        return -errno;
                *ret_unit = unit;
                return 0;
        }
        if (S_ISLNK(st.st_mode)) {
                r = read_target(full, &unit.target);
                if (r < 0)
                        return r;
                unit.kind = strcmp(unit.target, "/dev/null") == 0 ? UNIT_MASKED : UNIT_LINK;
        } else if (S_ISREG(st.st_mode))
                unit.kind = st.st_size == 0 ? UNIT_MASKED : UNIT_FILE;
        else
                unit.kind = UNIT_OTHER;
        unit.path = copy_text(path);
        *ret_unit = unit;
        return 0;
}

/* Debian has a link from /etc/xdg/systemd/user to /etc/systemd/user. */
static bool is_same_directory(const char *root, const char *a, const char *b) {
        CLEANUP_FREE char *path_a = unit_below(root, a), *path_b = unit_below(root, b);
        struct stat x, y;

        return stat(path_a, &x) >= 0 && stat(path_b, &y) >= 0 && x.st_dev == y.st_dev &&
               x.st_ino == y.st_ino;
}

/* The parts of the search path, as seen from the directory of administrators. */
enum part {
        PART_ABOVE = 1,
        PART_OWN = 2,
        PART_BELOW = 4,
};

static int find(struct unit *ret_unit, const char *root, enum unit_scope scope, const char *name,
                unsigned parts) {
        const char *own = scopes[scope].directory;
        struct unit unit = {};
        unsigned part = PART_ABOVE;
        int r = 0;

        for (const char *const *directory = scopes[scope].search;
             r >= 0 && unit.kind == UNIT_NONE && *directory; directory++) {
                CLEANUP_FREE char *path = NULL;

                if (strcmp(*directory, own) == 0)
                        part = PART_OWN;
                else if (is_same_directory(root, *directory, own))
                        continue;
                else if (part == PART_OWN)
                        part = PART_BELOW;
                if (!(parts & part))
                        continue;
                check_memory(asprintf(&path, "%s/%s", *directory, name) >= 0);
                r = unit_read(&unit, root, path);
        }
        if (r >= 0)
                *ret_unit = unit;
        return r;
}

int unit_find(struct unit *ret_unit, const char *root, enum unit_scope scope, const char *name) {
        return find(ret_unit, root, scope, name, PART_ABOVE | PART_OWN | PART_BELOW);
}

int unit_find_above(struct unit *ret_unit, const char *root, enum unit_scope scope,
                    const char *name) {
        return find(ret_unit, root, scope, name, PART_ABOVE);
}

int unit_find_below(struct unit *ret_unit, const char *root, enum unit_scope scope,
                    const char *name) {
        return find(ret_unit, root, scope, name, PART_BELOW);
}

void unit_clear(struct unit *unit) {
        free(unit->path);
        free(unit->target);
        *unit = (struct unit){};
}

const char *unit_name(const struct unit *unit) {
        const char *path = unit->target ?: unit->path;
        const char *slash = path ? strrchr(path, '/') : NULL;

        return slash ? slash + 1 : path ?: "";
}

/*
 * The target of a link may be absolute, so following the link could lead out of the tree. A link
 * between units is an alias, whose target is found by its name. A link to a unit elsewhere is
 * followed.
 */
int unit_follow(const struct unit *unit, const char *root, enum unit_scope scope,
                struct unit *ret_file) {
        CLEANUP(unit_clear) struct unit found = {};
        int r;

        if (unit->kind == UNIT_LINK) {
                r = unit_find(&found, root, scope, unit_name(unit));
                if (r >= 0 && found.kind == UNIT_NONE && unit->target[0] == '/')
                        r = unit_read(&found, root, unit->target);
        } else
                r = unit->kind == UNIT_FILE ? unit_read(&found, root, unit->path) : -ENOENT;
        if (r < 0)
                return r;
        if (found.kind != UNIT_FILE)
                return found.kind == UNIT_LINK ? -ELOOP : -ENOENT;
        *ret_file = found;
        found = (struct unit){};
        return 0;
}

/* programs */

/*
 * Take the program and its configuration from the value of ExecStart=. Characters before the
 * program change how systemd starts it. Later words are options.
 */
static void parse_command(char *command, struct unit_program *program) {
        char *state = NULL, *word = strtok_r(command, " \t", &state);

        unit_program_clear(program);
        if (!word)
                return;
        program->path = copy_text(word + strspn(word, "@-:+!"));
        while ((word = strtok_r(NULL, " \t", &state))) {
                const char *file = NULL;

                if (strcmp(word, "--systemd-activation") == 0)
                        program->systemd_activation = true;
                else if (strcmp(word, "--system") == 0)
                        file = "/usr/share/dbus-1/system.conf";
                else if (strcmp(word, "--session") == 0)
                        file = "/usr/share/dbus-1/session.conf";
                else if (strcmp(word, "--config-file") == 0)
                        file = strtok_r(NULL, " \t", &state);
                else if (strncmp(word, "--config-file=", strlen("--config-file=")) == 0)
                        file = word + strlen("--config-file=");
                if (!file)
                        continue;
                free(program->config);
                program->config = copy_text(file);
        }
}

static void parse_unit(FILE *f, struct unit_program *program) {
        static const char key[] = "ExecStart";
        CLEANUP_FREE char *line = NULL;
        size_t size = 0;

        while (getline(&line, &size, f) >= 0) {
                char *value = line + strspn(line, " \t");

                if (strncmp(value, key, strlen(key)) != 0)
                        continue;
                value += strlen(key);
                value += strspn(value, " \t");
                if (*value != '=')
                        continue;
                value[strcspn(value, "\r\n")] = '\0';
                parse_command(value + 1, program);
        }
}

int unit_get_program(const struct unit *unit, const char *root, enum unit_scope scope,
                     struct unit_program *ret_program) {
        CLEANUP(unit_clear) struct unit file = {};
        CLEANUP(unit_program_clear) struct unit_program program = {};
        CLEANUP_FREE char *path = NULL;
        CLEANUP_FCLOSE FILE *f = NULL;
        int r;

        r = unit_follow(unit, root, scope, &file);
        if (r < 0)
                return r;
        path = unit_below(root, file.path);
        f = fopen(path, "re");
        if (!f)
                return -errno;
        parse_unit(f, &program);
        if (!program.path)
                return -ENODATA;
        *ret_program = program;
        program = (struct unit_program){};
        return 0;
}

void unit_program_clear(struct unit_program *program) {
        free(program->path);
        free(program->config);
        *program = (struct unit_program){};
}
