/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/receive.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <utlist.h>

#include "libbus1/dbus/channel-node.h"
#include "libbus1/dbus/channel.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/ids.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/pending.h"
#include "libbus1/dbus/session.h"
#include "libbus1/dbus/use.h"
#include "libbus1/dbus/wait.h"

#define RECEIVE_MAX 64
#define RECEIVE_RECENT (10 * NS_PER_MS)

/*
 * In bytes. Calls for the library are smaller, except OpenChannel for a very long path. Such a call
 * is left to dispatch, which answers that there is no such object. Then there is no direct channel.
 */
#define LIBRARY_CALL_MAX 4096

int incoming_add_notification(struct bus1_dbus *bus, uint64_t type, uint64_t id) {
        struct incoming *incoming = calloc(1, sizeof(*incoming));
        struct bus1_received *received = calloc(1, sizeof(*received));

        if (!incoming || !received) {
                free(incoming);
                free(received);
                return -ENOMEM;
        }
        received->type = type;
        received->metadata.metadata.id = id;
        incoming->received = received;
        DL_APPEND(bus->incoming, incoming);
        return 0;
}

void incoming_free(struct incoming *incoming) {
        bus1_received_free(incoming->received);
        bus1_dbus_message_unref(incoming->message);
        free(incoming);
}

static bool bus_has_hung_up(struct bus1_dbus *bus) {
        struct pollfd p = {.fd = bus->socket_fd, .events = POLLIN};

        /* The bus sends nothing on the socket: it is readable only after the bus closed it. */
        return bus->socket_fd >= 0 && poll(&p, 1, 0) > 0;
}

void receive_reply(struct bus1_dbus *bus, struct pending *p, struct bus1_received *received) {
        struct bus1_dbus_message *m;
        int r;

        if (received->type != BUS1_MESSAGE_TYPE_USER) {
                if (bus->gone && !p->is_direct)
                        pending_fail(bus, p, DBUS_ERROR_DISCONNECTED, BUS_GONE_TEXT);
                else if (p->owner_gone)
                        pending_fail(bus, p, DBUS_ERROR_NAME_HAS_NO_OWNER, OWNER_GONE_TEXT);
                else
                        pending_fail(bus, p, DBUS_ERROR_NO_REPLY,
                                     "The callee has gone, or has dropped the call");
                return;
        }
        if (p->lazy)
                r = incoming_message_new_lazy(bus, received, node_find(bus, p->node),
                                              MESSAGE_TYPE_METHOD_RETURN, &m);
        else
                r = incoming_message_new(bus, received, node_find(bus, p->node), &m);
        if (r < 0) {
                pending_fail(bus, p,
                             r == -ENOMEM ? DBUS_ERROR_NO_MEMORY : DBUS_ERROR_INCONSISTENT_MESSAGE,
                             "The reply is not a valid message, or there is no memory for it");
                return;
        }
        if (!m->message) {
                message_lazy(m)->reply_serial = p->serial;
                pending_complete(bus, p, m);
                return;
        }
        if (!message_is(m->message, DBUS_MESSAGE_TYPE_METHOD_RETURN) &&
            !message_is(m->message, DBUS_MESSAGE_TYPE_ERROR)) {
                bus1_dbus_message_unref(m);
                pending_fail(bus, p, DBUS_ERROR_NO_REPLY,
                             "The callee sent a message that is not a reply");
                return;
        }
        /* The node says which call this answers. The bus may have given the call another serial. */
        dbus_message_set_reply_serial(m->message, p->serial);
        pending_complete(bus, p, m);
}

static bool receive_for_call(struct bus1_dbus *bus, struct node *node,
                             struct bus1_received *received) {
        struct pending *p = node->data;

        if (p->node != node->id) {
                release_transfers(bus, received); /* the call was sent again, see pending.h */
                return true;
        }
        channel_replied(bus, p);
        if (!p->at_reception)
                return false;
        receive_reply(bus, p, received);
        return true;
}

/*
 * The library runs calls of org.bus1.Session1 and org.bus1.Channel1 when it receives them, even
 * while a call of the program blocks: they are made on behalf of other members, and the blocking
 * call may itself wait for one of those members. The same is true of NameLost, which the program
 * gets, too. So each small message for the home node or the node of a channel is parsed here. If
 * the message is no such call, *ret_message gets it, and the function returns false.
 */
static bool receive_for_library(struct bus1_dbus *bus, struct node *node,
                                struct bus1_received *received,
                                struct bus1_dbus_message **ret_message) {
        CLEANUP(bus1_dbus_message_unrefp) struct bus1_dbus_message *m = NULL;
        int r;

        if (received->type != BUS1_MESSAGE_TYPE_USER || received->n_data > LIBRARY_CALL_MAX)
                return false;
        r = node_is_channel(node)
                    ? incoming_message_new_lazy(bus, received, node, MESSAGE_TYPE_METHOD_CALL, &m)
                    : incoming_message_new(bus, received, node, &m);
        if (r < 0)
                return true; /* drop a message that is invalid, or that there is no memory for */
        if (node->kind == NODE_HOME && session_is_call(m)) {
                session_dispatch(m);
                return true;
        }
        if (node->kind == NODE_HOME)
                session_handle_signal(m);
        else if (channel_node_answers(m))
                return true;
        *ret_message = steal_ptr(&m);
        return false;
}

/*
 * Handle at reception what must not wait for dispatch. Returns false if it is for dispatch. Then
 * *ret_message may be the message that was made from received.
 */
static bool receive_at_once(struct bus1_dbus *bus, struct node *node,
                            struct bus1_received *received,
                            struct bus1_dbus_message **ret_message) {
        if (received->type == BUS1_MESSAGE_TYPE_NODE_RELEASE)
                return channel_ended(bus, received->metadata.metadata.id);
        if (!node)
                return false;
        if (node->kind == NODE_REPLY)
                return receive_for_call(bus, node, received);
        if (node->kind == NODE_CONTROL) {
                channel_controlled(bus, node, received);
                return true;
        }
        if (!node_is_channel(node))
                return node->kind == NODE_HOME &&
                       receive_for_library(bus, node, received, ret_message);
        if (received->type == BUS1_MESSAGE_TYPE_USER)
                channel_node_accepted(node);
        return receive_for_library(bus, node, received, ret_message);
}

static bool is_end_of_session(const struct bus1_dbus *bus, const struct bus1_received *received) {
        return received->type == BUS1_MESSAGE_TYPE_NODE_RELEASE &&
               received->metadata.metadata.id == bus->session;
}

/* Handle a message now, or put it into the queue. This takes over received, even on failure. */
static int incoming_add(struct bus1_dbus *bus, struct bus1_received *received) {
        struct bus1_dbus_message *m = NULL;
        struct incoming *incoming;
        struct node *node = NULL;
        bool is_done;

        if (received->type != BUS1_MESSAGE_TYPE_NODE_RELEASE)
                node = node_find(bus, received->metadata.metadata.id);
        bus->is_receiving = true;
        is_done = receive_at_once(bus, node, received, &m);
        bus->is_receiving = false;
        if (is_done) {
                bus1_received_free(received);
                return 0;
        }
        incoming = malloc(sizeof(*incoming));
        if (!incoming) {
                bus1_dbus_message_unref(m);
                if (is_end_of_session(bus, received))
                        bus->gone = true;
                if (node && node->kind == NODE_REPLY)
                        pending_fail_in_dispatch(bus, node->data, DBUS_ERROR_NO_MEMORY,
                                                 "There is no memory for the reply");
                release_transfers(bus, received);
                bus1_received_free(received);
                return -ENOMEM;
        }
        if (node && node_is_channel(node) && received->type == BUS1_MESSAGE_TYPE_USER)
                channel_node_queued(node);
        *incoming = (struct incoming){.received = received, .message = m};
        DL_APPEND(bus->incoming, incoming);
        return 0;
}

/*
 * Does the error concern the first message only? Then its descriptors cannot be received, because
 * this process may not have so many open, or because a security module does not let it have them.
 * On a hosted core such a message arrives without its descriptors, and is dropped in wire.c.
 */
static bool is_about_message(int r) {
        return r == -EMFILE || r == -ENFILE || r == -EACCES || r == -EPERM;
}

/* Drop the first message. It counts as received: its sender gets NoReply if it wants a reply. */
static void discard(struct bus1_dbus *bus) {
        struct bus1_message message = {.type = BUS1_INVALID};
        struct bus1_metadata metadata;
        struct pending *p;
        struct node *node;

        if (bus1_client_recv(bus->client, BUS1_RECV_FLAG_DISCARD, &metadata, &message) < 0 ||
            message.type != BUS1_MESSAGE_TYPE_USER)
                return;
        node = node_find(bus, ids_from_peer(bus, metadata.id));
        p = node && node->kind == NODE_REPLY ? node->data : NULL;
        if (p) /* handlers of the program do not run at reception */
                (p->at_reception ? pending_fail : pending_fail_in_dispatch)(
                        bus, p, DBUS_ERROR_LIMITS_EXCEEDED,
                        "This process cannot have the descriptors of the reply");
        else if (node && node_is_channel(node))
                channel_node_accepted(node);
}

int receive_next(struct bus1_dbus *bus, uint64_t timeout, struct bus1_received **ret_received) {
        struct bus1_cmd_call call = {.node = BUS1_INVALID, .timeout = timeout};
        int r;

        if (bus->gone)
                return -ECONNRESET;
        r = bus1_client_call_alloc(bus->client, &call, ret_received);
        bus->received_at = now_ns();
        if (r >= 0)
                ids_received(bus, *ret_received);
        if (r >= 0 || r == -EAGAIN || r == -ETIMEDOUT || r == -EINTR || r == -ENOMEM)
                return r;
        if (is_about_message(r)) {
                discard(bus);
                return -EINTR;
        }
        bus->gone = true;
        return -ECONNRESET;
}

int receive_waiting(struct bus1_dbus *bus, int timeout_ms) {
        uint64_t timeout = timeout_ms < 0 ? UINT64_MAX : (uint64_t)timeout_ms * NS_PER_MS;
        uint64_t left = time_left(wait_due(bus));
        struct bus1_received *received;
        int r;

        r = receive_next(bus, left < timeout ? left : timeout, &received);
        if (r == 0)
                r = receive_one(bus, received);
        if (r == -EAGAIN || r == -ETIMEDOUT)
                return left <= timeout;
        /* Dispatch reports the end of the bus. */
        return r == 0 || r == -ECONNRESET ? 1 : r == -EINTR ? 0 : r;
}

PUBLIC int bus1_dbus_wait(struct bus1_dbus *bus, int timeout_ms) {
        int r;

        r = use_begin(bus);
        if (r < 0)
                return r;
        bus_announce(bus);
        if (!bus->can_wait || bus->incoming || bus->gone) {
                r = wait_for_all(bus, timeout_ms);
        } else {
                r = receive_waiting(bus, timeout_ms);
                /* The peer's descriptor does not show what was received. So the timer has to. */
                wait_arm(bus);
        }
        use_end(bus);
        return r;
}

int receive_one(struct bus1_dbus *bus, struct bus1_received *received) {
        int r;

        if (is_end_of_session(bus, received))
                bus->gone = true;
        r = incoming_add(bus, received);
        if (r < 0)
                return r;
        return bus->gone ? -ECONNRESET : 0;
}

/* Receive up to RECEIVE_MAX messages. Returns their number or -ENOMEM. */
static int receive_some(struct bus1_dbus *bus) {
        struct bus1_received *received;
        int r;

        bus->received_at = now_ns();
        for (int n = 0; n < RECEIVE_MAX; n++) {
                r = bus1_client_recv_alloc(bus->client, &received);
                if (r == -EAGAIN)
                        return n;
                if (r == -ENOMEM)
                        return r;
                if (is_about_message(r)) {
                        discard(bus);
                        continue;
                }
                if (r < 0) {
                        bus->gone = true;
                        return n;
                }
                ids_received(bus, received);
                bus->gone |= is_end_of_session(bus, received);
                r = incoming_add(bus, received);
                if (r < 0)
                        return r;
        }
        return RECEIVE_MAX;
}

void receive_recent(struct bus1_dbus *bus) {
        if (now_ns() - bus->received_at < RECEIVE_RECENT)
                return;
        /* whatever fails here fails once more when the program receives */
        (void)receive_some(bus);
        wait_arm(bus);
}

int receive_all(struct bus1_dbus *bus) {
        int r;

        /* The number is limited, so that time-outs end calls even while messages keep coming. */
        r = receive_some(bus);
        if (r == 0 && !bus->gone && bus_has_hung_up(bus)) {
                /* messages that the bus sent before it closed the socket come first */
                r = receive_some(bus);
                bus->gone |= r == 0;
        }
        if (r < 0)
                return r;
        return bus->gone ? -ECONNRESET : 0;
}
