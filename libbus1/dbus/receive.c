/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/receive.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <utlist.h>

#include "libbus1/dbus/error.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/pending.h"
#include "libbus1/dbus/session.h"
#include "libbus1/dbus/use.h"
#include "libbus1/dbus/wait.h"

#define RECEIVE_MAX 64

/*
 * In bytes. Calls that the bus makes are smaller, except OpenNode for a very long path. Such a call
 * is left to dispatch, which answers that there is no such object. Then the look-up gets no direct
 * channel.
 */
#define SESSION_CALL_MAX 4096

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
        char name[ERROR_NAME_MAX];
        int r;

        if (received->type != BUS1_MESSAGE_TYPE_USER) {
                pending_fail(bus, p, DBUS_ERROR_NO_REPLY,
                             "The callee has gone, or has dropped the call");
                return;
        }
        r = incoming_message_new(bus, received, node_find(bus, p->node), &m);
        if (r < 0) {
                pending_fail(bus, p, error_name_from_errno(r, name),
                             "The reply is not a valid message, or there is no memory for it");
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

static bool receive_blocking(struct bus1_dbus *bus, struct node *node,
                             struct bus1_received *received) {
        struct pending *p = node && node->kind == NODE_REPLY ? node->data : NULL;

        if (!p || !p->blocking)
                return false;
        receive_reply(bus, p, received);
        return true;
}

/*
 * The library runs calls of org.bus1.Session1 when it receives them, even while a call of the
 * program blocks: the bus makes these calls on behalf of other members, and the blocking call may
 * itself wait for one of those members. So each small message for the home node is parsed here. If
 * the message is no such call, *ret_message gets it, and the function returns false.
 */
static bool receive_session_call(struct bus1_dbus *bus, struct node *node,
                                 struct bus1_received *received,
                                 struct bus1_dbus_message **ret_message) {
        struct bus1_dbus_message *m;

        if (!node || node->kind != NODE_HOME || received->type != BUS1_MESSAGE_TYPE_USER ||
            received->n_data > SESSION_CALL_MAX)
                return false;
        if (incoming_message_new(bus, received, node, &m) < 0)
                return true; /* drop a message that is invalid, or that there is no memory for */
        if (!session_is_call(m)) {
                *ret_message = m;
                return false;
        }
        session_dispatch(m);
        bus1_dbus_message_unref(m);
        return true;
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

        if (received->type != BUS1_MESSAGE_TYPE_NODE_RELEASE)
                node = node_find(bus, received->metadata.metadata.id);
        if (receive_blocking(bus, node, received) ||
            receive_session_call(bus, node, received, &m)) {
                bus1_received_free(received);
                return 0;
        }
        incoming = malloc(sizeof(*incoming));
        if (!incoming) {
                bus1_dbus_message_unref(m);
                if (is_end_of_session(bus, received))
                        bus->gone = true;
                release_transfers(bus, received);
                bus1_received_free(received);
                return -ENOMEM;
        }
        *incoming = (struct incoming){.received = received, .message = m};
        DL_APPEND(bus->incoming, incoming);
        return 0;
}

int receive_next(struct bus1_dbus *bus, uint64_t timeout, struct bus1_received **ret_received) {
        struct bus1_cmd_call call = {.node = BUS1_INVALID, .timeout = timeout};
        int r;

        if (bus->gone)
                return -ECONNRESET;
        r = bus1_client_call_alloc(bus->client, &call, ret_received);
        if (r >= 0 || r == -EAGAIN || r == -ETIMEDOUT || r == -EINTR || r == -ENOMEM)
                return r;
        bus->gone = true;
        return -ECONNRESET;
}

int receive_waiting(struct bus1_dbus *bus, int timeout_ms) {
        uint64_t timeout = timeout_ms < 0 ? UINT64_MAX : (uint64_t)timeout_ms * NS_PER_MS;
        uint64_t left = time_left(bus->pending ? bus->pending->deadline : UINT64_MAX);
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

        for (int n = 0; n < RECEIVE_MAX; n++) {
                r = bus1_client_recv_alloc(bus->client, &received);
                if (r == -EAGAIN)
                        return n;
                if (r == -ENOMEM)
                        return r;
                if (r < 0) {
                        bus->gone = true;
                        return n;
                }
                r = incoming_add(bus, received);
                if (r < 0)
                        return r;
        }
        return RECEIVE_MAX;
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
