/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Messages with what travels beside them: handles, credentials, and the handle to reply to
 *
 * A method call that wants a reply carries a one-shot reply handle as its first handle. Whoever
 * drops the message without using it thereby says that there will be no reply.
 */

#include "libbus1/dbus/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <utlist.h>

#include "libbus1/dbus/node.h"
#include "libbus1/dbus/wire.h"

#define HANDLES_MAX 256

static uint32_t credential_u32(uint64_t v, uint32_t unknown) {
        return v > UINT32_MAX ? unknown : (uint32_t)v;
}

int incoming_message_new(struct bus1_dbus *bus, struct bus1_received *received,
                         const struct node *node, struct bus1_dbus_message **ret_message) {
        CLEANUP(dbus_message_unrefp) DBusMessage *dbus_message = NULL;
        struct incoming_message *m = NULL;
        size_t skip = 0;
        int r;

        r = wire_to_message(received, &dbus_message);
        if (r >= 0 && !node->trusted && !dbus_message_set_sender(dbus_message, node->sender))
                r = -ENOMEM;
        if (r >= 0) {
                m = calloc(1, sizeof(*m) + received->n_transfers * sizeof(uint64_t));
                if (!m)
                        r = -ENOMEM;
        }
        if (r < 0) {
                for (size_t i = 0; i < received->n_transfers; i++)
                        bus1_dbus_release(bus, received->transfers[i].id);
                return r;
        }
        m->n_refs = 1;
        m->reply_handle = BUS1_INVALID;
        m->public.bus = bus;
        m->public.message = dbus_message;
        dbus_message = NULL;
        m->public.handles = (uint64_t *)(m + 1);
        m->public.node = received->metadata.metadata.id;
        m->public.credentials = (struct bus1_dbus_credentials){
                .uid = credential_u32(received->metadata.uid, UINT32_MAX),
                .gid = credential_u32(received->metadata.gid, UINT32_MAX),
                .pid = credential_u32(received->metadata.pid, 0),
        };
        if (dbus_message_get_type(m->public.message) == DBUS_MESSAGE_TYPE_METHOD_CALL &&
            !dbus_message_get_no_reply(m->public.message) && received->n_transfers > 0) {
                m->reply_handle = received->transfers[0].id;
                m->had_reply_handle = true;
                skip = 1;
        }
        m->public.n_handles = received->n_transfers - skip;
        for (size_t i = skip; i < received->n_transfers; i++)
                m->public.handles[i - skip] = received->transfers[i].id;
        DL_APPEND(bus->messages, m);
        *ret_message = &m->public;
        return 0;
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
        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->n_refs = 1;
        m->reply_handle = BUS1_INVALID;
        m->public.bus = bus;
        m->public.message = error;
        error = NULL;
        m->public.credentials = (struct bus1_dbus_credentials){UINT32_MAX, UINT32_MAX, 0};
        m->public.node = BUS1_INVALID;
        DL_APPEND(bus->messages, m);
        *ret_message = &m->public;
        return 0;
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
                bus1_dbus_release(message->bus, m->reply_handle);
                for (size_t i = 0; i < message->n_handles; i++)
                        bus1_dbus_release(message->bus, message->handles[i]);
                DL_DELETE(message->bus->messages, m);
        }
        dbus_message_unref(message->message);
        free(m);
        return NULL;
}

PUBLIC uint64_t bus1_dbus_message_take_handle(struct bus1_dbus_message *message, size_t i) {
        uint64_t handle;

        if (i >= message->n_handles)
                return BUS1_INVALID;
        handle = message->handles[i];
        message->handles[i] = BUS1_INVALID;
        return handle;
}

int send_message(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                 struct bus1_transfer *created, size_t n_created, const uint64_t *handles,
                 size_t n_handles) {
        struct bus1_transfer transfers[HANDLES_MAX];
        struct bus1_message_fds m = {};
        struct wire wire;
        struct iovec vec;
        int r;

        if (!bus || !message || (n_handles > 0 && !handles))
                return -EINVAL;
        if (n_handles > HANDLES_MAX - n_created)
                return -EMSGSIZE;
        if (to == BUS1_DBUS_BUS)
                to = bus->session;
        if (to == BUS1_INVALID || bus->gone)
                return -ENOTCONN;
        if (dbus_message_get_serial(message) == 0) {
                if (++bus->serial == 0)
                        bus->serial = 1;
                dbus_message_set_serial(message, bus->serial);
        }
        for (size_t i = 0; i < n_created; i++)
                transfers[i] = created[i];
        for (size_t i = 0; i < n_handles; i++)
                transfers[n_created + i] = (struct bus1_transfer){.id = handles[i]};
        r = wire_from_message(message, &wire);
        if (r < 0)
                return r;
        vec = (struct iovec){wire.data, (size_t)wire.n_data};
        m.message.type = BUS1_MESSAGE_TYPE_USER;
        m.message.n_transfers = n_created + n_handles;
        m.message.ptr_transfers = (uintptr_t)transfers;
        m.message.n_data = (uint64_t)wire.n_data;
        m.message.n_data_vecs = 1;
        m.message.ptr_data_vecs = (uintptr_t)&vec;
        if (wire.n_fds > 0) {
                m.message.flags = BUS1_MESSAGE_FLAG_FDS;
                m.n_fds = wire.n_fds;
                m.ptr_fds = (uintptr_t)wire.fds;
        }
        r = bus1_client_send(bus->client, 1, &to, NULL, &m.message);
        wire_deinit(&wire);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_created; i++)
                created[i] = transfers[i];
        return 0;
}

PUBLIC int bus1_dbus_send(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                          const uint64_t *handles, size_t n_handles) {
        if (!message)
                return -EINVAL;
        if (dbus_message_get_type(message) == DBUS_MESSAGE_TYPE_METHOD_CALL)
                dbus_message_set_no_reply(message, TRUE);
        return send_message(bus, to, message, NULL, 0, handles, n_handles);
}

PUBLIC int bus1_dbus_emit(struct bus1_dbus *bus, DBusMessage *signal) {
        if (!message_is(signal, DBUS_MESSAGE_TYPE_SIGNAL))
                return -EINVAL;
        return send_message(bus, BUS1_DBUS_BUS, signal, NULL, 0, NULL, 0);
}
