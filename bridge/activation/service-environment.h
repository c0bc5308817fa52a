/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The environment of services - that of the bus, with changes
 *
 * Over what the bus itself was started with go the variables of UpdateActivationEnvironment, and
 * over these the ones that lead a service to the bus that started it. What systemd tells the bus
 * alone (its sockets, its notify socket, its invocation and journal stream) stays with the bus.
 *
 * A setuid helper is given the same: it makes one of its own, from nothing.
 */

#include <stddef.h>

#include "bridge/base/hash.h"

#define SERVICE_ENVIRONMENT_VARIABLES_MAX 4096
/* Half of what the kernel lets a program have, of names and values. */
#define SERVICE_ENVIRONMENT_BYTES_MAX (1024 * 1024)
/* One alone, with its terminator: with a longer one no program at all could be started. */
#define SERVICE_VARIABLE_BYTES_MAX (128 * 1024)

struct service_variable {
        char *text; /* NAME=VALUE */
        size_t n_name;
        size_t n_text;
        UT_hash_handle hh; /* by name */
};

/* The variables that were set; all zero: none. */
struct service_environment {
        struct service_variable *variables;
        size_t n_bytes;
};

/*
 * Set a variable. -EINVAL for a name that is empty or has a '=', or a '\0' anywhere; -E2BIG when
 * there is no room; -ENOMEM. All stays as it was then.
 */
int service_environment_set(struct service_environment *environment, const char *name,
                            size_t n_name, const char *value, size_t n_value);
void service_environment_clear(struct service_environment *environment);

/* The bus that starts the service. */
struct service_starter {
        const char *address;  /* all its addresses */
        const char *bus_type; /* session, system, any other, or NULL */
};

/*
 * What to start a service with, for execve(). inherited ends with NULL: environ. *ret_variables is
 * freed with service_environment_free(), before environment or inherited change. -ENOMEM.
 */
int service_environment_make(const struct service_environment *environment, char *const *inherited,
                             const struct service_starter *starter, char ***ret_variables);
/* NULL is fine; returns NULL. */
char **service_environment_free(char **variables);
