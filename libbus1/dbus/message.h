/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages, with the handles and credentials that travel beside them
 *
 * A method call that wants a reply carries a one-shot reply handle as its first handle:
 *
 *        caller                                       callee
 *
 *        makes a one-shot node
 *        call + handle of the node  --------------->  reply_handle
 *                                                       |  bus1_dbus_reply()
 *        reply arrives on the node  <-----------------  |  used up by the send
 *        or NoReply                 <-----------------  |  released with the last reference
 *
 * So a callee that drops a call without answering thereby tells the caller that no reply will come.
 */

#include <stdarg.h>

#include "libbus1/dbus/lazy.h"
#include "libbus1/dbus/membership.h"
#include "libbus1/dbus/wire.h"

#define HANDLES_MAX 256

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
/* Answer a call with the D-Bus error for a negative errno. */
void reply_errno(struct bus1_dbus_message *call, int r);
/*
 * Send a message. The handles of n_created new nodes go in front of the other handles, and created
 * gets the IDs of the nodes. A message without a serial gets one.
 */
int send_message(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                 struct bus1_transfer *created, size_t n_created, const uint64_t *handles,
                 size_t n_handles);
/*
 * Answer a call with values by type string. Returns -EOPNOTSUPP, and has done nothing, if they need
 * a DBusMessage (plain.h), or an error of bus1_dbus_reply().
 */
int reply_plain(struct bus1_dbus_message *call, const char *types, va_list args);
/* A serial for a message to send. */
uint32_t serial_next(struct bus1_dbus *bus);
/* Marshal a message to send. A message without a serial gets one. */
int message_to_wire(struct bus1_dbus *bus, DBusMessage *message, struct wire *ret_wire);
/*
 * The same as send_message() for a marshalled message, and then, if ret_received is not NULL, wait
 * for a message until the deadline. *ret_received gets the next message, or NULL if there was none
 * in time, if the wait failed, or if the peer cannot wait (bus->can_wait).
 */
int send_wire(struct bus1_dbus *bus, uint64_t to, const struct wire *wire,
              struct bus1_transfer *created, size_t n_created, const uint64_t *handles,
              size_t n_handles, uint64_t deadline, struct bus1_received **ret_received);
/*
 * Does the handle exist? A send with several handles that fails with -EBADRQC does not say which
 * handle is unknown. Also false if the handle cannot be copied for another reason, such as a quota.
 */
bool handle_is_known(struct bus1_dbus *bus, uint64_t handle);
/* Has its node ended, or the peer? This is known before the notification is received. */
bool handle_has_ended(struct bus1_dbus *bus, uint64_t handle);
