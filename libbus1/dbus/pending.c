/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/pending.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/error.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/outgoing.h"
#include "libbus1/dbus/standing.h"
#include "libbus1/dbus/use.h"

/* When there is no memory for an error, make it after this time. */
#define AGAIN_NS (10 * NS_PER_MS)

void pending_init(struct pending *p) {
        p->node = p->former = p->via = BUS1_INVALID;
}

void pending_insert(struct bus1_dbus *bus, struct pending *p) {
        struct pending *after = bus->pending ? bus->pending->prev : NULL;

        /* Most calls have the same time-out, so the search for the place starts at the end. */
        while (after && after->deadline > p->deadline)
                after = after != bus->pending ? after->prev : NULL;
        DL_APPEND_ELEM(bus->pending, after, p);
}

void pending_free(struct bus1_dbus *bus, struct pending *p) {
        node_remove(bus, p->node);
        if (p->former != BUS1_INVALID)
                node_remove(bus, p->former);
        if (p->outgoing)
                p->outgoing->pending = NULL;
        DL_DELETE(bus->pending, p);
        free(p->rule);
        free(p);
}

void pending_cancel(struct bus1_dbus *bus, struct pending *p) {
        use_release(bus, p->node);
        pending_free(bus, p);
}

int pending_move(struct bus1_dbus *bus, struct pending *p, uint64_t node) {
        int r;

        r = node_add(bus, node, NODE_REPLY, p, false);
        if (r < 0) {
                use_release(bus, node);
                return r;
        }
        /* who has the handle of the former node cannot answer any more */
        use_release(bus, p->node);
        p->former = p->node;
        p->node = node;
        return 0;
}

static void move_deadline(struct bus1_dbus *bus, struct pending *p, uint64_t deadline) {
        DL_DELETE(bus->pending, p);
        p->deadline = deadline;
        pending_insert(bus, p);
}

void pending_abort(struct bus1_dbus *bus, struct pending *p, int error) {
        p->error = error;
        move_deadline(bus, p, 0);
}

void pending_complete(struct bus1_dbus *bus, struct pending *p, struct bus1_dbus_message *reply) {
        bus1_dbus_message_fn fn = p->fn;
        void *userdata = p->userdata;

        /* a reply without a DBusMessage is no error, see receive_reply() */
        if (p->rule &&
            (message_lazy(reply) || message_is(reply->message, DBUS_MESSAGE_TYPE_METHOD_RETURN))) {
                if (p->removes_rule)
                        standing_match_remove(bus, p->rule);
                else
                        standing_match(bus, p->rule);
        }
        pending_free(bus, p);
        fn(reply, userdata);
        bus1_dbus_message_unref(reply);
}

static int fail(struct bus1_dbus *bus, struct pending *p, const char *name, const char *text) {
        struct bus1_dbus_message *m = NULL;
        int r;

        if (!p->is_quiet) {
                r = incoming_message_new_error(bus, p->serial, name, text, &m);
                if (r < 0) {
                        move_deadline(bus, p, now_ns() + AGAIN_NS);
                        return r;
                }
        }
        pending_complete(bus, p, m);
        return 0;
}

void pending_fail(struct bus1_dbus *bus, struct pending *p, const char *name, const char *text) {
        p->failure = name;
        p->failure_text = text;
        (void)fail(bus, p, name, text);
}

void pending_fail_in_dispatch(struct bus1_dbus *bus, struct pending *p, const char *name,
                              const char *text) {
        p->failure = name;
        p->failure_text = text;
        move_deadline(bus, p, 0);
}

bool pending_expire(struct bus1_dbus *bus) {
        char name[ERROR_NAME_MAX];
        struct pending *p = bus->pending;

        if (!p || p->deadline == UINT64_MAX || p->deadline > now_ns())
                return false;
        if (!p->failure)
                use_release(bus, p->node);
        if (p->failure)
                (void)fail(bus, p, p->failure, p->failure_text);
        else if (p->error)
                (void)fail(bus, p, error_name_from_errno(p->error, name),
                           error_text_from_errno(p->error));
        else
                pending_fail(bus, p, DBUS_ERROR_TIMEOUT, "No reply within the time-out");
        return true;
}
