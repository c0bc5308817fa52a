/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reception
 *
 * Receiving takes messages off the queue of the peer, as many as there are, and keeps them in order
 * until dispatch handles them. A blocking call only receives, so no handler runs within it. Two
 * kinds of message do not wait for dispatch: the replies of blocking calls, and calls of
 * org.bus1.Session1.
 */

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

#define RECEIVE_MAX 64
#define SESSION_CALL_MAX 4096 /* the bus's own calls are small */

void incoming_free(struct bus1_dbus *bus, struct incoming *incoming) {
        DL_DELETE(bus->incoming, incoming);
        bus1_received_free(incoming->received);
        bus1_dbus_message_unref(incoming->message);
        free(incoming);
}

static bool bus_has_hung_up(struct bus1_dbus *bus) {
        struct pollfd p = {.fd = bus->socket_fd, .events = POLLIN};

        /* the bus sends nothing on the socket, so it becomes readable only at its end */
        return bus->socket_fd >= 0 && poll(&p, 1, 0) > 0;
}

void release_transfers(struct bus1_dbus *bus, const struct bus1_received *received) {
        for (size_t i = 0; i < received->n_transfers; i++)
                bus1_dbus_release(bus, received->transfers[i].id);
}

void receive_reply(struct bus1_dbus *bus, struct pending *p, struct bus1_received *received) {
        struct bus1_dbus_message *m;
        int type, r;

        if (received->type != BUS1_MESSAGE_TYPE_USER) {
                pending_fail(bus, p, DBUS_ERROR_NO_REPLY,
                             "The callee has gone, or will not answer");
                return;
        }
        r = incoming_message_new(bus, received, node_find(bus, p->node), &m);
        if (r < 0) {
                pending_fail(bus, p, error_name_from_errno(r), "The reply is not a valid message");
                return;
        }
        type = dbus_message_get_type(m->message);
        if (type != DBUS_MESSAGE_TYPE_METHOD_RETURN && type != DBUS_MESSAGE_TYPE_ERROR) {
                bus1_dbus_message_unref(m);
                pending_fail(bus, p, DBUS_ERROR_NO_REPLY,
                             "The callee sent something else than a reply");
                return;
        }
        /* the node says which call this is; on the way the bus may have numbered it anew */
        dbus_message_set_reply_serial(m->message, p->serial);
        pending_complete(bus, p, m);
}

static bool receive_blocking(struct bus1_dbus *bus, struct bus1_received *received) {
        struct pending *p;
        struct node *node;

        if (received->type == BUS1_MESSAGE_TYPE_NODE_RELEASE)
                return false;
        node = node_find(bus, received->metadata.metadata.id);
        if (!node || node->kind != NODE_REPLY)
                return false;
        p = node->data;
        if (!p->blocking)
                return false;
        receive_reply(bus, p, received);
        return true;
}

/*
 * A call of org.bus1.Session1 is answered at once, even while a call of the program blocks. The bus
 * asks on behalf of other members, and the blocking call may wait for just those. So every small
 * message for the home node is parsed here; one that is no such call is kept in its parsed form.
 */
static bool receive_session_call(struct bus1_dbus *bus, struct bus1_received *received,
                                 struct bus1_dbus_message **ret_message) {
        struct bus1_dbus_message *m;
        struct node *node;

        if (received->type != BUS1_MESSAGE_TYPE_USER || received->n_data > SESSION_CALL_MAX)
                return false;
        node = node_find(bus, received->metadata.metadata.id);
        if (!node || node->kind != NODE_HOME)
                return false;
        if (incoming_message_new(bus, received, node, &m) < 0)
                return true; /* ignore an invalid message */
        if (!session_is_call(m)) {
                *ret_message = m;
                return false;
        }
        session_dispatch(m);
        bus1_dbus_message_unref(m);
        return true;
}

static int incoming_add(struct bus1_dbus *bus, struct bus1_received *received) {
        struct bus1_dbus_message *m = NULL;
        struct incoming *incoming;

        if (receive_blocking(bus, received) || receive_session_call(bus, received, &m)) {
                bus1_received_free(received);
                return 0;
        }
        incoming = malloc(sizeof(*incoming));
        if (!incoming) {
                if (m)
                        bus1_dbus_message_unref(m);
                else
                        release_transfers(bus, received);
                bus1_received_free(received);
                return -ENOMEM;
        }
        *incoming = (struct incoming){.received = received, .message = m};
        DL_APPEND(bus->incoming, incoming);
        return 0;
}

int receive_all(struct bus1_dbus *bus) {
        struct bus1_received *received;
        unsigned n;
        int r;

        /* a bound, because the time-outs must be looked at even while messages keep coming */
        for (n = 0; n < RECEIVE_MAX; n++) {
                r = bus1_client_recv_alloc(bus->client, &received);
                if (r == -EAGAIN)
                        break;
                if (r == -ENOMEM)
                        return r;
                if (r < 0) {
                        bus->gone = true;
                        break;
                }
                r = incoming_add(bus, received);
                if (r < 0)
                        return r;
        }
        /* a bus sends everything before it ends: look for its end only when the queue is empty */
        if (!bus->gone && n == 0 && bus_has_hung_up(bus))
                bus->gone = true;
        return bus->gone ? -ECONNRESET : 0;
}
