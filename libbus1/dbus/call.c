/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/call.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "libbus1/dbus/channel.h"
#include "libbus1/dbus/ended.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/message-limits.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/pending.h"
#include "libbus1/dbus/receive.h"
#include "libbus1/dbus/send.h"
#include "libbus1/dbus/use.h"
#include "libbus1/dbus/wait.h"

#define TIMEOUT_DEFAULT_MS 25000
#define PING_TIMEOUT_MS 1000

/*
 * Wait for an answer of the bus itself. It comes after the bus has handled all that this peer sent
 * to it before. The call that waits for this has a deadline of its own.
 */
static int call_ping(struct bus1_dbus *bus, uint64_t deadline) {
        CLEANUP(dbus_message_unrefp) DBusMessage *m = NULL;
        uint64_t left_ms = time_left(deadline) / NS_PER_MS;
        int timeout_ms = left_ms < PING_TIMEOUT_MS ? (int)left_ms : PING_TIMEOUT_MS;

        m = dbus_message_new_method_call(BUS_NAME, BUS_PATH, DBUS_INTERFACE_PEER, "Ping");
        if (!m)
                return -ENOMEM;
        return bus1_dbus_call(bus, BUS1_DBUS_BUS, m, NULL, 0, timeout_ms, NULL, NULL);
}

static uint64_t deadline_from_timeout(int timeout_ms) {
        if (timeout_ms == INT_MAX)
                return UINT64_MAX;
        if (timeout_ms < 0)
                timeout_ms = TIMEOUT_DEFAULT_MS;
        return now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
}

/*
 * The way of a message: if *to is a looked-up handle, it becomes the handle to send through, and
 * *ret_channel is its struct channel, else NULL. Returns 0, -EBADRQC if the program has released
 * the handle, or -EDQUOT if the owner takes no more messages.
 */
static int find_way(struct bus1_dbus *bus, uint64_t *to, uint64_t deadline,
                    struct channel **ret_channel) {
        uint64_t handle = *to;
        struct channel *c;

        *ret_channel = channel_find(bus, handle);
        if (!*ret_channel)
                return 0;
        if ((*ret_channel)->is_lost)
                return -ENOTCONN;
        receive_recent(bus);
        c = channel_find(bus, handle);
        if (c && channel_is_full(c)) {
                /* the confirmation may wait to be received */
                (void)receive_all(bus);
                c = channel_find(bus, handle);
        }
        if (c && !c->released)
                channel_prepare(c);
        if (c && c->state == CHANNEL_READY && !channel_has_passed(c) &&
            call_ping(bus, deadline) < 0) {
                c = channel_find(bus, handle);
                if (c)
                        channel_drop(c);
        }
        /* receiving may have closed the channel, or ended the handle */
        c = channel_find(bus, handle);
        if (c && c->released)
                return -EBADRQC;
        if (c && c->is_lost)
                return -ENOTCONN;
        if (c && c->state == CHANNEL_READY)
                channel_open(c);
        if (c && c->state == CHANNEL_OPEN) {
                if (channel_is_full(c))
                        return -EDQUOT;
                *to = c->direct;
        }
        *ret_channel = c;
        return 0;
}

/*
 * Send a message of the program. The nodes whose handles go in front of the others are in created,
 * and p is the call, or NULL. What must be kept is taken out of wire. See also send_wire().
 */
static int find_way_and_send(struct bus1_dbus *bus, uint64_t to, struct wire *wire,
                             struct bus1_transfer *created, size_t n_created,
                             const uint64_t *handles, size_t n_handles, struct pending *p,
                             struct bus1_received **ret_received) {
        struct outgoing *o = NULL;
        struct channel *c;
        int r;

        r = find_way(bus, &to, p ? p->deadline : UINT64_MAX, &c);
        if (r >= 0 && c && c->state == CHANNEL_OPEN && limits_check(bus, wire)) {
                channel_detour(c);
                to = c->handle;
        }
        if (r >= 0 && c && c->state == CHANNEL_OPEN)
                r = outgoing_new(bus, handles, n_handles, &o);
        if (r < 0)
                return r;
        r = send_wire(bus, to, wire, created, n_created, handles, n_handles, p ? p->deadline : 0,
                      ret_received);
        if (r < 0) {
                outgoing_free(bus, o);
                return r;
        }
        if (o) {
                o->wire = *wire;
                *wire = (struct wire){};
        }
        if (c)
                channel_sent(c, o, p);
        return 0;
}

static int send_on_the_way(struct bus1_dbus *bus, uint64_t to, struct wire *wire,
                           struct bus1_transfer *created, size_t n_created, const uint64_t *handles,
                           size_t n_handles, struct pending *p,
                           struct bus1_received **ret_received) {
        int r;

        if (n_handles > 0 && !handles)
                return -EINVAL;
        /* Until everything is restored, only the library sends. */
        if (bus->restoring)
                return -ENOTCONN;
        r = use_begin(bus);
        if (r < 0)
                return r;
        bus_announce(bus);
        r = find_way_and_send(bus, to, wire, created, n_created, handles, n_handles, p,
                              ret_received);
        use_end(bus);
        return r;
}

PUBLIC int bus1_dbus_send(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                          const uint64_t *handles, size_t n_handles) {
        CLEANUP(wire_deinit) struct wire wire = {};
        int r;

        if (!bus || !message)
                return -EINVAL;
        if (dbus_message_get_type(message) == DBUS_MESSAGE_TYPE_METHOD_CALL)
                dbus_message_set_no_reply(message, TRUE);
        r = message_to_wire(bus, message, &wire);
        if (r < 0)
                return r;
        return send_on_the_way(bus, to, &wire, NULL, 0, handles, n_handles, NULL, NULL);
}

/* Marshal a call that wants a reply. */
static int call_to_wire(struct bus1_dbus *bus, DBusMessage *message, struct wire *ret_wire) {
        if (!bus || !message_is(message, DBUS_MESSAGE_TYPE_METHOD_CALL) ||
            dbus_message_get_no_reply(message))
                return -EINVAL;
        return message_to_wire(bus, message, ret_wire);
}

/*
 * If the program may join again: the rule that it adds or removes by a call of its own, which the
 * caller frees. NULL: there is none.
 */
static char *rule_to_remember(const struct bus1_dbus *bus, uint64_t to, const struct wire *wire,
                              bool *ret_removes) {
        CLEANUP(dbus_message_unrefp) DBusMessage *message = NULL;
        const char *rule;

        if (!bus->reconnect || (to != BUS1_DBUS_BUS && to != bus->session) ||
            !memmem(wire->data, (size_t)wire->n_data, "Match", strlen("Match")))
                return NULL;
        message = dbus_message_demarshal(wire->data, wire->n_data, NULL);
        if (!message || !dbus_message_has_destination(message, BUS_NAME))
                return NULL;
        *ret_removes = dbus_message_has_member(message, "RemoveMatch");
        if ((*ret_removes || dbus_message_has_member(message, "AddMatch")) &&
            dbus_message_get_args(message, NULL, DBUS_TYPE_STRING, &rule, DBUS_TYPE_INVALID))
                return strdup(rule);
        return NULL;
}

/* If ret_received is not NULL, also wait for the next message, see send_wire(). */
static int call_start(struct bus1_dbus *bus, uint64_t to, struct wire *wire, uint64_t *ret_node,
                      const uint64_t *handles, size_t n_handles, int timeout_ms,
                      struct pending **ret_pending, struct bus1_received **ret_received) {
        struct bus1_transfer created[] = {
                {BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT, BUS1_INVALID},
                {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID},
        };
        CLEANUP_FREE struct pending *p = NULL;
        CLEANUP_FREE char *rule = NULL;
        uint32_t serial = wire->serial;
        bool removes_rule = false;
        int r;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        pending_init(p);
        /* before the wire is handed over */
        rule = rule_to_remember(bus, to, wire, &removes_rule);
        p->deadline = deadline_from_timeout(timeout_ms);
        r = send_on_the_way(bus, to, wire, created, ret_node ? 2 : 1, handles, n_handles, p,
                            ret_received);
        if (r < 0)
                return r;
        p->node = created[0].id;
        p->serial = serial;
        r = node_add(bus, p->node, NODE_REPLY, p, to == BUS1_DBUS_BUS || to == bus->session);
        if (r < 0) {
                if (p->outgoing)
                        p->outgoing->pending = NULL;
                use_release(bus, p->node);
                if (ret_received && *ret_received)
                        receive_one(bus, *ret_received);
                return r;
        }
        if (ret_node)
                *ret_node = created[1].id;
        p->rule = steal_ptr(&rule);
        p->removes_rule = removes_rule;
        pending_insert(bus, p);
        *ret_pending = steal_ptr(&p);
        return 0;
}

/* blocking */

static int blocking_done(struct bus1_dbus_message *reply, void *userdata) {
        *(struct bus1_dbus_message **)userdata = bus1_dbus_message_ref(reply);
        return 0;
}

/* The result of bus1_dbus_call() for an error reply. The library's own errors have no node. */
static int error_from_reply(struct bus1_dbus_message *reply, DBusError *error) {
        dbus_set_error_from_message(error, reply->message);
        if (reply->node != BUS1_INVALID)
                return -EREMOTEIO;
        if (dbus_message_is_error(reply->message, DBUS_ERROR_TIMEOUT))
                return -ETIMEDOUT;
        if (dbus_message_is_error(reply->message, DBUS_ERROR_DISCONNECTED))
                return -ECONNRESET;
        /* NoReply: the result is the same as if the call had gone through the bus. */
        return -EREMOTEIO;
}

/* Wait for a message, at most until the deadline of the call. */
static int blocking_wait(struct bus1_dbus *bus, const struct pending *p) {
        uint64_t now = now_ns();
        int timeout = -1;

        if (p->deadline != UINT64_MAX) {
                if (p->deadline <= now)
                        return 0;
                if ((p->deadline - now) / NS_PER_MS < INT_MAX)
                        timeout = (int)((p->deadline - now) / NS_PER_MS) + 1;
        }
        return wait_for_peer(bus, timeout);
}

/* Receive messages until *reply is set. Returns 0, or a negative errno if there is no reply. */
static int blocking_run(struct bus1_dbus *bus, const struct pending *p,
                        struct bus1_dbus_message **reply) {
        int r;

        for (;;) {
                r = receive_all(bus);
                if (*reply)
                        return 0;
                if (r == 0)
                        r = p->deadline > now_ns() ? blocking_wait(bus, p) : -ETIMEDOUT;
                if (r < 0)
                        return r;
        }
}

/* Like blocking_run(), on a peer that can wait. received is the first message, or NULL. */
static int waiting_run(struct bus1_dbus *bus, const struct pending *p,
                       struct bus1_received *received, struct bus1_dbus_message **reply) {
        int r;

        for (;;) {
                if (received) {
                        r = receive_one(bus, received);
                        if (r < 0 && !*reply)
                                return r;
                }
                if (*reply)
                        return 0;
                /* The call also ends in time when messages keep coming. */
                if (received && p->deadline <= now_ns())
                        return -ETIMEDOUT;
                r = receive_next(bus, time_left(p->deadline), &received);
                if (r < 0 && r != -EINTR)
                        return r == -EAGAIN ? -ETIMEDOUT : r;
                if (r < 0)
                        received = NULL;
        }
}

/* lazy: the caller of this function does not need the DBusMessage of the reply, see lazy.h */
static int call_and_wait(struct bus1_dbus *bus, uint64_t to, struct wire *wire, bool lazy,
                         uint64_t *ret_node, const uint64_t *handles, size_t n_handles,
                         int timeout_ms, struct bus1_dbus_message **ret_reply, DBusError *error) {
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *reply = NULL;
        struct bus1_received *received;
        struct pending *p;
        int r;

        r = call_start(bus, to, wire, ret_node, handles, n_handles, timeout_ms, &p, &received);
        if (r == -EBADRQC && ended_has(bus, to)) {
                dbus_set_error_const(error, DBUS_ERROR_NAME_HAS_NO_OWNER, OWNER_GONE_TEXT);
                return r;
        }
        if (r < 0)
                return error_from_errno(error, r, "Sending the call");
        p->fn = blocking_done;
        p->userdata = &reply;
        p->at_reception = true;
        p->lazy = lazy;
        r = bus->can_wait ? waiting_run(bus, p, received, &reply) : blocking_run(bus, p, &reply);
        if (r == -ETIMEDOUT && p->error)
                r = p->error;
        else if (r == -ETIMEDOUT && p->failure)
                r = -ENOMEM;
        if (r < 0)
                pending_cancel(bus, p);
        wait_arm(bus);
        if (r < 0)
                return error_from_errno(error, r, "Waiting for the reply");
        if (message_is(reply->message, DBUS_MESSAGE_TYPE_ERROR))
                return error_from_reply(reply, error);
        if (ret_reply)
                *ret_reply = steal_ptr(&reply);
        return 0;
}

static int call_wire_with_node(struct bus1_dbus *bus, uint64_t to, struct wire *wire, bool lazy,
                               uint64_t *ret_node, const uint64_t *handles, size_t n_handles,
                               int timeout_ms, struct bus1_dbus_message **ret_reply,
                               DBusError *error) {
        int r;

        r = use_begin(bus);
        if (r < 0)
                return error_from_errno(error, r, "Sending the call");
        r = call_and_wait(bus, to, wire, lazy, ret_node, handles, n_handles, timeout_ms, ret_reply,
                          error);
        use_end(bus);
        return r;
}

int call_wire(struct bus1_dbus *bus, uint64_t to, struct wire *wire, int timeout_ms,
              struct bus1_dbus_message **ret_reply, DBusError *error) {
        return call_wire_with_node(bus, to, wire, true, NULL, NULL, 0, timeout_ms, ret_reply,
                                   error);
}

int call_with_node(struct bus1_dbus *bus, uint64_t to, DBusMessage *message, uint64_t *ret_node,
                   const uint64_t *handles, size_t n_handles, int timeout_ms,
                   struct bus1_dbus_message **ret_reply, DBusError *error) {
        CLEANUP(wire_deinit) struct wire wire = {};
        int r;

        r = call_to_wire(bus, message, &wire);
        if (r < 0)
                return error_from_errno(error, r, "Sending the call");
        /* The library itself calls the bus, and reads the answers with libdbus-1. */
        return call_wire_with_node(bus, to, &wire, to != BUS1_DBUS_BUS, ret_node, handles,
                                   n_handles, timeout_ms, ret_reply, error);
}

PUBLIC int bus1_dbus_call(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                          const uint64_t *handles, size_t n_handles, int timeout_ms,
                          struct bus1_dbus_message **ret_reply, DBusError *error) {
        return call_with_node(bus, to, message, NULL, handles, n_handles, timeout_ms, ret_reply,
                              error);
}

PUBLIC int bus1_dbus_call_async(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                                const uint64_t *handles, size_t n_handles, int timeout_ms,
                                bus1_dbus_message_fn fn, void *userdata, uint64_t *ret_id) {
        CLEANUP(wire_deinit) struct wire wire = {};
        struct pending *p;
        int r;

        if (!fn)
                return -EINVAL;
        r = call_to_wire(bus, message, &wire);
        if (r >= 0)
                r = call_start(bus, to, &wire, NULL, handles, n_handles, timeout_ms, &p, NULL);
        if (r < 0)
                return r;
        p->fn = fn;
        p->userdata = userdata;
        wait_arm(bus);
        if (ret_id)
                *ret_id = p->node;
        return 0;
}

PUBLIC void bus1_dbus_cancel(struct bus1_dbus *bus, uint64_t id) {
        struct node *node = bus ? node_find(bus, id) : NULL;

        if (!node || node->kind != NODE_REPLY)
                return;
        pending_cancel(bus, node->data);
        wait_arm(bus);
}
