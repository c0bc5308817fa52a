/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/switch-check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bridge/activation/service-table.h"
#include "policy/config.h"
#include "tools/bus1ctl/child.h"
#include "tools/bus1ctl/dropin.h"
#include "tools/bus1ctl/output.h"

/* What the security modules of the kernel enforce is known only when the bus runs. */
#define FEATURES                                                      \
        (BUS_ENFORCES_ALWAYS | (LSM_SELINUX * BUS_ENFORCES_SELINUX) | \
         (LSM_APPARMOR * BUS_ENFORCES_APPARMOR))

struct check {
        const struct place *place;
        enum unit_scope scope;
        bool force;
        int status;
};

/* results */

__attribute__((format(printf, 2, 3))) static void refuse(struct check *check, const char *format,
                                                         ...) {
        CLEANUP_FREE char *text = NULL;
        va_list args;

        va_start(args, format);
        check_memory(vasprintf(&text, format, args) >= 0);
        va_end(args);
        report_failure("%s bus: %s", unit_scope_name(check->scope), text);
        if (!check->status)
                check->status = STATUS_NO;
}

static void note(const struct check *check, const char *text) {
        output_print("note: %s bus: %s\n", unit_scope_name(check->scope), text);
}

/* A problem that --force makes a note. */
static void object(struct check *check, const char *text) {
        if (check->force)
                note(check, text);
        else
                refuse(check, "%s (--force switches in spite of this)", text);
}

/* units */

/* Find a unit that must be there and not be masked. */
static bool need_unit(struct check *check, const char *name, struct unit *ret_unit) {
        int r = unit_find(ret_unit, "", check->scope, name);

        if (r < 0)
                refuse(check, "cannot look for the unit %s: %s", name, strerror(-r));
        else if (ret_unit->kind == UNIT_NONE)
                refuse(check, "the unit %s is missing: it is in no directory of %s units", name,
                       unit_scope_name(check->scope));
        else if (ret_unit->kind == UNIT_MASKED)
                refuse(check, "the unit %s is masked by %s: run systemctl %sunmask %s", name,
                       ret_unit->path, check->scope == UNIT_USER ? "--global " : "", name);
        else if (ret_unit->kind == UNIT_OTHER)
                refuse(check, "%s is neither a file nor a link", ret_unit->path);
        else
                return true;
        return false;
}

/* Get the program of a unit, which must exist. */
static bool need_program(struct check *check, const struct unit *unit,
                         struct unit_program *ret_program) {
        int r = unit_get_program(unit, "", check->scope, ret_program);
        struct stat st;

        if (r == -ENODATA)
                refuse(check, "%s has no ExecStart=", unit->path);
        else if (r < 0)
                refuse(check, "cannot read the unit that %s leads to: %s", unit->path,
                       strerror(-r));
        else if (stat(ret_program->path, &st) < 0)
                refuse(check, "the program %s of the unit %s: %s", ret_program->path, unit->path,
                       strerror(errno));
        else if (!S_ISREG(st.st_mode) || access(ret_program->path, X_OK) < 0)
                refuse(check, "the program %s of the unit %s cannot be executed", ret_program->path,
                       unit->path);
        else
                return true;
        return false;
}

/* Another file that systemd prefers to the link that a switch makes. */
static void check_above(struct check *check) {
        CLEANUP(unit_clear) struct unit unit = {};
        int r = unit_find_above(&unit, "", check->scope, UNIT_BUS);

        if (r < 0)
                refuse(check, "cannot look for " UNIT_BUS ": %s", strerror(-r));
        else if (unit.kind != UNIT_NONE)
                refuse(check, "%s hides the link that the switch would make in %s: remove it first",
                       unit.path, unit_directory(check->scope));
}

/*
 * Say what drop-ins change, for the names that only the present bus has, or those of the next bus.
 * Applies those of the next bus to its program.
 */
static bool check_dropins(struct check *check, const char *const names[], bool is_next,
                          struct unit_program *program) {
        struct dropin *dropins;
        size_t n;
        int r = dropins_list("", check->scope, names, &dropins, &n);

        if (r < 0) {
                refuse(check, "cannot read the drop-ins of %s: %s", names[0], strerror(-r));
                return false;
        }
        for (size_t i = 0; i < n; i++) {
                CLEANUP_FREE char *text = NULL;

                /* those of all services stay */
                if (!*dropins[i].keys || (!is_next && strstr(dropins[i].path, "/service.d/")))
                        continue;
                check_memory(asprintf(&text, "%s sets %s: this %s bus1-bridge", dropins[i].path,
                                      dropins[i].keys,
                                      is_next ? "changes" : "will not change") >= 0);
                note(check, text);
                r = is_next ? unit_program_change(program, "", dropins[i].path) : 0;
                if (r < 0)
                        refuse(check, "cannot read %s: %s", dropins[i].path, strerror(-r));
        }
        dropins_free(dropins, n);
        return true;
}

/* Say that the unit of another bus starts bus1-bridge. */
static void check_link(struct check *check, const struct unit *unit, const char *consequence) {
        CLEANUP(unit_program_clear) struct unit_program program = {};
        CLEANUP_FREE char *text = NULL;

        if (unit_get_program(unit, "", check->scope, &program) < 0 ||
            !unit_program_is_link(&program, ""))
                return;
        check_memory(asprintf(&text,
                              "%s is a link to bus1-bridge, as the package bus1-bridge-as-dbus "
                              "makes it: %s",
                              program.path, consequence) >= 0);
        note(check, text);
}

/* The drop-ins of the unit that is the bus now. Those of dbus.service also change bus1-bridge. */
static void check_replaced(struct check *check) {
        CLEANUP(unit_clear) struct unit unit = {};
        const char *names[2] = {};

        if (unit_find(&unit, "", check->scope, UNIT_BUS) < 0)
                return;
        check_link(check, &unit,
                   "the bus is bus1-bridge also without the switch, but not in its sandbox");
        if (unit.kind != UNIT_LINK)
                return;
        names[0] = unit_name(&unit);
        if (strcmp(names[0], UNIT_BRIDGE) != 0 && strcmp(names[0], UNIT_BUS) != 0)
                check_dropins(check, names, false, NULL);
}

/* A drop-in for another bus, with the program of this one, would start it in the next unit, too. */
static bool check_next_dropins(struct check *check, struct unit_program *program) {
        CLEANUP_FREE char *path = copy_text(program->path), *text = NULL;

        if (!check_dropins(check, (const char *[]){UNIT_BRIDGE, UNIT_BUS, NULL}, true, program))
                return false;
        if (program->path && strcmp(program->path, path) == 0)
                return true;
        check_memory(asprintf(&text,
                              "with its drop-ins, the unit " UNIT_BRIDGE " starts %s, not %s",
                              program->path ?: "nothing", path) >= 0);
        object(check, text);
        return false;
}

static void check_present(struct check *check) {
        const struct place *place = check->place;
        const struct unit *now = &place->now;
        CLEANUP_FREE char *text = NULL;

        if (now->kind == UNIT_MASKED)
                refuse(check, "%s masks " UNIT_BUS ": run systemctl %sunmask " UNIT_BUS, now->path,
                       check->scope == UNIT_USER ? "--global " : "");
        else if (now->kind == UNIT_OTHER)
                refuse(check, "%s is neither a file nor a link", now->path);
        else if (now->kind == UNIT_FILE) {
                check_memory(asprintf(&text,
                                      "%s is no link, but a file that an administrator has made, "
                                      "and bus1-bridge would take its place",
                                      now->path) >= 0);
                object(check, text);
        }
        if (now->kind != UNIT_NONE && place->before.kind != UNIT_NONE &&
            place->before.kind != UNIT_LINK)
                refuse(check, "%s, which an earlier switch has kept, would be lost: move it away",
                       place->before.path);
}

/* the configuration */

static void check_enforced(struct check *check, const struct bus_config *config) {
        bool is_session = config->type && strcmp(config->type, "session") == 0;
        struct policy_unenforced *list;
        size_t n;

        check_memory(policy_unenforced(config, FEATURES, &list, &n) >= 0);
        for (size_t i = 0; i < n; i++)
                if (list[i].severity == POLICY_UNENFORCED_REQUIRED ||
                    (list[i].severity == POLICY_UNENFORCED_REFUSE && !is_session))
                        refuse(check, "%s, so bus1-bridge would not start", list[i].text);
                else
                        note(check, list[i].text);
        policy_unenforced_free(list, n);
}

/* The setuid helper, if there is a service that only it can start. */
static void check_helper(struct check *check, const struct bus_config *config,
                         const struct service_table *services, bool systemd_activation) {
        const struct bus_config_place *at = &config->place_servicehelper;
        const struct service *first = NULL;
        const char *fault = NULL;
        struct stat st;

        for (size_t i = 0; i < services->n_services && !first; i++) {
                const struct service *service = services->services[i];

                if (service->exec && !(systemd_activation && service->systemd_unit))
                        first = service;
        }
        if (!config->servicehelper || !first)
                return;
        if (stat(config->servicehelper, &st) < 0)
                fault = strerror(errno);
        else if (!S_ISREG(st.st_mode) || !(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
                fault = "it cannot be executed";
        else if (!(st.st_mode & S_ISUID) || st.st_uid != 0)
                fault = "it is not setuid root";
        if (fault)
                refuse(check,
                       "%s:%u: the program %s of <servicehelper>: %s; services such as %s (%s) "
                       "need it",
                       at->file, at->line, config->servicehelper, fault, first->name, first->path);
}

static void check_services(struct check *check, const struct bus_config *config,
                           bool systemd_activation) {
        struct service_table *services;
        int r = service_table_load(config, &services);

        if (r < 0) {
                refuse(check, "cannot read the service files: %s", strerror(-r));
                return;
        }
        for (size_t i = 0; i < services->n_warnings; i++)
                note(check, services->warnings[i]);
        check_helper(check, config, services, systemd_activation);
        service_table_free(services);
}

static bool is_below(const char *path, const char *const directories[]) {
        for (size_t i = 0; directories[i]; i++) {
                size_t n = strlen(directories[i]);

                if (strncmp(path, directories[i], n) == 0 && path[n] == '/')
                        return true;
        }
        return false;
}

/* The trial of the bus has no sandbox, but the unit has one. */
static void check_visible(struct check *check, const struct unit_program *program,
                          const char *path) {
        static const char *const home[] = {"/home", "/root", "/run/user", NULL};
        static const char *const tmp[] = {"/tmp", "/var/tmp", NULL};
        CLEANUP_FREE char *text = NULL;
        const char *option = program->hides_home && is_below(path, home) ? "ProtectHome="
                             : program->hides_tmp && is_below(path, tmp) ? "PrivateTmp="
                                                                         : NULL;

        if (!option)
                return;
        check_memory(asprintf(&text,
                              "%s is a part of the configuration, but %s of " UNIT_BRIDGE
                              " hides it from the bus",
                              path, option) >= 0);
        object(check, text);
}

static void check_sandbox(struct check *check, const struct bus_config *config,
                          const struct unit_program *program) {
        for (size_t i = 0; i < config->inputs.n_files; i++)
                check_visible(check, program, config->inputs.files[i]);
        for (size_t i = 0; i < config->inputs.n_includedirs; i++)
                check_visible(check, program, config->inputs.includedirs[i]);
        for (size_t i = 0; i < config->n_servicedirs; i++)
                check_visible(check, program, config->servicedirs[i].path);
}

static void check_config(struct check *check, const struct unit_program *program) {
        CLEANUP_FREE char *error = NULL;
        struct bus_config *config;
        int r = bus_config_load(program->config, NULL, &config, &error);

        if (r < 0) {
                if (error)
                        refuse(check, "%s", error);
                else
                        refuse(check, "%s: %s", program->config, strerror(-r));
                return;
        }
        for (size_t i = 0; i < config->n_warnings; i++)
                if (i < config->n_warnings - config->n_differences)
                        note(check, config->warnings[i]);
                else
                        object(check, config->warnings[i]);
        check_enforced(check, config);
        check_sandbox(check, config, program);
        check_services(check, config, program->systemd_activation);
        bus_config_free(config);
}

/* all checks */

static int check_bridge(void *userdata) {
        CLEANUP(unit_clear) struct unit unit = {}, socket = {};
        CLEANUP(unit_program_clear) struct unit_program program = {};
        struct check *check = userdata;
        bool is_known;

        check_present(check);
        check_above(check);
        check_replaced(check);
        need_unit(check, UNIT_SOCKET, &socket);
        is_known = need_unit(check, UNIT_BRIDGE, &unit) && need_program(check, &unit, &program);
        is_known = is_known && check_next_dropins(check, &program);
        if (is_known && !program.config)
                refuse(check, "%s: ExecStart= names no configuration", unit.path);
        else if (is_known)
                check_config(check, &program);

        /* The programs of another tree are not run: it may be for another machine. */
        if (!check->status && is_known && !*check->place->root)
                check->status = child_try_bus(program.path, program.config);
        return check->status;
}

int switch_check_bridge(const struct place *place, bool force) {
        struct check check = {.place = place, .scope = place->scope, .force = force};

        return child_call_in_tree(place->root, check_bridge, &check);
}

static int check_before(void *userdata) {
        CLEANUP(unit_clear) struct unit found = {};
        CLEANUP(unit_program_clear) struct unit_program program = {};
        struct check *check = userdata;
        const struct unit *before = &check->place->before;
        int r;

        if (before->kind == UNIT_NONE || check->place->is_gone) {
                r = unit_find_below(&found, "", check->scope, UNIT_BUS);
                if (r < 0)
                        refuse(check, "cannot look for " UNIT_BUS ": %s", strerror(-r));
                if (r >= 0 && found.kind == UNIT_NONE)
                        refuse(check, "there is no other bus: the unit " UNIT_BUS " is missing");
                before = &found;
        }
        if (!check->status && need_program(check, before, &program))
                check_link(check, before, "the bus is bus1-bridge until this package is removed");
        if (check->status && check->force)
                check->status = STATUS_OK;
        return check->status;
}

int switch_check_before(const struct place *place, bool force) {
        struct check check = {.place = place, .scope = place->scope, .force = force};

        return child_call_in_tree(place->root, check_before, &check);
}
