/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of services: replacing it, and looking for a name in it. */

#include "bridge/bus/activation-table.h"

#include <string.h>

#include "bridge/base/log.h"

#define WARNINGS_MAX 200

void activation_exchange_table(struct activation *activation, struct service_table **table) {
        struct service_table *old = activation->table, *now = *table;

        activation->table = now;
        activation->table_is_old = false;
        *table = old;
        for (size_t i = 0; i < now->n_warnings && i < WARNINGS_MAX; i++)
                log_write(activation->bus->log, LOG_LEVEL_WARNING, "%s", now->warnings[i]);
}

bool activation_table_is_old(struct activation *activation, const char *name) {
        struct bus *bus = activation->bus;

        if (service_table_is_current(activation->table, name))
                return false;
        if (!activation->table_is_old && bus->hooks.files_have_changed) {
                activation->table_is_old = true;
                bus->policy_is_checked = false;
                bus->hooks.files_have_changed(bus->hooks.process);
        }
        return true;
}

bool activation_waits_for(const struct activation *activation, const char *name) {
        return activation->bus->systemd_activation && strcmp(name, LAUNCH_SYSTEMD_NAME) == 0;
}

bool activation_knows(struct activation *activation, const char *name) {
        if (activation_waits_for(activation, name) || service_table_find(activation->table, name))
                return true;
        activation_table_is_old(activation, name);
        return false;
}
