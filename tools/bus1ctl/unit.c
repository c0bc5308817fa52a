/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tools/bus1ctl/output.h"
#include "tools/bus1ctl/tree.h"

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

const char *const *unit_search_path(enum unit_scope scope) {
        return scopes[scope].search;
}

char *unit_below(const char *root, const char *path) {
        char *joined;

        check_memory(asprintf(&joined, "%s%s", root, path) >= 0);
        return joined;
}

/* finding */

static int read_target(int fd, char **ret_target) {
        char text[PATH_MAX];
        ssize_t n = readlinkat(fd, "", text, sizeof(text) - 1);

        if (n < 0)
                return -errno;
        text[n] = '\0';
        *ret_target = copy_text(text);
        return 0;
}

int unit_read(struct unit *ret_unit, const char *root, const char *path) {
        CLEANUP_CLOSE int fd = tree_open(root, path, O_PATH | O_NOFOLLOW);
        struct unit unit = {};
        struct stat st;
        int r = 0;

        if (fd == -ENOENT) {
                *ret_unit = unit;
                return 0;
        }
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISLNK(st.st_mode)) {
                r = read_target(fd, &unit.target);
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
        CLEANUP_CLOSE int fd_a = tree_open(root, a, O_PATH), fd_b = tree_open(root, b, O_PATH);
        struct stat x, y;

        return fd_a >= 0 && fd_b >= 0 && fstat(fd_a, &x) >= 0 && fstat(fd_b, &y) >= 0 &&
               x.st_dev == y.st_dev && x.st_ino == y.st_ino;
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

        free(program->path);
        free(program->config);
        program->path = program->config = NULL;
        program->systemd_activation = false;
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

int unit_read_settings(const char *root, const char *path,
                       void (*function)(void *userdata, const char *key, const char *value),
                       void *userdata) {
        int fd = tree_open(root, path, O_RDONLY | O_NONBLOCK);
        CLEANUP_FCLOSE FILE *f = NULL;
        CLEANUP_FREE char *line = NULL;
        bool is_service = false;
        size_t size = 0;
        struct stat st;

        if (fd < 0)
                return fd;
        f = fdopen(fd, "r");
        check_memory(f);
        /* reading another kind of file could have effects */
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return -ENODATA;
        while (getline(&line, &size, f) >= 0) {
                char *key = line + strspn(line, " \t"), *value = strchr(key, '=');

                key[strcspn(key, "\r\n")] = '\0';
                if (*key == '[')
                        is_service = strncmp(key, "[Service]", strlen("[Service]")) == 0;
                if (!is_service || !value || *key == '#' || *key == ';')
                        continue;
                *value++ = '\0';
                key[strcspn(key, " \t")] = '\0';
                function(userdata, key, value + strspn(value, " \t"));
        }
        return 0;
}

static bool is_true(const char *value) {
        return *value && !strchr("0nNfF", *value) && strcasecmp(value, "off") != 0;
}

static void set(void *userdata, const char *key, const char *value) {
        struct unit_program *program = userdata;

        if (strcmp(key, "ExecStart") == 0) {
                CLEANUP_FREE char *command = copy_text(value);

                parse_command(command, program);
        } else if (strcmp(key, "ProtectHome") == 0)
                program->hides_home = is_true(value) && strcmp(value, "read-only") != 0;
        else if (strcmp(key, "PrivateTmp") == 0)
                program->hides_tmp = is_true(value);
}

int unit_get_program(const struct unit *unit, const char *root, enum unit_scope scope,
                     struct unit_program *ret_program) {
        CLEANUP(unit_clear) struct unit file = {};
        CLEANUP(unit_program_clear) struct unit_program program = {};
        int r;

        r = unit_follow(unit, root, scope, &file);
        if (r >= 0)
                r = unit_read_settings(root, file.path, set, &program);
        if (r < 0)
                return r;
        if (!program.path)
                return -ENODATA;
        *ret_program = program;
        program = (struct unit_program){};
        return 0;
}

int unit_program_change(struct unit_program *program, const char *root, const char *dropin) {
        return unit_read_settings(root, dropin, set, program);
}

bool unit_program_is_link(const struct unit_program *program, const char *root) {
        CLEANUP(unit_clear) struct unit file = {};

        return unit_read(&file, root, program->path) >= 0 && file.kind == UNIT_LINK &&
               strcmp(unit_name(&file), "bus1-bridge") == 0;
}

void unit_program_clear(struct unit_program *program) {
        free(program->path);
        free(program->config);
        *program = (struct unit_program){};
}
