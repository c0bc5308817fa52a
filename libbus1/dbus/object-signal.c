/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The signals of an object go to the bus, and to those that have subscribed through its handle
 *
 * An object with a path emits from it. An object without one emits from each path at which it is
 * exported, since that is where others find it. If it is not exported, only those hear of it that
 * hold its handle.
 *
 * org.bus1.Object1.Subscribe(s interface, s member), with the handle of a node: who calls it on the
 * node of the handle that the program passes on gets the signals directly, and the answer "" "/". A
 * caller that reaches the object by a name and a path, also that of an export, gets them through
 * the bus, where the policy holds, and monitors see them: the answer is what a match rule needs.
 */

#include <errno.h>
#include <utlist.h>

#include "libbus1/dbus/message.h"
#include "libbus1/dbus/object.h"
#include "libbus1/dbus/send.h"
#include "libbus1/dbus/standing.h"
#include "libbus1/dbus/use.h"

static int broadcast_from(struct bus1_dbus *bus, const char *path, DBusMessage *signal) {
        CLEANUP(dbus_message_unrefp) DBusMessage *copy = dbus_message_copy(signal);

        if (!copy || !dbus_message_set_path(copy, path))
                return -ENOMEM;
        return send_message(bus, BUS1_DBUS_BUS, copy, NULL, 0, NULL, 0);
}

/* Returns 0 also if the object is not exported: then the bus does not get the signal. */
static int broadcast_from_exports(const struct bus1_dbus_object *object, DBusMessage *signal) {
        struct bus1_dbus *bus = object->bus;
        const struct standing *s;
        int r, result = 0;

        if (bus->gone || bus->restoring)
                return -ENOTCONN;
        if (object->n_exports == 0)
                return 0;
        DL_FOREACH(bus->standing, s) {
                if (s->object != object)
                        continue;
                r = broadcast_from(bus, s->text, signal);
                if (r < 0 && result >= 0)
                        result = r;
        }
        return result;
}

int object_send_signal(struct bus1_dbus_object *object, DBusMessage *signal) {
        struct bus1_dbus *bus = object->bus;
        int r;

        r = use_begin(bus);
        if (r < 0)
                return r;
        bus_announce(bus);
        if (!object->path)
                r = broadcast_from_exports(object, signal);
        else if (bus->address || object->node == BUS1_INVALID) /* else: holders, but no bus */
                r = bus1_dbus_emit(bus, signal);
        /* If the bus cannot get it, for example for lack of quota, the subscribers still may. */
        if (r != -ENOTCONN)
                subscribers_send(bus, &object->subscribers, signal);
        use_end(bus);
        return r;
}

bool object_is_subscribe(const struct bus1_dbus_message *call) {
        const struct lazy *lazy = message_lazy(call);

        return lazy ? lazy_is_call(lazy, OBJECT_INTERFACE, "Subscribe")
                    : dbus_message_is_method_call(call->message, OBJECT_INTERFACE, "Subscribe");
}

int object_subscribe(struct bus1_dbus_object *object, struct bus1_dbus_message *call) {
        const char *interface, *member, *name = "", *path = "/";
        int r;

        if (!bus1_dbus_message_get_dbus(call))
                return -ENOMEM;
        if (!dbus_message_get_args(call->message, NULL, DBUS_TYPE_STRING, &interface,
                                   DBUS_TYPE_STRING, &member, DBUS_TYPE_INVALID) ||
            (*interface && !dbus_validate_interface(interface, NULL)) ||
            (*member && !dbus_validate_member(member, NULL)))
                return -EINVAL;
        if (call->node != object->node && call->bus->unique_name) {
                name = call->bus->unique_name;
                path = object->path ?: message_get_path(call); /* the export's */
        } else {
                if (call->n_handles == 0 || call->handles[0] == BUS1_INVALID)
                        return -EINVAL;
                r = subscriber_add(call->bus, &object->subscribers, call->handles[0], interface,
                                   member, &call->credentials);
                if (r < 0)
                        return r;
                call->handles[0] = BUS1_INVALID; /* the subscriber has it now */
        }
        return bus1_dbus_reply_args(call, DBUS_TYPE_STRING, &name, DBUS_TYPE_OBJECT_PATH, &path,
                                    DBUS_TYPE_INVALID);
}
