/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What arrives, and who it is for
 *
 * Receiving takes messages off the queue of the peer, as many as there are, and keeps them in
 * order; dispatching handles one. A blocking call receives only, so that no handler runs within it.
 */

#include "libbus1/dbus/internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <utlist.h>

#define RECEIVE_MAX 64
#define SESSION_CALL_MAX 4096 /* the bus's own calls are small */

void incoming_free(struct bus1_dbus *bus, struct incoming *incoming) {
        DL_DELETE(bus->incoming, incoming);
        bus1_received_free(incoming->received);
        bus1_dbus_message_unref(incoming->message);
        free(incoming);
}

/* receiving */

static bool bus_has_hung_up(struct bus1_dbus *bus) {
        struct pollfd p = {.fd = bus->socket_fd, .events = POLLIN};

        /* the bus sends nothing on the socket, so all there can be is its end */
        return bus->socket_fd >= 0 && poll(&p, 1, 0) > 0;
}

static void release_transfers(struct bus1_dbus *bus, const struct bus1_received *received) {
        for (size_t i = 0; i < received->n_transfers; i++)
                bus1_dbus_release(bus, received->transfers[i].id);
}

/* What arrived on the node of a pending call. */
static void receive_reply(struct bus1_dbus *bus, struct pending *p,
                          struct bus1_received *received) {
        struct bus1_dbus_message *m;
        int type, r;

        if (received->type != BUS1_MESSAGE_TYPE_USER) {
                pending_fail(bus, p, DBUS_ERROR_NO_REPLY,
                             "The callee has gone, or will not answer");
                return;
        }
        r = message_new(bus, received, node_find(bus, p->node), &m);
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
 * What the bus asks of a member (org.bus1.Session1) is answered at once, also while a call blocks:
 * the bus asks because of what others do, who may just be those that the call waits for. For these
 * messages have to be read; what turns out to be something else is kept as it was read.
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
        if (message_new(bus, received, node, &m) < 0)
                return true; /* to be ignored */
        if (!driver_is_session_call(m)) {
                *ret_message = m;
                return false;
        }
        driver_session_dispatch(m);
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

int bus_receive(struct bus1_dbus *bus) {
        struct bus1_received *received;
        unsigned n;
        int r;

        /* not for as long as something comes: others have their time-outs */
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
        /* before a bus goes it has sent all that it will: look for its end when nothing comes */
        if (!bus->gone && n == 0 && bus_has_hung_up(bus))
                bus->gone = true;
        return bus->gone ? -ECONNRESET : 0;
}

/* dispatching */

static void handle_gone(struct bus1_dbus *bus, uint64_t handle) {
        struct watch *watch, copy;

        if (handle == bus->session) {
                bus->gone = true;
                return;
        }
        HASH_FIND(hh, bus->watches, &handle, sizeof(handle), watch);
        if (!watch)
                return;
        copy = *watch;
        bus1_dbus_unwatch(bus, handle);
        copy.fn(bus, handle, copy.userdata);
}

static void dispatch_call(struct bus1_dbus *bus, struct bus1_dbus_object *object,
                          struct bus1_dbus_message *m) {
        struct message *message = (struct message *)m;
        int r;

        r = object_dispatch(bus, object, m);
        /* a reference that someone took means that the answer comes later */
        if (r < 0 && message->reply_handle != BUS1_INVALID)
                bus1_dbus_reply_error(m, error_name_from_errno(r), "%s", strerror(-r));
}

/*
 * Is it a call to somebody else, that a monitor gets to see? It cannot be answered; where no answer
 * is wanted there is only the absence of anything of ours that could be called.
 */
static bool message_is_copy(const struct bus1_dbus_message *m) {
        const struct message *message = (const struct message *)m;

        if (dbus_message_get_no_reply(m->message))
                return !m->bus->objects_by_path;
        return message->reply_handle == BUS1_INVALID && !message->had_reply_handle;
}

/* Takes the reference. */
static void dispatch_message(struct bus1_dbus *bus, struct node *node,
                             struct bus1_dbus_message *m) {
        struct bus1_dbus_subscription *s;
        int type;

        type = dbus_message_get_type(m->message);
        switch (node->kind) {
        case NODE_HOME:
                if (type == DBUS_MESSAGE_TYPE_METHOD_CALL && !message_is_copy(m)) {
                        dispatch_call(bus, NULL, m);
                } else {
                        driver_signal(m);
                        if (bus->signal_fn)
                                bus->signal_fn(m, bus->signal_userdata);
                }
                break;
        case NODE_NAME:
                if (type == DBUS_MESSAGE_TYPE_METHOD_CALL)
                        dispatch_call(bus, NULL, m);
                break;
        case NODE_OBJECT:
                if (type == DBUS_MESSAGE_TYPE_METHOD_CALL)
                        dispatch_call(bus, node->data, m);
                break;
        case NODE_SUBSCRIPTION:
                s = node->data;
                s->fn(m, s->userdata);
                break;
        case NODE_REPLY:
                break;
        }
        bus1_dbus_message_unref(m);
}

/* Takes the reference of a message that was made of it already. */
static void dispatch_received(struct bus1_dbus *bus, struct bus1_received *received,
                              struct bus1_dbus_message *m) {
        uint64_t id = received->metadata.metadata.id;
        struct node *node;

        if (received->type == BUS1_MESSAGE_TYPE_NODE_RELEASE) {
                handle_gone(bus, id);
                return;
        }
        node = node_find(bus, id);
        if (!node) {
                if (m)
                        bus1_dbus_message_unref(m);
                else
                        release_transfers(bus, received);
                return;
        }
        if (node->kind == NODE_REPLY) {
                receive_reply(bus, node->data, received);
                return;
        }
        if (received->type == BUS1_MESSAGE_TYPE_HANDLE_RELEASE) {
                struct bus1_dbus_object *object = node->kind == NODE_OBJECT ? node->data : NULL;
                struct bus1_dbus_subscription *s =
                        node->kind == NODE_SUBSCRIPTION ? node->data : NULL;

                node_remove(bus, id);
                if (s)
                        s->node = BUS1_INVALID;
                if (object)
                        object_unreferenced(object, id);
                return;
        }
        if (m || message_new(bus, received, node, &m) >= 0)
                dispatch_message(bus, node, m);
}

static int dispatch_one(struct bus1_dbus *bus) {
        struct incoming *incoming;
        int r = 0;

        if (!bus->incoming) {
                r = bus_receive(bus);
                if (r == -ENOMEM)
                        return r;
        }
        if (bus->incoming) {
                incoming = bus->incoming;
                DL_DELETE(bus->incoming, incoming);
                dispatch_received(bus, incoming->received, incoming->message);
                bus1_received_free(incoming->received);
                free(incoming);
                r = 1;
        } else if (pending_expire(bus)) {
                r = 1;
        } else if (r < 0 && bus->pending) {
                pending_fail(bus, bus->pending, DBUS_ERROR_DISCONNECTED, "The bus has gone");
                r = 1;
        }
        return r;
}

PUBLIC int bus1_dbus_dispatch(struct bus1_dbus *bus) {
        int r;

        if (!bus)
                return -EINVAL;
        bus->n_dispatching++;
        r = dispatch_one(bus);
        bus->n_dispatching--;
        if (bus->freed) {
                if (bus->n_dispatching == 0)
                        free(bus);
                return -ESHUTDOWN;
        }
        bus_arm(bus);
        return r;
}
