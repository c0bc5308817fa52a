/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls, replies, signals and properties whose values are given by a type string */

#include <bus1/dbus-values.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/wire/writer.h"
#include "libbus1/dbus/call.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/object.h"
#include "libbus1/dbus/plain.h"
#include "libbus1/dbus/reply.h"
#include "libbus1/dbus/send.h"
#include "libbus1/dbus/slot.h"
#include "libbus1/dbus/use.h"
#include "libbus1/dbus/values-append.h"
#include "libbus1/dbus/values-read.h"
#include "libbus1/dbus/values-walk.h"

#define CALLING "Making the call"

/* A message that is made, with the handles that go with it. */
struct made {
        DBusMessage *message;
        struct values_handles handles;
};

static void made_init(struct made *made) {
        made->message = NULL;
        made->handles.n = 0;
}

static void made_deinit(struct made *made) {
        dbus_message_unrefp(&made->message);
}

/* Make a message without values. A NULL of what it need not have is fine. */
static int made_new(struct made *made, int type, const char *destination, const char *path,
                    const char *interface, const char *member) {
        made_init(made);
        if ((destination && !dbus_validate_bus_name(destination, NULL)) || !path ||
            !dbus_validate_path(path, NULL) ||
            (interface && !dbus_validate_interface(interface, NULL)) || !member ||
            !dbus_validate_member(member, NULL))
                return -EINVAL;
        made->message = dbus_message_new(type);
        if (!made->message || !dbus_message_set_destination(made->message, destination) ||
            !dbus_message_set_path(made->message, path) ||
            !dbus_message_set_interface(made->message, interface) ||
            !dbus_message_set_member(made->message, member))
                return -ENOMEM;
        return 0;
}

/* Append values to a message that has none. types can be NULL. */
static int made_append(struct made *made, const char *types, va_list args) {
        DBusMessageIter iter;

        if (!types)
                return 0;
        dbus_message_iter_init_append(made->message, &iter);
        return values_append(&iter, &made->handles, types, args);
}

/* replies */

PUBLIC int bus1_dbus_reply_valuesv(struct bus1_dbus_message *call, const char *types,
                                   va_list args) {
        CLEANUP(made_deinit) struct made made;
        int r;

        made_init(&made);
        if (!call || !message_is_call(call))
                return -EINVAL;
        r = reply_plain(call, types ?: "", args);
        if (r != -EOPNOTSUPP)
                return r;
        if (!bus1_dbus_message_get_dbus(call))
                return -ENOMEM;
        made.message = dbus_message_new_method_return(call->message);
        if (!made.message)
                return -ENOMEM;
        r = made_append(&made, types, args);
        return r < 0 ? r : bus1_dbus_reply(call, made.message, made.handles.ids, made.handles.n);
}

PUBLIC int bus1_dbus_reply_values(struct bus1_dbus_message *call, const char *types, ...) {
        va_list args;
        int r;

        va_start(args, types);
        r = bus1_dbus_reply_valuesv(call, types, args);
        va_end(args);
        return r;
}

/* calls */

/* Make a call without values. Only a call through a handle needs neither destination nor path. */
static int made_new_call(struct made *made, uint64_t to, const char *destination, const char *path,
                         const char *interface, const char *member) {
        made_init(made);
        if (to == BUS1_DBUS_BUS && !destination)
                return -EINVAL;
        if (to != BUS1_DBUS_BUS && !path)
                path = "/";
        return made_new(made, DBUS_MESSAGE_TYPE_METHOD_CALL, destination, path, interface, member);
}

static int made_new_call_with(struct made *made, uint64_t to, const char *destination,
                              const char *path, const char *interface, const char *member,
                              const char *types, va_list args) {
        int r;

        r = made_new_call(made, to, destination, path, interface, member);
        return r < 0 ? r : made_append(made, types, args);
}

static int made_call(struct made *made, struct bus1_dbus *bus, uint64_t to,
                     struct bus1_dbus_message **ret_reply, DBusError *error) {
        return bus1_dbus_call(bus, to, made->message, made->handles.ids, made->handles.n,
                              BUS1_DBUS_TIMEOUT_DEFAULT, ret_reply, error);
}

/*
 * Marshal a call without a DBusMessage. Returns -EOPNOTSUPP if its values need one, or a negative
 * errno.
 */
static int plain_call(struct bus1_dbus *bus, uint64_t to, const char *destination, const char *path,
                      const char *interface, const char *member, const char *types, va_list args,
                      struct wire *ret_wire) {
        struct writer w;
        int r;

        if (!bus || (to == BUS1_DBUS_BUS && !destination))
                return -EINVAL;
        r = use_begin(bus);
        if (r < 0)
                return r;
        writer_init(&w, MESSAGE_TYPE_METHOD_CALL, 0, serial_next(bus), types ?: "");
        use_end(bus);
        w.destination = destination;
        w.path = path || to == BUS1_DBUS_BUS ? path : "/";
        w.interface = interface;
        w.member = member;
        if (types && !plain_write(&w, types, args)) {
                writer_deinit(&w);
                return -EOPNOTSUPP;
        }
        return wire_from_writer(&w, ret_wire);
}

PUBLIC int bus1_dbus_call_methodv(struct bus1_dbus *bus, uint64_t to, const char *destination,
                                  const char *path, const char *interface, const char *member,
                                  DBusError *error, struct bus1_dbus_message **ret_reply,
                                  const char *types, va_list args) {
        CLEANUP(made_deinit) struct made made;
        CLEANUP(wire_deinit) struct wire wire = {};
        int r;

        made_init(&made);
        r = plain_call(bus, to, destination, path, interface, member, types, args, &wire);
        if (r >= 0)
                return call_wire(bus, to, &wire, BUS1_DBUS_TIMEOUT_DEFAULT, ret_reply, error);
        if (r == -EOPNOTSUPP)
                r = made_new_call_with(&made, to, destination, path, interface, member, types,
                                       args);
        return r < 0 ? error_from_errno(error, r, CALLING)
                     : made_call(&made, bus, to, ret_reply, error);
}

PUBLIC int bus1_dbus_call_method(struct bus1_dbus *bus, uint64_t to, const char *destination,
                                 const char *path, const char *interface, const char *member,
                                 DBusError *error, struct bus1_dbus_message **ret_reply,
                                 const char *types, ...) {
        va_list args;
        int r;

        va_start(args, types);
        r = bus1_dbus_call_methodv(bus, to, destination, path, interface, member, error, ret_reply,
                                   types, args);
        va_end(args);
        return r;
}

/* calls that do not wait */

struct method_call {
        struct bus1_dbus_slot slot; /* must be first: pointers to it are cast */
        uint64_t id;                /* BUS1_INVALID: it has ended */
        bus1_dbus_message_fn fn;
        void *userdata;
};

static void method_call_end(struct bus1_dbus_slot *slot) {
        struct method_call *c = (struct method_call *)slot;

        bus1_dbus_cancel(slot->bus, c->id);
        free(c);
}

static int method_call_done(struct bus1_dbus_message *reply, void *userdata) {
        struct method_call *c = userdata;

        c->id = BUS1_INVALID;
        /* The handler may free the slot. */
        return c->fn(reply, c->userdata);
}

static int method_call_start(struct made *made, struct bus1_dbus *bus, uint64_t to,
                             bus1_dbus_message_fn fn, void *userdata,
                             struct bus1_dbus_slot **ret_slot) {
        struct method_call *c;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->fn = fn;
        c->userdata = userdata;
        r = bus1_dbus_call_async(bus, to, made->message, made->handles.ids, made->handles.n,
                                 BUS1_DBUS_TIMEOUT_DEFAULT, method_call_done, c, &c->id);
        if (r < 0) {
                free(c);
                return r;
        }
        slot_init(&c->slot, bus, method_call_end);
        *ret_slot = &c->slot;
        return 0;
}

PUBLIC int bus1_dbus_call_method_asyncv(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                        uint64_t to, const char *destination, const char *path,
                                        const char *interface, const char *member,
                                        bus1_dbus_message_fn fn, void *userdata, const char *types,
                                        va_list args) {
        CLEANUP(made_deinit) struct made made;
        int r;

        r = made_new_call_with(&made, to, destination, path, interface, member, types, args);
        if (r < 0)
                return r;
        if (!fn)
                return ret_slot ? -EINVAL
                                : bus1_dbus_send(bus, to, made.message, made.handles.ids,
                                                 made.handles.n);
        if (ret_slot)
                return method_call_start(&made, bus, to, fn, userdata, ret_slot);
        return bus1_dbus_call_async(bus, to, made.message, made.handles.ids, made.handles.n,
                                    BUS1_DBUS_TIMEOUT_DEFAULT, fn, userdata, NULL);
}

PUBLIC int bus1_dbus_call_method_async(struct bus1_dbus *bus, struct bus1_dbus_slot **ret_slot,
                                       uint64_t to, const char *destination, const char *path,
                                       const char *interface, const char *member,
                                       bus1_dbus_message_fn fn, void *userdata, const char *types,
                                       ...) {
        va_list args;
        int r;

        va_start(args, types);
        r = bus1_dbus_call_method_asyncv(bus, ret_slot, to, destination, path, interface, member,
                                         fn, userdata, types, args);
        va_end(args);
        return r;
}

/* properties */

/* Begin a call about a property, with its name as the first arguments. */
static int made_new_property(struct made *made, uint64_t to, const char *destination,
                             const char *path, const char *member, const char *interface,
                             const char *property, DBusMessageIter *ret_iter) {
        int r;

        r = made_new_call(made, to, destination, path, DBUS_INTERFACE_PROPERTIES, member);
        if (r < 0)
                return r;
        if (!interface || !property)
                return -EINVAL;
        dbus_message_iter_init_append(made->message, ret_iter);
        return bus1_dbus_append(ret_iter, "ss", interface, property);
}

/* Read the variant of a reply to Get. */
static int reply_read_property(struct bus1_dbus_message *reply, const char *types, va_list args) {
        DBusMessageIter iter, value;
        int r;

        if (!bus1_dbus_message_get_dbus(reply))
                return -ENOMEM;
        dbus_message_iter_init(reply->message, &iter);
        r = bus1_dbus_read_container(&iter, DBUS_TYPE_VARIANT, NULL, &value);
        if (r >= 0)
                r = values_read(&value, reply, types, args);
        return r == -ENXIO ? -EBADMSG : r;
}

PUBLIC int bus1_dbus_get_property(struct bus1_dbus *bus, uint64_t to, const char *destination,
                                  const char *path, const char *interface, const char *property,
                                  DBusError *error, struct bus1_dbus_message **ret_reply,
                                  const char *types, ...) {
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *reply = NULL;
        CLEANUP(made_deinit) struct made made;
        DBusMessageIter iter;
        va_list args;
        int r;

        r = made_new_property(&made, to, destination, path, "Get", interface, property, &iter);
        /* Strings in the value belong to the reply. */
        if (r >= 0 && (!types_are_valid(types, TYPES_HANDLES | TYPES_SINGLE) ||
                       (!ret_reply && strpbrk(types, "sogv"))))
                r = -EINVAL;
        if (r < 0)
                return error_from_errno(error, r, CALLING);
        r = made_call(&made, bus, to, &reply, error);
        if (r < 0)
                return r;
        va_start(args, types);
        r = reply_read_property(reply, types, args);
        va_end(args);
        if (r < 0)
                return error_from_errno(error, r, "Reading the value of the property");
        if (ret_reply)
                *ret_reply = steal_ptr(&reply);
        return 0;
}

static int append_variant(struct made *made, DBusMessageIter *iter, const char *types,
                          va_list args) {
        char signature[DBUS_MAXIMUM_SIGNATURE_LENGTH + 1];
        DBusMessageIter variant;
        int r;

        if (!types_are_valid(types, TYPES_HANDLES | TYPES_SINGLE))
                return -EINVAL;
        types_to_signature(types, strlen(types), signature);
        if (!dbus_message_iter_open_container(iter, DBUS_TYPE_VARIANT, signature, &variant))
                return -ENOMEM;
        r = values_append(&variant, &made->handles, types, args);
        if (r >= 0)
                return dbus_message_iter_close_container(iter, &variant) ? 0 : -ENOMEM;
        dbus_message_iter_abandon_container(iter, &variant);
        return r;
}

PUBLIC int bus1_dbus_set_property(struct bus1_dbus *bus, uint64_t to, const char *destination,
                                  const char *path, const char *interface, const char *property,
                                  DBusError *error, const char *types, ...) {
        CLEANUP(made_deinit) struct made made;
        DBusMessageIter iter;
        va_list args;
        int r;

        r = made_new_property(&made, to, destination, path, "Set", interface, property, &iter);
        if (r >= 0) {
                va_start(args, types);
                r = append_variant(&made, &iter, types, args);
                va_end(args);
        }
        return r < 0 ? error_from_errno(error, r, CALLING) : made_call(&made, bus, to, NULL, error);
}

/* signals */

static int made_new_signal(struct made *made, const char *destination, const char *path,
                           const char *interface, const char *member, const char *types,
                           va_list args) {
        int r;

        r = made_new(made, DBUS_MESSAGE_TYPE_SIGNAL, destination, path, interface, member);
        if (r >= 0 && !interface)
                r = -EINVAL;
        if (r < 0)
                return r;
        dbus_message_set_no_reply(made->message, true); /* as dbus_message_new_signal() does */
        return made_append(made, types, args);
}

/* Send a signal to one receiver, or, if it goes to the bus without a destination, to all. */
static int emit(struct bus1_dbus *bus, uint64_t to, const char *destination, const char *path,
                const char *interface, const char *member, const char *types, va_list args) {
        CLEANUP(made_deinit) struct made made;
        int r;

        r = made_new_signal(&made, destination, path, interface, member, types, args);
        return r < 0 ? r : bus1_dbus_send(bus, to, made.message, made.handles.ids, made.handles.n);
}

PUBLIC int bus1_dbus_emit_signal_to(struct bus1_dbus *bus, uint64_t to, const char *destination,
                                    const char *path, const char *interface, const char *member,
                                    const char *types, ...) {
        va_list args;
        int r;

        if (!destination && to == BUS1_DBUS_BUS)
                return -EINVAL;
        va_start(args, types);
        r = emit(bus, to, destination, path, interface, member, types, args);
        va_end(args);
        return r;
}

PUBLIC int bus1_dbus_emit_signalv(struct bus1_dbus *bus, const char *path, const char *interface,
                                  const char *member, const char *types, va_list args) {
        return emit(bus, BUS1_DBUS_BUS, NULL, path, interface, member, types, args);
}

PUBLIC int bus1_dbus_emit_signal(struct bus1_dbus *bus, const char *path, const char *interface,
                                 const char *member, const char *types, ...) {
        va_list args;
        int r;

        va_start(args, types);
        r = bus1_dbus_emit_signalv(bus, path, interface, member, types, args);
        va_end(args);
        return r;
}

PUBLIC int bus1_dbus_object_emit_values(struct bus1_dbus_object *object, const char *interface,
                                        const char *member, const char *types, ...) {
        CLEANUP(made_deinit) struct made made;
        va_list args;
        int r;

        made_init(&made);
        if (!object)
                return -EINVAL;
        va_start(args, types);
        r = made_new_signal(&made, NULL, bus1_dbus_object_get_path(object), interface, member,
                            types, args);
        va_end(args);
        if (r < 0)
                return r;
        if (made.handles.n > 0)
                return bus1_dbus_send(object->bus, BUS1_DBUS_BUS, made.message, made.handles.ids,
                                      made.handles.n);
        return object_send_signal(object, made.message);
}
