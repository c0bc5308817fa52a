/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/values-append.h"

#include <bus1/dbus-values.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "libbus1/dbus/values-walk.h"

/* checking */

/* How many bytes the values take in a message. */
struct size {
        uint64_t at;
        uint64_t array[WALK_DEPTH_MAX + 1]; /* where the content begins; UINT64_MAX: no array */
};

/* D-Bus spec, "Summary of D-Bus marshalling" */
static unsigned type_alignment(int type) {
        switch (type) {
        case DBUS_TYPE_BYTE:
        case DBUS_TYPE_SIGNATURE:
        case DBUS_TYPE_VARIANT:
                return 1;
        case DBUS_TYPE_INT16:
        case DBUS_TYPE_UINT16:
                return 2;
        case DBUS_TYPE_INT64:
        case DBUS_TYPE_UINT64:
        case DBUS_TYPE_DOUBLE:
        case DBUS_TYPE_STRUCT:
        case DBUS_STRUCT_BEGIN_CHAR:
        case DBUS_TYPE_DICT_ENTRY:
        case DBUS_DICT_ENTRY_BEGIN_CHAR:
                return 8;
        default:
                return 4;
        }
}

static void size_align(struct size *size, int type) {
        unsigned alignment = type_alignment(type);

        size->at = (size->at + alignment - 1) / alignment * alignment;
}

static void size_add_text(struct size *size, const struct walk *w, const char *text) {
        size->at += (w->type == DBUS_TYPE_SIGNATURE ? 1 : 4) + strlen(text) + 1;
}

static void size_open(struct size *size, const struct walk *w) {
        size_align(size, w->type);
        size->array[w->depth] = UINT64_MAX;
        if (w->type == DBUS_TYPE_VARIANT)
                size->at += 1 + strlen(w->signature) + 1;
        if (w->type == DBUS_TYPE_ARRAY) {
                size->at += 4;
                size_align(size, w->signature[0]);
                size->array[w->depth] = size->at;
        }
}

/* Is what was closed, and all so far, small enough for a message? */
static bool size_is_valid(const struct size *size, const struct walk *w, int step) {
        uint64_t start = step == STEP_CLOSE ? size->array[w->depth + 1] : UINT64_MAX;

        return size->at <= DBUS_MAXIMUM_MESSAGE_LENGTH &&
               (start == UINT64_MAX || size->at - start <= DBUS_MAXIMUM_ARRAY_LENGTH);
}

static int check_text(struct walk *w, struct size *size) {
        const char *text = va_arg(w->args, const char *);
        bool ok;

        if (!text && w->type != DBUS_TYPE_OBJECT_PATH)
                text = "";
        if (w->type == DBUS_TYPE_STRING)
                ok = text_is_valid(text);
        else if (w->type == DBUS_TYPE_OBJECT_PATH)
                ok = text && dbus_validate_path(text, NULL);
        else
                ok = types_are_valid(text, 0);
        if (!ok)
                return -EINVAL;
        size_add_text(size, w, text);
        return 0;
}

static int check_basic(struct walk *w, struct size *size, size_t *n_handles) {
        size_align(size, w->type);
        switch (w->type) {
        case DBUS_TYPE_STRING:
        case DBUS_TYPE_OBJECT_PATH:
        case DBUS_TYPE_SIGNATURE:
                return check_text(w, size);
        case DBUS_TYPE_UNIX_FD:
                if (fcntl(va_arg(w->args, int), F_GETFD) < 0)
                        return -EBADF;
                size->at += 4;
                return 0;
        case TYPE_HANDLE:
                (void)va_arg(w->args, uint64_t);
                if (++*n_handles > HANDLES_MAX)
                        return -EMSGSIZE;
                size->at += 4;
                return 0;
        case DBUS_TYPE_INT64:
        case DBUS_TYPE_UINT64:
                (void)va_arg(w->args, uint64_t);
                break;
        case DBUS_TYPE_DOUBLE:
                (void)va_arg(w->args, double);
                break;
        default:
                (void)va_arg(w->args, int);
        }
        /* The alignment of these types is their size. */
        size->at += type_alignment(w->type);
        return 0;
}

static int check_arguments(const struct values_handles *handles, const char *types, va_list args) {
        size_t n_handles = handles ? handles->n : 0;
        struct size size;
        struct walk w;
        int step, r;

        size.at = 0;
        r = types_walk_begin(&w, types, handles ? TYPES_HANDLES : TYPES_ENTRIES, false, args);
        if (r < 0)
                return r;
        do {
                step = types_walk_next(&w);
                if (step == STEP_OPEN)
                        size_open(&size, &w);
                else if (step == STEP_BASIC)
                        r = check_basic(&w, &size, &n_handles);
                if (step < 0)
                        r = step;
                else if (r >= 0 && !size_is_valid(&size, &w, step))
                        r = -EMSGSIZE;
        } while (r >= 0 && step != STEP_END);
        walk_end(&w);
        return r;
}

/* appending */

static void take_argument(struct walk *w, struct values_handles *handles, DBusBasicValue *ret) {
        switch (w->type) {
        case DBUS_TYPE_BYTE:
                ret->byt = (uint8_t)va_arg(w->args, int);
                break;
        case DBUS_TYPE_BOOLEAN:
                ret->bool_val = va_arg(w->args, int) != 0;
                break;
        case DBUS_TYPE_INT16:
        case DBUS_TYPE_UINT16:
                ret->u16 = (uint16_t)va_arg(w->args, int);
                break;
        case DBUS_TYPE_INT64:
        case DBUS_TYPE_UINT64:
                ret->u64 = va_arg(w->args, uint64_t);
                break;
        case DBUS_TYPE_DOUBLE:
                ret->dbl = va_arg(w->args, double);
                break;
        case DBUS_TYPE_STRING:
        case DBUS_TYPE_OBJECT_PATH:
        case DBUS_TYPE_SIGNATURE:
                ret->str = va_arg(w->args, char *);
                if (!ret->str)
                        ret->str = (char *)"";
                break;
        case TYPE_HANDLE:
                handles->ids[handles->n] = va_arg(w->args, uint64_t);
                ret->u32 = (uint32_t)handles->n++;
                break;
        default:
                ret->u32 = va_arg(w->args, uint32_t);
        }
}

static int append_basic(DBusMessageIter *iter, struct walk *w, struct values_handles *handles) {
        DBusBasicValue value;

        take_argument(w, handles, &value);
        errno = 0;
        if (dbus_message_iter_append_basic(
                    iter, w->type == TYPE_HANDLE ? DBUS_TYPE_UINT32 : w->type, &value))
                return 0;
        return w->type == DBUS_TYPE_UNIX_FD && errno == EMFILE ? -EMFILE : -ENOMEM;
}

static int append_arguments(DBusMessageIter *root, struct values_handles *handles,
                            const char *types, va_list args) {
        DBusMessageIter inner[WALK_DEPTH_MAX];
        DBusMessageIter *at[WALK_DEPTH_MAX + 1] = {root};
        unsigned depth = 0;
        struct walk w;
        int step, r;

        r = types_walk_begin(&w, types, 0, true, args);
        if (r < 0)
                return r;
        for (; r >= 0; depth = w.depth) {
                step = types_walk_next(&w);
                if (step == STEP_END)
                        break;
                if (step == STEP_BASIC) {
                        r = append_basic(at[w.depth], &w, handles);
                } else if (step == STEP_CLOSE) {
                        if (!dbus_message_iter_close_container(at[w.depth], at[w.depth + 1]))
                                r = -ENOMEM;
                } else {
                        bool typed = w.type == DBUS_TYPE_ARRAY || w.type == DBUS_TYPE_VARIANT;

                        at[w.depth] = &inner[depth];
                        if (!dbus_message_iter_open_container(
                                    at[depth], w.type, typed ? w.signature : NULL, at[w.depth])) {
                                r = -ENOMEM;
                                w.depth--;
                        }
                }
        }
        for (depth = w.depth; depth > 0; depth--)
                dbus_message_iter_abandon_container(at[depth - 1], at[depth]);
        walk_end(&w);
        return r;
}

int values_append(DBusMessageIter *iter, struct values_handles *handles, const char *types,
                  va_list args) {
        int r;

        if (!iter)
                return -EINVAL;
        r = check_arguments(handles, types, args);
        return r < 0 ? r : append_arguments(iter, handles, types, args);
}

PUBLIC int bus1_dbus_appendv(DBusMessageIter *iter, const char *types, va_list args) {
        return values_append(iter, NULL, types, args);
}

PUBLIC int bus1_dbus_append(DBusMessageIter *iter, const char *types, ...) {
        va_list args;
        int r;

        va_start(args, types);
        r = values_append(iter, NULL, types, args);
        va_end(args);
        return r;
}

/* arrays */

static bool append_booleans(DBusMessageIter *array, const int *values, size_t n) {
        for (size_t i = 0; i < n; i++) {
                dbus_bool_t value = values[i] != 0;

                if (!dbus_message_iter_append_basic(array, DBUS_TYPE_BOOLEAN, &value))
                        return false;
        }
        return true;
}

PUBLIC int bus1_dbus_append_array(DBusMessageIter *iter, char type, const void *elements,
                                  size_t n_elements) {
        const char signature[] = {type, 0};
        DBusMessageIter array;
        bool ok = true;

        if (!iter || !dbus_type_is_valid(type) || !dbus_type_is_fixed(type) ||
            type == DBUS_TYPE_UNIX_FD || (n_elements > 0 && !elements))
                return -EINVAL;
        if (n_elements > DBUS_MAXIMUM_ARRAY_LENGTH / type_alignment(type))
                return -EMSGSIZE;
        if (!dbus_message_iter_open_container(iter, DBUS_TYPE_ARRAY, signature, &array))
                return -ENOMEM;
        if (type == DBUS_TYPE_BOOLEAN)
                ok = append_booleans(&array, elements, n_elements);
        else if (n_elements > 0)
                ok = dbus_message_iter_append_fixed_array(&array, type, &elements, (int)n_elements);
        if (ok)
                return dbus_message_iter_close_container(iter, &array) ? 0 : -ENOMEM;
        dbus_message_iter_abandon_container(iter, &array);
        return -ENOMEM;
}

PUBLIC int bus1_dbus_append_strv(DBusMessageIter *iter, char *const *strv) {
        struct size size = {};
        DBusMessageIter array;

        if (!iter)
                return -EINVAL;
        for (size_t i = 0; strv && strv[i]; i++) {
                if (!text_is_valid(strv[i]))
                        return -EINVAL;
                size_align(&size, DBUS_TYPE_STRING);
                size.at += 4 + strlen(strv[i]) + 1;
        }
        if (size.at > DBUS_MAXIMUM_ARRAY_LENGTH)
                return -EMSGSIZE;
        if (!dbus_message_iter_open_container(iter, DBUS_TYPE_ARRAY, DBUS_TYPE_STRING_AS_STRING,
                                              &array))
                return -ENOMEM;
        for (size_t i = 0; strv && strv[i]; i++)
                if (!dbus_message_iter_append_basic(&array, DBUS_TYPE_STRING, &strv[i])) {
                        dbus_message_iter_abandon_container(iter, &array);
                        return -ENOMEM;
                }
        return dbus_message_iter_close_container(iter, &array) ? 0 : -ENOMEM;
}
