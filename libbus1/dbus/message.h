/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Received messages, with the handles and credentials that travel beside them */

#include "libbus1/dbus/lazy.h"
#include "libbus1/dbus/membership.h"
#include "libbus1/dbus/wire.h"

struct node;

struct incoming_message {
        struct bus1_dbus_message public; /* must be first: pointers to it are cast */
        unsigned n_refs;
        uint64_t reply_handle; /* BUS1_INVALID: no reply is wanted or possible, or it was sent */
        bool had_reply_handle; /* one came with the call, even if the caller has gone since */
        bool replied;
        bool no_handles;                 /* the caller cannot get handles in the reply */
        bool allowed;                    /* the program lets the call pass, see access.h */
        bool is_direct;                  /* it came through a direct channel */
        bool trusted;                    /* it arrived at a trusted node, see node.h */
        bool of_object;                  /* it arrived at a node of an object, whatever its PATH: */
        struct bus1_dbus_object *object; /* NULL: the object has gone since */
        struct lazy *lazy; /* not NULL: the DBusMessage is made from this when it is needed */
        bool has_origin;   /* the bus has told the credentials of SENDER: */
        struct bus1_dbus_credentials origin;
        struct incoming_message *prev, *next;
};

/*
 * Make a message from received. The message takes over the handles; on failure they are released.
 * Returns -EBADMSG when received is not a valid D-Bus message, or -ENOMEM, also when one of its
 * descriptors is missing or cannot be duplicated.
 */
int incoming_message_new(struct bus1_dbus *bus, struct bus1_received *received,
                         const struct node *node, struct bus1_dbus_message **ret_message);
/*
 * The same, but if the program wants that (bus->lazy), and the message is valid and of this type
 * (MESSAGE_TYPE_*), it has no DBusMessage yet.
 */
int incoming_message_new_lazy(struct bus1_dbus *bus, struct bus1_received *received,
                              const struct node *node, uint8_t type,
                              struct bus1_dbus_message **ret_message);
/* A message whose DBusMessage was not made yet; NULL: it has one. */
static inline struct lazy *message_lazy(const struct bus1_dbus_message *message) {
        return message->message ? NULL : ((const struct incoming_message *)message)->lazy;
}
/*
 * What the header says, whether there is a DBusMessage or not. The strings belong to the message.
 * NULL: the header does not say it.
 */
bool message_is_call(const struct bus1_dbus_message *message);
const char *message_get_path(const struct bus1_dbus_message *message);
const char *message_get_interface(const struct bus1_dbus_message *message);
const char *message_get_member(const struct bus1_dbus_message *message);
const char *message_get_sender(const struct bus1_dbus_message *message);
const char *message_get_signature(const struct bus1_dbus_message *message); /* never NULL */
/* Make an error reply that no program sent, such as a time-out. Returns 0 or -ENOMEM. */
int incoming_message_new_error(struct bus1_dbus *bus, uint32_t serial, const char *name,
                               const char *text, struct bus1_dbus_message **ret_message);
/* The object is going to end. The program may keep calls of it, to answer them later. */
void incoming_messages_forget(struct bus1_dbus *bus, const struct bus1_dbus_object *object);
/* Detach a message from a bus that is being freed. Its handles end with the peer. */
void incoming_message_orphan(struct incoming_message *message);
/* Release the handles of a message that is dropped, unless they were taken over. */
void release_transfers(struct bus1_dbus *bus, struct bus1_received *received);
