/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/launch/starter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bridge/launch/complain.h"
#include "bridge/launch/status.h"
#include "bridge/wire/address.h"

#define SYSTEM_ADDRESS "unix:path=/run/dbus/system_bus_socket"

static bool is_type(const struct bus_config *config, const char *type) {
        return config->type && strcmp(config->type, type) == 0;
}

/* The variable by which programs find a bus of this type; NULL: none. */
static const char *variable_of(const struct bus_config *config) {
        if (is_type(config, "session"))
                return "DBUS_SESSION_BUS_ADDRESS";
        return is_type(config, "system") ? "DBUS_SYSTEM_BUS_ADDRESS" : NULL;
}

/* Other addresses are where a bus listens, but name no socket: unix:tmpdir=, systemd:, tcp:port=0.
 */
static bool names_socket(const char *address) {
        return strncmp(address, "unix:path=", 10) == 0 ||
               strncmp(address, "unix:abstract=", 14) == 0;
}

/* *ret_text is NULL if the configuration has no such address. -ENOMEM. */
static int join_addresses(const struct bus_config *config, char **ret_text) {
        CLEANUP_FREE char *text = NULL;

        for (size_t i = 0; i < config->n_listen; i++) {
                char *joined;

                if (!names_socket(config->listen[i]))
                        continue;
                if (asprintf(&joined, "%s%s%s", text ? text : "", text ? ";" : "",
                             config->listen[i]) < 0)
                        return -1;
                free(text);
                text = joined;
        }
        *ret_text = steal_ptr(&text);
        return 0;
}

/* The socket of a session bus that systemd has made. *ret_text is NULL without XDG_RUNTIME_DIR. */
static int make_runtime_address(char **ret_text) {
        const char *directory = getenv("XDG_RUNTIME_DIR");
        CLEANUP_FREE char *escaped = NULL;

        *ret_text = NULL;
        if (!directory)
                return 0;
        escaped = address_escape(directory, strlen(directory));
        if (!escaped)
                return -1;
        return asprintf(ret_text, "unix:path=%s/bus", escaped) < 0 ? -1 : 0;
}

static int find_address(const struct bus_config *config, char **ret_address) {
        const char *variable = variable_of(config);
        const char *value = variable ? getenv(variable) : NULL;
        int r = 0;

        *ret_address = NULL;
        if (!value)
                r = join_addresses(config, ret_address);
        if (r == 0 && !value && !*ret_address && is_type(config, "session"))
                r = make_runtime_address(ret_address);
        if (r < 0 || *ret_address)
                return r;
        *ret_address = strdup(value ? value : SYSTEM_ADDRESS);
        return *ret_address ? 0 : -1;
}

int starter_set_environment(const struct bus_config *config) {
        const char *variable = variable_of(config);
        CLEANUP_FREE char *address = NULL;
        int r;

        r = find_address(config, &address);
        if (r == 0)
                r = setenv("DBUS_STARTER_ADDRESS", address, 1);
        if (r == 0)
                r = config->type ? setenv("DBUS_STARTER_BUS_TYPE", config->type, 1)
                                 : unsetenv("DBUS_STARTER_BUS_TYPE");
        if (r == 0 && variable)
                r = setenv(variable, address, 1);
        return r == 0 ? 0 : complain_status(STATUS_NO_MEMORY, "no memory");
}
