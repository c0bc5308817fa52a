/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/switch-status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tools/bus1ctl/output.h"
#include "tools/bus1ctl/running.h"

#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"

/* Print the file, and what it is or leads to. */
static void print_file(const struct unit *unit) {
        if (unit->target)
                output_print("%s -> %s", unit->path, unit->target);
        else
                output_print("%s", unit->path);
}

static int print_configured(const char *root, enum unit_scope scope) {
        CLEANUP(unit_clear) struct unit unit = {};
        CLEANUP(unit_program_clear) struct unit_program program = {};
        int r = unit_find(&unit, root, scope, UNIT_BUS);

        if (r < 0)
                return report_failure("cannot look for " UNIT_BUS " of the %s: %s",
                                      unit_scope_name(scope), strerror(-r));
        output_print("%s bus\n", unit_scope_name(scope));
        printf("  configured: ");
        if (unit.kind == UNIT_NONE) {
                printf("none: there is no unit " UNIT_BUS "\n");
                return STATUS_OK;
        }
        if (unit.kind == UNIT_MASKED)
                printf("none: masked by ");
        else if (unit_get_program(&unit, root, scope, &program) >= 0)
                output_print("%s%s, by ", program.path,
                             unit_program_is_link(&program, root) ? " (a link to bus1-bridge)"
                                                                  : "");
        else
                printf("unknown, by ");
        print_file(&unit);
        printf("\n");
        return STATUS_OK;
}

static int print_before(const char *root, enum unit_scope scope) {
        CLEANUP(place_clear) struct place place = {};
        int status = place_read(&place, root, scope);

        if (status)
                return status;
        if (place.before.kind != UNIT_NONE) {
                printf("  before bus1-bridge: ");
                print_file(&place.before);
                printf("\n");
        }
        return STATUS_OK;
}

static void print_running(const char *address, uid_t uid) {
        CLEANUP(running_clear) struct running running;

        running_ask(&running, address, uid);
        if (running.error)
                output_print("none answers at %s: %s\n", address, running.error);
        else
                output_print("%s, process %d\n", running.program ?: "an unknown program",
                             running.pid);
}

static void print_running_users(void) {
        struct running_user *users;
        size_t n;

        running_list_users(&users, &n);
        for (size_t i = 0; i < n; i++) {
                output_print("  running for user %u: ", users[i].uid);
                print_running(users[i].address, users[i].uid);
        }
        if (n == 0)
                output_print("  running: none for %s\n", geteuid() ? "this user" : "any user");
        running_users_free(users, n);
}

int switch_print_status(const char *root) {
        for (enum unit_scope scope = 0; scope < UNIT_SCOPE_N; scope++) {
                int status = print_configured(root, scope) ?: print_before(root, scope);

                if (status)
                        return status;
                if (!*root && scope == UNIT_SYSTEM) {
                        printf("  running: ");
                        print_running(getenv("DBUS_SYSTEM_BUS_ADDRESS") ?: SYSTEM_BUS, geteuid());
                } else if (!*root)
                        print_running_users();
        }
        return output_flush();
}
