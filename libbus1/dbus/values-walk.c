/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/values-walk.h"

#include <errno.h>
#include <string.h>

void types_to_signature(const char *types, size_t n, char *signature) {
        for (size_t i = 0; i < n; i++)
                signature[i] = types[i] == TYPE_HANDLE ? DBUS_TYPE_UINT32 : types[i];
        signature[n] = 0;
}

static bool type_is_basic(char type, unsigned valid) {
        return (type == TYPE_HANDLE && valid & TYPES_HANDLES) ||
               (type && strchr("ybnqiuxtdsogh", type));
}

/* A structure or dictionary entry that is open, or, without a kind, what is in none. */
struct bracket {
        char kind;
        unsigned n_types;  /* complete ones in it */
        unsigned n_arrays; /* around it */
};

/*
 * A complete type ends in these brackets. n_arrays are around this type. A dictionary entry has a
 * basic type and one more.
 */
static bool bracket_add(struct bracket *b, char end, unsigned valid, unsigned n_arrays) {
        b->n_types++;
        if (b->kind != DBUS_DICT_ENTRY_BEGIN_CHAR)
                return true;
        return b->n_types == 1 ? n_arrays == b->n_arrays && type_is_basic(end, valid)
                               : b->n_types == 2;
}

/* libdbus-1 can check signatures, too. But when memory runs out, it says that they are invalid. */
bool types_are_valid(const char *types, unsigned valid) {
        struct bracket stack[DBUS_MAXIMUM_TYPE_RECURSION_DEPTH + 1] = {}, *b = stack;
        unsigned n_arrays = 0; /* around the next type, and in front of it */
        const char *at;

        for (at = types; at && *at; at++) {
                if (at - types == DBUS_MAXIMUM_SIGNATURE_LENGTH)
                        return false;
                switch (*at) {
                case DBUS_TYPE_ARRAY:
                        if (++n_arrays > DBUS_MAXIMUM_TYPE_RECURSION_DEPTH)
                                return false;
                        continue;
                case DBUS_DICT_ENTRY_BEGIN_CHAR:
                        if (n_arrays == b->n_arrays && (b != stack || !(valid & TYPES_ENTRIES)))
                                return false;
                        __attribute__((fallthrough));
                case DBUS_STRUCT_BEGIN_CHAR:
                        if (b == stack + DBUS_MAXIMUM_TYPE_RECURSION_DEPTH)
                                return false;
                        *++b = (struct bracket){*at, 0, n_arrays};
                        continue;
                case DBUS_STRUCT_END_CHAR:
                        if (b->kind != DBUS_STRUCT_BEGIN_CHAR || b->n_types == 0 ||
                            n_arrays != b->n_arrays)
                                return false;
                        b--;
                        break;
                case DBUS_DICT_ENTRY_END_CHAR:
                        if (b->kind != DBUS_DICT_ENTRY_BEGIN_CHAR || b->n_types != 2 ||
                            n_arrays != b->n_arrays)
                                return false;
                        b--;
                        break;
                default:
                        if (*at != DBUS_TYPE_VARIANT && !type_is_basic(*at, valid))
                                return false;
                }
                if (!bracket_add(b, *at, valid, n_arrays))
                        return false;
                n_arrays = b->n_arrays;
        }
        return at && b == stack && n_arrays == 0 && (!(valid & TYPES_SINGLE) || b->n_types == 1);
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

int values_walk_begin(struct values_walk *walk, const char *types, unsigned valid, bool checked,
                      va_list args) {
        if (!checked && !types_are_valid(types, valid))
                return -EINVAL;
        walk->valid = valid;
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

        if (!walk->checked && !types_are_valid(types, (walk->valid & TYPES_HANDLES) | TYPES_SINGLE))
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
