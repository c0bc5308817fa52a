/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/access.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libbus1/dbus/message.h"
#include "libbus1/dbus/node.h"

bool access_is_privileged(const struct bus1_dbus *bus, const struct member *member) {
        return !bus->trusted && (member->kind == MEMBER_METHOD || member->writable) &&
               !(member->flags & BUS1_DBUS_VTABLE_UNPRIVILEGED);
}

static int capability_of(const struct table *table, const struct member *member) {
        unsigned number = (member->flags >> 40) & 0xffff;

        if (number == 0)
                number = (table->flags >> 40) & 0xffff;
        return number == 0 ? CAP_SYS_ADMIN : (int)number - 1;
}

/*
 * Whoever has a handle that was passed on has the right to call. A call by a name and a path
 * arrives at a node of which only the bus has the handle, also if the program has exported the
 * object.
 */
static bool came_by_right(const struct target *target, const struct bus1_dbus_message *call) {
        const struct node *node = node_find(call->bus, call->node);

        return node && node->kind == NODE_OBJECT && !node->trusted && !node->sender &&
               target->object;
}

/* A bus that is too old to send the credentials with the message is asked for them. */
static void find_credentials(struct bus1_dbus_message *call,
                             struct bus1_dbus_credentials *credentials) {
        const char *sender = message_get_sender(call);

        *credentials = (struct bus1_dbus_credentials){UINT32_MAX, UINT32_MAX, 0};
        if (bus1_dbus_message_get_credentials(call, credentials) < 0 && sender)
                (void)bus1_dbus_get_credentials(call->bus, sender, credentials, NULL);
}

static int refuse(struct bus1_dbus_message *call, const char *interface, const char *member,
                  const DBusError *error) {
        int r;

        if (error && dbus_error_is_set(error))
                r = bus1_dbus_reply_error(call, error->name, "%s", error->message);
        else
                r = bus1_dbus_reply_error(call, DBUS_ERROR_ACCESS_DENIED,
                                          "Access to %s.%s is not permitted", interface, member);
        return r < 0 && r != -EALREADY ? r : 0;
}

static int ask(const struct walk *walk, const struct member *member, struct bus1_dbus_message *call,
               const struct bus1_dbus_credentials *credentials) {
        CLEANUP_FREE char *interface = strdup(walk->interface->name), *name = strdup(member->name);
        struct bus1_dbus *bus = call->bus;
        DBusError error = DBUS_ERROR_INIT;
        int r = BUS1_DBUS_CHECK_REFUSE;

        if (!interface || !name)
                return -ENOMEM;
        if (bus->check_fn)
                r = bus->check_fn(call, interface, name,
                                  capability_of(walk->interface->table, member), credentials,
                                  bus->check_userdata, &error);
        if (r == BUS1_DBUS_CHECK_REFUSE || (r < 0 && dbus_error_is_set(&error)))
                r = refuse(call, interface, name, &error);
        else if (r == BUS1_DBUS_CHECK_LATER)
                r = 0;
        else if (r > 0)
                r = r == BUS1_DBUS_CHECK_ALLOW ? 1 : -EINVAL;
        dbus_error_free(&error);
        return r;
}

int access_check(const struct walk *walk, const struct member *member,
                 struct bus1_dbus_message *call) {
        struct incoming_message *m = (struct incoming_message *)call;
        struct bus1_dbus_credentials credentials;
        int r;

        if (!access_is_privileged(call->bus, member) || m->allowed ||
            came_by_right(walk->target, call))
                return 1;
        find_credentials(call, &credentials);
        if (credentials.uid == 0 ||
            (credentials.uid != UINT32_MAX && credentials.uid == (uint32_t)getuid()))
                return 1;
        r = ask(walk, member, call, &credentials);
        if (r != 1)
                return r;
        m->allowed = true;
        return ACCESS_AGAIN;
}

PUBLIC void bus1_dbus_set_trusted(struct bus1_dbus *bus, bool trusted) {
        if (bus)
                bus->trusted = trusted;
}

PUBLIC void bus1_dbus_set_check(struct bus1_dbus *bus, bus1_dbus_check_fn fn, void *userdata) {
        if (!bus)
                return;
        bus->check_fn = fn;
        bus->check_userdata = userdata;
}
