/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Resending: which calls, and where they can go. */

#include "bridge/bus/resend.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "bridge/bus/activation-table.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/route.h"
#include "bridge/bus/unread.h"

static bool owns(struct client *client, const struct wire_string *text) {
        struct name *name = name_find(&client->bus->names, text->s, text->n);

        return name && name_owner(name) == client;
}

/* Are these instances of one service, for all that the kernel knows? */
static bool are_alike(const struct client_credentials *a, const struct client_credentials *b) {
        if (a->uid != b->uid || a->uid == UINT32_MAX || !a->label != !b->label)
                return false;
        return !a->label ||
               (a->n_label == b->n_label && memcmp(a->label, b->label, a->n_label) == 0);
}

/* Has the name of m an owner that can get m instead of the former one, or may m start one? */
static bool has_future(struct client *former, const struct message *m) {
        struct bus *bus = former->bus;
        struct client *owner;

        owner = name_resolve(&bus->names, m->destination.s, m->destination.n);
        if (owner) /* if it leaves, too, nobody knows yet who comes after it */
                return client_is_registered(owner) &&
                       are_alike(&owner->credentials, &former->credentials);
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

/*
 * If others have *m in their queues, replace it by a copy: a message is charged in one queue at a
 * time, and these others may be in the way of *m. False if that is impossible.
 */
static bool make_private(struct client *sender, struct message **m) {
        struct message *copy;

        if ((*m)->n_refs == 1)
                return true;
        if (message_copy(*m, &copy) < 0)
                return false;
        message_unref(*m);
        *m = copy;
        quota_set_cause(sender, copy);
        return true;
}

static int resend_first(struct client *owner, struct unread *unread) {
        CLEANUP(message_unrefp) struct message *m = message_ref(unread->m);
        struct client *sender = unread->sender;
        struct bus *bus = owner->bus;
        uint64_t cookie;

        /* From now on the queue of the next owner is charged with it, or the start. */
        unread_free(unread);
        schedule_count(&bus->schedule, 1);
        if (!has_future(owner, m) || !make_private(sender, &m) ||
            !take_reply(owner, sender, m, &cookie))
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
