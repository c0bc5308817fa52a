/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/ids.h"

#include <errno.h>
#include <stdlib.h>

static struct alias *alias_find(struct bus1_dbus *bus, uint64_t id) {
        struct alias *alias = NULL;

        if (bus->aliases)
                HASH_FIND(hh, bus->aliases, &id, sizeof(id), alias);
        return alias;
}

uint64_t ids_convert_to_peer(struct bus1_dbus *bus, uint64_t id) {
        struct alias *alias;

        if (id == BUS1_INVALID)
                return id;
        alias = alias_find(bus, id);
        if (alias)
                return alias->peer_id;
        return id - id % IDS_PER_PEER == bus->ids_base ? id - bus->ids_base : IDS_UNKNOWN;
}

uint64_t ids_convert_from_peer(struct bus1_dbus *bus, uint64_t id) {
        struct alias *alias = NULL;

        if (id == BUS1_INVALID)
                return id;
        if (bus->aliases_of_peer)
                HASH_FIND(hh_peer, bus->aliases_of_peer, &id, sizeof(id), alias);
        if (alias)
                return alias->id;
        /* the former handle of an alias: what is still told about it is not about the alias */
        return alias_find(bus, id + bus->ids_base) ? IDS_UNKNOWN : id + bus->ids_base;
}

void ids_convert_received(struct bus1_dbus *bus, struct bus1_received *received) {
        received->metadata.metadata.id = ids_from_peer(bus, received->metadata.metadata.id);
        for (size_t i = 0; i < received->n_transfers; i++)
                received->transfers[i].id = ids_from_peer(bus, received->transfers[i].id);
}

static void alias_free(struct bus1_dbus *bus, struct alias *alias) {
        HASH_DELETE(hh, bus->aliases, alias);
        HASH_DELETE(hh_peer, bus->aliases_of_peer, alias);
        free(alias);
}

int ids_set_alias(struct bus1_dbus *bus, uint64_t id, uint64_t current) {
        struct alias *alias;

        alias = calloc(1, sizeof(*alias));
        if (!alias)
                return -ENOMEM;
        ids_remove_alias(bus, id);
        alias->id = id;
        alias->peer_id = ids_to_peer(bus, current);
        HASH_ADD(hh, bus->aliases, id, sizeof(alias->id), alias);
        if (!alias->hh.tbl) {
                free(alias);
                return -ENOMEM;
        }
        HASH_ADD(hh_peer, bus->aliases_of_peer, peer_id, sizeof(alias->peer_id), alias);
        if (!alias->hh_peer.tbl) {
                HASH_DELETE(hh, bus->aliases, alias);
                free(alias);
                return -ENOMEM;
        }
        return 0;
}

void ids_remove_alias(struct bus1_dbus *bus, uint64_t id) {
        struct alias *alias = alias_find(bus, id);

        if (alias)
                alias_free(bus, alias);
}

void ids_remove_aliases(struct bus1_dbus *bus) {
        struct alias *alias, *next;

        HASH_ITER(hh, bus->aliases, alias, next) {
                alias_free(bus, alias);
        }
}

int ids_begin(struct bus1_dbus *bus) {
        /* the last numbers are not used: BUS1_INVALID is one of them */
        if (bus->ids_base >= UINT64_MAX - 2 * IDS_PER_PEER)
                return -EOVERFLOW;
        ids_remove_aliases(bus);
        bus->ids_base += IDS_PER_PEER;
        return 0;
}
