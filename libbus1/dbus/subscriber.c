/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/subscriber.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "libbus1/dbus/node.h"
#include "libbus1/dbus/send.h"

/*
 * Holders of handles must not fill the memory of the owner, nor take the place of others, whether
 * they have one handle or many. Only the own user may have all places.
 */
#define SUBSCRIBERS_OF_PROCESS_MAX 64 /* of one object */
#define SUBSCRIBERS_OF_USER_MAX 1024  /* of one object */
#define SUBSCRIBERS_MAX 4096          /* of all objects */
#define SUBSCRIBERS_SHARE_MAX 1024    /* of all objects: of one process, or of one other user */

static void subscriber_free(struct subscriber *s) {
        DL_DELETE(*s->list, s);
        DL_DELETE2(s->bus->subscribers, s, prev_of_bus, next_of_bus);
        s->bus->n_subscribers--;
        handle_release(s->bus, s->handle);
        free(s->interface);
        free(s->member);
        free(s);
}

void subscribers_free(struct subscriber **list) {
        while (*list)
                subscriber_free(*list);
}

static bool has_room(struct bus1_dbus *bus, const struct subscriber *list,
                     const struct bus1_dbus_credentials *credentials) {
        unsigned n_of_process = 0, n_of_user = 0;
        const struct subscriber *s;

        if (bus->n_subscribers >= SUBSCRIBERS_MAX)
                return false;
        DL_FOREACH2(bus->subscribers, s, next_of_bus) {
                n_of_process += s->pid == credentials->pid;
                n_of_user += s->uid == credentials->uid;
        }
        if (n_of_process >= SUBSCRIBERS_SHARE_MAX ||
            (n_of_user >= SUBSCRIBERS_SHARE_MAX && credentials->uid != getuid()))
                return false;
        n_of_process = n_of_user = 0;
        DL_FOREACH(list, s) {
                n_of_process += s->pid == credentials->pid;
                n_of_user += s->uid == credentials->uid;
        }
        return n_of_process < SUBSCRIBERS_OF_PROCESS_MAX && n_of_user < SUBSCRIBERS_OF_USER_MAX;
}

static void subscriber_gone(struct bus1_dbus *bus, uint64_t handle, void *userdata) {
        subscriber_free(userdata);
}

int subscriber_add(struct bus1_dbus *bus, struct subscriber **list, uint64_t handle,
                   const char *interface, const char *member,
                   const struct bus1_dbus_credentials *credentials) {
        struct subscriber *s;

        if (!has_room(bus, *list, credentials))
                return -EDQUOT;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->bus = bus;
        s->list = list;
        s->handle = BUS1_INVALID; /* until nothing can fail */
        s->interface = strdup(interface);
        s->member = strdup(member);
        s->uid = credentials->uid;
        s->pid = credentials->pid;
        DL_APPEND(*list, s);
        DL_APPEND2(bus->subscribers, s, prev_of_bus, next_of_bus);
        bus->n_subscribers++;
        if (!s->interface || !s->member || bus1_dbus_watch(bus, handle, subscriber_gone, s) < 0) {
                subscriber_free(s);
                return -ENOMEM;
        }
        s->handle = handle;
        return 0;
}

static bool wants(const struct subscriber *s, DBusMessage *signal) {
        return (!*s->interface || dbus_message_has_interface(signal, s->interface)) &&
               (!*s->member || dbus_message_has_member(signal, s->member));
}

void subscribers_send(struct bus1_dbus *bus, struct subscriber **list, DBusMessage *signal) {
        CLEANUP(wire_deinit) struct wire wire = {};
        struct subscriber *s, *next;
        int r;

        if (!*list)
                return;
        r = message_to_wire(bus, signal, &wire);
        DL_FOREACH_SAFE(*list, s, next) {
                if (!wants(s, signal))
                        continue;
                if (r < 0 || send_wire(bus, s->handle, &wire, NULL, 0, NULL, 0, 0, NULL) < 0)
                        subscriber_free(s);
        }
}
