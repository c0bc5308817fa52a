/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/quiet.h"

#include <errno.h>
#include <stdlib.h>

#include "libbus1/dbus/node.h"
#include "libbus1/dbus/pending.h"
#include "libbus1/dbus/send.h"
#include "libbus1/dbus/use.h"
#include "libbus1/dbus/wait.h"

int quiet_call(struct bus1_dbus *bus, const struct quiet_call *call, struct pending **ret_pending) {
        struct pending *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        pending_init(p);
        p->at_reception = true;
        p->is_quiet = true;
        p->deadline = now_ns() + QUIET_TIMEOUT;
        p->fn = call->fn;
        p->userdata = call->userdata;
        r = send_message(bus, call->to, call->message, call->created, call->n_created,
                         call->handles, call->n_handles);
        if (r < 0) {
                free(p);
                return r;
        }
        p->node = call->created[0].id;
        p->serial = dbus_message_get_serial(call->message);
        r = node_add(bus, p->node, NODE_REPLY, p, call->to == BUS1_DBUS_BUS);
        if (r < 0) {
                use_release(bus, p->node);
                free(p);
                return r;
        }
        pending_insert(bus, p);
        /* the program may not dispatch before it polls */
        wait_arm(bus);
        *ret_pending = p;
        return 0;
}
