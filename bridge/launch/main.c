/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bus1-launch: becomes a service that has no unit of its own
 *
 *      bus1-launch [--system | --session | --config-file=FILE] NAME
 *
 * systemd runs it in bus1-service@NAME.service, for which the bus asks (bridge/bus/launch.h). It
 * looks for the service file of NAME like the bus. With --system, on a bus of the type "system",
 * and for root without --session, it becomes the user in User=, so that no mistake in a
 * configuration makes a service run as root. Then it executes the command line in Exec=. status.h
 * has its exit statuses.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bridge/activation/command-line.h"
#include "bridge/activation/service-table.h"
#include "bridge/launch/become.h"
#include "bridge/launch/complain.h"
#include "bridge/launch/starter.h"
#include "bridge/launch/status.h"
#include "bridge/wire/names.h"
#include "policy/config.h"

static int usage(const char *program) {
        fprintf(stderr, "%s [--system | --session | --config-file=FILE] NAME\n", program);
        return STATUS_FAILED;
}

/* The configuration that the arguments choose, or NULL if they are wrong. */
static const char *parse(int argc, char **argv, const char **ret_name) {
        static const char file_option[] = "--config-file=";
        const char *option = argc == 3 ? argv[1] : "--system";

        if (argc < 2 || argc > 3 || argv[argc - 1][0] == '-')
                return NULL;
        *ret_name = argv[argc - 1];
        if (strcmp(option, "--system") == 0)
                return BUS_CONFIG_SYSTEM;
        if (strcmp(option, "--session") == 0)
                return BUS_CONFIG_SESSION;
        if (strncmp(option, file_option, strlen(file_option)) == 0)
                return option + strlen(file_option);
        return NULL;
}

/* Become the user of the service. */
static int become(const struct service *service) {
        if (service->misnamed)
                return complain_status(STATUS_FILE_INVALID, "%s is not named %s.service",
                                       service->path, service->name);
        if (!service->user)
                return complain_status(STATUS_FILE_INVALID, "%s has no User=, which is needed here",
                                       service->path);
        return become_user(service->user);
}

/* Execute the program of the service. Returns only on failure. */
static int execute(const struct service *service) {
        const char *reason;
        char **argv;
        int r;

        r = command_line_split(service->exec, &argv, &reason);
        if (r == -EINVAL)
                return complain_status(STATUS_EXEC_INVALID, "%s: Exec: %s", service->path, reason);
        if (r < 0)
                return complain_status(STATUS_NO_MEMORY, "no memory");
        if (argv[0])
                execv(argv[0], argv);
        else
                errno = ENOENT;
        r = complain_status(STATUS_EXEC_FAILED, "%s: Exec: %s: %s", service->path,
                            argv[0] ? argv[0] : "(nothing)", strerror(errno));
        command_line_free(argv);
        return r;
}

static bool needs_user(const struct bus_config *config, const char *file) {
        if (strcmp(file, BUS_CONFIG_SYSTEM) == 0)
                return true;
        if (config->type && strcmp(config->type, "system") == 0)
                return true;
        return geteuid() == 0 && strcmp(file, BUS_CONFIG_SESSION) != 0;
}

static int run(const struct bus_config *config, const char *file, const struct service *service) {
        int status;

        if (!service->exec)
                return complain_status(STATUS_FILE_INVALID, "%s has no Exec=", service->path);
        status = starter_set_environment(config);
        if (status == 0 && needs_user(config, file))
                status = become(service);
        return status ? status : execute(service);
}

static int find_and_run(const struct bus_config *config, const char *file, const char *name) {
        struct service_table *table;
        const struct service *service;
        int r;

        r = service_table_load(config, &table);
        if (r < 0)
                return complain_status(r == -ENOMEM ? STATUS_NO_MEMORY : STATUS_FAILED,
                                       "cannot read the service files: %s", strerror(-r));
        service = service_table_find(table, name);
        if (service)
                r = run(config, file, service);
        else {
                for (size_t i = 0; i < table->n_warnings; i++)
                        complain_status(0, "%s", table->warnings[i]);
                r = complain_status(STATUS_NOT_FOUND, "there is no valid service file for %s",
                                    name);
        }
        service_table_free(table);
        return r;
}

int main(int argc, char **argv) {
        CLEANUP_FREE char *error = NULL;
        struct bus_config *config;
        const char *file, *name;
        int r;

        file = parse(argc, argv, &name);
        if (!file)
                return usage(argc > 0 ? argv[0] : "bus1-launch");
        if (!name_is_valid_well_known(name, strlen(name)))
                return complain_status(STATUS_NAME_INVALID, "the name is not valid");
        r = bus_config_load(file, NULL, &config, &error);
        if (r < 0)
                return complain_status(r == -ENOMEM ? STATUS_NO_MEMORY : STATUS_CONFIG_INVALID,
                                       "%s", error ? error : strerror(-r));
        r = find_and_run(config, file, name);
        bus_config_free(config);
        return r;
}
