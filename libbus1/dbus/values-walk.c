/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/values-walk.h"

#include <errno.h>
#include <string.h>

void types_to_signature(const char *types, size_t n, char *signature) {
        for (size_t i = 0; i < n; i++)
                signature[i] = types[i] == TYPE_HANDLE ? DBUS_TYPE_UINT32 : types[i];
        signature[n] = 0;
}

bool types_are_valid(const char *types, bool handles, bool single) {
        char signature[DBUS_MAXIMUM_SIGNATURE_LENGTH + 1];
        size_t n;

        if (!types)
                return false;
        if (handles) {
                n = strlen(types);
                if (n > DBUS_MAXIMUM_SIGNATURE_LENGTH)
                        return false;
                types_to_signature(types, n, signature);
                types = signature;
        }
        return single ? dbus_signature_validate_single(types, NULL)
                      : dbus_signature_validate(types, NULL);
}

/* The length of the first complete type of a valid type string. */
static size_t types_first(const char *types) {
        size_t n = 0;
        int depth = 0;

        while (types[n] == DBUS_TYPE_ARRAY)
                n++;
        do {
                if (types[n] == DBUS_STRUCT_BEGIN_CHAR || types[n] == DBUS_DICT_ENTRY_BEGIN_CHAR)
                        depth++;
                else if (types[n] == DBUS_STRUCT_END_CHAR || types[n] == DBUS_DICT_ENTRY_END_CHAR)
                        depth--;
                n++;
        } while (depth > 0);
        return n;
}

int values_walk_begin(struct values_walk *walk, const char *types, bool handles, bool checked,
                      va_list args) {
        if (!checked && !types_are_valid(types, handles, false))
                return -EINVAL;
        walk->handles = handles;
        walk->checked = checked;
        walk->depth = 0;
        walk->levels[0] = (struct walk_level){types, types + strlen(types), types, 0};
        va_copy(walk->args, args);
        return 0;
}

void values_walk_end(struct values_walk *walk) {
        va_end(walk->args);
}

/* Open a container in which these types come n_times. */
static int walk_open(struct values_walk *walk, int type, const char *types, size_t n_types,
                     unsigned n_times) {
        struct walk_level *l;

        if (walk->depth == WALK_DEPTH_MAX)
                return -ELOOP;
        walk->type = type;
        l = &walk->levels[++walk->depth];
        *l = (struct walk_level){types, types + n_types, types, 0};
        if (n_times == 0)
                l->at = l->end;
        else
                l->n_left = n_times - 1;
        if (type == DBUS_TYPE_ARRAY || type == DBUS_TYPE_VARIANT)
                types_to_signature(types, n_types, walk->signature);
        return STEP_OPEN;
}

static int walk_open_variant(struct values_walk *walk) {
        const char *types = va_arg(walk->args, const char *);

        if (!walk->checked && !types_are_valid(types, walk->handles, true))
                return -EINVAL;
        return walk_open(walk, DBUS_TYPE_VARIANT, types, strlen(types), 1);
}

int values_walk_next(struct values_walk *walk) {
        struct walk_level *l = &walk->levels[walk->depth];
        const char *at;
        size_t n;

        if (l->at == l->end && l->n_left > 0) {
                l->n_left--;
                l->at = l->first;
        }
        if (l->at == l->end) {
                if (walk->depth == 0)
                        return STEP_END;
                walk->depth--;
                return STEP_CLOSE;
        }
        at = l->at;
        n = types_first(at);
        l->at += n;
        switch (*at) {
        case DBUS_TYPE_ARRAY:
                walk->n_elements = va_arg(walk->args, unsigned);
                return walk_open(walk, DBUS_TYPE_ARRAY, at + 1, n - 1, walk->n_elements);
        case DBUS_STRUCT_BEGIN_CHAR:
                return walk_open(walk, DBUS_TYPE_STRUCT, at + 1, n - 2, 1);
        case DBUS_DICT_ENTRY_BEGIN_CHAR:
                return walk_open(walk, DBUS_TYPE_DICT_ENTRY, at + 1, n - 2, 1);
        case DBUS_TYPE_VARIANT:
                return walk_open_variant(walk);
        default:
                walk->type = (unsigned char)*at;
                return STEP_BASIC;
        }
}
