/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The driver's methods about the bus's own state: configuration and activation environment. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/driver/activation-environment.h"
#include "bridge/driver/interfaces.h"

#define ENVIRONMENT_VARIABLES_MAX 4096
#define ENVIRONMENT_BYTES_MAX (1024 * 1024) /* half of what the kernel lets a program have */

/* Is there room for a variable, which replaces the one of this name? */
static bool environment_has_room(struct bus *bus, struct wire_string key, struct wire_string value) {
        struct activation_variable *variable;
        size_t n_replaced = 0;

        HASH_FIND(hh, bus->activation_variables, key.s, key.n, variable);
        if (variable)
                n_replaced = key.n + strlen(variable->value);
        else if (HASH_COUNT(bus->activation_variables) >= ENVIRONMENT_VARIABLES_MAX)
                return false;
        return bus->n_activation_bytes - n_replaced + key.n + value.n <= ENVIRONMENT_BYTES_MAX;
}

static int environment_set(struct bus *bus, struct wire_string key, struct wire_string value) {
        struct activation_variable *variable;
        char *copy;

        copy = strdup(value.s);
        if (!copy)
                return -ENOMEM;

        HASH_FIND(hh, bus->activation_variables, key.s, key.n, variable);
        if (variable) {
                bus->n_activation_bytes += value.n - strlen(variable->value);
                free(variable->value);
                variable->value = copy;
                return 0;
        }

        variable = calloc(1, sizeof(*variable));
        if (!variable)
                goto oom;
        variable->value = copy;
        variable->key = strdup(key.s);
        if (!variable->key)
                goto oom;
        HASH_ADD_KEYPTR(hh, bus->activation_variables, variable->key, key.n, variable);
        if (!variable->hh.tbl)
                goto oom;
        bus->n_activation_bytes += key.n + value.n;
        return 0;

oom:
        if (variable)
                free(variable->key);
        free(variable);
        free(copy);
        return -ENOMEM;
}

void activation_environment_free(struct bus *bus) {
        struct activation_variable *variable, *next;

        HASH_ITER(hh, bus->activation_variables, variable, next) {
                HASH_DEL(bus->activation_variables, variable);
                free(variable->key);
                free(variable->value);
                free(variable);
        }
}

int driver_update_activation_environment(struct driver_call *call) {
        struct reader *reader = &call->reader;
        const uint8_t *end;
        int r;

        if (call->bus->has_servicehelper)
                return driver_call_fail(
                        call, DRIVER_ERROR("AccessDenied"),
                        "The activation environment of a system bus cannot be changed");

        reader_array(reader, 8, &end);
        while (reader->at < end) {
                struct wire_string key, value;

                reader_struct(reader);
                key = reader_string(reader);
                value = reader_string(reader);
                if (!environment_has_room(call->bus, key, value))
                        return driver_call_fail(call, DRIVER_ERROR("LimitsExceeded"),
                                                "The activation environment is too large");
                r = environment_set(call->bus, key, value);
                if (r < 0)
                        return r;
        }
        return 0;
}

int driver_reload_config(struct driver_call *call) {
        struct bus *bus = call->bus;
        struct driver_later *later;
        int r;

        if (!bus->reload)
                return driver_broadcast_activatable_changed(bus);
        r = driver_call_later(call, &later);
        return r == 0 ? bus->reload(bus->reload_userdata, later) : r;
}
