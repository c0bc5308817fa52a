/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/standing.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/object.h"

static struct standing *standing_find(struct bus1_dbus *bus, enum standing_kind kind,
                                      const char *text) {
        struct standing *s;

        DL_FOREACH(bus->standing, s) {
                if (s->kind == kind && strcmp(s->text, text) == 0)
                        return s;
        }
        return NULL;
}

static struct standing *standing_add(struct bus1_dbus *bus, enum standing_kind kind,
                                     const char *text) {
        struct standing *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        s->kind = kind;
        s->handle = BUS1_INVALID;
        s->joined = bus->n_joins;
        s->text = strdup(text);
        if (!s->text) {
                free(s);
                return NULL;
        }
        DL_APPEND(bus->standing, s);
        return s;
}

void standing_free(struct bus1_dbus *bus, struct standing *s) {
        if (!s)
                return;
        if (bus->being_restored == s)
                bus->being_restored = NULL;
        DL_DELETE(bus->standing, s);
        if (s->object)
                s->object->n_exports--;
        free(s->text);
        free(s);
}

void standing_name(struct bus1_dbus *bus, const char *name, uint32_t flags, bool published,
                   uint32_t result) {
        struct standing *s = standing_find(bus, STANDING_NAME, name);

        if (result == DBUS_REQUEST_NAME_REPLY_EXISTS) {
                standing_free(bus, s);
                return;
        }
        if (!s)
                s = standing_add(bus, STANDING_NAME, name);
        if (!s)
                return;
        s->flags = flags;
        s->published |= published;
}

void standing_name_remove(struct bus1_dbus *bus, const char *name) {
        struct standing *s = standing_find(bus, STANDING_NAME, name);

        if (s && bus->restoring && s->joined == bus->n_joins)
                s->released = true;
        else
                standing_free(bus, s);
}

bool standing_has_name(struct bus1_dbus *bus, const char *name) {
        return standing_find(bus, STANDING_NAME, name) != NULL;
}

void standing_name_lost(struct bus1_dbus *bus, const char *name) {
        struct standing *s = standing_find(bus, STANDING_NAME, name);

        if (s && s->flags & DBUS_NAME_FLAG_DO_NOT_QUEUE)
                standing_free(bus, s);
}

void standing_match(struct bus1_dbus *bus, const char *rule) {
        (void)standing_add(bus, STANDING_MATCH, rule);
}

void standing_match_remove(struct bus1_dbus *bus, const char *rule) {
        standing_free(bus, standing_find(bus, STANDING_MATCH, rule));
}

void standing_export(struct bus1_dbus *bus, const char *path, uint64_t handle) {
        struct standing *s = standing_add(bus, STANDING_EXPORT, path);

        if (s)
                s->handle = handle;
}

int standing_export_object(struct bus1_dbus *bus, const char *path,
                           struct bus1_dbus_object *object) {
        struct standing *s = standing_add(bus, STANDING_EXPORT, path);

        if (!s)
                return -ENOMEM;
        s->object = object;
        object->n_exports++;
        return 0;
}

void standing_export_remove(struct bus1_dbus *bus, const struct bus1_dbus_object *object) {
        struct standing *s, *next;

        DL_FOREACH_SAFE(bus->standing, s, next) {
                if (s->object == object)
                        standing_free(bus, s);
        }
}
