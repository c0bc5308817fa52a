/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Subscriptions: a match rule, and the node that the bus sends to what it matches. */

#include "libbus1/dbus/subscription.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "libbus1/dbus/driver.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/node.h"

PUBLIC int bus1_dbus_subscribe(struct bus1_dbus *bus, const char *rule, bus1_dbus_message_fn fn,
                               void *userdata, struct bus1_dbus_subscription **ret_subscription,
                               DBusError *error) {
        struct bus1_dbus_subscription *s;
        uint64_t handle;
        int r;

        if (!bus || !text_is_valid(rule) || !fn)
                return error_from_errno(error, -EINVAL, "Subscribe");
        s = calloc(1, sizeof(*s));
        if (!s)
                return error_from_errno(error, -ENOMEM, "Subscribe");
        s->bus = bus;
        s->fn = fn;
        s->userdata = userdata;
        r = node_new(bus, NODE_SUBSCRIPTION, s, true, &s->node, &handle);
        if (r < 0) {
                free(s);
                return error_from_errno(error, r, "Subscribe");
        }
        DL_APPEND(bus->subscriptions, s);
        r = call_bus(bus, BRIDGE_INTERFACE, "Subscribe", &handle, 1, NULL, error, DBUS_TYPE_STRING,
                     &rule, DBUS_TYPE_INVALID);
        bus1_dbus_release(bus, handle);
        if (r < 0) {
                bus1_dbus_subscription_free(s);
                return r;
        }
        if (ret_subscription)
                *ret_subscription = s;
        return 0;
}

PUBLIC struct bus1_dbus_subscription *
bus1_dbus_subscription_free(struct bus1_dbus_subscription *s) {
        if (!s)
                return NULL;
        if (s->node != BUS1_INVALID)
                node_end(s->bus, s->node);
        DL_DELETE(s->bus->subscriptions, s);
        free(s);
        return NULL;
}
