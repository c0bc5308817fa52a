/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of services: replacing it, and looking for a name in it. */

#include "bridge/bus/activation-table.h"

#include <string.h>

#include "bridge/base/log.h"

#define WARNINGS_MAX 200

void activation_exchange_table(struct activation *activation, struct service_table **table) {
        struct service_table *old = activation->table, *now = *table;

        activation->table = now;
        *table = old;
        for (size_t i = 0; i < now->n_warnings && i < WARNINGS_MAX; i++)
                log_write(activation->bus->log, LOG_LEVEL_WARNING, "%s", now->warnings[i]);
}

const struct service *activation_find_service(struct activation *activation, const char *name) {
        struct service_table *table;

        /* If no new table can be made (no memory or descriptors), the old one stays in use. */
        if (service_table_refresh(activation->table, name, &table) > 0) {
                activation_exchange_table(activation, &table);
                service_table_free(table);
        }
        return service_table_find(activation->table, name);
}

bool activation_waits_for(const struct activation *activation, const char *name) {
        return activation->bus->systemd_activation && strcmp(name, LAUNCH_SYSTEMD_NAME) == 0;
}

bool activation_knows(struct activation *activation, const char *name) {
        return activation_waits_for(activation, name) || activation_find_service(activation, name);
}
