/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Numbers of nodes and handles
 *
 * The program and the library know nodes and handles by numbers that stay true when the program
 * joins again (reconnect.h). The peer knows them by its own IDs. At first both are the same. They
 * differ
 *
 * - after the program has got another peer, which gives out IDs from the start again: then a
 *   multiple of 2^48 is added. No peer gives out so many IDs. So a number of an earlier peer is
 *   never taken for one of the present peer: using it fails with -EBADRQC;
 * - for a handle that was found anew: the program keeps its number, which is an alias.
 *
 * All IDs are converted where they pass to and from libbus1, and nowhere else.
 */

#include "libbus1/dbus/membership.h"

#define IDS_PER_PEER (UINT64_C(1) << 48)
#define IDS_UNKNOWN (BUS1_INVALID - 2)

struct alias {
        uint64_t id; /* the program's number */
        uint64_t peer_id;
        UT_hash_handle hh;      /* in bus->aliases, by id */
        UT_hash_handle hh_peer; /* in bus->aliases_of_peer, by peer_id */
};

/* Do the numbers differ at all? */
static inline bool ids_differ(const struct bus1_dbus *bus) {
        return bus->ids_base != 0 || bus->aliases;
}

/* Use these by means of the functions below, which cost little as long as nothing differs. */
uint64_t ids_convert_to_peer(struct bus1_dbus *bus, uint64_t id);
uint64_t ids_convert_from_peer(struct bus1_dbus *bus, uint64_t id);
void ids_convert_received(struct bus1_dbus *bus, struct bus1_received *received);

/*
 * Convert a number to an ID of the peer. A number of an earlier peer becomes IDS_UNKNOWN, which no
 * peer gives out: commands with it fail with -EBADRQC.
 */
static inline uint64_t ids_to_peer(struct bus1_dbus *bus, uint64_t id) {
        return ids_differ(bus) ? ids_convert_to_peer(bus, id) : id;
}

/*
 * Convert an ID of the peer to a number. BUS1_INVALID stays. The ID of a handle whose number is an
 * alias of another one by now becomes IDS_UNKNOWN.
 */
static inline uint64_t ids_from_peer(struct bus1_dbus *bus, uint64_t id) {
        return ids_differ(bus) ? ids_convert_from_peer(bus, id) : id;
}

/* Convert the IDs in a message that was received. */
static inline void ids_received(struct bus1_dbus *bus, struct bus1_received *received) {
        if (ids_differ(bus))
                ids_convert_received(bus, received);
}

/*
 * A handle was found anew: from now on the number is that of the new handle, whose own number is
 * current. Returns 0 or -ENOMEM.
 */
int ids_set_alias(struct bus1_dbus *bus, uint64_t id, uint64_t current);
/* The handle has ended or was released. Other numbers than aliases are ignored. */
void ids_remove_alias(struct bus1_dbus *bus, uint64_t id);
void ids_remove_aliases(struct bus1_dbus *bus);
/* The program gets another peer. Returns 0, or -EOVERFLOW: it has had too many. */
int ids_begin(struct bus1_dbus *bus);
