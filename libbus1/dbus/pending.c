/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/pending.h"

#include <stdlib.h>
#include <utlist.h>

#include "libbus1/dbus/message.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/use.h"

void pending_insert(struct bus1_dbus *bus, struct pending *p) {
        struct pending *after = bus->pending ? bus->pending->prev : NULL;

        /* Most calls have the same time-out, so the search for the place starts at the end. */
        while (after && after->deadline > p->deadline)
                after = after != bus->pending ? after->prev : NULL;
        DL_APPEND_ELEM(bus->pending, after, p);
}

void pending_free(struct bus1_dbus *bus, struct pending *p) {
        node_remove(bus, p->node);
        DL_DELETE(bus->pending, p);
        free(p);
}

void pending_cancel(struct bus1_dbus *bus, struct pending *p) {
        use_release(bus, p->node);
        pending_free(bus, p);
}

void pending_complete(struct bus1_dbus *bus, struct pending *p, struct bus1_dbus_message *reply) {
        bus1_dbus_message_fn fn = p->fn;
        void *userdata = p->userdata;

        pending_free(bus, p);
        fn(reply, userdata);
        bus1_dbus_message_unref(reply);
}

void pending_fail(struct bus1_dbus *bus, struct pending *p, const char *name, const char *text) {
        struct bus1_dbus_message *m;

        /* When memory runs out, the call stays pending until its time-out, if it has one. */
        if (incoming_message_new_error(bus, p->serial, name, text, &m) < 0)
                return;
        pending_complete(bus, p, m);
}

bool pending_expire(struct bus1_dbus *bus) {
        struct pending *p = bus->pending;

        if (!p || p->deadline == UINT64_MAX || p->deadline > now_ns())
                return false;
        use_release(bus, p->node);
        pending_fail(bus, p, DBUS_ERROR_TIMEOUT, "No reply within the time-out");
        return true;
}
