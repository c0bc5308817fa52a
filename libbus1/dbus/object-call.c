/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Objects answer calls, emit signals, and are published
 *
 * A call that arrived on the node of an object is a call of that object. For any other call, its
 * path selects the object, or a fallback. Before the method runs, the library checks the right to
 * call it, and compares the signature of the arguments with the table.
 */

#include "libbus1/dbus/object-call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "libbus1/dbus/access.h"
#include "libbus1/dbus/answer.h"
#include "libbus1/dbus/driver.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/introspect.h"
#include "libbus1/dbus/manager.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/properties.h"
#include "libbus1/dbus/reply.h"
#include "libbus1/dbus/tree.h"

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

/* Let everybody call an object that has no path of its own. */
static int export_object(struct bus1_dbus_object *object) {
        CLEANUP_FREE char *name = NULL;

        if (object->path || object->exported)
                return 0;
        return driver_export_object(object, &name, &object->exported, NULL);
}

PUBLIC int bus1_dbus_reply_path(struct bus1_dbus_message *call, struct bus1_dbus_object *object) {
        const char *path;
        int r;

        if (!call || !object)
                return -EINVAL;
        r = export_object(object);
        if (r < 0)
                return r;
        path = object->path ?: object->exported;
        return bus1_dbus_reply_args(call, DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_INVALID);
}

PUBLIC int bus1_dbus_reply_object(struct bus1_dbus_message *call, struct bus1_dbus_object *object) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        DBusMessage *message;
        const char *path;
        uint64_t handle;
        int r;

        if (!call || !object)
                return -EINVAL;
        if (!bus1_dbus_message_takes_handles(call))
                return bus1_dbus_reply_path(call, object);
        r = bus1_dbus_object_get_handle(object, &handle);
        if (r < 0)
                return r;
        path = bus1_dbus_object_get_path(object);
        message = bus1_dbus_message_get_dbus(call);
        reply = message ? dbus_message_new_method_return(message) : NULL;
        if (!reply ||
            !dbus_message_append_args(reply, DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_INVALID))
                return -ENOMEM;
        return bus1_dbus_reply(call, reply, &handle, 1);
}

/* standard interfaces */

static int peer_ping(const struct target *target, struct bus1_dbus_message *call,
                     DBusError *error) {
        return bus1_dbus_reply_args(call, DBUS_TYPE_INVALID);
}

static int peer_get_machine_id(const struct target *target, struct bus1_dbus_message *call,
                               DBusError *error) {
        char *id;
        int r;

        id = dbus_try_get_local_machine_id(error);
        if (!id)
                return -EIO;
        r = bus1_dbus_reply_args(call, DBUS_TYPE_STRING, &id, DBUS_TYPE_INVALID);
        dbus_free(id);
        return r;
}

static int introspectable_introspect(const struct target *target, struct bus1_dbus_message *call,
                                     DBusError *error) {
        CLEANUP_FREE char *xml = NULL;
        int r;

        r = introspect_target(target, &xml, error);
        if (r <= 0)
                return r < 0 ? r : answer_unknown_object(call);
        return bus1_dbus_reply_args(call, DBUS_TYPE_STRING, &xml, DBUS_TYPE_INVALID);
}

static int manager_get_managed_objects(const struct target *target, struct bus1_dbus_message *call,
                                       DBusError *error) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        DBusMessageIter iter;
        int r;

        reply = dbus_message_new_method_return(call->message);
        if (!reply)
                return -ENOMEM;
        dbus_message_iter_init_append(reply, &iter);
        r = manager_append_objects(target->bus, target->path, &iter, error);
        return r < 0 ? r : bus1_dbus_reply(call, reply, NULL, 0);
}

/* Where a standard method is. */
enum place {
        EVERYWHERE,
        AT_OBJECTS, /* also those of fallbacks */
        AT_MANAGERS,
};

struct standard_method {
        const char *interface;
        const char *name;
        const char *signature; /* NULL: any arguments */
        enum place place;
        int (*run)(const struct target *target, struct bus1_dbus_message *call, DBusError *error);
};

static const struct standard_method standard_methods[] = {
        {DBUS_INTERFACE_PROPERTIES, "Get", "ss", AT_OBJECTS, properties_get},
        {DBUS_INTERFACE_PROPERTIES, "GetAll", "s", AT_OBJECTS, properties_get_all},
        {DBUS_INTERFACE_PROPERTIES, "Set", "ssv", AT_OBJECTS, properties_set},
        {DBUS_INTERFACE_PEER, "Ping", NULL, EVERYWHERE, peer_ping},
        {DBUS_INTERFACE_PEER, "GetMachineId", NULL, EVERYWHERE, peer_get_machine_id},
        {DBUS_INTERFACE_INTROSPECTABLE, "Introspect", "", EVERYWHERE, introspectable_introspect},
        {OBJECT_MANAGER_INTERFACE, "GetManagedObjects", "", AT_MANAGERS,
         manager_get_managed_objects},
};

static const struct standard_method *find_standard(const char *interface, const char *name) {
        static const char prefix[] = "org.freedesktop.DBus.";

        if (!interface || strncmp(interface, prefix, sizeof(prefix) - 1) != 0)
                return NULL;
        for (size_t i = 0; i < sizeof(standard_methods) / sizeof(standard_methods[0]); i++)
                if (strcmp(standard_methods[i].interface, interface) == 0 &&
                    strcmp(standard_methods[i].name, name) == 0)
                        return &standard_methods[i];
        return NULL;
}

/* Is the method at the target? Returns 1, 0, or a negative errno of a find function. */
static int standard_is_at(const struct standard_method *method, const struct target *target,
                          DBusError *error) {
        const struct branch *branch;

        switch (method->place) {
        case EVERYWHERE:
                return 1;
        case AT_OBJECTS:
                return target_exists(target, error);
        default:
                if (!target->object || !target->object->path)
                        return 0;
                branch = tree_find(target->bus, target->object->path);
                return branch && branch->is_manager;
        }
}

static int run_standard(const struct standard_method *method, const struct target *target,
                        struct bus1_dbus_message *call, DBusError *error) {
        if (!bus1_dbus_message_get_dbus(call))
                return -ENOMEM;
        if (method->signature && !dbus_message_has_signature(call->message, method->signature))
                return answer_wrong_arguments(call, method->signature);
        return method->run(target, call, error);
}

/* calls */

static int run_member(const struct walk *walk, const struct member *member,
                      struct bus1_dbus_message *call) {
        int r;

        r = access_check(walk, member, call);
        if (r != 1)
                return r;
        if (member->signature && strcmp(message_get_signature(call), member->signature) != 0)
                return answer_wrong_arguments(call, member->signature);
        if (!member->handler)
                return bus1_dbus_reply_args(call, DBUS_TYPE_INVALID);
        r = member->handler(call, member_userdata(member, walk->userdata));
        return r < 0 ? r : 0;
}

/* Run what the call is for. Returns like the functions of properties.h. */
static int run(const struct target *target, struct bus1_dbus_message *call, DBusError *error) {
        const char *interface = message_get_interface(call);
        const char *name = message_get_member(call);
        const struct standard_method *standard = find_standard(interface, name);
        const struct member *member;
        struct walk walk;
        int r;

        r = standard ? standard_is_at(standard, target, error) : 0;
        if (r < 0)
                return r;
        if (r > 0)
                return run_standard(standard, target, call, error);
        r = target_find_member(target, interface, MEMBER_METHOD, name, &walk, &member, error);
        if (r < 0)
                return r;
        if (r > 0)
                return run_member(&walk, member, call);
        /* every path has the interface Peer, even without an object */
        r = interface && strcmp(interface, DBUS_INTERFACE_PEER) == 0 ? 1
                                                                     : target_exists(target, error);
        if (r <= 0)
                return r < 0 ? r : answer_unknown_object(call);
        return answer_unknown_method(target, call, error);
}

/*
 * Dispatch a call once more, after some time. The object at whose node it arrived may have gone.
 * Then the path does not tell another one: it was not for the path that the call had the right.
 */
static int dispatch_again(struct bus1_dbus_message *call) {
        const struct incoming_message *m = (const struct incoming_message *)call;

        if (m->of_object && !m->object)
                return answer_unknown_object(call);
        return object_dispatch(call->bus, m->object, call);
}

int object_dispatch(struct bus1_dbus *bus, struct bus1_dbus_object *object,
                    struct bus1_dbus_message *call) {
        DBusError error = DBUS_ERROR_INIT;
        struct target target;
        int r;

        target = object ? target_of_object(object) : target_at_path(bus, message_get_path(call));
        r = run(&target, call, &error);
        if (r == ACCESS_AGAIN) /* unless the check function has freed the bus */
                return call->bus ? dispatch_again(call) : 0;
        if (r < 0 && dbus_error_is_set(&error))
                r = bus1_dbus_reply_error(call, error.name, "%s", error.message);
        dbus_error_free(&error);
        return r;
}

PUBLIC int bus1_dbus_message_continue(struct bus1_dbus_message *call, int result) {
        struct incoming_message *m = (struct incoming_message *)call;
        struct bus1_dbus_message *outer;
        int r;

        if (!call || !message_is_call(call) ||
            (result >= 0 && result != BUS1_DBUS_CHECK_REFUSE && result != BUS1_DBUS_CHECK_ALLOW))
                return -EINVAL;
        if (m->replied)
                return -EALREADY;
        if (!call->bus)
                return -ENOTCONN;
        if (result == BUS1_DBUS_CHECK_REFUSE)
                return bus1_dbus_reply_error(call, DBUS_ERROR_ACCESS_DENIED,
                                             "Access to %s is not permitted",
                                             message_get_member(call));
        if (result < 0) {
                reply_errno(call, result);
                return 0;
        }
        m->allowed = true;
        bus1_dbus_message_ref(call);
        outer = call->bus->current;
        call->bus->current = call;
        r = dispatch_again(call);
        if (call->bus) /* the handler has not freed it */
                call->bus->current = outer;
        if (r < 0 && m->reply_handle != BUS1_INVALID)
                reply_errno(call, r);
        bus1_dbus_message_unref(call);
        return 0;
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
