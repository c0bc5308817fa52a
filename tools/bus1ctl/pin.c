/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/pin.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tools/bus1ctl/cgroup.h"
#include "tools/bus1ctl/child.h"
#include "tools/bus1ctl/output.h"

#define RUNTIME_DIRECTORIES "/run/user"
#define NEW_SUFFIX ".new-bus1-bridge"

/* dbus.service as it is now, and the directory of one manager. */
struct pin {
        enum unit_scope scope;
        uid_t uid;       /* whose manager it is */
        struct unit bus; /* the file, not a link */
        char *text;      /* its content, if its name is dbus.service; else NULL */
        char directory[64];
};

static char *read_text(const char *path) {
        /* The file may be one that a user has made. */
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        CLEANUP_FCLOSE FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
        char *text = NULL;
        size_t size = 0;

        if (f)
                steal_fd(&fd);
        if (f && getdelim(&text, &size, '\0', f) >= 0)
                return text;
        free(text);
        return NULL;
}

static int read_bus(enum unit_scope scope, struct pin *pin) {
        CLEANUP(unit_clear) struct unit unit = {};
        int r;

        r = unit_find(&unit, "", scope, UNIT_BUS);
        if (r >= 0)
                r = unit_follow(&unit, "", scope, &pin->bus);
        /* Without a bus, there is nothing to pin. */
        if (r == -ENOENT)
                return STATUS_OK;
        if (r < 0)
                return report_failure("cannot look for " UNIT_BUS ": %s", strerror(-r));
        if (strcmp(unit_name(&pin->bus), UNIT_BUS) != 0)
                return STATUS_OK;
        /* systemd ignores a link between units of one name, so the pin is a copy. */
        pin->text = read_text(pin->bus.path);
        return pin->text ? STATUS_OK : report_failure("cannot read %s: %m", pin->bus.path);
}

static void pin_clear(struct pin *pin) {
        unit_clear(&pin->bus);
        free(pin->text);
}

/* one pin; these run as the user whom the directory belongs to */

static int write_text(const char *path, const char *text) {
        CLEANUP_CLOSE int fd =
                open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
        size_t n = strlen(text);
        ssize_t written;

        if (fd < 0)
                return -1;
        written = write(fd, text, n);
        if (written >= 0 && (size_t)written < n)
                errno = ENOSPC;
        return written == (ssize_t)n ? 0 : -1;
}

/*
 * Make the file in one step: an empty one would mask the bus. systemd ignores the other name. Fails
 * with EEXIST only if the file exists.
 */
static int make_copy(const char *path, const char *text) {
        CLEANUP_FREE char *new = unit_below(path, NEW_SUFFIX);
        int r, error;

        /* of a switch that was killed */
        if (unlink(new) < 0 && errno != ENOENT)
                return -1;
        r = write_text(new, text);
        if (r < 0 && errno == EEXIST)
                errno = EBUSY;
        if (r >= 0)
                r = link(new, path);
        error = errno;
        unlink(new);
        errno = error;
        return r;
}

/* Does this user have a bus that differs from that of the machine? */
static bool has_own_bus(void) {
        struct passwd *user = getpwuid(geteuid());
        CLEANUP_FREE char *path = NULL;
        struct stat st;

        if (!user)
                return false;
        path = unit_below(user->pw_dir, "/.config/systemd/user/" UNIT_BUS);
        return lstat(path, &st) >= 0;
}

/*
 * Does bus1-bridge run, but no file makes it the bus any more? Then the generator keeps it in force
 * (units/bus1-bridge-generator), and a pin, which systemd prefers, would take that away.
 */
static bool is_kept(const struct pin *pin) {
        CLEANUP_FREE char *directory = copy_text(pin->directory), *early = NULL;
        struct stat st;

        if (strcmp(unit_name(&pin->bus), UNIT_BRIDGE) == 0)
                return false;
        *strrchr(directory, '/') = '\0';
        early = unit_below(directory, "/generator.early/" UNIT_BUS);
        return lstat(early, &st) >= 0 || cgroup_runs_bridge(pin->scope, pin->uid);
}

static int make_one(void *userdata) {
        const struct pin *pin = userdata;
        CLEANUP_FREE char *path = unit_below(pin->directory, "/" UNIT_BUS);
        int r;

        if (is_kept(pin))
                return STATUS_OK;
        if (mkdir(pin->directory, 0755) < 0 && errno != EEXIST)
                return report_failure("cannot make %s: %m", pin->directory);
        r = pin->text ? make_copy(path, pin->text) : symlink(pin->bus.path, path);
        if (r >= 0 || errno == EEXIST)
                return STATUS_OK;
        report_failure("cannot make %s: %m", path);
        /* Another file may be in it. */
        rmdir(pin->directory);
        return STATUS_FAILED;
}

/* Only the user looks: root could wait for ever for a file system of the user. */
static bool has_manager(const struct pin *pin) {
        CLEANUP_FREE char *manager = copy_text(pin->directory);

        *strrchr(manager, '/') = '\0';
        return access(manager, F_OK) >= 0;
}

static int make_one_of_user(void *userdata) {
        return !has_manager(userdata) || has_own_bus() ? STATUS_OK : make_one(userdata);
}

static int settle_one(void *userdata) {
        const struct pin *pin = userdata;
        CLEANUP_FREE char *path = unit_below(pin->directory, "/" UNIT_BUS), *text = NULL;
        CLEANUP(unit_clear) struct unit unit = {};
        bool is_same;

        if (unit_read(&unit, "", path) < 0)
                return report_failure("cannot read %s", path);
        if (unit.kind == UNIT_FILE)
                text = read_text(path);
        if (pin->text)
                is_same = text && strcmp(text, pin->text) == 0;
        else
                is_same = unit.kind == UNIT_LINK && strcmp(unit.target, pin->bus.path) == 0;
        if (!is_same)
                return STATUS_OK;
        if (unlink(path) < 0)
                return report_failure("cannot remove %s: %m", path);
        /* Another file may be in it. */
        rmdir(pin->directory);
        return STATUS_OK;
}

static int settle_one_of_user(void *userdata) {
        return has_manager(userdata) ? settle_one(userdata) : STATUS_OK;
}

/* all pins */

/* What one user has done to files of the user must not keep the machine from a switch. */
static int for_each_user(struct pin *pin, int (*function)(void *)) {
        DIR *directory = opendir(RUNTIME_DIRECTORIES);
        struct dirent *entry;

        /* Nobody has logged in. */
        if (!directory)
                return errno == ENOENT ? STATUS_OK
                                       : report_failure("cannot read " RUNTIME_DIRECTORIES ": %m");
        while ((entry = readdir(directory))) {
                char *end;
                unsigned long uid = strtoul(entry->d_name, &end, 10);

                if (!isdigit((unsigned char)entry->d_name[0]) || *end || uid >= UINT32_MAX)
                        continue;
                snprintf(pin->directory, sizeof(pin->directory),
                         RUNTIME_DIRECTORIES "/%lu/systemd/user.control", uid);
                pin->uid = (uid_t)uid;
                if (child_call_as(pin->uid, function, pin))
                        report_failure("warning: going on without user %lu", uid);
        }
        closedir(directory);
        return STATUS_OK;
}

static int for_each(enum unit_scope scope, int (*function)(void *),
                    int (*function_of_user)(void *)) {
        CLEANUP(pin_clear) struct pin pin = {.scope = scope};
        int status;

        /* sd_booted(3) looks for this directory, too. */
        if (access("/run/systemd/system", F_OK) < 0)
                return STATUS_OK;
        status = read_bus(scope, &pin);
        if (status || pin.bus.kind == UNIT_NONE)
                return status;
        if (scope == UNIT_USER)
                return for_each_user(&pin, function_of_user);
        snprintf(pin.directory, sizeof(pin.directory), "/run/systemd/system.control");
        return function(&pin);
}

int pin_make(enum unit_scope scope) {
        return for_each(scope, make_one, make_one_of_user);
}

int pin_settle(enum unit_scope scope) {
        return for_each(scope, settle_one, settle_one_of_user);
}
