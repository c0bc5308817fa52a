/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls and their replies
 *
 * The reply of a call arrives on a node made with it, which takes one message only. That node, not
 * the serial, says which call is answered, so nobody but who got the call can answer it. When the
 * last handle to the node goes unused the call ends with NoReply.
 */

#include "libbus1/dbus/internal.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#define TIMEOUT_DEFAULT_MS 25000
#define ERROR_TEXT_MAX 1024

static uint64_t deadline_from_timeout(int timeout_ms) {
        if (timeout_ms == INT_MAX)
                return UINT64_MAX;
        if (timeout_ms < 0)
                timeout_ms = TIMEOUT_DEFAULT_MS;
        return now_ns() + (uint64_t)timeout_ms * UINT64_C(1000000);
}

/* Time-outs are mostly all the same, so the place is found at once, from the end. */
static void pending_insert(struct bus1_dbus *bus, struct pending *p) {
        struct pending *before;

        if (!bus->pending || bus->pending->prev->deadline <= p->deadline) {
                DL_APPEND(bus->pending, p);
                return;
        }
        before = bus->pending->prev;
        while (before != bus->pending && before->prev->deadline > p->deadline)
                before = before->prev;
        DL_PREPEND_ELEM(bus->pending, before, p);
}

struct pending *pending_free(struct bus1_dbus *bus, struct pending *p) {
        node_remove(bus, p->node);
        DL_DELETE(bus->pending, p);
        free(p);
        return NULL;
}

void pending_complete(struct bus1_dbus *bus, struct pending *p, struct bus1_dbus_message *reply) {
        bus1_dbus_message_fn fn = p->fn;
        void *userdata = p->userdata;

        pending_free(bus, p);
        fn(reply, userdata);
        bus1_dbus_message_unref(reply);
}

void pending_fail(struct bus1_dbus *bus, struct pending *p, const char *name, const char *text) {
        struct bus1_dbus_message *m;

        /* without memory for the error the call is as good as forgotten; its time-out tries again
         */
        if (message_new_error(bus, p->serial, name, text, &m) < 0)
                return;
        pending_complete(bus, p, m);
}

bool pending_expire(struct bus1_dbus *bus) {
        struct pending *p = bus->pending;

        if (!p || p->deadline == UINT64_MAX || p->deadline > now_ns())
                return false;
        bus1_client_release_one(bus->client, p->node);
        pending_fail(bus, p, DBUS_ERROR_TIMEOUT, "No reply within the time-out");
        return true;
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
        r = message_send(bus, to, message, transfers, 1 + n_created, handles, n_handles);
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
        return bus_wait(bus, timeout);
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
                r = bus_receive(bus);
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
                        bus_arm(bus);
                        return error_from_errno(error, r, "Waiting for the reply");
                }
        }
        bus_arm(bus);
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
        bus_arm(bus);
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
        bus_arm(bus);
}

/* replies */

/* Is it still there? Only asked where a send failed over one of several handles. */
static bool handle_is_known(struct bus1_dbus *bus, uint64_t handle) {
        struct bus1_transfer src = {.id = handle}, copy;

        if (bus1_client_transfer(bus->client, NULL, 1, &src, &copy) < 0)
                return false;
        bus1_dbus_release(bus, copy.id);
        return true;
}

PUBLIC int bus1_dbus_reply(struct bus1_dbus_message *call, DBusMessage *reply,
                           const uint64_t *handles, size_t n_handles) {
        struct message *m = (struct message *)call;
        int r;

        if (!call || (!message_is(reply, DBUS_MESSAGE_TYPE_METHOD_RETURN) &&
                      !message_is(reply, DBUS_MESSAGE_TYPE_ERROR)))
                return -EINVAL;
        if (m->replied)
                return -EALREADY;
        if (!call->bus)
                return -ENOTCONN;
        if (m->reply_handle != BUS1_INVALID) {
                r = message_send(call->bus, m->reply_handle, reply, NULL, 0, handles, n_handles);
                /* the handle is unknown once we were told that the caller has gone */
                if (r < 0 && (r != -EBADRQC || handle_is_known(call->bus, m->reply_handle)))
                        return r;
                m->reply_handle = BUS1_INVALID; /* one-shot: the send used it up */
        }
        m->replied = true;
        return 0;
}

PUBLIC int bus1_dbus_reply_args(struct bus1_dbus_message *call, int first_arg_type, ...) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        va_list args;
        bool ok;

        if (!call)
                return -EINVAL;
        reply = dbus_message_new_method_return(call->message);
        if (!reply)
                return -ENOMEM;
        va_start(args, first_arg_type);
        ok = dbus_message_append_args_valist(reply, first_arg_type, args);
        va_end(args);
        return ok ? bus1_dbus_reply(call, reply, NULL, 0) : -ENOMEM;
}

/* The end of a text that was cut: a character is there as a whole or not at all. */
static void text_trim(char *text) {
        size_t n = strlen(text);

        while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
                n--;
        if (n > 0 && (unsigned char)text[n - 1] >= 0xc0)
                n--;
        text[n] = 0;
}

PUBLIC int bus1_dbus_reply_error(struct bus1_dbus_message *call, const char *name,
                                 const char *format, ...) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        char text[ERROR_TEXT_MAX];
        va_list args;
        int n;

        if (!call || !name || !dbus_validate_error_name(name, NULL) || !format)
                return -EINVAL;
        va_start(args, format);
        n = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (n < 0)
                return -EINVAL;
        if ((size_t)n >= sizeof(text))
                text_trim(text);
        if (!dbus_validate_utf8(text, NULL))
                return -EINVAL;
        reply = dbus_message_new_error(call->message, name, text);
        return reply ? bus1_dbus_reply(call, reply, NULL, 0) : -ENOMEM;
}
