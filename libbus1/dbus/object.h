/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Objects: interfaces behind a path, a handle, or both
 *
 * An object can have several nodes, and a call that arrives on any of them is a call of the object:
 *
 *        node                          holder of the handle
 *
 *        object->node                  the program, and everyone to whom it passed the handle
 *        object->published             only the bus
 *        one for each export           only the bus
 *        one for each direct channel   the member that looked up the object
 *        to this object only
 *
 * object.c keeps the objects of a bus, and interface.c their interfaces. tree.h has the objects by
 * path. target.h finds what a call is for, and object-call.c runs the methods. object-signal.c
 * sends the signals.
 */

#include "libbus1/dbus/subscriber.h"
#include "libbus1/dbus/table.h"

#define OBJECT_MANAGER_INTERFACE "org.freedesktop.DBus.ObjectManager"

/* An interface of an object, or of a fallback (target.h). */
struct interface {
        char *name;
        struct table *table;
        void *userdata;
        bool of_fallback;
        bool announced; /* InterfacesAdded was sent, or need not be */
        bool is_new;    /* it is announced now */
        struct interface *prev, *next;
};

struct bus1_dbus_object {
        struct bus1_dbus *bus;
        char *path; /* NULL: reached only by handle */
        struct interface *interfaces;
        void *userdata; /* for the tables of <bus1/dbus.h> */
        /* both are made by bus1_dbus_object_get_handle(); BUS1_INVALID: not made, or ended */
        uint64_t node;
        uint64_t handle;
        uint64_t published; /* BUS1_INVALID: not published */
        bool publishes;     /* the program wants it to be published */
        unsigned joined;    /* bus->n_joins when it was last published */
        char *exported;     /* the path of bus1_dbus_reply_path(); NULL: not exported by it */
        unsigned n_exports; /* paths by which the bus knows it; see standing.h */
        bus1_dbus_object_fn unreferenced;
        struct subscriber *subscribers; /* those that get the signals directly */
        struct bus1_dbus_object *prev, *next;
        /* see manager.h */
        bool is_announced;   /* InterfacesAdded was sent, or need not be */
        bool is_unannounced; /* in bus->unannounced: there are new interfaces */
        unsigned n_failures; /* how often its values could not be had for an announcement */
        unsigned failed_in;  /* bus->announce_round when it last failed */
        struct bus1_dbus_object *prev_unannounced, *next_unannounced;
};

/* One of the object's nodes has ended, because its last handle was released. */
void object_unreferenced(struct bus1_dbus_object *object, uint64_t node);
/* The call is one of this object, whatever its PATH. Returns 0 or -ENOMEM. */
int object_set_path(const struct bus1_dbus_object *object, struct bus1_dbus_message *call);
/*
 * Every signal of an object is sent with this, to the bus and to the subscribers of the object. The
 * result is that of the bus; a subscriber who cannot get the signal is told, see subscriber.h.
 */
int object_send_signal(struct bus1_dbus_object *object, DBusMessage *signal);
/* Is this a call of org.bus1.Object1.Subscribe? Every object answers it. */
bool object_is_subscribe(const struct bus1_dbus_message *call);
/* Answer such a call. Fails like object_dispatch(). */
int object_subscribe(struct bus1_dbus_object *object, struct bus1_dbus_message *call);

/* interfaces */

/* Make an interface. Takes over the reference to the table, even on failure. NULL: no memory. */
struct interface *interface_new(struct bus1_dbus *bus, const char *name, struct table *table,
                                void *userdata);
void interface_free(struct bus1_dbus *bus, struct interface *interface);
/* Does the library implement this interface itself? */
bool interface_is_standard(const char *name);
struct interface *object_find_interface(const struct bus1_dbus_object *object, const char *name);
