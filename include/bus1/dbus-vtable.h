/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Vtables: the interfaces of objects, in the style of sd-bus
 *
 * A vtable describes the methods, signals and properties of one interface. It is an array that is
 * made with the macros below. An object gets any number of interfaces, each with a vtable and a
 * userdata of its own:
 *
 *        static const struct bus1_dbus_vtable lamp_vtable[] = {
 *                BUS1_DBUS_VTABLE_START(0),
 *                BUS1_DBUS_METHOD("Blink", "u", "", lamp_blink, BUS1_DBUS_VTABLE_UNPRIVILEGED),
 *                BUS1_DBUS_PROPERTY("On", "b", NULL, offsetof(struct lamp, on), 0),
 *                BUS1_DBUS_DOC("Does the lamp shine?"),
 *                BUS1_DBUS_VTABLE_END,
 *        };
 *
 *        bus1_dbus_object_new(bus, "/org/example/lamp", NULL, NULL, &object);
 *        bus1_dbus_object_add_interface(object, "org.example.Lamp", lamp_vtable, &lamp);
 *
 * From the vtable the library checks the signatures of calls, answers Introspect and
 * org.freedesktop.DBus.Properties, and knows what PropertiesChanged and the signals of
 * org.freedesktop.DBus.ObjectManager have to contain. The tables of <bus1/dbus.h> (struct
 * bus1_dbus_interface) and vtables can be used for the same object.
 *
 * Functions return 0 or a negative errno, see <bus1/dbus.h>. A vtable must live, and stay as it is,
 * as long as the interface has it. The library keeps copies of the other texts.
 *
 * Handlers of methods, set functions and check functions may free the object or the bus, and remove
 * the interface, that they are called for. Get functions, find functions and enumerators must not
 * free or remove anything of the bus: the library calls them while it makes a message.
 */

#include <bus1/dbus.h>

#ifdef __cplusplus
extern "C" {
#endif

/* flags of a vtable's entries; the meanings are those of sd-bus */

/* Introspection says that the entry is deprecated. At BUS1_DBUS_VTABLE_START: the interface is. */
#define BUS1_DBUS_VTABLE_DEPRECATED (UINT64_C(1) << 0)
/*
 * Introspection, GetAll and the signals do not show the entry, but it can be used. At
 * BUS1_DBUS_VTABLE_START: this is so for the whole interface.
 */
#define BUS1_DBUS_VTABLE_HIDDEN (UINT64_C(1) << 1)
/*
 * Everybody may call the method, or set the property, whom the policy of the bus lets through. All
 * other methods and writable properties are privileged, see bus1_dbus_set_check(). Reading a
 * property is never privileged, so this flag is an error for read-only properties.
 */
#define BUS1_DBUS_VTABLE_UNPRIVILEGED (UINT64_C(1) << 2)
/* The method has no reply, says introspection. */
#define BUS1_DBUS_VTABLE_METHOD_NO_REPLY (UINT64_C(1) << 3)
/*
 * How a change of the property is announced: never, since it does not change while the object
 * lives; by PropertiesChanged with the new value; or by PropertiesChanged with only the name. A
 * property with none of these flags changes without an announcement.
 */
#define BUS1_DBUS_VTABLE_PROPERTY_CONST (UINT64_C(1) << 4)
#define BUS1_DBUS_VTABLE_PROPERTY_EMITS_CHANGE (UINT64_C(1) << 5)
#define BUS1_DBUS_VTABLE_PROPERTY_EMITS_INVALIDATION (UINT64_C(1) << 6)
/*
 * Only Get has the property, because its value is large or slow to make: neither GetAll nor
 * GetManagedObjects nor InterfacesAdded. An error together with EMITS_CHANGE.
 */
#define BUS1_DBUS_VTABLE_PROPERTY_EXPLICIT (UINT64_C(1) << 7)
/* The functions of the entry get the offset itself as their userdata, converted to a pointer. */
#define BUS1_DBUS_VTABLE_ABSOLUTE_OFFSET (UINT64_C(1) << 9)
/*
 * The capability (CAP_*) that stands for the right to use the entry; without it, CAP_SYS_ADMIN. At
 * BUS1_DBUS_VTABLE_START: of all entries that have none of their own. D-Bus does not tell the
 * capabilities of a caller, so only the check function can make use of this.
 */
#define BUS1_DBUS_VTABLE_CAPABILITY(x) ((uint64_t)(((x) + 1) & 0xffff) << 40)

/*
 * Append the value of a property to the iterator. path is that of the object, or "/" if it has
 * none. userdata is that of the interface (or what the find function returned), plus the offset of
 * the entry. A negative errno becomes an error reply: error itself, if it is set.
 */
typedef int (*bus1_dbus_get_fn)(struct bus1_dbus *bus, const char *path, const char *interface,
                                const char *property, DBusMessageIter *value, void *userdata,
                                DBusError *error);
/*
 * Set the property to the value at the iterator, which has the signature of the property. The
 * function announces the change itself, see bus1_dbus_object_emit_properties_changed(). The call of
 * Set, which knows the sender, is bus1_dbus_get_current_message().
 */
typedef int (*bus1_dbus_set_fn)(struct bus1_dbus *bus, const char *path, const char *interface,
                                const char *property, DBusMessageIter *value, void *userdata,
                                DBusError *error);

/* Make entries with the macros only: later versions of the library may add fields. */
struct bus1_dbus_vtable {
        uint64_t flags;
        const char *member;
        const char *signature; /* of the arguments, or of the value */
        const char *result;
        const char *names; /* of the arguments, then of the results, separated by blanks */
        const char *doc;
        bus1_dbus_message_fn handler;
        bus1_dbus_get_fn get;
        bus1_dbus_set_fn set;
        size_t offset; /* BUS1_DBUS_VTABLE_START: the size of an entry */
        int type;
};

#define BUS1_DBUS_VTABLE_TYPE_START_ '<'
#define BUS1_DBUS_VTABLE_TYPE_END_ '>'
#define BUS1_DBUS_VTABLE_TYPE_METHOD_ 'M'
#define BUS1_DBUS_VTABLE_TYPE_SIGNAL_ 'S'
#define BUS1_DBUS_VTABLE_TYPE_PROPERTY_ 'P'
#define BUS1_DBUS_VTABLE_TYPE_WRITABLE_PROPERTY_ 'W'
#define BUS1_DBUS_VTABLE_TYPE_DOC_ 'D'

/* clang-format off */
#define BUS1_DBUS_VTABLE_ENTRY_(_type, _flags, _member, _signature, _result, _names, _doc,         \
                                _handler, _get, _set, _offset)                                     \
        {                                                                                          \
                _flags, _member, _signature, _result, _names, _doc, _handler, _get, _set, _offset, \
                _type                                                                              \
        }
/* clang-format on */

/* The first and the last entry of each vtable. */
#define BUS1_DBUS_VTABLE_START(_flags)                                                        \
        BUS1_DBUS_VTABLE_ENTRY_(BUS1_DBUS_VTABLE_TYPE_START_, _flags, NULL, NULL, NULL, NULL, \
                                NULL, NULL, NULL, NULL, sizeof(struct bus1_dbus_vtable))
#define BUS1_DBUS_VTABLE_END                                                                       \
        BUS1_DBUS_VTABLE_ENTRY_(BUS1_DBUS_VTABLE_TYPE_END_, 0, NULL, NULL, NULL, NULL, NULL, NULL, \
                                NULL, NULL, 0)
/*
 * Documentation of the entry above (after BUS1_DBUS_VTABLE_START: of the interface). Introspection
 * has it as the annotation org.gtk.GDBus.DocString.
 */
#define BUS1_DBUS_DOC(_text)                                                                  \
        BUS1_DBUS_VTABLE_ENTRY_(BUS1_DBUS_VTABLE_TYPE_DOC_, 0, NULL, NULL, NULL, NULL, _text, \
                                NULL, NULL, NULL, 0)

/*
 * A method. _signature and _result are the signatures of the arguments and of the results ("" for
 * none). _handler is a bus1_dbus_message_fn; NULL, if there are neither arguments nor results:
 * calls are answered, and nothing is done. Its userdata is that of the interface plus _offset.
 * _in_names and _out_names are string literals: the names, separated by blanks, or one
 * BUS1_DBUS_PARAM(name) for each.
 */
#define BUS1_DBUS_METHOD_WITH_NAMES_OFFSET(_member, _signature, _in_names, _result, _out_names, \
                                           _handler, _offset, _flags)                           \
        BUS1_DBUS_VTABLE_ENTRY_(BUS1_DBUS_VTABLE_TYPE_METHOD_, _flags, _member, _signature,     \
                                _result, _in_names " " _out_names, NULL, _handler, NULL, NULL,  \
                                _offset)
#define BUS1_DBUS_METHOD_WITH_NAMES(_member, _signature, _in_names, _result, _out_names, _handler, \
                                    _flags)                                                        \
        BUS1_DBUS_METHOD_WITH_NAMES_OFFSET(_member, _signature, _in_names, _result, _out_names,    \
                                           _handler, 0, _flags)
#define BUS1_DBUS_METHOD_WITH_OFFSET(_member, _signature, _result, _handler, _offset, _flags) \
        BUS1_DBUS_METHOD_WITH_NAMES_OFFSET(_member, _signature, "", _result, "", _handler,    \
                                           _offset, _flags)
#define BUS1_DBUS_METHOD(_member, _signature, _result, _handler, _flags) \
        BUS1_DBUS_METHOD_WITH_OFFSET(_member, _signature, _result, _handler, 0, _flags)

/*
 * The same with the type of each argument beside its name:
 * BUS1_DBUS_ARGS("s", name, "au", numbers), BUS1_DBUS_RESULT("b", found). At most 16 of each.
 */
#define BUS1_DBUS_METHOD_WITH_ARGS_OFFSET(_member, _args, _result, _handler, _offset, _flags)  \
        BUS1_DBUS_METHOD_WITH_NAMES_OFFSET(_member, BUS1_DBUS_TYPES_(_args),                   \
                                           BUS1_DBUS_NAMES_(_args), BUS1_DBUS_TYPES_(_result), \
                                           BUS1_DBUS_NAMES_(_result), _handler, _offset, _flags)
#define BUS1_DBUS_METHOD_WITH_ARGS(_member, _args, _result, _handler, _flags) \
        BUS1_DBUS_METHOD_WITH_ARGS_OFFSET(_member, BUS1_DBUS_ARGS(_args),     \
                                          BUS1_DBUS_RESULT(_result), _handler, 0, _flags)

/* A signal, for introspection only. */
#define BUS1_DBUS_SIGNAL_WITH_NAMES(_member, _signature, _names, _flags)                          \
        BUS1_DBUS_VTABLE_ENTRY_(BUS1_DBUS_VTABLE_TYPE_SIGNAL_, _flags, _member, _signature, NULL, \
                                _names, NULL, NULL, NULL, NULL, 0)
#define BUS1_DBUS_SIGNAL(_member, _signature, _flags) \
        BUS1_DBUS_SIGNAL_WITH_NAMES(_member, _signature, "", _flags)
#define BUS1_DBUS_SIGNAL_WITH_ARGS(_member, _args, _flags)                                     \
        BUS1_DBUS_SIGNAL_WITH_NAMES(_member, BUS1_DBUS_TYPES_(_args), BUS1_DBUS_NAMES_(_args), \
                                    _flags)

/*
 * A property that can only be read. If _get is NULL, the value is that of a variable at userdata
 * plus _offset. Its type, by the signature: uint8_t (y), int that is 0 or not (b), int16_t (n),
 * uint16_t (q), int32_t (i), uint32_t (u), int64_t (x), uint64_t (t), double (d), int (h), char *
 * (s, o, g), or char ** with NULL at its end (as). A string that is NULL is sent as "", and an
 * object path as "/"; char ** can be NULL.
 */
#define BUS1_DBUS_PROPERTY(_member, _signature, _get, _offset, _flags)                        \
        BUS1_DBUS_VTABLE_ENTRY_(BUS1_DBUS_VTABLE_TYPE_PROPERTY_, _flags, _member, _signature, \
                                NULL, NULL, NULL, NULL, _get, NULL, _offset)
/*
 * A property that can be read and set. If _set is NULL, the library writes to the variable (not of
 * type as, h), frees the former string and stores a new one of malloc(). If the value has changed,
 * the library then announces this by itself, as the flags say. sd-bus does not: there, nobody
 * announces it.
 */
#define BUS1_DBUS_WRITABLE_PROPERTY(_member, _signature, _get, _set, _offset, _flags)      \
        BUS1_DBUS_VTABLE_ENTRY_(BUS1_DBUS_VTABLE_TYPE_WRITABLE_PROPERTY_, _flags, _member, \
                                _signature, NULL, NULL, NULL, NULL, _get, _set, _offset)

#define BUS1_DBUS_PARAM(_name) #_name " "
#define BUS1_DBUS_ARGS(...) __VA_ARGS__
#define BUS1_DBUS_RESULT(...) __VA_ARGS__
#define BUS1_DBUS_NO_ARGS NULL
#define BUS1_DBUS_NO_RESULT NULL

/* interfaces of objects */

/*
 * Add an interface to an object, which may be in use already. Returns -EEXIST when the object has
 * an interface of this name, and -EINVAL also when the vtable is not in order (for example a
 * signature is malformed, two entries have the same name, or flags exclude each other), or the
 * interface is one of those that the library implements itself.
 */
int bus1_dbus_object_add_interface(struct bus1_dbus_object *object, const char *interface,
                                   const struct bus1_dbus_vtable *vtable, void *userdata);
/* Remove an interface that was added to the object. Returns -ENOENT when there is none. */
int bus1_dbus_object_remove_interface(struct bus1_dbus_object *object, const char *interface);

/*
 * Emit one PropertiesChanged for these properties of an interface: the signal has the values of
 * properties that EMITS_CHANGE, and the names of those that EMITS_INVALIDATION. The names end with
 * NULL. Returns -ENOENT when the object has no such interface or property, -EDOM for a property
 * with neither flag, or a hidden one, or what a get function returned. Properties of the tables of
 * <bus1/dbus.h> have their values in the signal. It reaches those that bus1_dbus_object_emit()
 * reaches.
 */
int bus1_dbus_object_emit_properties_changed(struct bus1_dbus_object *object, const char *interface,
                                             const char *name, ...) __attribute__((sentinel));
/* The same. names NULL: all properties of the interface that have one of the flags. */
int bus1_dbus_object_emit_properties_changed_strv(struct bus1_dbus_object *object,
                                                  const char *interface, char *const *names);
/* The same for whatever is at the path, for example an object of bus1_dbus_add_fallback(). */
int bus1_dbus_emit_properties_changed(struct bus1_dbus *bus, const char *path,
                                      const char *interface, const char *name, ...)
        __attribute__((sentinel));
int bus1_dbus_emit_properties_changed_strv(struct bus1_dbus *bus, const char *path,
                                           const char *interface, char *const *names);

/* objects that are not made one by one */

/*
 * Look for the object at the path, for the interface. Returns 1 and sets *ret_found, which becomes
 * the userdata; 0 when there is none; or a negative errno, which the caller gets as an error: error
 * itself, if it is set.
 */
typedef int (*bus1_dbus_find_fn)(struct bus1_dbus *bus, const char *path, const char *interface,
                                 void *userdata, void **ret_found, DBusError *error);
/*
 * Serve the interface at prefix and at all paths below it where find finds an object. find NULL: at
 * all of them, with userdata. What bus1_dbus_object_new() has put at a path comes first; then the
 * longest prefix.
 */
int bus1_dbus_add_fallback(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                           const char *prefix, const char *interface,
                           const struct bus1_dbus_vtable *vtable, bus1_dbus_find_fn find,
                           void *userdata);

/*
 * Return the paths of objects below the prefix, for Introspect and GetManagedObjects: set
 * *ret_paths to an array with NULL at its end. The library calls free() on each path and on the
 * array. Paths that are not below the prefix are ignored.
 */
typedef int (*bus1_dbus_enumerate_fn)(struct bus1_dbus *bus, const char *prefix, void *userdata,
                                      char ***ret_paths, DBusError *error);
int bus1_dbus_add_enumerator(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                             const char *prefix, bus1_dbus_enumerate_fn fn, void *userdata);

/* the object manager */

/*
 * Let the object be the org.freedesktop.DBus.ObjectManager of the objects below its path, down to
 * other managers, which are included, but not what is below them. Clients get them by
 * GetManagedObjects. From then on the library emits InterfacesAdded and InterfacesRemoved by itself
 * when objects and interfaces come and go:
 *
 * - InterfacesAdded is sent before the next message that the program sends, and at the latest by
 *   bus1_dbus_dispatch(), bus1_dbus_wait() or bus1_dbus_run(). So an object that gets several
 *   interfaces is announced once and completely, and whatever the program sends about it, such as a
 *   reply with its path, comes after. An object that is freed before is not announced.
 * - InterfacesRemoved is sent at once.
 *
 * Returns -EINVAL when the object has no path, -EALREADY when it is a manager.
 */
int bus1_dbus_object_add_manager(struct bus1_dbus_object *object);
/*
 * Emit InterfacesAdded or InterfacesRemoved for an object of bus1_dbus_add_fallback(), of which the
 * library cannot know when it comes or goes. When it goes, find must still find it. Returns -ESRCH
 * when there is no manager above the path, and -ENOENT when there is no object at the path.
 */
int bus1_dbus_emit_object_added(struct bus1_dbus *bus, const char *path);
int bus1_dbus_emit_object_removed(struct bus1_dbus *bus, const char *path);

/* privileged members */

/*
 * A call of a method, or of Properties.Set for a property, that is not UNPRIVILEGED, is allowed
 *
 * - on a trusted bus. The session bus of bus1_dbus_open_session() is one, and others are not;
 * - if its sender is root or has the uid of this program;
 * - through a handle that the program has passed on, because a handle is the right to call. This is
 *   not so for an object that bus1_dbus_reply_path() has exported to everybody, or
 *   bus1_dbus_export() by the handle of bus1_dbus_object_get_handle(). But who exports a copy of
 *   this handle, here or in another program, gives the right to all members.
 *
 * In all other cases the check function decides. Without one, the caller gets AccessDenied.
 * Members of the tables of <bus1/dbus.h> are not privileged.
 */
void bus1_dbus_set_trusted(struct bus1_dbus *bus, bool trusted);

enum bus1_dbus_check {
        BUS1_DBUS_CHECK_REFUSE = 0, /* with AccessDenied, or with error, if it is set */
        BUS1_DBUS_CHECK_ALLOW = 1,
        BUS1_DBUS_CHECK_LATER = 2, /* the program calls bus1_dbus_message_continue() */
};
/*
 * Decide about a call. member is the method or property, capability the CAP_* of its entry, and
 * credentials those of the sender, as far as they are known. Returns one of the values above or a
 * negative errno. For BUS1_DBUS_CHECK_LATER, keep a reference to the call.
 */
typedef int (*bus1_dbus_check_fn)(struct bus1_dbus_message *call, const char *interface,
                                  const char *member, int capability,
                                  const struct bus1_dbus_credentials *credentials, void *userdata,
                                  DBusError *error);
/* NULL: no function. */
void bus1_dbus_set_check(struct bus1_dbus *bus, bus1_dbus_check_fn fn, void *userdata);
/*
 * Go on with a call about which the check function has returned BUS1_DBUS_CHECK_LATER: run it
 * (BUS1_DBUS_CHECK_ALLOW), answer with AccessDenied (BUS1_DBUS_CHECK_REFUSE), or with the D-Bus
 * error for a negative errno. What the call is for is looked up anew. The caller keeps its
 * reference. Returns -EALREADY when the call was answered, -ENOTCONN after bus1_dbus_free().
 */
int bus1_dbus_message_continue(struct bus1_dbus_message *call, int result);

/*
 * Take the types and the names out of BUS1_DBUS_ARGS(): a macro for each number of arguments, odd
 * numbers being errors, except 1, which is NULL.
 */
/* clang-format off */
#define BUS1_DBUS_CHOOSE_(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, \
        _16, _17, _18, _19, _20, _21, _22, _23, _24, _25, _26, _27, _28, _29, _30, _31, _32, \
        _chosen, ...) _chosen
#define BUS1_DBUS_TYPES_(...) \
        BUS1_DBUS_CHOOSE_(__VA_ARGS__, BUS1_DBUS_T32_, BUS1_DBUS_ODD_, BUS1_DBUS_T30_, \
                BUS1_DBUS_ODD_, BUS1_DBUS_T28_, BUS1_DBUS_ODD_, BUS1_DBUS_T26_, \
                BUS1_DBUS_ODD_, BUS1_DBUS_T24_, BUS1_DBUS_ODD_, BUS1_DBUS_T22_, \
                BUS1_DBUS_ODD_, BUS1_DBUS_T20_, BUS1_DBUS_ODD_, BUS1_DBUS_T18_, \
                BUS1_DBUS_ODD_, BUS1_DBUS_T16_, BUS1_DBUS_ODD_, BUS1_DBUS_T14_, \
                BUS1_DBUS_ODD_, BUS1_DBUS_T12_, BUS1_DBUS_ODD_, BUS1_DBUS_T10_, \
                BUS1_DBUS_ODD_, BUS1_DBUS_T8_, BUS1_DBUS_ODD_, BUS1_DBUS_T6_, \
                BUS1_DBUS_ODD_, BUS1_DBUS_T4_, BUS1_DBUS_ODD_, BUS1_DBUS_T2_, BUS1_DBUS_T1_, \
                0)(__VA_ARGS__)
#define BUS1_DBUS_NAMES_(...) \
        BUS1_DBUS_CHOOSE_(__VA_ARGS__, BUS1_DBUS_N32_, BUS1_DBUS_ODD_, BUS1_DBUS_N30_, \
                BUS1_DBUS_ODD_, BUS1_DBUS_N28_, BUS1_DBUS_ODD_, BUS1_DBUS_N26_, \
                BUS1_DBUS_ODD_, BUS1_DBUS_N24_, BUS1_DBUS_ODD_, BUS1_DBUS_N22_, \
                BUS1_DBUS_ODD_, BUS1_DBUS_N20_, BUS1_DBUS_ODD_, BUS1_DBUS_N18_, \
                BUS1_DBUS_ODD_, BUS1_DBUS_N16_, BUS1_DBUS_ODD_, BUS1_DBUS_N14_, \
                BUS1_DBUS_ODD_, BUS1_DBUS_N12_, BUS1_DBUS_ODD_, BUS1_DBUS_N10_, \
                BUS1_DBUS_ODD_, BUS1_DBUS_N8_, BUS1_DBUS_ODD_, BUS1_DBUS_N6_, \
                BUS1_DBUS_ODD_, BUS1_DBUS_N4_, BUS1_DBUS_ODD_, BUS1_DBUS_N2_, BUS1_DBUS_N1_, \
                0)(__VA_ARGS__)
#define BUS1_DBUS_T1_(_type) ""
#define BUS1_DBUS_N1_(_type) ""
#define BUS1_DBUS_T2_(_type, _name) _type
#define BUS1_DBUS_T4_(_type, _name, ...) _type BUS1_DBUS_T2_(__VA_ARGS__)
#define BUS1_DBUS_T6_(_type, _name, ...) _type BUS1_DBUS_T4_(__VA_ARGS__)
#define BUS1_DBUS_T8_(_type, _name, ...) _type BUS1_DBUS_T6_(__VA_ARGS__)
#define BUS1_DBUS_T10_(_type, _name, ...) _type BUS1_DBUS_T8_(__VA_ARGS__)
#define BUS1_DBUS_T12_(_type, _name, ...) _type BUS1_DBUS_T10_(__VA_ARGS__)
#define BUS1_DBUS_T14_(_type, _name, ...) _type BUS1_DBUS_T12_(__VA_ARGS__)
#define BUS1_DBUS_T16_(_type, _name, ...) _type BUS1_DBUS_T14_(__VA_ARGS__)
#define BUS1_DBUS_T18_(_type, _name, ...) _type BUS1_DBUS_T16_(__VA_ARGS__)
#define BUS1_DBUS_T20_(_type, _name, ...) _type BUS1_DBUS_T18_(__VA_ARGS__)
#define BUS1_DBUS_T22_(_type, _name, ...) _type BUS1_DBUS_T20_(__VA_ARGS__)
#define BUS1_DBUS_T24_(_type, _name, ...) _type BUS1_DBUS_T22_(__VA_ARGS__)
#define BUS1_DBUS_T26_(_type, _name, ...) _type BUS1_DBUS_T24_(__VA_ARGS__)
#define BUS1_DBUS_T28_(_type, _name, ...) _type BUS1_DBUS_T26_(__VA_ARGS__)
#define BUS1_DBUS_T30_(_type, _name, ...) _type BUS1_DBUS_T28_(__VA_ARGS__)
#define BUS1_DBUS_T32_(_type, _name, ...) _type BUS1_DBUS_T30_(__VA_ARGS__)
#define BUS1_DBUS_N2_(_type, _name) #_name " "
#define BUS1_DBUS_N4_(_type, _name, ...) #_name " " BUS1_DBUS_N2_(__VA_ARGS__)
#define BUS1_DBUS_N6_(_type, _name, ...) #_name " " BUS1_DBUS_N4_(__VA_ARGS__)
#define BUS1_DBUS_N8_(_type, _name, ...) #_name " " BUS1_DBUS_N6_(__VA_ARGS__)
#define BUS1_DBUS_N10_(_type, _name, ...) #_name " " BUS1_DBUS_N8_(__VA_ARGS__)
#define BUS1_DBUS_N12_(_type, _name, ...) #_name " " BUS1_DBUS_N10_(__VA_ARGS__)
#define BUS1_DBUS_N14_(_type, _name, ...) #_name " " BUS1_DBUS_N12_(__VA_ARGS__)
#define BUS1_DBUS_N16_(_type, _name, ...) #_name " " BUS1_DBUS_N14_(__VA_ARGS__)
#define BUS1_DBUS_N18_(_type, _name, ...) #_name " " BUS1_DBUS_N16_(__VA_ARGS__)
#define BUS1_DBUS_N20_(_type, _name, ...) #_name " " BUS1_DBUS_N18_(__VA_ARGS__)
#define BUS1_DBUS_N22_(_type, _name, ...) #_name " " BUS1_DBUS_N20_(__VA_ARGS__)
#define BUS1_DBUS_N24_(_type, _name, ...) #_name " " BUS1_DBUS_N22_(__VA_ARGS__)
#define BUS1_DBUS_N26_(_type, _name, ...) #_name " " BUS1_DBUS_N24_(__VA_ARGS__)
#define BUS1_DBUS_N28_(_type, _name, ...) #_name " " BUS1_DBUS_N26_(__VA_ARGS__)
#define BUS1_DBUS_N30_(_type, _name, ...) #_name " " BUS1_DBUS_N28_(__VA_ARGS__)
#define BUS1_DBUS_N32_(_type, _name, ...) #_name " " BUS1_DBUS_N30_(__VA_ARGS__)
/* clang-format on */

#ifdef __cplusplus
}
#endif
