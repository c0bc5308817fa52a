/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/node.h"

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
