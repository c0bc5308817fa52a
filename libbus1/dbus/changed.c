/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/changed.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "libbus1/dbus/property.h"

#define CHANGE BUS1_DBUS_VTABLE_PROPERTY_EMITS_CHANGE
#define INVALIDATION BUS1_DBUS_VTABLE_PROPERTY_EMITS_INVALIDATION

/* Append a property that has the flag "kind", in the form of this kind. Counts it. */
static int append_one(const struct walk *walk, const struct member *member, uint64_t kind,
                      DBusMessageIter *array, size_t *n) {
        if (!(member->flags & kind))
                return 0;
        (*n)++;
        if (kind == CHANGE)
                return property_append_entry(walk, member, array, NULL);
        return dbus_message_iter_append_basic(array, DBUS_TYPE_STRING, &member->name) ? 0 : -ENOMEM;
}

static int append_named(const struct target *target, const char *interface, uint64_t kind,
                        char *const *names, DBusMessageIter *array, size_t *n) {
        const struct member *member;
        struct walk walk;
        int r = 0;

        for (; *names && r >= 0; names++) {
                r = target_find_member(target, interface, MEMBER_PROPERTY, *names, &walk, &member,
                                       NULL);
                if (r == 0)
                        return -ENOENT;
                if (r < 0)
                        return r;
                if (!(member->flags & (CHANGE | INVALIDATION)) ||
                    member_is_hidden(walk.interface->table, member))
                        return -EDOM;
                r = append_one(&walk, member, kind, array, n);
        }
        return r;
}

static int append_all(const struct target *target, const char *interface, uint64_t kind,
                      DBusMessageIter *array, size_t *n) {
        struct walk walk;
        int r;

        walk_begin(&walk, target, interface);
        while ((r = walk_next(&walk, MEMBER_PROPERTY, NULL, NULL)) > 0) {
                const struct table *table = walk.interface->table;

                for (size_t i = 0; i < table->n_members && r >= 0; i++)
                        if (!member_is_hidden(table, &table->members[i]))
                                r = append_one(&walk, &table->members[i], kind, array, n);
                if (r < 0)
                        return r;
        }
        return r;
}

static int append_kind(const struct target *target, const char *interface, uint64_t kind,
                       char *const *names, DBusMessageIter *to, size_t *n) {
        DBusMessageIter array;
        int r;

        if (!dbus_message_iter_open_container(to, DBUS_TYPE_ARRAY, kind == CHANGE ? "{sv}" : "s",
                                              &array))
                return -ENOMEM;
        r = names ? append_named(target, interface, kind, names, &array, n)
                  : append_all(target, interface, kind, &array, n);
        return container_end(to, &array, r);
}

static int emit(const struct target *target, DBusMessage *signal) {
        return target->object ? object_send_signal(target->object, signal)
                              : bus1_dbus_emit(target->bus, signal);
}

int changed_emit(const struct target *target, const char *interface, char *const *names) {
        CLEANUP(dbus_message_unrefp) DBusMessage *signal = NULL;
        DBusMessageIter iter;
        struct walk walk;
        size_t n = 0;
        int r;

        walk_begin(&walk, target, interface);
        r = walk_next(&walk, MEMBER_PROPERTY, NULL, NULL);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        signal = dbus_message_new_signal(target->path, DBUS_INTERFACE_PROPERTIES,
                                         "PropertiesChanged");
        if (!signal)
                return -ENOMEM;
        dbus_message_iter_init_append(signal, &iter);
        if (!dbus_message_iter_append_basic(&iter, DBUS_TYPE_STRING, &interface))
                return -ENOMEM;
        r = append_kind(target, interface, CHANGE, names, &iter, &n);
        if (r >= 0)
                r = append_kind(target, interface, INVALIDATION, names, &iter, &n);
        return r < 0 || n == 0 ? r : emit(target, signal);
}

/* what the program says */

/* Make an array of name and the arguments up to NULL. Returns NULL when memory runs out. */
static char **names_new(const char *name, va_list args) {
        char **names;
        va_list copy;
        size_t n = 1;

        va_copy(copy, args);
        while (name && va_arg(copy, const char *))
                n++;
        va_end(copy);
        names = calloc(n + 1, sizeof(*names));
        if (!names)
                return NULL;
        names[0] = (char *)name;
        for (size_t i = 1; i < n; i++)
                names[i] = va_arg(args, char *);
        return names;
}

PUBLIC int bus1_dbus_object_emit_properties_changed_strv(struct bus1_dbus_object *object,
                                                         const char *interface,
                                                         char *const *names) {
        struct target target;

        if (!object || !interface || !dbus_validate_interface(interface, NULL))
                return -EINVAL;
        target = target_of_object(object);
        return changed_emit(&target, interface, names);
}

PUBLIC int bus1_dbus_object_emit_properties_changed(struct bus1_dbus_object *object,
                                                    const char *interface, const char *name, ...) {
        CLEANUP_FREE char **names = NULL;
        va_list args;

        va_start(args, name);
        names = names_new(name, args);
        va_end(args);
        if (!names)
                return -ENOMEM;
        return bus1_dbus_object_emit_properties_changed_strv(object, interface, names);
}

PUBLIC int bus1_dbus_emit_properties_changed_strv(struct bus1_dbus *bus, const char *path,
                                                  const char *interface, char *const *names) {
        struct target target;

        if (!bus || !path || !dbus_validate_path(path, NULL) || !interface ||
            !dbus_validate_interface(interface, NULL))
                return -EINVAL;
        target = target_at_path(bus, path);
        return changed_emit(&target, interface, names);
}

PUBLIC int bus1_dbus_emit_properties_changed(struct bus1_dbus *bus, const char *path,
                                             const char *interface, const char *name, ...) {
        CLEANUP_FREE char **names = NULL;
        va_list args;

        va_start(args, name);
        names = names_new(name, args);
        va_end(args);
        if (!names)
                return -ENOMEM;
        return bus1_dbus_emit_properties_changed_strv(bus, path, interface, names);
}

PUBLIC int bus1_dbus_object_emit_changed(struct bus1_dbus_object *object, const char *interface,
                                         const char *property) {
        char *names[] = {(char *)property, NULL};
        int r;

        if (!property)
                return -EINVAL;
        r = bus1_dbus_object_emit_properties_changed_strv(object, interface, names);
        return r == -ENOENT ? -EINVAL : r;
}
