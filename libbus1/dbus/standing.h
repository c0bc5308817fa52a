/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the program has asked of the bus, and has until it gives it back
 *
 * The bus forgets all this when it ends. The library remembers it, to ask again when the program
 * joins again (reconnect.h). Objects, subscriptions and looked-up handles have structures of their
 * own; here is the rest: names, match rules made with AddMatch, and exports.
 */

#include "libbus1/dbus/membership.h"

enum standing_kind {
        STANDING_NAME,
        STANDING_MATCH,
        STANDING_EXPORT,
};

struct standing {
        enum standing_kind kind;
        char *text;      /* the name, the match rule, or the path */
        uint32_t flags;  /* of a name: DBUS_NAME_FLAG_* */
        bool published;  /* a name with a node of its own */
        bool released;   /* a name to give back: the bus gives it to the program once more */
        uint64_t handle; /* that was exported; BUS1_INVALID: another kind, or an object: */
        struct bus1_dbus_object *object; /* of this program, exported by a node of its own */
        unsigned joined;                 /* bus->n_joins when the bus was last asked */
        struct standing *prev, *next;
};

/* Without memory these functions remember nothing: then it is not restored. */

/* RequestName (or, if published, Publish) has succeeded, with this result. */
void standing_name(struct bus1_dbus *bus, const char *name, uint32_t flags, bool published,
                   uint32_t result);
/*
 * The name is not wanted any more. If the library has just asked the bus for it once more, it stays
 * until the library has given it back.
 */
void standing_name_remove(struct bus1_dbus *bus, const char *name);
bool standing_has_name(struct bus1_dbus *bus, const char *name);
/* NameLost has arrived: the bus has forgotten a name that must not wait in the queue. */
void standing_name_lost(struct bus1_dbus *bus, const char *name);
void standing_match(struct bus1_dbus *bus, const char *rule);
void standing_match_remove(struct bus1_dbus *bus, const char *rule);
void standing_export(struct bus1_dbus *bus, const char *path, uint64_t handle);
/* Returns 0 or -ENOMEM: an object knows how often it is exported. */
int standing_export_object(struct bus1_dbus *bus, const char *path,
                           struct bus1_dbus_object *object);
/* The object is going to end. */
void standing_export_remove(struct bus1_dbus *bus, const struct bus1_dbus_object *object);
void standing_free(struct bus1_dbus *bus, struct standing *s);
