/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/values-read.h"

#include <bus1/dbus-values.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libbus1/dbus/message.h"
#include "libbus1/dbus/plain.h"
#include "libbus1/dbus/values-walk.h"

/* -ENXIO or -EBADMSG for an iterator that is not at what the caller expects */
static int wrong_type(DBusMessageIter *iter) {
        return dbus_message_iter_get_arg_type(iter) == DBUS_TYPE_INVALID ? -ENXIO : -EBADMSG;
}

/*
 * Is the iterator at a container whose signature is this one between two others? Returns 1, 0 or
 * -ENOMEM.
 */
static int has_signature(DBusMessageIter *iter, const char *before, const char *contents,
                         const char *after) {
        size_t n_before = strlen(before), n_contents = strlen(contents);
        char *signature;
        bool ok;

        signature = dbus_message_iter_get_signature(iter);
        if (!signature)
                return -ENOMEM;
        ok = strlen(signature) == n_before + n_contents + strlen(after) &&
             memcmp(signature, before, n_before) == 0 &&
             memcmp(signature + n_before, contents, n_contents) == 0 &&
             strcmp(signature + n_before + n_contents, after) == 0;
        dbus_free(signature);
        return ok;
}

/* walks along a message */

struct reader {
        struct values_walk walk;
        DBusMessageIter iters[WALK_DEPTH_MAX + 1]; /* in each of the containers that are open */
        bool advance; /* the iterator is at a value that has been walked along */
};

static int reader_begin(struct reader *reader, const DBusMessageIter *iter, unsigned valid,
                        bool checked, const char *types, va_list args) {
        reader->iters[0] = *iter;
        reader->advance = false;
        return values_walk_begin(&reader->walk, types, valid, checked, args);
}

static DBusMessageIter *reader_iter(struct reader *reader) {
        return &reader->iters[reader->walk.depth];
}

static int reader_open(struct reader *reader) {
        struct values_walk *w = &reader->walk;
        DBusMessageIter *outer = &reader->iters[w->depth - 1];
        int r;

        if (dbus_message_iter_get_arg_type(outer) != w->type)
                return w->depth == 1 ? wrong_type(outer) : -EBADMSG;
        /* The types of elements are compared one by one, if there are any. */
        if (w->type == DBUS_TYPE_ARRAY && w->n_elements == 0 && !w->checked) {
                r = has_signature(outer, DBUS_TYPE_ARRAY_AS_STRING, w->signature, "");
                if (r <= 0)
                        return r < 0 ? r : -EBADMSG;
        }
        dbus_message_iter_recurse(outer, reader_iter(reader));
        return STEP_OPEN;
}

/* The next enum step. At STEP_BASIC, the iterator is at the value. */
static int reader_next(struct reader *reader) {
        struct values_walk *w = &reader->walk;
        int step, type;

        if (reader->advance)
                dbus_message_iter_next(reader_iter(reader));
        step = values_walk_next(w);
        reader->advance = step == STEP_BASIC || step == STEP_CLOSE;
        if (step == STEP_BASIC) {
                type = w->type == TYPE_HANDLE ? DBUS_TYPE_UINT32 : w->type;
                if (dbus_message_iter_get_arg_type(reader_iter(reader)) != type)
                        return w->depth == 0 ? wrong_type(reader_iter(reader)) : -EBADMSG;
        } else if (step == STEP_OPEN) {
                return reader_open(reader);
        } else if (step == STEP_CLOSE) {
                DBusMessageIter *inner = &reader->iters[w->depth + 1];

                if (dbus_message_iter_get_arg_type(inner) != DBUS_TYPE_INVALID)
                        return -EBADMSG;
        }
        return step;
}

/* what can be taken only once */

struct taken {
        size_t n_fds, n_handles;
        int *fds;
        uint32_t *indices;
        uint64_t *handles;
};

static int taken_alloc(struct taken *taken) {
        size_t n = taken->n_handles * (sizeof(*taken->handles) + sizeof(*taken->indices)) +
                   taken->n_fds * sizeof(*taken->fds);

        taken->handles = malloc(n);
        if (!taken->handles)
                return -ENOMEM;
        taken->indices = (uint32_t *)(taken->handles + taken->n_handles);
        taken->fds = (int *)(taken->indices + taken->n_handles);
        taken->n_fds = taken->n_handles = 0;
        return 0;
}

static void taken_put_back(struct taken *taken, struct bus1_dbus_message *message) {
        while (taken->n_fds > 0)
                close(taken->fds[--taken->n_fds]);
        while (taken->n_handles > 0) {
                taken->n_handles--;
                message->handles[taken->indices[taken->n_handles]] =
                        taken->handles[taken->n_handles];
        }
}

static int take_fd(struct taken *taken, DBusMessageIter *iter) {
        int fd;

        errno = 0;
        dbus_message_iter_get_basic(iter, &fd);
        if (fd < 0)
                return errno == ENFILE ? -ENFILE : -EMFILE;
        taken->fds[taken->n_fds++] = fd;
        return 0;
}

static int take_handle(struct taken *taken, DBusMessageIter *iter,
                       struct bus1_dbus_message *message) {
        uint64_t handle;
        uint32_t index;

        dbus_message_iter_get_basic(iter, &index);
        handle = bus1_dbus_message_take_handle(message, index);
        if (handle == BUS1_INVALID)
                return -EBADMSG;
        taken->indices[taken->n_handles] = index;
        taken->handles[taken->n_handles++] = handle;
        return 0;
}

/* three passes */

/* Compare all types, and count what is to be taken. */
static int check_types(const DBusMessageIter *iter, unsigned valid, const char *types, va_list args,
                       struct taken *ret_taken) {
        struct reader reader;
        int step, r;

        *ret_taken = (struct taken){};
        r = reader_begin(&reader, iter, valid, false, types, args);
        if (r < 0)
                return r;
        do {
                step = reader_next(&reader);
                if (step == STEP_BASIC && va_arg(reader.walk.args, void *)) {
                        ret_taken->n_fds += reader.walk.type == DBUS_TYPE_UNIX_FD;
                        ret_taken->n_handles += reader.walk.type == TYPE_HANDLE;
                }
        } while (step > STEP_END);
        values_walk_end(&reader.walk);
        return step;
}

static int take_all(const DBusMessageIter *iter, struct bus1_dbus_message *message,
                    const char *types, va_list args, struct taken *taken) {
        struct reader reader;
        int step, r;

        r = taken_alloc(taken);
        if (r < 0)
                return r;
        r = reader_begin(&reader, iter, 0, true, types, args);
        if (r < 0)
                return r;
        do {
                step = reader_next(&reader);
                if (step == STEP_BASIC && va_arg(reader.walk.args, void *)) {
                        if (reader.walk.type == DBUS_TYPE_UNIX_FD)
                                r = take_fd(taken, reader_iter(&reader));
                        else if (reader.walk.type == TYPE_HANDLE)
                                r = take_handle(taken, reader_iter(&reader), message);
                }
        } while (step > STEP_END && r >= 0);
        values_walk_end(&reader.walk);
        if (r < 0)
                taken_put_back(taken, message);
        return r;
}

/* Set the arguments, which cannot fail, and move the iterator. */
static void set_arguments(DBusMessageIter *iter, const char *types, va_list args,
                          const struct taken *taken) {
        size_t n_fds = 0, n_handles = 0;
        struct reader reader;
        int step;

        if (reader_begin(&reader, iter, 0, true, types, args) < 0)
                return;
        while ((step = reader_next(&reader)) > STEP_END) {
                void *ret = step == STEP_BASIC ? va_arg(reader.walk.args, void *) : NULL;

                if (!ret)
                        continue;
                if (reader.walk.type == DBUS_TYPE_UNIX_FD)
                        *(int *)ret = taken->fds[n_fds++];
                else if (reader.walk.type == TYPE_HANDLE)
                        *(uint64_t *)ret = taken->handles[n_handles++];
                else
                        dbus_message_iter_get_basic(reader_iter(&reader), ret);
        }
        values_walk_end(&reader.walk);
        *iter = reader.iters[0];
}

int values_read(DBusMessageIter *iter, struct bus1_dbus_message *message, const char *types,
                va_list args) {
        struct taken taken;
        int r;

        if (!iter)
                return -EINVAL;
        r = check_types(iter, message ? TYPES_HANDLES : TYPES_ENTRIES, types, args, &taken);
        if (r >= 0 && taken.n_fds + taken.n_handles > 0)
                r = take_all(iter, message, types, args, &taken);
        if (r >= 0)
                set_arguments(iter, types, args, &taken);
        free(taken.handles);
        return r;
}

PUBLIC int bus1_dbus_readv(DBusMessageIter *iter, const char *types, va_list args) {
        return values_read(iter, NULL, types, args);
}

PUBLIC int bus1_dbus_read(DBusMessageIter *iter, const char *types, ...) {
        va_list args;
        int r;

        va_start(args, types);
        r = values_read(iter, NULL, types, args);
        va_end(args);
        return r;
}

PUBLIC int bus1_dbus_message_readv(struct bus1_dbus_message *message, const char *types,
                                   va_list args) {
        DBusMessageIter iter;

        const struct lazy *lazy;

        if (!message)
                return -EINVAL;
        lazy = message_lazy(message);
        if (lazy && types && plain_read(&lazy->wire, types, args))
                return 0;
        if (!bus1_dbus_message_get_dbus(message))
                return -ENOMEM;
        /* This returns false if there are no values. Then the iterator is at the end. */
        dbus_message_iter_init(message->message, &iter);
        return values_read(&iter, message, types, args);
}

PUBLIC int bus1_dbus_message_read(struct bus1_dbus_message *message, const char *types, ...) {
        va_list args;
        int r;

        va_start(args, types);
        r = bus1_dbus_message_readv(message, types, args);
        va_end(args);
        return r;
}

/* arrays and other containers */

PUBLIC int bus1_dbus_read_array(DBusMessageIter *iter, char type, const void **ret_elements,
                                size_t *ret_n_elements) {
        static const uint64_t nothing;
        DBusMessageIter array;
        const void *elements;
        int n_elements;

        if (!iter || !ret_elements || !ret_n_elements || !dbus_type_is_valid(type) ||
            !dbus_type_is_fixed(type) || type == DBUS_TYPE_UNIX_FD)
                return -EINVAL;
        if (dbus_message_iter_get_arg_type(iter) != DBUS_TYPE_ARRAY ||
            dbus_message_iter_get_element_type(iter) != type)
                return wrong_type(iter);
        dbus_message_iter_recurse(iter, &array);
        dbus_message_iter_get_fixed_array(&array, &elements, &n_elements);
        dbus_message_iter_next(iter);
        *ret_elements = n_elements > 0 ? elements : &nothing;
        *ret_n_elements = (size_t)n_elements;
        return 0;
}

/* Copy the strings of an array, and pointers to them, into one piece of memory. */
static char **copy_strings(const DBusMessageIter *array) {
        size_t n_strings = 0, n_bytes = 0;
        DBusMessageIter i;
        const char *text;
        char **strv, *at;

        for (i = *array; dbus_message_iter_get_arg_type(&i) != DBUS_TYPE_INVALID;
             dbus_message_iter_next(&i)) {
                dbus_message_iter_get_basic(&i, &text);
                n_strings++;
                n_bytes += strlen(text) + 1;
        }
        strv = malloc((n_strings + 1) * sizeof(*strv) + n_bytes);
        if (!strv)
                return NULL;
        at = (char *)(strv + n_strings + 1);
        n_strings = 0;
        for (i = *array; dbus_message_iter_get_arg_type(&i) != DBUS_TYPE_INVALID;
             dbus_message_iter_next(&i)) {
                dbus_message_iter_get_basic(&i, &text);
                strv[n_strings++] = at;
                at = stpcpy(at, text) + 1;
        }
        strv[n_strings] = NULL;
        return strv;
}

PUBLIC int bus1_dbus_read_strv(DBusMessageIter *iter, char ***ret_strv) {
        DBusMessageIter array;
        char **strv;
        int element;

        if (!iter || !ret_strv)
                return -EINVAL;
        if (dbus_message_iter_get_arg_type(iter) != DBUS_TYPE_ARRAY)
                return wrong_type(iter);
        element = dbus_message_iter_get_element_type(iter);
        if (element != DBUS_TYPE_STRING && element != DBUS_TYPE_OBJECT_PATH &&
            element != DBUS_TYPE_SIGNATURE)
                return -EBADMSG;
        dbus_message_iter_recurse(iter, &array);
        strv = copy_strings(&array);
        if (!strv)
                return -ENOMEM;
        dbus_message_iter_next(iter);
        *ret_strv = strv;
        return 0;
}

/* Has the container at the iterator these contents? Returns 1, 0 or -ENOMEM. */
static int has_contents(DBusMessageIter *iter, int type, const char *contents) {
        DBusMessageIter content;

        switch (type) {
        case DBUS_TYPE_ARRAY:
                return has_signature(iter, DBUS_TYPE_ARRAY_AS_STRING, contents, "");
        case DBUS_TYPE_STRUCT:
                return has_signature(iter, DBUS_STRUCT_BEGIN_CHAR_AS_STRING, contents,
                                     DBUS_STRUCT_END_CHAR_AS_STRING);
        case DBUS_TYPE_DICT_ENTRY:
                return has_signature(iter, DBUS_DICT_ENTRY_BEGIN_CHAR_AS_STRING, contents,
                                     DBUS_DICT_ENTRY_END_CHAR_AS_STRING);
        default:
                dbus_message_iter_recurse(iter, &content);
                return has_signature(&content, "", contents, "");
        }
}

PUBLIC int bus1_dbus_read_container(DBusMessageIter *iter, char type, const char *contents,
                                    DBusMessageIter *ret_content) {
        int r;

        if (!iter || !ret_content || !dbus_type_is_valid(type) || !dbus_type_is_container(type))
                return -EINVAL;
        if (dbus_message_iter_get_arg_type(iter) != type)
                return wrong_type(iter);
        if (contents) {
                r = has_contents(iter, type, contents);
                if (r <= 0)
                        return r < 0 ? r : -EBADMSG;
        }
        dbus_message_iter_recurse(iter, ret_content);
        dbus_message_iter_next(iter);
        return 0;
}

/*
 * Find the value of a key: the last one, as a loop over the entries finds it, whose variables keep
 * what they are set to last. Returns 1, 0 or -EBADMSG.
 */
static int find_entry(DBusMessageIter *array, const char *key, DBusMessageIter *ret_value) {
        DBusMessageIter entry;
        const char *name;
        int found = 0;

        for (; dbus_message_iter_get_arg_type(array) != DBUS_TYPE_INVALID;
             dbus_message_iter_next(array)) {
                dbus_message_iter_recurse(array, &entry);
                if (dbus_message_iter_get_arg_type(&entry) != DBUS_TYPE_STRING)
                        return -EBADMSG;
                dbus_message_iter_get_basic(&entry, &name);
                dbus_message_iter_next(&entry);
                if (dbus_message_iter_get_arg_type(&entry) != DBUS_TYPE_VARIANT)
                        return -EBADMSG;
                if (strcmp(name, key) == 0) {
                        dbus_message_iter_recurse(&entry, ret_value);
                        found = 1;
                }
        }
        return found;
}

PUBLIC int bus1_dbus_read_entry(DBusMessageIter *iter, const char *key, const char *types, ...) {
        DBusMessageIter array, value;
        va_list args;
        int r;

        if (!iter || !key || !types_are_valid(types, TYPES_SINGLE))
                return -EINVAL;
        if (dbus_message_iter_get_arg_type(iter) != DBUS_TYPE_ARRAY ||
            dbus_message_iter_get_element_type(iter) != DBUS_TYPE_DICT_ENTRY)
                return wrong_type(iter);
        dbus_message_iter_recurse(iter, &array);
        if (dbus_message_iter_get_arg_type(&array) == DBUS_TYPE_INVALID) {
                r = has_signature(iter, "a", "{sv}", "");
                return r == 1 ? 0 : r == 0 ? -EBADMSG : r;
        }
        r = find_entry(&array, key, &value);
        if (r <= 0)
                return r;
        va_start(args, types);
        r = values_read(&value, NULL, types, args);
        va_end(args);
        return r < 0 ? r : 1;
}
