/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Unread calls: the lists in which they wait, and what they are charged to. */

#include "bridge/bus/unread.h"

#include <errno.h>
#include <stdlib.h>

#include "bridge/bus/held.h"

/* The client that sent m and can still get its answer, or NULL. */
static struct client *find_sender(struct client *owner, const struct message *m) {
        struct bus *bus = owner->bus;
        struct client *sender = name_resolve(&bus->names, m->sender.s, m->sender.n);

        if (!sender || !client_is_registered(sender))
                return NULL;
        if (message_wants_reply(m) && !reply_find(&bus->replies, sender, owner, m->serial))
                return NULL;
        return sender;
}

/* May one more call of sender wait for owner to leave? */
static bool has_place(const struct client *owner, const struct client *sender) {
        const struct unread *unread;
        size_t own = 0, others = 0;

        DL_FOREACH(owner->unread, unread) {
                if (unread->sender->account == sender->account)
                        own++;
                else
                        others++;
        }
        return own < (UNREAD_MAX - others) / 2;
}

/* Let m, which is charged, wait for owner; NULL without memory. */
static struct unread *unread_new(struct client *owner, struct client *sender, struct message *m,
                                 bool is_first) {
        struct unread *unread = malloc(sizeof(*unread));

        if (!unread)
                return NULL;
        *unread = (struct unread){
                .sender = sender,
                .m = message_ref(m),
                .list = &owner->unread,
        };
        if (is_first)
                DL_PREPEND(owner->unread, unread);
        else
                DL_APPEND(owner->unread, unread);
        DL_APPEND2(sender->unread_sent, unread, sender_prev, sender_next);
        return unread;
}

bool unread_hold(struct client *owner, struct message *m, bool is_first) {
        struct client *sender;

        if (!client_is_registered(owner) || !owner->is_closing)
                return false;
        sender = find_sender(owner, m);
        if (!sender || (!is_first && !has_place(owner, sender)))
                return false;
        if (held_charge(sender, m) != 0)
                return false;
        if (unread_new(owner, sender, m, is_first))
                return true;
        held_discharge(sender, m);
        return false;
}

int unread_restore(struct client *owner, struct client *sender, struct message *m) {
        if (!unread_new(owner, sender, m, false))
                return -ENOMEM;
        held_restore(sender, m);
        return 0;
}

void unread_move(struct unread *unread, struct unread **list) {
        DL_DELETE(*unread->list, unread);
        DL_APPEND(*list, unread);
        unread->list = list;
}

void unread_free(struct unread *unread) {
        struct client *sender = unread->sender;

        DL_DELETE(*unread->list, unread);
        DL_DELETE2(sender->unread_sent, unread, sender_prev, sender_next);
        held_discharge(sender, unread->m);
        message_unref(unread->m);
        free(unread);
}

void unread_drop(struct client *owner) {
        while (owner->unread)
                unread_free(owner->unread);
}

void unread_forget(struct client *sender) {
        while (sender->unread_sent)
                unread_free(sender->unread_sent);
}
