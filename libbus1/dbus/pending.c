/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls that wait for their reply
 *
 * The list is in the order of the deadlines, so the first one says when to look at it next.
 */

#include "libbus1/dbus/pending.h"

#include <stdlib.h>
#include <utlist.h>

#include "libbus1/dbus/clock.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/node.h"

/* Most calls have the same time-out, so the search for the place starts at the end. */
void pending_insert(struct bus1_dbus *bus, struct pending *p) {
        struct pending *before;

        if (!bus->pending || bus->pending->prev->deadline <= p->deadline) {
                DL_APPEND(bus->pending, p);
                return;
        }
        before = bus->pending->prev;
        while (before != bus->pending && before->prev->deadline > p->deadline)
                before = before->prev;
        DL_PREPEND_ELEM(bus->pending, before, p);
}

struct pending *pending_free(struct bus1_dbus *bus, struct pending *p) {
        node_remove(bus, p->node);
        DL_DELETE(bus->pending, p);
        free(p);
        return NULL;
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

        /* without memory for the error the call stays; its time-out tries again */
        if (incoming_message_new_error(bus, p->serial, name, text, &m) < 0)
                return;
        pending_complete(bus, p, m);
}

bool pending_expire(struct bus1_dbus *bus) {
        struct pending *p = bus->pending;

        if (!p || p->deadline == UINT64_MAX || p->deadline > now_ns())
                return false;
        bus1_client_release_one(bus->client, p->node);
        pending_fail(bus, p, DBUS_ERROR_TIMEOUT, "No reply within the time-out");
        return true;
}
