/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/channel-node.h"
#include "libbus1/dbus/ended.h"
#include "libbus1/dbus/ids.h"
#include "libbus1/dbus/message-limits.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/pending.h"
#include "libbus1/dbus/quiet.h"
#include "libbus1/dbus/send.h"
#include "libbus1/dbus/use.h"

/* Messages through the bus until the library asks again. Asking costs one message to the bus. */
#define ASK_AGAIN 64
/* Confirm bounds the memory for messages without a reply. */
#define UNCONFIRMED_MANY 64
/* An owner whose library does not answer Confirm cannot fill the memory of the caller. */
#define UNCONFIRMED_MAX 16384
#define UNCONFIRMED_BYTES_MAX (64UL * 1024 * 1024)
#define UNCONFIRMED_FDS_MAX 64
#define UNCONFIRMED_HANDLES_MAX 1024

static void discard(struct channel *c) {
        free(c->name);
        free(c->path);
        free(c);
}

void channel_new(struct bus1_dbus *bus, uint64_t handle, uint64_t lookup, const char *name,
                 const char *path) {
        struct channel *c = calloc(1, sizeof(*c));

        if (!c)
                return;
        c->bus = bus;
        c->handle = handle;
        c->lookup = lookup;
        c->name = strdup(name);
        c->path = path ? strdup(path) : NULL;
        c->direct = c->control = BUS1_INVALID;
        if (c->name && (!path || c->path))
                HASH_ADD(hh, bus->channels, handle, sizeof(c->handle), c);
        if (!c->hh.tbl)
                discard(c);
}

struct channel *channel_find(struct bus1_dbus *bus, uint64_t handle) {
        struct channel *c = NULL;

        if (bus->channels)
                HASH_FIND(hh, bus->channels, &handle, sizeof(handle), c);
        return c;
}

void channel_free(struct channel *c) {
        channel_drop(c);
        HASH_DELETE(hh, c->bus->channels, c);
        if (c->released)
                handle_release(c->bus, c->handle);
        discard(c);
}

static void forget(struct channel *c, struct outgoing *o) {
        DL_DELETE(c->unconfirmed, o);
        c->n_unconfirmed--;
        c->unconfirmed_bytes -= (size_t)o->wire.n_data;
        c->unconfirmed_fds -= o->wire.n_fds;
        c->unconfirmed_handles -= o->n_handles;
        if (o->pending)
                o->pending->outgoing = NULL;
        outgoing_free(c->bus, o);
}

static void end_call(struct channel *c, struct pending **call) {
        if (*call)
                pending_cancel(c->bus, *call);
        *call = NULL;
}

static void end_control(struct channel *c) {
        if (c->control != BUS1_INVALID)
                node_end(c->bus, c->control);
        c->control = BUS1_INVALID;
}

/* Give up the handle of the channel, and the call about it. */
static void cease(struct channel *c) {
        end_control(c);
        end_call(c, &c->asking);
        end_call(c, &c->confirming);
        if (c->direct != BUS1_INVALID) {
                HASH_DELETE(hh_direct, c->bus->channels_direct, c);
                handle_release(c->bus, c->direct);
        }
        c->direct = BUS1_INVALID;
        c->state = CHANNEL_NONE;
        c->withdrawn = false;
        c->n_wait = ASK_AGAIN;
}

void channel_drop(struct channel *c) {
        cease(c);
        while (c->unconfirmed)
                forget(c, c->unconfirmed);
}

void channel_lose(struct channel *c) {
        channel_drop(c);
        ids_remove_alias(c->bus, c->handle);
        c->is_lost = true;
}

void channel_found(struct channel *c, uint64_t lookup) {
        c->lookup = lookup;
        c->is_lost = false;
        c->n_wait = 0;
        c->n_routed = c->n_passed = c->n_routed_when_asked = 0;
        c->n_direct = c->n_before = 0;
}

/* opening */

static int asked(struct bus1_dbus_message *reply, void *userdata) {
        struct channel *c = userdata;

        c->asking = NULL;
        if (!reply) {
                cease(c);
                return 0;
        }
        if (c->n_passed < c->n_routed_when_asked)
                c->n_passed = c->n_routed_when_asked;
        c->direct = bus1_dbus_message_take_handle(reply, 0);
        if (c->direct != BUS1_INVALID) {
                HASH_ADD(hh_direct, c->bus->channels_direct, direct, sizeof(c->direct), c);
                if (!c->hh_direct.tbl) {
                        handle_release(c->bus, c->direct);
                        c->direct = BUS1_INVALID;
                }
        }
        limits_learn(c->bus, reply->message);
        c->n_before = c->n_direct;
        /* the owner may have closed the channel before the bus has passed it on */
        if (c->direct == BUS1_INVALID || c->control == BUS1_INVALID)
                cease(c);
        else
                c->state = CHANNEL_READY;
        return 0;
}

static void ask(struct channel *c) {
        CLEANUP(dbus_message_unrefp) DBusMessage *m = NULL;
        struct bus1_transfer created[] = {QUIET_REPLY, QUIET_NODE};
        dbus_uint64_t lookup = c->lookup;

        c->n_wait = ASK_AGAIN;
        m = dbus_message_new_method_call(BUS_NAME, BUS_PATH, BRIDGE_INTERFACE, "OpenChannel");
        if (!m || !dbus_message_append_args(m, DBUS_TYPE_UINT64, &lookup, DBUS_TYPE_INVALID))
                return;
        if (quiet_call(c->bus,
                       &(struct quiet_call){BUS1_DBUS_BUS, m, created, 2, NULL, 0, asked, c},
                       &c->asking) < 0) {
                if (created[1].id != BUS1_INVALID)
                        use_release(c->bus, created[1].id);
                return;
        }
        c->n_routed_when_asked = c->n_routed;
        c->state = CHANNEL_ASKED;
        c->control = created[1].id;
        if (node_add(c->bus, c->control, NODE_CONTROL, c, false) < 0) {
                use_release(c->bus, c->control);
                c->control = BUS1_INVALID;
                cease(c);
        }
}

static void ask_to_confirm(struct channel *c);

void channel_prepare(struct channel *c) {
        if (c->withdrawn && !c->unconfirmed)
                cease(c);
        if (c->state == CHANNEL_OPEN && channel_is_full(c))
                ask_to_confirm(c); /* there may have been no memory for it before */
        if (c->state != CHANNEL_NONE)
                return;
        if (c->n_wait > 0)
                c->n_wait--;
        else
                ask(c);
}

bool channel_has_passed(const struct channel *c) {
        return c->n_passed == c->n_routed;
}

bool channel_is_full(const struct channel *c) {
        return c->n_unconfirmed >= UNCONFIRMED_MAX ||
               c->unconfirmed_bytes >= UNCONFIRMED_BYTES_MAX ||
               c->unconfirmed_fds >= UNCONFIRMED_FDS_MAX ||
               c->unconfirmed_handles >= UNCONFIRMED_HANDLES_MAX;
}

void channel_open(struct channel *c) {
        c->n_passed = c->n_routed;
        c->state = CHANNEL_OPEN;
}

void channel_detour(struct channel *c) {
        c->state = CHANNEL_READY;
}

/* open */

/* Descriptors are scarce, so they should not be kept until the program replies. */
static bool wants_confirmation(const struct channel *c) {
        return c->n_unconfirmed >= UNCONFIRMED_MANY || c->unconfirmed_fds > 0 || channel_is_full(c);
}

/* Free a released channel as soon as nothing more can be done for its messages. */
static void finish(struct channel *c) {
        if (c->unconfirmed)
                ask_to_confirm(c);
        if (!c->unconfirmed || !c->confirming)
                channel_free(c);
}

/* The answer of Confirm. channel_replied() has forgotten what it confirms. */
static int confirmed(struct bus1_dbus_message *reply, void *userdata) {
        struct channel *c = userdata;

        c->confirming = NULL;
        if (!c->released && wants_confirmation(c) && !c->bus->gone)
                ask_to_confirm(c);
        else if (c->released && reply)
                finish(c);
        else if (c->released) /* not in time: the owner does not want to know better */
                channel_free(c);
        return 0;
}

static void ask_to_confirm(struct channel *c) {
        CLEANUP(dbus_message_unrefp) DBusMessage *m = NULL;
        struct bus1_transfer created = QUIET_REPLY;

        if (c->confirming)
                return;
        m = dbus_message_new_method_call(NULL, "/", CHANNEL_INTERFACE, "Confirm");
        if (!m)
                return;
        (void)quiet_call(c->bus,
                         &(struct quiet_call){c->direct, m, &created, 1, NULL, 0, confirmed, c},
                         &c->confirming);
        /* The owner counts it in any case, if it was sent. */
        if (created.id != BUS1_INVALID)
                c->n_direct++;
        if (c->confirming) {
                c->confirming->via = c->handle;
                c->confirming->is_direct = true;
                c->confirming->number = c->n_direct;
        }
}

void channel_sent(struct channel *c, struct outgoing *o, struct pending *p) {
        uint64_t number = o ? ++c->n_direct : ++c->n_routed;

        if (p) {
                p->via = c->handle;
                p->is_direct = o != NULL;
                p->number = number;
                p->outgoing = o;
        }
        if (!o)
                return;
        o->number = number;
        o->pending = p;
        o->wants_reply = p != NULL;
        DL_APPEND(c->unconfirmed, o);
        c->n_unconfirmed++;
        c->unconfirmed_bytes += (size_t)o->wire.n_data;
        c->unconfirmed_fds += o->wire.n_fds;
        c->unconfirmed_handles += o->n_handles;
        if (wants_confirmation(c))
                ask_to_confirm(c);
}

PUBLIC void bus1_dbus_release(struct bus1_dbus *bus, uint64_t handle) {
        struct channel *c;

        if (!bus || handle == BUS1_INVALID)
                return;
        ended_remove(bus, handle);
        c = channel_find(bus, handle);
        if (!c) {
                handle_release(bus, handle);
                return;
        }
        bus1_dbus_unwatch(bus, handle);
        c->released = true;
        finish(c);
}

/* closing */

/* Send a message, which the owner has not taken, through the bus. */
static void send_again(struct channel *c, struct outgoing *o) {
        struct bus1_transfer created = {
                BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                BUS1_INVALID,
        };
        struct pending *p = o->pending;
        struct bus1_dbus *bus = c->bus;
        int r;

        r = send_wire(bus, c->handle, &o->wire, &created, o->wants_reply ? 1 : 0, o->handles,
                      o->n_handles, 0, NULL);
        if (r >= 0)
                c->n_routed++;
        if (r >= 0 && p)
                r = pending_move(bus, p, created.id);
        else if (r >= 0 && o->wants_reply)
                use_release(bus, created.id);
        if (!p)
                return;
        if (r < 0) {
                pending_abort(bus, p, r);
                return;
        }
        p->is_direct = false;
        p->number = c->n_routed;
}

static void closed(struct channel *c, uint64_t n) {
        if (c->state == CHANNEL_ASKED) {
                end_control(c);
                return;
        }
        for (struct outgoing *o = c->unconfirmed; o && o->number - c->n_before <= n;
             o = c->unconfirmed)
                forget(c, o);
        cease(c);
        while (c->unconfirmed) {
                send_again(c, c->unconfirmed);
                forget(c, c->unconfirmed);
        }
        if (c->released)
                channel_free(c);
}

void channel_controlled(struct bus1_dbus *bus, struct node *node, struct bus1_received *received) {
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *m = NULL;
        struct channel *c = node->data;
        dbus_uint64_t n;

        if (received->type == BUS1_MESSAGE_TYPE_HANDLE_RELEASE) {
                /* nobody can say Closed any more; if the channel has ended, that is told, too */
                node_remove(bus, node->id);
                c->control = BUS1_INVALID;
                return;
        }
        if (incoming_message_new(bus, received, node, &m) >= 0 &&
            dbus_message_is_method_call(m->message, CHANNEL_INTERFACE, "Closed") &&
            dbus_message_get_args(m->message, NULL, DBUS_TYPE_UINT64, &n, DBUS_TYPE_INVALID))
                closed(c, n);
}

void channels_withdraw(struct bus1_dbus *bus) {
        struct channel *c, *next;

        HASH_ITER(hh, bus->channels, c, next) {
                if (c->state == CHANNEL_READY || c->state == CHANNEL_OPEN)
                        c->withdrawn = true;
        }
}

/* replies and ends */

void channel_replied(struct bus1_dbus *bus, const struct pending *p) {
        struct channel *c = p->via != BUS1_INVALID ? channel_find(bus, p->via) : NULL;

        if (!c)
                return;
        if (!p->is_direct) {
                if (c->n_passed < p->number)
                        c->n_passed = p->number;
                return;
        }
        while (c->unconfirmed && c->unconfirmed->number <= p->number)
                forget(c, c->unconfirmed);
        /* confirmed() does this for the call of Confirm, which has not ended yet */
        if (c->released && !c->unconfirmed && p != c->confirming)
                channel_free(c);
}

bool channel_ended(struct bus1_dbus *bus, uint64_t handle) {
        struct channel *c = NULL;
        struct pending *p;

        if (bus->channels_direct)
                HASH_FIND(hh_direct, bus->channels_direct, &handle, sizeof(handle), c);
        if (c) {
                channel_drop(c);
                if (c->released)
                        channel_free(c);
                return true;
        }
        c = channel_find(bus, handle);
        if (!c)
                return false;
        if (c->is_lost)
                return true;
        if (bus->reconnect && handle_has_ended(bus, bus->session)) {
                /* It has ended with the bus. It is looked up again when the program joins again. */
                bus->gone = true;
                return true;
        }
        ids_remove_alias(bus, handle);
        /* calls that the bus has not passed on will be dropped; the reason is known only now */
        DL_FOREACH(bus->pending, p) {
                if (p->via == handle && !p->is_direct)
                        p->owner_gone = true;
        }
        if (!c->released)
                ended_add(bus, handle);
        c->released = false;
        channel_free(c);
        return false;
}
