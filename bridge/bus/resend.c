/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Resending: which calls, and where they can go. */

#include "bridge/bus/resend.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "bridge/bus/activation-table.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/route.h"
#include "bridge/bus/unread.h"

static bool owns(struct client *client, const struct wire_string *text) {
        struct name *name = name_find(&client->bus->names, text->s, text->n);

        return name && name_owner(name) == client;
}

/* Is there an owner that can get m, or may m start one? */
static bool has_future(struct bus *bus, const struct message *m) {
        if (name_find(&bus->names, m->destination.s, m->destination.n))
                return true;
        return !(m->flags & MESSAGE_FLAG_NO_AUTO_START) && bus->activation &&
               activation_knows(bus->activation, m->destination.s);
}

/* Take the pending reply from owner. False if nobody waits for the answer any more. */
static bool take_reply(struct client *owner, struct client *sender, const struct message *m,
                       uint64_t *ret_cookie) {
        struct reply *reply;

        *ret_cookie = 0;
        if (!message_wants_reply(m))
                return true;
        reply = reply_find(&owner->bus->replies, sender, owner, m->serial);
        if (!reply)
                return false;
        *ret_cookie = reply->caller_cookie;
        reply->caller_cookie = 0;
        route_end_reply(reply);
        return true;
}

static int resend_first(struct client *owner, struct unread *unread) {
        CLEANUP(message_unrefp) struct message *m = message_ref(unread->m);
        struct client *sender = unread->sender;
        struct bus *bus = owner->bus;
        uint64_t cookie;

        /* From now on the queue of the next owner is charged with it, or the start. */
        unread_free(unread);
        if (!has_future(bus, m) || !take_reply(owner, sender, m, &cookie))
                return 0;
        m->n_resent++;
        return bus->receive_again(sender, m, cookie, false);
}

int resend(struct client *owner, const char *name) {
        struct unread *list = NULL, *unread, *next;
        int result = 0;

        DL_FOREACH_SAFE(owner->unread, unread, next) {
                const struct wire_string *to = &unread->m->destination;

                if (name ? strcmp(to->s, name) == 0 : !owns(owner, to))
                        unread_move(unread, &list);
        }
        /* What is sent again may cause that others of these are dropped. */
        while (list)
                keep_error(&result, resend_first(owner, list));
        return result;
}
