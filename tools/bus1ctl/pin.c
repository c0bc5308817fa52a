/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/pin.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tools/bus1ctl/child.h"
#include "tools/bus1ctl/output.h"

#define RUNTIME_DIRECTORIES "/run/user"

/* dbus.service as it is now, and the directory of one manager. */
struct pin {
        struct unit bus; /* the file, not a link */
        char *text;      /* its content, if its name is dbus.service; else NULL */
        char directory[64];
};

static char *read_text(const char *path) {
        CLEANUP_FCLOSE FILE *f = fopen(path, "re");
        char *text = NULL;
        size_t size = 0;

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
        CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        size_t n = strlen(text);

        return fd >= 0 && write(fd, text, n) == (ssize_t)n ? 0 : -1;
}

static int make_one(void *userdata) {
        const struct pin *pin = userdata;
        CLEANUP_FREE char *path = unit_below(pin->directory, "/" UNIT_BUS);
        int r;

        if (mkdir(pin->directory, 0755) < 0 && errno != EEXIST)
                return report_failure("cannot make %s: %m", pin->directory);
        r = pin->text ? write_text(path, pin->text) : symlink(pin->bus.path, path);
        return r >= 0 || errno == EEXIST ? STATUS_OK : report_failure("cannot make %s: %m", path);
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

/* all pins */

static int for_each_user(struct pin *pin, int (*function)(void *)) {
        DIR *directory = opendir(RUNTIME_DIRECTORIES);
        struct dirent *entry;
        int status = STATUS_OK;

        /* Nobody has logged in. */
        if (!directory)
                return errno == ENOENT ? STATUS_OK
                                       : report_failure("cannot read " RUNTIME_DIRECTORIES ": %m");
        while (!status && (entry = readdir(directory))) {
                char manager[64];
                char *end;
                unsigned long uid = strtoul(entry->d_name, &end, 10);

                if (!isdigit((unsigned char)entry->d_name[0]) || *end || uid >= UINT32_MAX)
                        continue;
                snprintf(manager, sizeof(manager), RUNTIME_DIRECTORIES "/%lu/systemd", uid);
                if (access(manager, F_OK) < 0)
                        continue;
                snprintf(pin->directory, sizeof(pin->directory),
                         RUNTIME_DIRECTORIES "/%lu/systemd/user.control", uid);
                status = child_call_as((uid_t)uid, function, pin);
        }
        closedir(directory);
        return status;
}

static int for_each(enum unit_scope scope, int (*function)(void *)) {
        CLEANUP(pin_clear) struct pin pin = {};
        int status;

        /* sd_booted(3) looks for this directory, too. */
        if (access("/run/systemd/system", F_OK) < 0)
                return STATUS_OK;
        status = read_bus(scope, &pin);
        if (status || pin.bus.kind == UNIT_NONE)
                return status;
        if (scope == UNIT_USER)
                return for_each_user(&pin, function);
        snprintf(pin.directory, sizeof(pin.directory), "/run/systemd/system.control");
        return function(&pin);
}

int pin_make(enum unit_scope scope) {
        return for_each(scope, make_one);
}

int pin_settle(enum unit_scope scope) {
        return for_each(scope, settle_one);
}
