/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Objects answer calls, emit signals, and are published
 *
 * A call that arrived on the node of an object is a call of that object. For any other call, its
 * path selects the object. Before the method runs, the signature of the arguments is compared with
 * the object's tables. The standard interfaces are such tables, too.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "libbus1/dbus/driver.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/object.h"

PUBLIC int bus1_dbus_object_publish(struct bus1_dbus_object *object, DBusError *error) {
        int r;

        if (!object || !object->path)
                return error_from_errno(error, -EINVAL, "PublishObject");
        if (object->published != BUS1_INVALID)
                return error_from_errno(error, -EALREADY, "PublishObject");
        r = call_bus_with_node(object->bus, "PublishObject", NODE_OBJECT, object,
                               &object->published, NULL, error, DBUS_TYPE_OBJECT_PATH,
                               &object->path, DBUS_TYPE_INVALID);
        if (r < 0)
                return r;
        object->publishes = true;
        object->joined = object->bus->n_joins;
        return 0;
}

PUBLIC int bus1_dbus_reply_path(struct bus1_dbus_message *call, struct bus1_dbus_object *object) {
        CLEANUP_FREE char *name = NULL;
        const char *path;
        uint64_t handle;
        int r;

        if (!call || !object)
                return -EINVAL;
        if (!object->path && !object->exported) {
                r = bus1_dbus_object_get_handle(object, &handle);
                if (r >= 0)
                        r = bus1_dbus_export(object->bus, handle, &name, &object->exported, NULL);
                if (r < 0)
                        return r;
        }
        path = object->path ?: object->exported;
        return bus1_dbus_reply_args(call, DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_INVALID);
}

/* calls */

/* Without an interface (NULL), the first interface that has the method is meant. */
static const struct bus1_dbus_method *find_method(const struct bus1_dbus_interface *interfaces,
                                                  const char *interface, const char *name) {
        for (const struct bus1_dbus_interface *i = interfaces; i && i->name; i++) {
                if (interface && strcmp(i->name, interface) != 0)
                        continue;
                for (const struct bus1_dbus_method *m = i->methods; m && m->name; m++)
                        if (strcmp(m->name, name) == 0)
                                return m;
        }
        return NULL;
}

static int reply_unknown_object(struct bus1_dbus_message *call) {
        return bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_OBJECT, "No object at %s",
                                     dbus_message_get_path(call->message));
}

static int reply_unknown_method(struct bus1_dbus_object *object, struct bus1_dbus_message *call) {
        const char *interface = dbus_message_get_interface(call->message);

        if (interface && !object_has_interface(object, interface))
                return object_reply_unknown_interface(object, call, interface);
        return bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_METHOD, "No method %s at %s",
                                     dbus_message_get_member(call->message),
                                     bus1_dbus_object_get_path(object));
}

/* The standard interfaces. The userdata of their methods is the object; NULL: there is none. */

static const struct bus1_dbus_interface *standard_interfaces(const struct bus1_dbus_object *object);

static int peer_ping(struct bus1_dbus_message *call, void *object) {
        return bus1_dbus_reply_args(call, DBUS_TYPE_INVALID);
}

static int peer_get_machine_id(struct bus1_dbus_message *call, void *object) {
        DBusError error = DBUS_ERROR_INIT;
        char *id;
        int r;

        id = dbus_try_get_local_machine_id(&error);
        if (!id) {
                bus1_dbus_reply_error(call, DBUS_ERROR_FAILED, "%s", error.message);
                dbus_error_free(&error);
                return 0;
        }
        r = bus1_dbus_reply_args(call, DBUS_TYPE_STRING, &id, DBUS_TYPE_INVALID);
        dbus_free(id);
        return r;
}

static int introspectable_introspect(struct bus1_dbus_message *call, void *object) {
        const char *path = dbus_message_get_path(call->message);
        CLEANUP_FREE char *xml = NULL;

        if (!object && !path_has_objects(call->bus, path))
                return reply_unknown_object(call);
        xml = introspect_object(call->bus, object, path, standard_interfaces(object));
        if (!xml)
                return -ENOMEM;
        return bus1_dbus_reply_args(call, DBUS_TYPE_STRING, &xml, DBUS_TYPE_INVALID);
}

/* A signature of NULL accepts any arguments. */
static const struct bus1_dbus_method peer_methods[] = {
        {"Ping", NULL, "", peer_ping, NULL},
        {"GetMachineId", NULL, "s", peer_get_machine_id, "machine_uuid"},
        {},
};

static const struct bus1_dbus_method introspectable_methods[] = {
        {"Introspect", NULL, "s", introspectable_introspect, "xml_data"},
        {},
};

static const struct bus1_dbus_interface *
standard_interfaces(const struct bus1_dbus_object *object) {
        static const struct bus1_dbus_interface interfaces[] = {
                {DBUS_INTERFACE_PROPERTIES, properties_methods, NULL, properties_signals},
                {DBUS_INTERFACE_PEER, peer_methods, NULL, NULL},
                {DBUS_INTERFACE_INTROSPECTABLE, introspectable_methods, NULL, NULL},
                {},
        };

        /* a path without an object has no properties */
        return object ? interfaces : interfaces + 1;
}

int object_dispatch(struct bus1_dbus *bus, struct bus1_dbus_object *object,
                    struct bus1_dbus_message *call) {
        DBusMessage *m = call->message;
        const char *interface = dbus_message_get_interface(m), *member = dbus_message_get_member(m);
        const struct bus1_dbus_method *method = NULL;
        void *userdata;

        if (!object)
                HASH_FIND_STR(bus->objects_by_path, dbus_message_get_path(m), object);
        userdata = object;
        if (interface)
                method = find_method(standard_interfaces(object), interface, member);
        if (!method && object) {
                method = find_method(object->interfaces, interface, member);
                userdata = object->userdata;
        }
        if (!method)
                return object ? reply_unknown_method(object, call) : reply_unknown_object(call);
        if (method->in && !dbus_message_has_signature(m, method->in))
                return bus1_dbus_reply_error(call, DBUS_ERROR_INVALID_ARGS,
                                             "%s takes arguments of signature \"%s\", not \"%s\"",
                                             method->name, method->in,
                                             dbus_message_get_signature(m));
        return method->handler(call, userdata);
}

/* signals */

PUBLIC int bus1_dbus_object_emit(struct bus1_dbus_object *object, const char *interface,
                                 const char *member, int first_arg_type, ...) {
        CLEANUP(dbus_message_unrefp) DBusMessage *signal = NULL;
        va_list args;
        bool ok;

        if (!object || !interface || !dbus_validate_interface(interface, NULL) || !member ||
            !dbus_validate_member(member, NULL))
                return -EINVAL;
        signal = dbus_message_new_signal(bus1_dbus_object_get_path(object), interface, member);
        if (!signal)
                return -ENOMEM;
        va_start(args, first_arg_type);
        ok = dbus_message_append_args_valist(signal, first_arg_type, args);
        va_end(args);
        return ok ? object_send_signal(object, signal) : -ENOMEM;
}
