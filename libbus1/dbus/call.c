/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls
 *
 * A call carries a new one-shot node for its reply. That node, not the serial, says which call is
 * answered, so only whoever got the call can answer it. When the last handle to the node goes
 * unused, the call ends with NoReply.
 */

#include "libbus1/dbus/call.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "libbus1/dbus/clock.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/pending.h"
#include "libbus1/dbus/receive.h"
#include "libbus1/dbus/wait.h"

#define TIMEOUT_DEFAULT_MS 25000

static uint64_t deadline_from_timeout(int timeout_ms) {
        if (timeout_ms == INT_MAX)
                return UINT64_MAX;
        if (timeout_ms < 0)
                timeout_ms = TIMEOUT_DEFAULT_MS;
        return now_ns() + (uint64_t)timeout_ms * UINT64_C(1000000);
}

static int call_start(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                      struct bus1_transfer *created, size_t n_created, const uint64_t *handles,
                      size_t n_handles, int timeout_ms, struct pending **ret_pending) {
        struct bus1_transfer transfers[4];
        struct pending *p;
        struct node *node;
        int r;

        if (!bus || !message_is(message, DBUS_MESSAGE_TYPE_METHOD_CALL) ||
            dbus_message_get_no_reply(message) || n_created >= 4)
                return -EINVAL;
        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        transfers[0] = (struct bus1_transfer){
                .flags = BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                .id = BUS1_INVALID,
        };
        for (size_t i = 0; i < n_created; i++)
                transfers[1 + i] = created[i];
        r = send_message(bus, to, message, transfers, 1 + n_created, handles, n_handles);
        if (r < 0) {
                free(p);
                return r;
        }
        p->node = transfers[0].id;
        p->serial = dbus_message_get_serial(message);
        p->deadline = deadline_from_timeout(timeout_ms);
        r = node_add(bus, p->node, NODE_REPLY, p, &node);
        if (r < 0) {
                bus1_client_release_one(bus->client, p->node);
                free(p);
                return r;
        }
        node->trusted = to == BUS1_DBUS_BUS || to == bus->session;
        for (size_t i = 0; i < n_created; i++)
                created[i] = transfers[1 + i];
        pending_insert(bus, p);
        *ret_pending = p;
        return 0;
}

/* blocking */

struct blocking {
        struct bus1_dbus_message *reply;
};

static int blocking_done(struct bus1_dbus_message *reply, void *userdata) {
        struct blocking *b = userdata;

        b->reply = bus1_dbus_message_ref(reply);
        return 0;
}

/* What an error reply is as a result. */
static int error_from_reply(struct bus1_dbus_message *reply, DBusError *error) {
        const char *name = dbus_message_get_error_name(reply->message);

        if (error)
                dbus_set_error_from_message(error, reply->message);
        if (reply->node != BUS1_INVALID)
                return -EREMOTEIO;
        return strcmp(name, DBUS_ERROR_TIMEOUT) == 0 ? -ETIMEDOUT : -ECONNRESET;
}

/* Wait for a message, at most until the deadline of the call. */
static int blocking_wait(struct bus1_dbus *bus, const struct pending *p) {
        uint64_t now = now_ns();
        int timeout = -1;

        if (p->deadline != UINT64_MAX) {
                if (p->deadline <= now)
                        return 0;
                if ((p->deadline - now) / 1000000 < INT_MAX)
                        timeout = (int)((p->deadline - now) / 1000000) + 1;
        }
        return wait_for_peer(bus, timeout);
}

int call_with(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
              struct bus1_transfer *created, size_t n_created, const uint64_t *handles,
              size_t n_handles, int timeout_ms, struct bus1_dbus_message **ret_reply,
              DBusError *error) {
        struct blocking b = {};
        struct pending *p;
        int r;

        r = call_start(bus, to, message, created, n_created, handles, n_handles, timeout_ms, &p);
        if (r < 0)
                return error_from_errno(error, r, "Sending the call");
        p->fn = blocking_done;
        p->userdata = &b;
        p->blocking = true;
        for (;;) {
                r = receive_all(bus);
                if (b.reply)
                        break;
                if (r == 0 && p->deadline > now_ns())
                        r = blocking_wait(bus, p);
                else if (r == 0)
                        r = -ETIMEDOUT;
                if (r < 0) {
                        uint64_t node = p->node;

                        pending_free(bus, p);
                        bus1_client_release_one(bus->client, node);
                        wait_arm(bus);
                        return error_from_errno(error, r, "Waiting for the reply");
                }
        }
        wait_arm(bus);
        if (dbus_message_get_type(b.reply->message) == DBUS_MESSAGE_TYPE_ERROR) {
                r = error_from_reply(b.reply, error);
                bus1_dbus_message_unref(b.reply);
                return r;
        }
        if (ret_reply)
                *ret_reply = b.reply;
        else
                bus1_dbus_message_unref(b.reply);
        return 0;
}

PUBLIC int bus1_dbus_call(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                          const uint64_t *handles, size_t n_handles, int timeout_ms,
                          struct bus1_dbus_message **ret_reply, DBusError *error) {
        return call_with(bus, to, message, NULL, 0, handles, n_handles, timeout_ms, ret_reply,
                         error);
}

PUBLIC int bus1_dbus_call_async(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                                const uint64_t *handles, size_t n_handles, int timeout_ms,
                                bus1_dbus_message_fn fn, void *userdata, uint64_t *ret_id) {
        struct pending *p;
        int r;

        if (!fn)
                return -EINVAL;
        r = call_start(bus, to, message, NULL, 0, handles, n_handles, timeout_ms, &p);
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
        struct node *node = node_find(bus, id);

        if (!node || node->kind != NODE_REPLY)
                return;
        pending_free(bus, node->data);
        bus1_client_release_one(bus->client, id);
        wait_arm(bus);
}
