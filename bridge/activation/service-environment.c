/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/activation/service-environment.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* variables of UpdateActivationEnvironment */

static struct service_variable *variable_new(const char *name, size_t n_name, const char *value,
                                             size_t n_value) {
        struct service_variable *variable = malloc(sizeof(*variable) + n_name + 1 + n_value + 1);

        if (!variable)
                return NULL;
        *variable = (struct service_variable){
                .n_name = n_name,
                .n_text = n_name + 1 + n_value,
                .is_new = true,
        };
        memcpy(variable->text, name, n_name);
        variable->text[n_name] = '=';
        memcpy(variable->text + n_name + 1, value, n_value);
        variable->text[variable->n_text] = '\0';
        return variable;
}

int service_environment_set(struct service_environment *environment, const char *name,
                            size_t n_name, const char *value, size_t n_value) {
        struct service_variable *old, *variable;
        size_t n_bytes = environment->n_bytes;

        if (n_name == 0 || memchr(name, '=', n_name) || memchr(name, '\0', n_name) ||
            memchr(value, '\0', n_value))
                return -EINVAL;
        if (n_name >= SERVICE_VARIABLE_BYTES_MAX || n_value >= SERVICE_VARIABLE_BYTES_MAX ||
            n_name + 1 + n_value >= SERVICE_VARIABLE_BYTES_MAX)
                return -E2BIG;
        HASH_FIND(hh, environment->variables, name, n_name, old);
        if (old)
                n_bytes -= old->n_text;
        else if (HASH_COUNT(environment->variables) >= SERVICE_ENVIRONMENT_VARIABLES_MAX)
                return -E2BIG;
        n_bytes += n_name + 1 + n_value;
        if (n_bytes > SERVICE_ENVIRONMENT_BYTES_MAX)
                return -E2BIG;

        variable = variable_new(name, n_name, value, n_value);
        if (!variable)
                return -ENOMEM;
        HASH_ADD_KEYPTR(hh, environment->variables, variable->text, n_name, variable);
        if (!variable->hh.tbl) {
                free(variable);
                return -ENOMEM;
        }
        if (old) {
                HASH_DEL(environment->variables, old);
                free(old);
        }
        environment->n_bytes = n_bytes;
        return 0;
}

static bool is_word(char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '_';
}

bool service_variable_suits_systemd(const struct service_variable *variable) {
        const char *name = variable->text, *value = name + variable->n_name + 1;

        for (size_t i = 0; i < variable->n_name; i++)
                if (!is_word(name[i]))
                        return false;
        for (; *value; value++)
                if (((unsigned char)*value < ' ' && *value != '\t' && *value != '\n') ||
                    *value == 127)
                        return false;
        return name[0] < '0' || name[0] > '9';
}

void service_environment_clear(struct service_environment *environment) {
        struct service_variable *variable, *next;

        HASH_ITER(hh, environment->variables, variable, next) {
                HASH_DEL(environment->variables, variable);
                free(variable);
        }
        *environment = (struct service_environment){};
}

/* the environment of a service */

/* Variables that tell a service which bus has started it. */
#define FORCED_MAX 3

struct forced {
        const char *name;
        const char *value;
};

static size_t list_forced(const struct service_starter *starter, struct forced *forced) {
        size_t n = 0;

        forced[n++] = (struct forced){"DBUS_STARTER_ADDRESS", starter->address};
        if (!starter->bus_type)
                return n;
        forced[n++] = (struct forced){"DBUS_STARTER_BUS_TYPE", starter->bus_type};
        if (strcmp(starter->bus_type, "session") == 0)
                forced[n++] = (struct forced){"DBUS_SESSION_BUS_ADDRESS", starter->address};
        else if (strcmp(starter->bus_type, "system") == 0)
                forced[n++] = (struct forced){"DBUS_SYSTEM_BUS_ADDRESS", starter->address};
        return n;
}

static bool is_named(const char *text, size_t n, const char *name) {
        return strlen(name) == n && memcmp(text, name, n) == 0;
}

static bool is_forced(const char *text, size_t n, const struct forced *forced, size_t n_forced) {
        for (size_t i = 0; i < n_forced; i++)
                if (is_named(text, n, forced[i].name))
                        return true;
        return false;
}

/* Is it a variable that systemd, or a bus that started this bus, set only for this process? */
static bool is_private(const char *text, size_t n) {
        static const char *const names[] = {
                "LISTEN_FDS",    "LISTEN_PID",     "LISTEN_FDNAMES",        "NOTIFY_SOCKET",
                "INVOCATION_ID", "JOURNAL_STREAM", "DBUS_STARTER_BUS_TYPE", "BUS1_BRIDGE_STATE",
        };

        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
                if (is_named(text, n, names[i]))
                        return true;
        return false;
}

int service_environment_make(const struct service_environment *environment, char *const *inherited,
                             const struct service_starter *starter, char ***ret_variables) {
        struct service_variable *variable, *next;
        struct forced forced[FORCED_MAX];
        size_t n_forced = list_forced(starter, forced), n_text = 0, n = 0;
        char **variables, *text;

        while (inherited[n])
                n++;
        n += HASH_COUNT(environment->variables) + n_forced + 1;
        for (size_t i = 0; i < n_forced; i++)
                n_text += strlen(forced[i].name) + 1 + strlen(forced[i].value) + 1;
        /* the texts of the forced variables are stored behind the pointers */
        variables = malloc(n * sizeof(*variables) + n_text);
        if (!variables)
                return -ENOMEM;
        text = (char *)&variables[n];

        n = 0;
        for (char *const *at = inherited; *at; at++) {
                size_t n_name = strcspn(*at, "=");

                HASH_FIND(hh, environment->variables, *at, n_name, variable);
                if (!variable && !is_private(*at, n_name) &&
                    !is_forced(*at, n_name, forced, n_forced))
                        variables[n++] = *at;
        }
        HASH_ITER(hh, environment->variables, variable, next) {
                if (!is_forced(variable->text, variable->n_name, forced, n_forced))
                        variables[n++] = variable->text;
        }
        for (size_t i = 0; i < n_forced; i++) {
                variables[n++] = text;
                text += sprintf(text, "%s=%s", forced[i].name, forced[i].value) + 1;
        }
        variables[n] = NULL;
        *ret_variables = variables;
        return 0;
}

char **service_environment_free(char **variables) {
        free(variables);
        return NULL;
}
