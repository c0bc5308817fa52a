/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The environment of services - that of the bus, with changes
 *
 * A service inherits the environment of the bus, except DBUS_STARTER_BUS_TYPE and variables that
 * systemd set only for the bus (its sockets, its notify socket, its invocation and journal stream).
 * Variables of UpdateActivationEnvironment are added, or replace inherited ones. Finally the bus
 * sets DBUS_STARTER_ADDRESS and other variables that hold the address and the type of this bus.
 *
 * The setuid helper gets the same environment, and makes a new one for the service.
 */

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/hash.h"

#define SERVICE_ENVIRONMENT_VARIABLES_MAX 4096
/*
 * The limit for all variables that clients have set. With the usual stack limit of 8 MiB, the
 * kernel allows twice as much for the arguments and variables of a program.
 */
#define SERVICE_ENVIRONMENT_BYTES_MAX (1024 * 1024)
/*
 * The limit for one variable with its '\0'. With pages of 4 KiB, the kernel starts no program with
 * a longer one.
 */
#define SERVICE_VARIABLE_BYTES_MAX (128 * 1024)

struct service_variable {
        size_t n_name;
        size_t n_text;
        bool is_new;       /* systemd has not been told yet; the driver sets it to false */
        UT_hash_handle hh; /* by name */
        char text[];       /* NAME=VALUE */
};

/* The variables that clients have set. All zero: none. */
struct service_environment {
        struct service_variable *variables;
        size_t n_bytes;
};

/*
 * Set a variable. -EINVAL if the name is empty or contains '=', or name or value contains '\0';
 * -E2BIG if a limit above would be exceeded; -ENOMEM. On failure nothing changes.
 */
int service_environment_set(struct service_environment *environment, const char *name,
                            size_t n_name, const char *value, size_t n_value);
/*
 * Does systemd accept the variable? It refuses a call of SetEnvironment with all its variables if a
 * name has anything but letters, digits and '_', or begins with a digit, or if a value has control
 * characters other than tab and newline.
 */
bool service_variable_suits_systemd(const struct service_variable *variable);
void service_environment_clear(struct service_environment *environment);

/* The bus that starts the service. */
struct service_starter {
        const char *address;  /* all its addresses */
        const char *bus_type; /* <type> of the configuration: session, system, ..., or NULL */
};

/*
 * Make the environment of a service, for execve(). inherited is that of the bus, and ends with
 * NULL. *ret_variables points into environment and inherited; free it with
 * service_environment_free() before these change. -ENOMEM.
 */
int service_environment_make(const struct service_environment *environment, char *const *inherited,
                             const struct service_starter *starter, char ***ret_variables);
/* NULL is fine; returns NULL. */
char **service_environment_free(char **variables);
