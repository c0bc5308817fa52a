/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * libbus1-dbus: values by type string
 *
 * A type string is a D-Bus signature that says which arguments follow it, as in sd-bus:
 *
 *        type         append                            read
 *
 *        y            uint8_t                           uint8_t *
 *        b            int, 0 is false                   int *, 0 or 1
 *        n q          int16_t, uint16_t                 int16_t *, uint16_t *
 *        i u          int32_t, uint32_t                 int32_t *, uint32_t *
 *        x t          int64_t, uint64_t                 int64_t *, uint64_t *
 *        d            double                            double *
 *        s            const char *; NULL is ""          const char **
 *        o            const char *                      const char **
 *        g            const char *; NULL is ""          const char **
 *        h            int, which is duplicated          int *, which the caller closes
 *        H            uint64_t, a handle                uint64_t *, which the caller releases
 *        a            unsigned, the number of elements, then the arguments of each element
 *        v            const char *, the type string of the content, then its arguments
 *        (...) {...}  the arguments of the content
 *
 * For example:
 *
 *        bus1_dbus_append(&iter, "sa{sv}", "name", 2, "Size", "u", size, "Title", "s", title)
 *
 * When values are read, the number of elements and the type string of a variant are what the caller
 * expects: a message that has something else is an error. A pointer to the value of a basic type
 * can be NULL, then the value is skipped. Strings that are read belong to the message, and are
 * valid as long as it is.
 *
 * A handle (H) is not in the body of a message. It travels beside the message, and the body has its
 * index, a uint32: its signature is u. So H can be used only in the functions of this header that
 * say so. As elsewhere, handles that are sent are copied, and the caller keeps its own.
 *
 * The functions return 0 or a negative errno, unless their comment says otherwise:
 *
 *        -EINVAL    an invalid argument: a type string that is no signature, a string that is not
 *                   UTF-8, an invalid object path or signature, a missing pointer
 *        -ELOOP     more than 64 containers in one another
 *        -EBADF     an argument for h is no open descriptor
 *        -EMFILE    the process cannot have more descriptors
 *        -EMSGSIZE  too many handles, or an array of more than 64 MiB
 *        -EBADMSG   the message has another type, another number of elements, or not the handle
 *        -ENXIO     the message, or the container of the iterator, has no more values
 *        -ENOMEM
 *
 * A value is read whole or not at all: after an error, the iterator is where it was, no argument
 * was set, and descriptors and handles are still in the message. Values are appended whole, or, if
 * an argument is invalid, not at all. After -ENOMEM or -EMFILE the message has a part of the
 * values, and the caller must drop it; messages that a function of this header makes are dropped by
 * that function.
 */

#include <bus1/dbus.h>
#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* appending */

/*
 * Append values. The iterator comes from dbus_message_iter_init_append() or from a function that
 * opens a container. If its container is an array or a variant, types must be what this container
 * holds: libdbus-1 ends the process otherwise. In an array of dictionary entries, types can be that
 * of an entry, for example "{sv}".
 */
int bus1_dbus_append(DBusMessageIter *iter, const char *types, ...);
int bus1_dbus_appendv(DBusMessageIter *iter, const char *types, va_list args);
/*
 * Append an array whose elements have one of the types y, b, n, q, i, u, x, t and d, and are in an
 * array of the C type for it (int for b).
 */
int bus1_dbus_append_array(DBusMessageIter *iter, char type, const void *elements,
                           size_t n_elements);
/* Append an array of strings ("as"). strv ends with NULL. If strv is NULL, the array is empty. */
int bus1_dbus_append_strv(DBusMessageIter *iter, char *const *strv);
/*
 * Open and close a container, for example an array whose length the program does not know. type is
 * one of a, v, r (a struct) and e (a dictionary entry). contents is the signature of an element of
 * the array, or of the content of the variant; NULL for a struct or an entry. close ends the
 * container and returns 0 or a negative errno. If r is negative, because something could not be
 * opened or appended, close abandons the container and returns r: the message must be dropped. So
 * errors need no attention in between:
 *
 *        r = bus1_dbus_open_container(&iter, 'a', "s", &array);
 *        for (i = 0; r >= 0 && i < n; i++)
 *                r = bus1_dbus_append(&array, "s", texts[i]);
 *        r = bus1_dbus_close_container(&iter, &array, r);
 */
int bus1_dbus_open_container(DBusMessageIter *iter, char type, const char *contents,
                             DBusMessageIter *ret_content);
int bus1_dbus_close_container(DBusMessageIter *iter, DBusMessageIter *content, int r);

/* reading */

/* Read values, and move the iterator behind them. */
int bus1_dbus_read(DBusMessageIter *iter, const char *types, ...);
int bus1_dbus_readv(DBusMessageIter *iter, const char *types, va_list args);
/*
 * Read an array whose elements have one of the types of bus1_dbus_append_array(). *ret_elements
 * belongs to the message; it is not NULL, even if the array is empty.
 */
int bus1_dbus_read_array(DBusMessageIter *iter, char type, const void **ret_elements,
                         size_t *ret_n_elements);
/*
 * Read an array of strings, object paths or signatures. *ret_strv ends with NULL; it is one piece
 * of memory, strings included, which the caller frees with one free().
 */
int bus1_dbus_read_strv(DBusMessageIter *iter, char ***ret_strv);
/*
 * Enter a container, which *ret_content then reads, and move the iterator behind the container.
 * type is one of a, v, r (a struct) and e (a dictionary entry). contents is the signature of what
 * is in it, or NULL: anything. For example, this reads an array of any length:
 *
 *        r = bus1_dbus_read_container(&iter, 'a', "(su)", &array);
 *        while (r >= 0)
 *                r = bus1_dbus_read(&array, "(su)", &text, &number);
 *        if (r != -ENXIO)
 *                ...
 */
int bus1_dbus_read_container(DBusMessageIter *iter, char type, const char *contents,
                             DBusMessageIter *ret_content);
/*
 * Look for a key in a dictionary of variants ("a{sv}"), at which the iterator is, and read its
 * value. If several entries have this key, the last one counts. types is the expected type of the
 * value. The iterator does not move. Returns 1, or 0 if there is no such key.
 */
int bus1_dbus_read_entry(DBusMessageIter *iter, const char *key, const char *types, ...);
/*
 * Read values from the start of the body. H takes over the handle that has this index. Two values
 * with the same handle are an error, -EBADMSG.
 */
int bus1_dbus_message_read(struct bus1_dbus_message *message, const char *types, ...);
int bus1_dbus_message_readv(struct bus1_dbus_message *message, const char *types, va_list args);

/* calling, answering and emitting: H in types adds a handle to the message */

/* Answer a call with these values. Also returns the errors of bus1_dbus_reply(). */
int bus1_dbus_reply_values(struct bus1_dbus_message *call, const char *types, ...);
int bus1_dbus_reply_valuesv(struct bus1_dbus_message *call, const char *types, va_list args);
/*
 * Call a method and wait for its reply, at most 25 seconds. to, ret_reply, error and further
 * results are those of bus1_dbus_call(). destination and path can be NULL if to is a handle; then
 * the call has no DESTINATION, and the PATH is "/". interface can be NULL. types can be NULL: no
 * arguments.
 */
int bus1_dbus_call_method(struct bus1_dbus *bus, uint64_t to, const char *destination,
                          const char *path, const char *interface, const char *member,
                          DBusError *error, struct bus1_dbus_message **ret_reply, const char *types,
                          ...);
int bus1_dbus_call_methodv(struct bus1_dbus *bus, uint64_t to, const char *destination,
                           const char *path, const char *interface, const char *member,
                           DBusError *error, struct bus1_dbus_message **ret_reply,
                           const char *types, va_list args);
/*
 * The same without waiting: dispatch calls fn with the reply, see bus1_dbus_call_async(). Freeing
 * the slot before this cancels the call. The caller frees the slot also after the reply. If fn is
 * NULL, the call wants no reply, and ret_slot must be NULL.
 */
int bus1_dbus_call_method_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                uint64_t to, const char *destination, const char *path,
                                const char *interface, const char *member, bus1_dbus_message_fn fn,
                                void *userdata, const char *types, ...);
int bus1_dbus_call_method_asyncv(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                 uint64_t to, const char *destination, const char *path,
                                 const char *interface, const char *member, bus1_dbus_message_fn fn,
                                 void *userdata, const char *types, va_list args);
/*
 * Get a property with org.freedesktop.DBus.Properties, and read its value, whose type is types.
 * Strings belong to *ret_reply, which the caller unreferences. ret_reply can be NULL if types has
 * no s, o, g and v. -EBADMSG: the property has another type.
 */
int bus1_dbus_get_property(struct bus1_dbus *bus, uint64_t to, const char *destination,
                           const char *path, const char *interface, const char *property,
                           DBusError *error, struct bus1_dbus_message **ret_reply,
                           const char *types, ...);
/* Set a property. types is the type of the value. */
int bus1_dbus_set_property(struct bus1_dbus *bus, uint64_t to, const char *destination,
                           const char *path, const char *interface, const char *property,
                           DBusError *error, const char *types, ...);
/*
 * Broadcast a signal through the bus. types can be NULL: no arguments. Who has subscribed through
 * the handle of an object does not get it, also if the path is that of the object.
 */
int bus1_dbus_emit_signal(struct bus1_dbus *bus, const char *path, const char *interface,
                          const char *member, const char *types, ...);
int bus1_dbus_emit_signalv(struct bus1_dbus *bus, const char *path, const char *interface,
                           const char *member, const char *types, va_list args);
/*
 * Send a signal to one receiver: the member that has the name destination, or the holder of the
 * node behind a handle. destination can be NULL if to is a handle.
 */
int bus1_dbus_emit_signal_to(struct bus1_dbus *bus, uint64_t to, const char *destination,
                             const char *path, const char *interface, const char *member,
                             const char *types, ...);
/* Emit a signal of this object, like bus1_dbus_object_emit(). */
int bus1_dbus_object_emit_values(struct bus1_dbus_object *object, const char *interface,
                                 const char *member, const char *types, ...);

#ifdef __cplusplus
}
#endif
