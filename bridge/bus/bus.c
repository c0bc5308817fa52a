/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bus: its beginning, its end, and its identity. */

#include "bridge/bus/bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

void bus_make_id(char id[33]) {
        uint8_t bytes[16];

        if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != sizeof(bytes)) {
                struct hash_seed seed;

                hash_seed_init(&seed);
                memcpy(bytes, &seed, sizeof(bytes));
        }
        for (size_t i = 0; i < sizeof(bytes); i++)
                snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

void bus_refresh_identity(struct bus *bus) {
        client_credentials_deinit(&bus->credentials);
        credentials_of_self(&bus->credentials);
        bus->uid = bus->credentials.uid;
        bus->pid = bus->credentials.pid;
}

int bus_init(struct bus *bus, struct log *log) {
        *bus = (struct bus){.log = log, .complaints.log = log, .names.seed = &bus->seed};
        ids_init(&bus->ids);
        client_credentials_init(&bus->credentials);
        bus_refresh_identity(bus);
        bus->selinux = access("/sys/fs/selinux/enforce", F_OK) == 0;
        bus_make_id(bus->id);
        hash_seed_init(&bus->seed);
        bus_limits_default(&bus->limits);
        match_index_init(&bus->matches, &bus->seed);
        reply_table_init(&bus->replies, &bus->seed, &bus->limits);
        return 0;
}

void bus_deinit(struct bus *bus) {
        service_environment_clear(&bus->environment);
        client_credentials_deinit(&bus->credentials);
        policy_unref(bus->policy);
        free(bus->type);
        free(bus->address);
        ids_close(&bus->ids);
        free(bus->name_list);
        free(bus->introspection[0]);
        free(bus->introspection[1]);
        HASH_CLEAR(hh, bus->names.names);
        reply_table_deinit(&bus->replies);
        match_index_deinit(&bus->matches);
        *bus = (struct bus){};
}
