/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Objects: tables of methods, properties and signals behind a path, a handle, or both
 *
 * An object can have several nodes, and a call that arrives on any of them is a call of the object:
 *
 *        node                          holder of the handle
 *
 *        object->node                  the program, and everyone to whom it passed the handle
 *        object->published             only the bus
 *        one for each direct channel   the member that looked up the object
 *        to this object only
 *
 * object.c keeps the objects of a bus. object-call.c runs their methods. object-signal.c sends
 * their signals. properties.c implements org.freedesktop.DBus.Properties, and introspect.c makes
 * introspection data.
 */

#include "libbus1/dbus/subscriber.h"

struct bus1_dbus_object {
        struct bus1_dbus *bus;
        char *path; /* NULL: reached only by handle */
        const struct bus1_dbus_interface *interfaces;
        void *userdata;
        /* both are made by bus1_dbus_object_get_handle(); BUS1_INVALID: not made, or ended */
        uint64_t node;
        uint64_t handle;
        uint64_t published; /* BUS1_INVALID: not published */
        bool publishes;     /* the program wants it to be published */
        unsigned joined;    /* bus->n_joins when it was last published */
        char *exported;     /* the path of bus1_dbus_reply_path(); NULL: not exported */
        bus1_dbus_object_fn unreferenced;
        struct subscriber *subscribers; /* those that get the signals directly */
        UT_hash_handle hh;              /* in bus->objects_by_path */
        struct bus1_dbus_object *prev, *next;
};

/* One of the object's nodes has ended, because its last handle was released. */
void object_unreferenced(struct bus1_dbus_object *object, uint64_t node);
/* The call is one of this object, whatever its PATH. Returns 0 or -ENOMEM. */
int object_set_path(const struct bus1_dbus_object *object, DBusMessage *call);
/* Is name that of a standard interface, which every object has, or of one of the object's own? */
bool object_has_interface(const struct bus1_dbus_object *object, const char *name);
int object_reply_unknown_interface(const struct bus1_dbus_object *object,
                                   struct bus1_dbus_message *call, const char *interface);

/*
 * Answer a call of the object, or, if object is NULL, of the object at the call's path. When the
 * result is a negative errno, the caller of this function sends an error reply, unless the call was
 * answered.
 */
int object_dispatch(struct bus1_dbus *bus, struct bus1_dbus_object *object,
                    struct bus1_dbus_message *call);

/*
 * Every signal of an object is sent with this, to the bus and to the subscribers of the object. The
 * result is that of the bus; a subscriber who cannot get the signal is told, see subscriber.h.
 */
int object_send_signal(struct bus1_dbus_object *object, DBusMessage *signal);
/* Is this a call of org.bus1.Object1.Subscribe? Every object answers it. */
bool object_is_subscribe(const struct bus1_dbus_message *call);
/* Answer such a call. Fails like object_dispatch(). */
int object_subscribe(struct bus1_dbus_object *object, struct bus1_dbus_message *call);

/* The tables of org.freedesktop.DBus.Properties. The methods take the object as userdata. */
extern const struct bus1_dbus_method properties_methods[];
extern const struct bus1_dbus_signal properties_signals[];

/*
 * The XML text of an object, with the standard interfaces in front of its own. If object is NULL,
 * the text is about a path without an object. Returns NULL when memory runs out. The caller frees
 * the text.
 */
char *introspect_object(struct bus1_dbus *bus, struct bus1_dbus_object *object, const char *path,
                        const struct bus1_dbus_interface *standard);
/* Is an object at or below the path? */
bool path_has_objects(struct bus1_dbus *bus, const char *path);
