/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reception from native programs
 *
 * This file takes one message off the queue of the bus, checks it as thoroughly as one from a
 * socket, and routes it as a message of the session whose node it arrived on. Several programs may
 * send to the same node, each with serials of its own, so every message gets a new serial that is
 * unique in its session. A reply is matched to its call by the reply handle, not by the serial.
 *
 * A client may give the bus a handle that leads back to the bus. The bus ignores its own messages
 * to a session node. A looked-up handle may be exported again, so messages could go round in a
 * circle for ever. To stop that, each round becomes a call that waits for its reply: pending
 * replies are limited.
 */

#include "bridge/native/native-private.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bridge/bus/receive.h"
#include "bridge/bus/tell.h"
#include "bridge/driver/methods.h"

#define FLAGS_OFFSET 2
#define SERIAL_OFFSET 8
#define RECEIVE_VECS_MAX 1024 /* with the buffer's size, all that the core lets through */

/* A received message. A function that takes a part out of it owns that part. */
struct input {
        struct bus1_metadata_credentials metadata;
        uint64_t type;
        struct message *m;     /* NULL for a notification or an invalid message */
        const char *violation; /* why the message is invalid */
        struct bus1_transfer *transfers;
        size_t n_transfers;
};

/* Did the bus itself send it, through a handle that somebody gave it? */
static bool input_is_own(const struct native *native, const struct input *in) {
        return in->metadata.pid == native->pid;
}

static void release_from(struct native *native, const struct input *in, size_t first) {
        for (size_t i = first; i < in->n_transfers; i++)
                native_release(native, in->transfers[i].id);
}

/*
 * Receive into data. When data is NULL, receive into the buffer over and over: an unwanted message
 * must still be taken off the queue, to learn which session sent it.
 */
static int receive(struct native *native, struct bus1_metadata_credentials *metadata,
                   struct bus1_message_fds *message, uint8_t *data, size_t n_data, bool with_fds) {
        struct iovec vecs[RECEIVE_VECS_MAX];
        size_t n_vecs = 1;

        if (data) {
                vecs[0] = (struct iovec){data, n_data};
        } else {
                n_vecs = (n_data + NATIVE_BUFFER_SIZE - 1) / NATIVE_BUFFER_SIZE;
                if (n_vecs > RECEIVE_VECS_MAX)
                        return -EMSGSIZE;
                for (size_t i = 0; i < n_vecs; i++)
                        vecs[i] = (struct iovec){native->buffer, NATIVE_BUFFER_SIZE};
        }
        *message = (struct bus1_message_fds){
                .message =
                        {
                                .flags = with_fds ? BUS1_MESSAGE_FLAG_FDS : 0,
                                .type = BUS1_INVALID,
                                .n_transfers = NATIVE_TRANSFERS_MAX,
                                .ptr_transfers = (uintptr_t)native->transfers,
                                .n_data = n_data,
                                .n_data_vecs = n_vecs,
                                .ptr_data_vecs = (uintptr_t)vecs,
                        },
                .n_fds = with_fds ? NATIVE_FDS_MAX : 0,
                .ptr_fds = (uintptr_t)native->fds,
        };
        return bus1_client_recv(native->peer, BUS1_RECV_FLAG_CREDENTIALS, &metadata->metadata,
                                &message->message);
}

/* Check the message, whose bytes are in m->wire. Takes over m and the descriptors. */
static int input_parse(struct native *native, struct input *in, struct message *m, size_t n_data,
                       size_t n_fds) {
        size_t size;
        int r = 0;

        if (n_fds > 0) {
                m->fds = malloc(n_fds * sizeof(*m->fds));
                if (m->fds) {
                        memcpy(m->fds, native->fds, n_fds * sizeof(*m->fds));
                        m->n_fds = n_fds;
                } else {
                        for (size_t i = 0; i < n_fds; i++)
                                close(native->fds[i]);
                        r = -ENOMEM;
                }
        }
        if (r == 0)
                r = n_data < MESSAGE_HEADER_SIZE ? MESSAGE_E_SIZE
                                                 : message_frame(m->wire, MESSAGE_SIZE_MAX, &size);
        if (r == 0)
                r = size == n_data ? message_parse(m) : MESSAGE_E_SIZE;
        if (r == 0 && (int64_t)m->n_fds > native->bus->limits.max_message_unix_fds)
                r = MESSAGE_E_FDS;
        if (r != 0) {
                message_unref(m);
                if (r > 0)
                        in->violation = message_violation(r);
                return r < 0 ? r : 0;
        }
        in->m = m;
        return 0;
}

/* 1, 0 when there is nothing, negative errno. */
static int input_receive(struct native *native, struct input *in) {
        struct bus1_message_fds message;
        struct message *m = NULL;
        bool with_fds = true;
        size_t n_data;
        int r;

        *in = (struct input){.transfers = native->transfers};
        n_data = NATIVE_BUFFER_SIZE;
        r = receive(native, &in->metadata, &message, native->buffer, n_data, with_fds);
        if (r == -EMFILE || r == -ENFILE) {
                in->violation = "there are no descriptors left to receive its descriptors";
                with_fds = false;
                r = receive(native, &in->metadata, &message, native->buffer, n_data, with_fds);
        }
        if (r == -EMSGSIZE) {
                n_data = message.message.n_data;
                if ((int64_t)n_data > native->bus->limits.max_message_size)
                        in->violation = message_violation(MESSAGE_E_SIZE);
                /* too big for the buffer: straight into the message, which saves a copy */
                else if (!in->violation && message_new(&m, n_data) < 0)
                        in->violation = "no memory for the message";
                r = receive(native, &in->metadata, &message, m ? m->wire : NULL, n_data,
                            with_fds && !in->violation);
        }
        if (r < 0) {
                message_unref(m);
                /* memory or descriptors are short just now: the message stays queued */
                return r == -EAGAIN || r == -ENOMEM || r == -EMFILE || r == -ENFILE ? 0 : r;
        }
        in->type = message.message.type;
        in->n_transfers = message.message.n_transfers;
        if (in->type != BUS1_MESSAGE_TYPE_USER || in->violation) {
                message_unref(m);
                return 1;
        }
        if (!m) {
                r = message_new(&m, message.message.n_data);
                if (r < 0) {
                        for (size_t i = 0; i < message.n_fds; i++)
                                close(native->fds[i]);
                        release_from(native, in, 0);
                        return r;
                }
                memcpy(m->wire, native->buffer, message.message.n_data);
        }
        r = input_parse(native, in, m, message.message.n_data, message.n_fds);
        if (r < 0)
                release_from(native, in, 0);
        return r < 0 ? r : 1;
}

/* members */

static void message_number(struct native_session *session, struct message *m) {
        uint32_t serial;

        if (++session->serial == 0)
                session->serial = 1;
        m->serial = session->serial;
        serial = m->big_endian ? htobe32(m->serial) : htole32(m->serial);
        memcpy(m->wire + SERIAL_OFFSET, &serial, sizeof(serial));
}

/* Attach the handles of the transfers, starting at first, to the message. */
static int message_attach(struct native *native, struct message *m, const struct input *in,
                          size_t first) {
        if (in->n_transfers <= first)
                return 0;
        m->attachment_free = native_attachment_free;
        return native_attach(native, in->transfers + first, in->n_transfers - first,
                             &m->attachment);
}

/* A call that wants a reply has the reply handle in front; the rest are the message's. */
static int input_split(struct native *native, const struct input *in, uint64_t *ret_cookie) {
        size_t first = 0;
        uint64_t cookie = 0;

        if (message_wants_reply(in->m) && in->n_transfers > 0) {
                first = 1;
                /* when the caller has gone already, only an empty place is left of its handle */
                if (in->transfers[0].id != BUS1_INVALID)
                        cookie = in->transfers[0].id;
        }
        *ret_cookie = cookie;
        return message_attach(native, in->m, in, first);
}

static bool is_hello(const struct message *m) {
        return m->type == MESSAGE_TYPE_METHOD_CALL && m->destination.s && m->member.s &&
               strcmp(m->member.s, "Hello") == 0 && strcmp(m->destination.s, BUS_DRIVER_NAME) == 0;
}

/* Hello brings the handle of the node where the program wants its messages. */
static int session_take_home(struct native_session *session, struct message *m) {
        uint64_t home = native_attachment_take(m, 0);
        int r;

        if (home == BUS1_INVALID)
                return client_violation(&session->client, "Hello without a handle to deliver to");
        r = native_handle_add(session, home, NATIVE_HANDLE_HOME, NULL, NULL);
        if (r == -EDQUOT)
                return client_violation(&session->client, "its user has too much already");
        if (r >= 0)
                session->home = home;
        return r;
}

static int violation(struct native_session *session, const struct input *in) {
        complain(&session->native->bus->complaints, session->client.credentials.uid,
                 "Session %s (uid=%d pid=%d) is dropped, it sent (from uid=%d pid=%d): %s.",
                 client_name(&session->client), (int)session->client.credentials.uid,
                 (int)session->client.credentials.pid, (int)in->metadata.uid, (int)in->metadata.pid,
                 in->violation);
        return CLIENT_E_VIOLATION;
}

/* 0, CLIENT_E_VIOLATION, negative errno. */
static int session_receive(struct native_session *session, struct input *in) {
        struct native *native = session->native;
        uint64_t cookie;
        int r;

        if (!in->m) {
                release_from(native, in, 0);
                return violation(session, in);
        }
        r = input_split(native, in, &cookie);
        if (r < 0)
                return r;
        if (session->home == BUS1_INVALID && is_hello(in->m)) {
                r = session_take_home(session, in->m);
                if (r != 0) {
                        native_release(native, cookie ? cookie : BUS1_INVALID);
                        return r;
                }
                /* the handle was for this front end; the method Hello takes none */
                native_attachment_free(in->m->attachment);
                in->m->attachment = NULL;
        }
        message_number(session, in->m);
        r = client_receive(&session->client, in->m, cookie);
        if (r == 0 && !session->completed && client_is_registered(&session->client)) {
                session->completed = true;
                if (session->anchor)
                        session->anchor->completed(session->anchor);
        }
        return r;
}

/* references */

/* Make the bus wait for the end of a call, even though the sender does not. */
static void message_expect_reply(struct message *m) {
        m->flags &= (uint8_t)~MESSAGE_FLAG_NO_REPLY_EXPECTED;
        m->wire[FLAGS_OFFSET] = m->flags;
}

/*
 * Whoever holds the handle may send calls in the name of the session that looked up. The holder may
 * be any program, so the session is not punished for an invalid message.
 */
static int lookup_receive(struct native_lookup *lookup, struct input *in) {
        const struct message_stamp stamp = {
                .destination = lookup->name,
                .path = lookup->path,
        };
        struct native_session *session = lookup->session;
        uint64_t cookie;
        int r;

        if (!in->m || in->m->type != MESSAGE_TYPE_METHOD_CALL) {
                release_from(session->native, in, 0);
                return 0;
        }
        r = input_split(session->native, in, &cookie);
        if (r < 0)
                return r;
        if (input_is_own(session->native, in))
                message_expect_reply(in->m);
        message_number(session, in->m);
        r = message_stamp(in->m, &stamp);
        if (r != 0 || session->close_reason) {
                native_release(session->native, cookie ? cookie : BUS1_INVALID);
                return r < 0 ? r : 0;
        }
        r = client_receive(&session->client, in->m, cookie);
        return r < 0 ? r : 0;
}

/* replies */

static int reply_receive(struct native *native, struct native_node *node, struct input *in) {
        struct reply *reply = node->data;
        struct native_session *session = session_from_client(reply->callee);
        int r;

        native_node_remove(native, node, false); /* one-shot: this was its message */
        if (!in->m) {
                release_from(native, in, 0);
                r = tell_reply_dropped(reply);
                return r < 0 ? r : 0;
        }
        r = message_attach(native, in->m, in, 0);
        if (r < 0)
                return r;
        /*
         * An answer by the bus itself is to a call with a serial from message_number(). Such an
         * answer has a SENDER, so stamping lays the header anew, with the serial set here.
         */
        if (input_is_own(native, in))
                in->m->reply_serial = reply->serial;
        r = client_receive_reply(&session->client, reply, in->m);
        if (r > 0)
                native_session_close(session, "it broke the protocol");
        return r < 0 ? r : 0;
}

/* all */

static int node_receive(struct native *native, struct native_node *node, struct input *in) {
        struct native_session *session;
        int r;

        switch (node->kind) {
        case NATIVE_NODE_SESSION:
                session = node->data;
                if (session->close_reason) {
                        release_from(native, in, 0);
                        return 0;
                }
                r = session_receive(session, in);
                if (r > 0)
                        native_session_close(session, "it broke the protocol");
                return r < 0 ? r : 0;
        case NATIVE_NODE_REPLY:
                return reply_receive(native, node, in);
        case NATIVE_NODE_LOOKUP:
                return lookup_receive(node->data, in);
        case NATIVE_NODE_OPENING: {
                struct native_opening *opening = node->data;

                native_node_remove(native, node, false);
                r = in->m ? message_attach(native, in->m, in, 0) : 0;
                return r < 0 ? r : native_opening_answered(opening, in->m);
        }
        }
        return 0;
}

/* The last handle of a node of ours has gone, and the node with it. */
static int node_unreferenced(struct native *native, struct native_node *node) {
        struct native_session *session;
        struct native_opening *opening;
        struct reply *reply;
        int r;

        switch (node->kind) {
        case NATIVE_NODE_SESSION:
                session = node->data;
                native_node_remove(native, node, false);
                native_session_close(session, "its peer has gone");
                return 0;
        case NATIVE_NODE_REPLY:
                reply = node->data;
                native_node_remove(native, node, false);
                r = tell_reply_dropped(reply);
                return r < 0 ? r : 0;
        case NATIVE_NODE_LOOKUP:
                native_lookup_free(node->data, false);
                return 0;
        case NATIVE_NODE_OPENING:
                opening = node->data;
                native_node_remove(native, node, false);
                return native_opening_answered(opening, NULL);
        }
        return 0;
}

/* A node behind a handle of ours has gone. */
static void handle_gone(struct native_handle *handle) {
        struct native_session *session = handle->session;

        switch (handle->kind) {
        case NATIVE_HANDLE_HOME:
                session->home = BUS1_INVALID;
                native_session_close(session, "it gave up its home node");
                break;
        case NATIVE_HANDLE_PUBLISHED:
                native_published_free(handle->data, false);
                return;
        case NATIVE_HANDLE_SUBSCRIPTION:
                /* the rules of a monitor, and of a client that has left, are freed already */
                if (client_is_registered(&session->client))
                        match_rule_free(handle->data);
                break;
        }
        native_handle_remove(handle, false);
}

int native_receive(struct native *native) {
        struct native_handle *handle;
        struct native_node *node;
        struct input in;
        int r;

        r = input_receive(native, &in);
        if (r <= 0)
                return r;
        if (in.type == BUS1_MESSAGE_TYPE_NODE_RELEASE) {
                /* an unknown handle is the reply handle of a caller that has gone */
                handle = native_handle_find(native, in.metadata.metadata.id);
                if (handle)
                        handle_gone(handle);
                return 1;
        }
        node = native_node_find(native, in.metadata.metadata.id);
        if (in.type == BUS1_MESSAGE_TYPE_HANDLE_RELEASE)
                r = node ? node_unreferenced(native, node) : 0;
        else if (node && node->kind == NATIVE_NODE_SESSION && input_is_own(native, &in))
                release_from(native, &in, 0);
        else if (node)
                r = node_receive(native, node, &in);
        else
                release_from(native, &in, 0);
        message_unref(in.m);
        return r < 0 ? r : 1;
}
