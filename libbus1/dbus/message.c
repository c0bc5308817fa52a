/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <utlist.h>

#include "bridge/wire/writer.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/ids.h"
#include "libbus1/dbus/message-limits.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/plain.h"
#include "libbus1/dbus/spent.h"
#include "libbus1/dbus/use.h"
#include "libbus1/dbus/wire.h"

#define ERROR_TEXT_MAX 1024

/* received messages */

void release_transfers(struct bus1_dbus *bus, struct bus1_received *received) {
        for (size_t i = 0; i < received->n_transfers; i++)
                handle_release(bus, received->transfers[i].id);
        received->n_transfers = 0;
}

/*
 * Make an incoming message. It takes over the reference of message, but only on success. Returns
 * NULL when memory runs out.
 */
static struct incoming_message *incoming_message_add(struct bus1_dbus *bus, DBusMessage *message,
                                                     size_t n_handles) {
        struct incoming_message *m;

        m = calloc(1, sizeof(*m) + n_handles * sizeof(uint64_t));
        if (!m)
                return NULL;
        m->n_refs = 1;
        m->reply_handle = BUS1_INVALID;
        m->public.bus = bus;
        m->public.message = message;
        m->public.handles = (uint64_t *)(m + 1);
        m->public.credentials = (struct bus1_dbus_credentials){UINT32_MAX, UINT32_MAX, 0};
        m->public.node = BUS1_INVALID;
        DL_APPEND(bus->messages, m);
        return m;
}

/* Fill in what travels beside the message, and take it over. */
static void incoming_message_fill(struct incoming_message *m, struct bus1_received *received,
                                  const struct node *node, bool wants_reply) {
        const struct bus1_metadata_credentials *from = &received->metadata;
        size_t i = 0;

        m->public.node = from->metadata.id;
        m->no_handles = wire_has_no_handles(received);
        m->trusted = node->trusted;
        m->of_object = node->kind == NODE_OBJECT;
        m->object = m->of_object ? node->data : NULL;
        m->is_direct = node->name;
        if (node->trusted) {
                m->has_origin = wire_get_credentials(received, &m->origin);
        } else if (node->has_origin) {
                m->has_origin = true;
                m->origin = node->origin;
        }
        if (from->uid <= UINT32_MAX)
                m->public.credentials.uid = (uint32_t)from->uid;
        if (from->gid <= UINT32_MAX)
                m->public.credentials.gid = (uint32_t)from->gid;
        if (from->pid <= UINT32_MAX)
                m->public.credentials.pid = (uint32_t)from->pid;
        if (wants_reply && received->n_transfers > 0) {
                m->reply_handle = received->transfers[i++].id;
                m->had_reply_handle = true;
        }
        while (i < received->n_transfers)
                m->public.handles[m->public.n_handles++] = received->transfers[i++].id;
        received->n_transfers = 0;
}

int incoming_message_new(struct bus1_dbus *bus, struct bus1_received *received,
                         const struct node *node, struct bus1_dbus_message **ret_message) {
        CLEANUP(dbus_message_unrefp) DBusMessage *dbus_message = NULL;
        struct incoming_message *m = NULL;
        int r;

        r = wire_to_message(received, &dbus_message);
        if (r >= 0 && !node->trusted && !dbus_message_set_sender(dbus_message, node->sender))
                r = -ENOMEM;
        if (r >= 0) {
                m = incoming_message_add(bus, dbus_message, received->n_transfers);
                if (!m)
                        r = -ENOMEM;
        }
        if (r < 0) {
                release_transfers(bus, received);
                return r;
        }
        dbus_message = NULL;
        incoming_message_fill(m, received, node,
                              message_is(m->public.message, DBUS_MESSAGE_TYPE_METHOD_CALL) &&
                                      !dbus_message_get_no_reply(m->public.message));
        *ret_message = &m->public;
        return 0;
}

int incoming_message_new_lazy(struct bus1_dbus *bus, struct bus1_received *received,
                              const struct node *node, uint8_t type,
                              struct bus1_dbus_message **ret_message) {
        struct incoming_message *m = NULL;
        struct lazy *lazy = NULL;

        if (bus->lazy)
                lazy = lazy_new(received, type);
        if (lazy && (node->trusted || lazy_set_sender(lazy, node->sender) >= 0))
                m = incoming_message_add(bus, NULL, received->n_transfers);
        if (!m) {
                lazy_free(lazy);
                return incoming_message_new(bus, received, node, ret_message);
        }
        m->lazy = lazy;
        incoming_message_fill(m, received, node, message_wants_reply(&lazy->wire));
        *ret_message = &m->public;
        return 0;
}

PUBLIC void bus1_dbus_set_lazy_messages(struct bus1_dbus *bus, bool lazy) {
        if (bus)
                bus->lazy = lazy;
}

PUBLIC DBusMessage *bus1_dbus_message_get_dbus(struct bus1_dbus_message *message) {
        struct lazy *lazy = message ? message_lazy(message) : NULL;

        if (lazy)
                message->message = lazy_make(lazy);
        return message ? message->message : NULL;
}

bool message_is_call(const struct bus1_dbus_message *message) {
        const struct lazy *lazy = message_lazy(message);

        return lazy ? lazy->wire.type == MESSAGE_TYPE_METHOD_CALL
                    : message_is(message->message, DBUS_MESSAGE_TYPE_METHOD_CALL);
}

const char *message_get_path(const struct bus1_dbus_message *message) {
        const struct lazy *lazy = message_lazy(message);

        if (lazy)
                return lazy->path ?: lazy->wire.path.s;
        return dbus_message_get_path(message->message);
}

const char *message_get_interface(const struct bus1_dbus_message *message) {
        const struct lazy *lazy = message_lazy(message);

        return lazy ? lazy->wire.interface.s : dbus_message_get_interface(message->message);
}

const char *message_get_member(const struct bus1_dbus_message *message) {
        const struct lazy *lazy = message_lazy(message);

        return lazy ? lazy->wire.member.s : dbus_message_get_member(message->message);
}

const char *message_get_sender(const struct bus1_dbus_message *message) {
        const struct lazy *lazy = message_lazy(message);

        return lazy ? lazy_get_sender(lazy) : dbus_message_get_sender(message->message);
}

const char *message_get_signature(const struct bus1_dbus_message *message) {
        const struct lazy *lazy = message_lazy(message);

        return lazy ? lazy->wire.signature.s : dbus_message_get_signature(message->message);
}

int incoming_message_new_error(struct bus1_dbus *bus, uint32_t serial, const char *name,
                               const char *text, struct bus1_dbus_message **ret_message) {
        CLEANUP(dbus_message_unrefp) DBusMessage *error = NULL;
        struct incoming_message *m;

        error = dbus_message_new(DBUS_MESSAGE_TYPE_ERROR);
        if (!error || !dbus_message_set_error_name(error, name) ||
            !dbus_message_set_reply_serial(error, serial) ||
            !dbus_message_append_args(error, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID))
                return -ENOMEM;
        m = incoming_message_add(bus, error, 0);
        if (!m)
                return -ENOMEM;
        error = NULL;
        *ret_message = &m->public;
        return 0;
}

void incoming_messages_forget(struct bus1_dbus *bus, const struct bus1_dbus_object *object) {
        struct incoming_message *m;

        DL_FOREACH(bus->messages, m) {
                if (m->object == object)
                        m->object = NULL;
        }
}

void incoming_message_orphan(struct incoming_message *message) {
        DL_DELETE(message->public.bus->messages, message);
        message->public.bus = NULL;
        message->public.n_handles = 0;
        message->reply_handle = BUS1_INVALID;
}

PUBLIC struct bus1_dbus_message *bus1_dbus_message_ref(struct bus1_dbus_message *message) {
        struct incoming_message *m = (struct incoming_message *)message;

        m->n_refs++;
        return message;
}

PUBLIC struct bus1_dbus_message *bus1_dbus_message_unref(struct bus1_dbus_message *message) {
        struct incoming_message *m = (struct incoming_message *)message;

        if (!m || --m->n_refs > 0)
                return NULL;
        if (message->bus) {
                handle_release(message->bus, m->reply_handle);
                for (size_t i = 0; i < message->n_handles; i++)
                        handle_release(message->bus, message->handles[i]);
                DL_DELETE(message->bus->messages, m);
        }
        if (message->message)
                dbus_message_unref(message->message);
        lazy_free(m->lazy);
        free(m);
        return NULL;
}

PUBLIC int bus1_dbus_message_get_credentials(const struct bus1_dbus_message *message,
                                             struct bus1_dbus_credentials *ret_credentials) {
        const struct incoming_message *m = (const struct incoming_message *)message;
        const char *sender;

        if (!message || !ret_credentials)
                return -EINVAL;
        if (m->has_origin) {
                *ret_credentials = m->origin;
                return 0;
        }
        /* what the bus says itself comes from its process */
        sender = m->trusted ? message_get_sender(message) : NULL;
        if (!sender || strcmp(sender, BUS_NAME) != 0)
                return -ENODATA;
        *ret_credentials = message->credentials;
        return 0;
}

PUBLIC uint64_t bus1_dbus_message_take_handle(struct bus1_dbus_message *message, size_t i) {
        uint64_t handle;

        if (i >= message->n_handles)
                return BUS1_INVALID;
        handle = message->handles[i];
        message->handles[i] = BUS1_INVALID;
        return handle;
}

/* sending */

uint32_t serial_next(struct bus1_dbus *bus) {
        if (++bus->serial == 0)
                bus->serial = 1;
        return bus->serial;
}

int message_to_wire(struct bus1_dbus *bus, DBusMessage *message, struct wire *ret_wire) {
        int r;

        r = use_begin(bus);
        if (r < 0)
                return r;
        if (dbus_message_get_serial(message) == 0)
                dbus_message_set_serial(message, serial_next(bus));
        use_end(bus);
        return wire_from_message(message, ret_wire);
}

/* Send, and wait if ret_received is not NULL and the peer can wait. */
static int send_and_wait(struct bus1_dbus *bus, uint64_t to, struct bus1_message *message,
                         uint64_t deadline, struct bus1_received **ret_received) {
        struct bus1_cmd_send send = {
                .n_destinations = 1,
                .ptr_destinations = (uintptr_t)&to,
                .ptr_message = (uintptr_t)message,
        };
        struct bus1_cmd_call call = {
                .n_sends = 1,
                .ptr_sends = (uintptr_t)&send,
                .node = BUS1_INVALID,
                .timeout = time_left(deadline),
        };
        int r;

        if (!ret_received || !bus->can_wait)
                return bus1_client_send(bus->client, 1, &to, NULL, message);
        r = bus1_client_call_alloc(bus->client, &call, ret_received);
        /* If only the wait failed, the next receive will find out why. */
        return r < 0 && call.n_sends > 0 ? r : 0;
}

int send_wire(struct bus1_dbus *bus, uint64_t to, const struct wire *wire,
              struct bus1_transfer *created, size_t n_created, const uint64_t *handles,
              size_t n_handles, uint64_t deadline, struct bus1_received **ret_received) {
        struct bus1_transfer transfers[HANDLES_MAX];
        struct bus1_message_fds m = {};
        struct iovec vec;
        int r;

        if (n_handles > HANDLES_MAX - n_created)
                return -EMSGSIZE;
        if (to == BUS1_DBUS_BUS)
                to = bus->session;
        if (to == BUS1_INVALID || bus->gone)
                return -ENOTCONN;
        for (size_t i = 0; i < n_created; i++)
                transfers[i] = created[i];
        for (size_t i = 0; i < n_handles; i++)
                transfers[n_created + i] =
                        (struct bus1_transfer){.id = ids_to_peer(bus, handles[i])};
        vec = (struct iovec){wire->data, (size_t)wire->n_data};
        m.message.type = BUS1_MESSAGE_TYPE_USER;
        m.message.n_transfers = n_created + n_handles;
        m.message.ptr_transfers = (uintptr_t)transfers;
        m.message.n_data = (uint64_t)wire->n_data;
        m.message.n_data_vecs = 1;
        m.message.ptr_data_vecs = (uintptr_t)&vec;
        if (wire->n_fds > 0) {
                m.message.flags = BUS1_MESSAGE_FLAG_FDS;
                m.n_fds = wire->n_fds;
                m.ptr_fds = (uintptr_t)wire->fds;
        }
        if (ret_received)
                *ret_received = NULL;
        r = use_begin(bus);
        if (r < 0)
                return r;
        r = send_and_wait(bus, ids_to_peer(bus, to), &m.message, deadline, ret_received);
        use_end(bus);
        if (ret_received && *ret_received)
                ids_received(bus, *ret_received);
        /* The core, or the session node, has ended before the library has heard of it. */
        if (r == -ESHUTDOWN || (r == -EBADRQC && to == bus->session && !handle_is_known(bus, to)))
                return -ENOTCONN;
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_created; i++) {
                created[i] = transfers[i];
                created[i].id = ids_from_peer(bus, created[i].id);
        }
        return 0;
}

int send_message(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                 struct bus1_transfer *created, size_t n_created, const uint64_t *handles,
                 size_t n_handles) {
        CLEANUP(wire_deinit) struct wire wire = {};
        int r;

        if (!bus || !message || (n_handles > 0 && !handles))
                return -EINVAL;
        r = message_to_wire(bus, message, &wire);
        if (r < 0)
                return r;
        return send_wire(bus, to, &wire, created, n_created, handles, n_handles, 0, NULL);
}

PUBLIC int bus1_dbus_emit(struct bus1_dbus *bus, DBusMessage *signal) {
        if (!bus || !message_is(signal, DBUS_MESSAGE_TYPE_SIGNAL))
                return -EINVAL;
        bus_announce(bus);
        if (bus->restoring)
                return -ENOTCONN;
        return send_message(bus, BUS1_DBUS_BUS, signal, NULL, 0, NULL, 0);
}

/* replying */

bool handle_is_known(struct bus1_dbus *bus, uint64_t handle) {
        uint64_t copy;

        if (handle_copy(bus, handle, &copy) < 0)
                return false;
        handle_release(bus, copy);
        return true;
}

bool handle_has_ended(struct bus1_dbus *bus, uint64_t handle) {
        uint64_t copy;
        int r;

        r = handle_copy(bus, handle, &copy);
        if (r >= 0)
                handle_release(bus, copy);
        return r == -EBADRQC || r == -ESHUTDOWN;
}

PUBLIC bool bus1_dbus_message_takes_handles(const struct bus1_dbus_message *call) {
        return !((const struct incoming_message *)call)->no_handles;
}

/* The bus does not see the reply to a direct call, and cannot refuse it. */
static int reply_refuse(struct incoming_message *m, const char *text) {
        CLEANUP(dbus_message_unrefp) DBusMessage *error = NULL;
        DBusMessage *message = bus1_dbus_message_get_dbus(&m->public);

        error = message ? dbus_message_new_error(message, DBUS_ERROR_LIMITS_EXCEEDED, text) : NULL;
        if (!error)
                return -ENOMEM;
        return send_message(m->public.bus, m->reply_handle, error, NULL, 0, NULL, 0);
}

static int reply_send(struct incoming_message *m, const struct wire *wire, const uint64_t *handles,
                      size_t n_handles) {
        struct bus1_dbus *bus = m->public.bus;
        const char *refusal = m->is_direct ? limits_check(bus, wire) : NULL;

        if (refusal)
                return reply_refuse(m, refusal);
        return send_wire(bus, m->reply_handle, wire, NULL, 0, handles, n_handles, 0, NULL);
}

/*
 * May the call be answered like this? Returns 0 or the error of bus1_dbus_reply(). Announces
 * objects, which runs functions of the program. So nothing of the call may be kept from before.
 */
static int reply_check(const struct incoming_message *m, const uint64_t *handles,
                       size_t n_handles) {
        if (!m->replied && m->public.bus)
                bus_announce(m->public.bus);
        if (m->replied)
                return -EALREADY;
        if (!m->public.bus)
                return -ENOTCONN;
        if (n_handles > 0 && m->no_handles)
                return -EOPNOTSUPP;
        return n_handles > 0 && !handles ? -EINVAL : 0;
}

/* The wire may be empty if the call wants no reply. */
static int reply_wire(struct incoming_message *m, const struct wire *wire, const uint64_t *handles,
                      size_t n_handles) {
        struct bus1_dbus *bus = m->public.bus;
        int r;

        if (m->reply_handle != BUS1_INVALID) {
                r = reply_send(m, wire, handles, n_handles);
                /* When the caller has gone, the handle is unknown. Then drop the reply. */
                if (r < 0 && (r != -EBADRQC || handle_is_known(bus, m->reply_handle)))
                        return r;
                if (r >= 0 && !m->trusted)
                        spent_add(bus, m->reply_handle);
                m->reply_handle = BUS1_INVALID; /* one-shot: the send used it up, or it had ended */
        }
        m->replied = true;
        return 0;
}

PUBLIC int bus1_dbus_reply(struct bus1_dbus_message *call, DBusMessage *reply,
                           const uint64_t *handles, size_t n_handles) {
        struct incoming_message *m = (struct incoming_message *)call;
        CLEANUP(wire_deinit) struct wire wire = {};
        int r;

        if (!call || (!message_is(reply, DBUS_MESSAGE_TYPE_METHOD_RETURN) &&
                      !message_is(reply, DBUS_MESSAGE_TYPE_ERROR)))
                return -EINVAL;
        r = reply_check(m, handles, n_handles);
        if (r >= 0 && m->reply_handle != BUS1_INVALID)
                r = message_to_wire(call->bus, reply, &wire);
        return r < 0 ? r : reply_wire(m, &wire, handles, n_handles);
}

/* Begin a method return, whose header is that of dbus_message_new_method_return(). */
static void reply_begin(struct incoming_message *m, struct writer *w, const char *signature) {
        uint8_t flags = MESSAGE_FLAG_NO_REPLY_EXPECTED;

        writer_init(w, MESSAGE_TYPE_METHOD_RETURN, flags, serial_next(m->public.bus), signature);
        if (m->lazy) {
                w->reply_serial = m->lazy->wire.serial;
                w->destination = lazy_get_sender(m->lazy);
        } else {
                w->reply_serial = dbus_message_get_serial(m->public.message);
                w->destination = dbus_message_get_sender(m->public.message);
        }
}

static int reply_finish(struct incoming_message *m, struct writer *w) {
        CLEANUP(wire_deinit) struct wire wire = {};
        int r;

        r = wire_from_writer(w, &wire);
        return r < 0 ? r : reply_wire(m, &wire, NULL, 0);
}

int reply_plain(struct bus1_dbus_message *call, const char *types, va_list args) {
        struct incoming_message *m = (struct incoming_message *)call;
        struct writer w;
        int r;

        r = reply_check(m, NULL, 0);
        if (r < 0)
                return r;
        reply_begin(m, &w, types);
        if (!plain_write(&w, types, args)) {
                writer_deinit(&w);
                return -EOPNOTSUPP;
        }
        return reply_finish(m, &w);
}

/* Like reply_plain(), for the arguments of bus1_dbus_reply_args(). */
static int reply_plain_args(struct incoming_message *m, int first_arg_type, va_list args) {
        char signature[PLAIN_SIGNATURE_SIZE] = "";
        struct writer w;
        int r;

        r = reply_check(m, NULL, 0);
        if (r < 0)
                return r;
        reply_begin(m, &w, signature);
        if (!plain_write_args(&w, signature, first_arg_type, args)) {
                writer_deinit(&w);
                return -EOPNOTSUPP;
        }
        return reply_finish(m, &w);
}

static int reply_with_message(struct bus1_dbus_message *call, int first_arg_type, va_list args) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        DBusMessage *message = bus1_dbus_message_get_dbus(call);

        reply = message ? dbus_message_new_method_return(message) : NULL;
        if (!reply || !dbus_message_append_args_valist(reply, first_arg_type, args))
                return -ENOMEM;
        return bus1_dbus_reply(call, reply, NULL, 0);
}

PUBLIC int bus1_dbus_reply_args(struct bus1_dbus_message *call, int first_arg_type, ...) {
        va_list args;
        int r;

        if (!call)
                return -EINVAL;
        va_start(args, first_arg_type);
        r = reply_plain_args((struct incoming_message *)call, first_arg_type, args);
        va_end(args);
        if (r != -EOPNOTSUPP)
                return r;
        va_start(args, first_arg_type);
        r = reply_with_message(call, first_arg_type, args);
        va_end(args);
        return r;
}

/* Remove the last character of a text that was cut, unless it is ASCII: it may be incomplete. */
static void text_trim(char *text) {
        size_t n = strlen(text);

        while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
                n--;
        if (n > 0 && (unsigned char)text[n - 1] >= 0xc0)
                n--;
        text[n] = 0;
}

__attribute__((format(printf, 3, 0))) static int
reply_errorv(struct bus1_dbus_message *call, const char *name, const char *format, va_list args) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        char text[ERROR_TEXT_MAX];
        DBusMessage *message;
        int n;

        if (!call || !name || !dbus_validate_error_name(name, NULL) || !format)
                return -EINVAL;
        n = vsnprintf(text, sizeof(text), format, args);
        if (n < 0)
                return -EINVAL;
        if ((size_t)n >= sizeof(text))
                text_trim(text);
        if (!dbus_validate_utf8(text, NULL))
                return -EINVAL;
        message = bus1_dbus_message_get_dbus(call);
        reply = message ? dbus_message_new_error(message, name, text) : NULL;
        return reply ? bus1_dbus_reply(call, reply, NULL, 0) : -ENOMEM;
}

PUBLIC int bus1_dbus_reply_error(struct bus1_dbus_message *call, const char *name,
                                 const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = reply_errorv(call, name, format, args);
        va_end(args);
        return r;
}

PUBLIC int bus1_dbus_fail(struct bus1_dbus_message *call, const char *name, const char *format,
                          ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = reply_errorv(call, name, format, args);
        va_end(args);
        return r < 0 ? r : -EREMOTEIO;
}

void reply_errno(struct bus1_dbus_message *call, int r) {
        char name[ERROR_NAME_MAX];

        bus1_dbus_reply_error(call, error_name_from_errno(r, name), "%s", error_text_from_errno(r));
}
