/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/property.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int container_end(DBusMessageIter *iter, DBusMessageIter *container, int r) {
        if (r >= 0)
                return dbus_message_iter_close_container(iter, container) ? 0 : -ENOMEM;
        dbus_message_iter_abandon_container(iter, container);
        return r;
}

/* variables of the program */

/* libdbus-1 may abort the process when a text is not valid, so check it first. */
static int append_text(DBusMessageIter *to, int type, const char *text) {
        bool valid;

        if (!text)
                text = type == DBUS_TYPE_OBJECT_PATH ? "/" : "";
        valid = type == DBUS_TYPE_OBJECT_PATH ? dbus_validate_path(text, NULL)
                : type == DBUS_TYPE_SIGNATURE ? dbus_signature_validate(text, NULL)
                                              : dbus_validate_utf8(text, NULL);
        if (!valid)
                return -EINVAL;
        return dbus_message_iter_append_basic(to, type, &text) ? 0 : -ENOMEM;
}

static int append_strings(DBusMessageIter *to, char *const *strings) {
        DBusMessageIter array;
        int r = 0;

        if (!dbus_message_iter_open_container(to, DBUS_TYPE_ARRAY, "s", &array))
                return -ENOMEM;
        for (; strings && *strings && r >= 0; strings++)
                r = append_text(&array, DBUS_TYPE_STRING, *strings);
        return container_end(to, &array, r);
}

static int append_variable(DBusMessageIter *to, const char *signature, const void *variable) {
        dbus_bool_t truth;

        if (!variable)
                return -EINVAL;
        switch (signature[0]) {
        case DBUS_TYPE_ARRAY:
                return append_strings(to, *(char *const *const *)variable);
        case DBUS_TYPE_STRING:
        case DBUS_TYPE_OBJECT_PATH:
        case DBUS_TYPE_SIGNATURE:
                return append_text(to, signature[0], *(const char *const *)variable);
        case DBUS_TYPE_BOOLEAN:
                truth = *(const int *)variable != 0;
                variable = &truth;
                break;
        case DBUS_TYPE_UNIX_FD:
                if (*(const int *)variable < 0)
                        return -EBADF;
                break;
        }
        return dbus_message_iter_append_basic(to, signature[0], variable) ? 0 : -ENOMEM;
}

static int set_text(char **variable, const char *text, bool *ret_changed) {
        char *copy;

        if (*variable && strcmp(*variable, text) == 0)
                return 0;
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        free(*variable);
        *variable = copy;
        *ret_changed = true;
        return 0;
}

static size_t type_size(int type) {
        switch (type) {
        case DBUS_TYPE_BYTE:
                return 1;
        case DBUS_TYPE_INT16:
        case DBUS_TYPE_UINT16:
                return 2;
        case DBUS_TYPE_INT32:
        case DBUS_TYPE_UINT32:
        case DBUS_TYPE_BOOLEAN:
                return 4;
        default:
                return 8;
        }
}

static int set_variable(DBusMessageIter *value, int type, void *variable, bool *ret_changed) {
        DBusBasicValue new;
        size_t n = type_size(type);

        if (!variable)
                return -EINVAL;
        dbus_message_iter_get_basic(value, &new);
        if (type == DBUS_TYPE_STRING || type == DBUS_TYPE_OBJECT_PATH ||
            type == DBUS_TYPE_SIGNATURE)
                return set_text(variable, new.str, ret_changed);
        *ret_changed = memcmp(variable, &new, n) != 0;
        memcpy(variable, &new, n);
        return 0;
}

/* getting */

/* A function of the program has set error, or has returned r. */
static int finish(int r, DBusError *own, DBusError *error) {
        if (r >= 0)
                r = dbus_error_is_set(own) ? -EIO : 0;
        if (dbus_error_is_set(own) && error && !dbus_error_is_set(error))
                dbus_move_error(own, error);
        dbus_error_free(own);
        return r;
}

/* A property of the tables of <bus1/dbus.h>: only objects have such tables. */
static int get_of_object(const struct walk *walk, const struct member *member,
                         DBusMessageIter *value) {
        struct bus1_dbus_object *object = walk->target->object;

        return member->property->get(object, value, object->userdata);
}

static int append_value(const struct walk *walk, const struct member *member,
                        DBusMessageIter *value, DBusError *error) {
        void *userdata = member_userdata(member, walk->userdata);
        DBusError own = DBUS_ERROR_INIT;
        int r;

        if (member->property)
                return get_of_object(walk, member, value);
        if (!member->get)
                return append_variable(value, member->signature, userdata);
        r = member->get(walk->target->bus, walk->target->path, walk->interface->name, member->name,
                        value, userdata, &own);
        return finish(r, &own, error);
}

int property_append(const struct walk *walk, const struct member *member, DBusMessageIter *to,
                    DBusError *error) {
        DBusMessageIter variant;

        if (!dbus_message_iter_open_container(to, DBUS_TYPE_VARIANT, member->signature, &variant))
                return -ENOMEM;
        return container_end(to, &variant, append_value(walk, member, &variant, error));
}

int property_append_entry(const struct walk *walk, const struct member *member,
                          DBusMessageIter *array, DBusError *error) {
        DBusMessageIter entry;
        int r;

        if (!dbus_message_iter_open_container(array, DBUS_TYPE_DICT_ENTRY, NULL, &entry))
                return -ENOMEM;
        r = dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &member->name)
                    ? property_append(walk, member, &entry, error)
                    : -ENOMEM;
        return container_end(array, &entry, r);
}

static bool is_chosen(const struct table *table, const struct member *member,
                      enum property_choice choice) {
        if (member->kind != MEMBER_PROPERTY || choice == PROPERTIES_NONE ||
            member_is_hidden(table, member))
                return false;
        if (member->flags & BUS1_DBUS_VTABLE_PROPERTY_EXPLICIT)
                return false;
        return choice == PROPERTIES_ALL ||
               !(member->flags & BUS1_DBUS_VTABLE_PROPERTY_EMITS_INVALIDATION);
}

int properties_append(const struct target *target, const char *name, enum property_choice choice,
                      DBusMessageIter *to, DBusError *error) {
        DBusMessageIter array;
        struct walk walk;
        int r = 0;

        if (!dbus_message_iter_open_container(to, DBUS_TYPE_ARRAY, "{sv}", &array))
                return -ENOMEM;
        walk_begin(&walk, target, name);
        while (r >= 0 && (r = walk_next(&walk, MEMBER_PROPERTY, NULL, error)) > 0) {
                const struct table *table = walk.interface->table;

                for (size_t i = 0; i < table->n_members && r >= 0; i++)
                        if (is_chosen(table, &table->members[i], choice))
                                r = property_append_entry(&walk, &table->members[i], &array, error);
        }
        return container_end(to, &array, r);
}

/* setting */

/* The function may free what has these texts, so it gets copies. */
static int call_set(const struct walk *walk, const struct member *member, DBusMessageIter *value,
                    DBusError *error) {
        CLEANUP_FREE char *path = strdup(walk->target->path),
                          *interface = strdup(walk->interface->name);

        if (!path || !interface)
                return -ENOMEM;
        return member->set(walk->target->bus, path, interface, member->name, value,
                           member_userdata(member, walk->userdata), error);
}

int property_set(const struct walk *walk, const struct member *member, DBusMessageIter *value,
                 bool *ret_changed, DBusError *error) {
        struct bus1_dbus_object *object = walk->target->object;
        DBusError own = DBUS_ERROR_INIT;
        int r;

        *ret_changed = false;
        if (member->property)
                return member->property->set(object, value, object->userdata);
        if (!member->set)
                return set_variable(value, member->signature[0],
                                    member_userdata(member, walk->userdata), ret_changed);
        r = call_set(walk, member, value, &own);
        return finish(r, &own, error);
}
