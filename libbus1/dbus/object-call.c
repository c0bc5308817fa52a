/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What objects do: answer calls, emit signals, and be published
 *
 * A call finds its object by the node it arrived on when that is an object's, else by its path. The
 * arguments are checked against the object's tables before the method runs.
 */

#include "libbus1/dbus/object-call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "libbus1/dbus/driver.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/introspect.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/object.h"
#include "libbus1/dbus/properties.h"

PUBLIC int bus1_dbus_object_publish(struct bus1_dbus_object *object, DBusError *error) {
        struct bus1_dbus *bus;
        uint64_t handle;
        int r;

        if (!object)
                return error_from_errno(error, -EINVAL, "PublishObject");
        bus = object->bus;
        if (!object->path || object->published != BUS1_INVALID)
                return error_from_errno(error, object->path ? -EALREADY : -EINVAL, "PublishObject");
        r = node_new(bus, NODE_OBJECT, object, true, &object->published, &handle);
        if (r < 0)
                return error_from_errno(error, r, "PublishObject");
        r = call_bus(bus, BRIDGE_INTERFACE, "PublishObject", &handle, 1, NULL, error,
                     DBUS_TYPE_OBJECT_PATH, &object->path, DBUS_TYPE_INVALID);
        bus1_dbus_release(bus, handle);
        if (r < 0) {
                node_end(bus, object->published);
                object->published = BUS1_INVALID;
        }
        return r;
}

/* calls */

static const struct bus1_dbus_interface *
object_find_interface(const struct bus1_dbus_object *object, const char *name) {
        for (const struct bus1_dbus_interface *i = object->interfaces; i && i->name; i++)
                if (strcmp(i->name, name) == 0)
                        return i;
        return NULL;
}

static const struct bus1_dbus_method *
interface_find_method(const struct bus1_dbus_interface *interface, const char *name) {
        for (const struct bus1_dbus_method *m = interface->methods; m && m->name; m++)
                if (strcmp(m->name, name) == 0)
                        return m;
        return NULL;
}

/* Without an interface in the message the first one that has the method is meant. */
static const struct bus1_dbus_method *object_find_method(const struct bus1_dbus_object *object,
                                                         const char *interface, const char *name) {
        const struct bus1_dbus_method *method;

        for (const struct bus1_dbus_interface *i = object->interfaces; i && i->name; i++) {
                if (interface && strcmp(i->name, interface) != 0)
                        continue;
                method = interface_find_method(i, name);
                if (method)
                        return method;
        }
        return NULL;
}

static int reply_introspection(struct bus1_dbus *bus, struct bus1_dbus_object *object,
                               struct bus1_dbus_message *call) {
        CLEANUP(freep) char *xml = NULL;

        xml = introspect(bus, object, dbus_message_get_path(call->message));
        if (!xml)
                return -ENOMEM;
        return bus1_dbus_reply_args(call, DBUS_TYPE_STRING, &xml, DBUS_TYPE_INVALID);
}

static int reply_machine_id(struct bus1_dbus_message *call) {
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

/* The interfaces every path has. 1 when the call is for none of them. */
static int dispatch_standard(struct bus1_dbus *bus, struct bus1_dbus_object *object,
                             struct bus1_dbus_message *call) {
        DBusMessage *m = call->message;

        if (dbus_message_is_method_call(m, DBUS_INTERFACE_PEER, "Ping"))
                return bus1_dbus_reply_args(call, DBUS_TYPE_INVALID);
        if (dbus_message_is_method_call(m, DBUS_INTERFACE_PEER, "GetMachineId"))
                return reply_machine_id(call);
        if (dbus_message_is_method_call(m, DBUS_INTERFACE_INTROSPECTABLE, "Introspect") &&
            (object || path_has_objects(bus, dbus_message_get_path(m))))
                return reply_introspection(bus, object, call);
        if (object && dbus_message_has_interface(m, DBUS_INTERFACE_PROPERTIES))
                return properties_dispatch(object, call);
        return 1;
}

static int dispatch_unknown(struct bus1_dbus_object *object, struct bus1_dbus_message *call) {
        const char *interface = dbus_message_get_interface(call->message);

        if (!object)
                return bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_OBJECT, "No object at %s",
                                             dbus_message_get_path(call->message));
        if (interface && !object_find_interface(object, interface))
                return bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_INTERFACE,
                                             "No interface %s at %s", interface,
                                             bus1_dbus_object_get_path(object));
        return bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_METHOD, "No method %s at %s",
                                     dbus_message_get_member(call->message),
                                     bus1_dbus_object_get_path(object));
}

int object_dispatch(struct bus1_dbus *bus, struct bus1_dbus_object *object,
                    struct bus1_dbus_message *call) {
        DBusMessage *m = call->message;
        const struct bus1_dbus_method *method = NULL;
        int r;

        if (!object)
                HASH_FIND_STR(bus->objects_by_path, dbus_message_get_path(m), object);
        r = dispatch_standard(bus, object, call);
        if (r <= 0)
                return r;
        if (object)
                method = object_find_method(object, dbus_message_get_interface(m),
                                            dbus_message_get_member(m));
        if (!method)
                return dispatch_unknown(object, call);
        if (!dbus_message_has_signature(m, method->in))
                return bus1_dbus_reply_error(call, DBUS_ERROR_INVALID_ARGS,
                                             "%s takes arguments of signature \"%s\", not \"%s\"",
                                             method->name, method->in,
                                             dbus_message_get_signature(m));
        return method->handler(call, object->userdata);
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
        return ok ? bus1_dbus_emit(object->bus, signal) : -ENOMEM;
}
