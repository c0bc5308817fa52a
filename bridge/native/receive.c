/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reception from native programs
 *
 * The bus takes one message at a time off its queue, checks it as thoroughly as one from a socket,
 * and routes it as a message of the session whose node it arrived on. Several programs may send to
 * the same session node or look-up node, and each counts its own serials. So every message to such
 * a node gets the next serial of its session. A reply arrives on the reply node of its call.
 *
 * A body is checked in one go, even if it is large, whereas the socket front end checks it in parts
 * (bridge/socket/input.h). Its size is limited by what bus1 lets a sender charge to the bus, and by
 * max_message_size.
 *
 * A client may give the bus a handle that leads back to the bus. The bus ignores its own messages
 * to a session node. But a client may also look up its own name and publish the name with the
 * handle it gets: then each message would return to the bus for ever. To stop that, the bus turns
 * its own calls to a look-up node into calls that wait for a reply, because pending replies are
 * limited.
 */

#include "bridge/native/native-private.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fds.h"
#include "bridge/bus/docket.h"
#include "bridge/bus/receive.h"
#include "bridge/bus/tell.h"
#include "bridge/driver/methods.h"

#define SERIAL_OFFSET 8
/* The core takes no more. A header and 1023 buffers hold the largest message of the core. */
#define RECEIVE_VECS_MAX 1024

/* A message or notification taken off the queue. */
struct input {
        struct bus1_metadata_credentials metadata;
        uint64_t type;
        struct message *m;     /* NULL for a notification, an invalid or a refused message */
        const char *violation; /* why the message is invalid */
        /*
         * Why the bus cannot take the message, which may be valid: it exceeds a limit, or the bus
         * has no room for it. It is the fault of nobody, or of one message only, so the session
         * goes on.
         */
        const char *refusal;
        const char *refusal_name;            /* the D-Bus name of this error */
        uint8_t header[MESSAGE_HEADER_SIZE]; /* the first bytes of a refused message */
        size_t n_transfers; /* in native->transfers; 0 once their handles are taken over */
};

/* Did the bus itself send the message, through a handle that a client gave it? */
static bool input_is_own(const struct native *native, const struct input *in) {
        return in->metadata.pid == native->pid;
}

/*
 * Receive into data. If data is NULL, the bus refuses the message, but it must leave the queue, and
 * its metadata tell to which session it was sent. Then only the header is kept: the bytes after it
 * go into the buffer, where each piece overwrites the one before.
 */
static int receive(struct native *native, struct input *in, struct bus1_message_fds *message,
                   uint8_t *data, size_t n_data, bool with_fds) {
        struct iovec vecs[RECEIVE_VECS_MAX];
        size_t n_vecs = 1;

        if (data) {
                vecs[0] = (struct iovec){data, n_data};
        } else {
                n_vecs += (n_data + NATIVE_BUFFER_SIZE - 1) / NATIVE_BUFFER_SIZE;
                if (n_vecs > RECEIVE_VECS_MAX)
                        return -EMSGSIZE;
                vecs[0] = (struct iovec){in->header, sizeof(in->header)};
                for (size_t i = 1; i < n_vecs; i++)
                        vecs[i] = (struct iovec){native->buffer, NATIVE_BUFFER_SIZE};
        }
        *message = (struct bus1_message_fds){
                .message.flags = with_fds ? BUS1_MESSAGE_FLAG_FDS : 0,
                .message.type = BUS1_INVALID,
                .message.n_transfers = NATIVE_TRANSFERS_MAX,
                .message.ptr_transfers = (uintptr_t)native->transfers,
                .message.n_data = n_data,
                .message.n_data_vecs = n_vecs,
                .message.ptr_data_vecs = (uintptr_t)vecs,
                .n_fds = with_fds ? NATIVE_FDS_MAX : 0,
                .ptr_fds = (uintptr_t)native->fds,
        };
        return bus1_client_recv(native->peer, BUS1_RECV_FLAG_CREDENTIALS, &in->metadata.metadata,
                                &message->message);
}

/* Let the message own the descriptors; they are closed on failure. -ENOMEM. */
static int message_take_fds(struct message *m, const int *fds, size_t n) {
        m->fds = malloc(n * sizeof(*fds));
        if (!m->fds) {
                fds_close(fds, n);
                return -ENOMEM;
        }
        memcpy(m->fds, fds, n * sizeof(*fds));
        m->n_fds = n;
        return 0;
}

/* Check a message whose n_data bytes are in m->wire. Returns 0 or MESSAGE_E_*. */
static int message_check(struct message *m, size_t n_data) {
        size_t size;
        int r;

        if (n_data < MESSAGE_HEADER_SIZE)
                return MESSAGE_E_SIZE;
        r = message_frame(m->wire, MESSAGE_SIZE_MAX, &size);
        if (r != 0)
                return r;
        return size == n_data ? message_parse(m) : MESSAGE_E_SIZE;
}

/* Check the header of a message that is refused. Returns 0 or MESSAGE_E_*. */
static int header_check(const uint8_t *header, size_t n_data) {
        size_t size;
        int r;

        if (n_data < MESSAGE_HEADER_SIZE)
                return MESSAGE_E_SIZE;
        r = message_frame(header, MESSAGE_SIZE_MAX, &size);
        return r == MESSAGE_E_SIZE ? 0 : r;
}

static void refuse(struct input *in, const char *name, const char *why) {
        if (in->refusal)
                return;
        in->refusal = why;
        in->refusal_name = name;
}

/* If the bus did not get the descriptors of a message, refuse the message. Other errors: false. */
static bool refuse_without_fds(struct input *in, int error) {
        switch (error) {
        case -EMFILE:
        case -ENFILE:
                refuse(in, DRIVER_ERROR("LimitsExceeded"),
                       "The bus has no descriptors left for those of the message");
                return true;
        case -EACCES:
        case -EPERM:
                refuse(in, DRIVER_ERROR("AccessDenied"),
                       "A security module does not let the bus have the descriptors of the "
                       "message");
                return true;
        default:
                return false;
        }
}

/*
 * The size of a message without the credentials that the bus adds (struct native_credentials). Only
 * messages that return to the bus have any.
 */
static size_t size_without_credentials(const struct native *native, const struct input *in,
                                       const uint8_t *data, size_t n_data) {
        size_t size;

        if (!input_is_own(native, in) || n_data < MESSAGE_HEADER_SIZE ||
            message_frame(data, MESSAGE_SIZE_MAX, &size) != 0 ||
            n_data != size + sizeof(struct native_credentials))
                return n_data;
        return size;
}

/*
 * Receive into the buffer, or into *m if the message does not fit there, which saves a copy. Of a
 * message that the bus refuses, only the header is received. Returns 1, 0 if there is none or bus1
 * has no memory to receive it, or a negative errno.
 */
static int input_take(struct native *native, struct input *in, struct bus1_message_fds *message,
                      struct message **m) {
        uint8_t *data = native->buffer;
        size_t n_data = NATIVE_BUFFER_SIZE;
        int r;

        for (;;) {
                r = receive(native, in, message, data, n_data, !in->refusal);
                if (!in->refusal && refuse_without_fds(in, r)) {
                        /* once more, without descriptors */
                } else if (r == -EMSGSIZE && message->message.n_data > n_data) {
                        n_data = message->message.n_data;
                        /* without the credentials, which the bus may have added, it may fit */
                        if ((int64_t)(n_data - sizeof(struct native_credentials)) >
                            native->bus->limits.max_message_size)
                                refuse(in, DRIVER_ERROR("LimitsExceeded"),
                                       "The message exceeds max_message_size");
                        else if (!in->refusal && message_new(m, n_data) < 0)
                                refuse(in, DRIVER_ERROR("LimitsExceeded"),
                                       "The bus has no memory for the message");
                } else {
                        break;
                }
                if (in->refusal)
                        *m = message_unref(*m);
                data = *m ? (*m)->wire : NULL;
        }
        if (r == -EAGAIN || r == -ENOMEM)
                return 0; /* -ENOMEM: memory may be short for a while; the message stays queued */
        return r < 0 ? r : 1;
}

/* Receive one message or notification. The results are those of input_take(). */
static int input_receive(struct native *native, struct input *in) {
        CLEANUP(message_unrefp) struct message *m = NULL;
        struct bus1_message_fds message;
        size_t n_data;
        int r;

        r = input_take(native, in, &message, &m);
        if (r <= 0)
                return r;
        in->type = message.message.type;
        if (in->type != BUS1_MESSAGE_TYPE_USER)
                return 1;
        in->n_transfers = message.message.n_transfers;
        if (in->refusal) {
                r = header_check(in->header, message.message.n_data);
                if (r != 0)
                        in->violation = message_violation(r);
                return 1;
        }
        n_data = size_without_credentials(native, in, m ? m->wire : native->buffer,
                                          message.message.n_data);
        if (!m) {
                r = message_new(&m, n_data);
                if (r < 0) {
                        fds_close(native->fds, message.n_fds);
                        return r;
                }
                memcpy(m->wire, native->buffer, n_data);
        }
        m->n_wire = n_data;
        if (message.n_fds > 0) {
                r = message_take_fds(m, native->fds, message.n_fds);
                if (r < 0)
                        return r;
        }
        r = message_check(m, n_data);
        if (r < 0)
                return r;
        if (r > 0) {
                in->violation = message_violation(r);
        } else if ((int64_t)m->n_wire > native->bus->limits.max_message_size ||
                   (int64_t)m->n_fds > native->bus->limits.max_message_unix_fds) {
                refuse(in, DRIVER_ERROR("LimitsExceeded"),
                       (int64_t)m->n_fds > native->bus->limits.max_message_unix_fds
                               ? "The message exceeds max_message_unix_fds"
                               : "The message exceeds max_message_size");
                memcpy(in->header, m->wire, sizeof(in->header));
        } else {
                in->m = steal_ptr(&m);
        }
        return 1;
}

/* sessions */

static uint32_t serial_next(struct native_session *session) {
        if (++session->serial == 0)
                session->serial = 1;
        return session->serial;
}

static void message_number(struct native_session *session, struct message *m) {
        uint32_t serial;

        m->serial = serial_next(session);
        serial = m->big_endian ? htobe32(m->serial) : htole32(m->serial);
        memcpy(m->wire + SERIAL_OFFSET, &serial, sizeof(serial));
}

/* Attach the handles to the message, except those before first, which the caller has taken. */
static int input_attach(struct native *native, struct input *in, size_t first) {
        size_t n = in->n_transfers;

        in->n_transfers = 0;
        if (n <= first)
                return 0;
        in->m->attachment_free = native_attachment_free;
        return native_attach(native, native->transfers + first, n - first, &in->m->attachment);
}

/*
 * Take the reply handle, which is the first handle of a call that wants a reply, and attach the
 * other handles to the message.
 */
static int input_split(struct native *native, struct input *in, uint64_t *ret_cookie) {
        bool has_cookie = message_wants_reply(in->m) && in->n_transfers > 0;

        /* the handle is BUS1_INVALID if its node has gone, for example with the caller */
        *ret_cookie =
                has_cookie && native->transfers[0].id != BUS1_INVALID ? native->transfers[0].id : 0;
        return input_attach(native, in, has_cookie);
}

static bool is_hello(const struct message *m) {
        return m->type == MESSAGE_TYPE_METHOD_CALL && m->destination.s && m->member.s &&
               strcmp(m->member.s, "Hello") == 0 && strcmp(m->destination.s, BUS_DRIVER_NAME) == 0;
}

/*
 * Hello comes with the handle of the node to which the program wants its messages. Returns 0,
 * CLIENT_E_VIOLATION if there is no handle, -EDQUOT if the user has no room for it, or -ENOMEM.
 */
static int session_take_home(struct native_session *session, struct message *m) {
        uint64_t home = native_attachment_take(m, 0);
        int r;

        if (home == BUS1_INVALID)
                return client_violation(&session->client,
                                        "Hello without the handle of a home node");
        r = native_handle_add(session, home, NATIVE_HANDLE_HOME, NULL, NULL);
        if (r >= 0)
                session->home = home;
        return r;
}

/*
 * The user has so many look-up nodes, publications and subscriptions that the bus cannot hold the
 * home handle of the session. Without this handle the session cannot get messages. That may be no
 * fault of this program: it gets an error, and can try again.
 */
static int session_refuse(struct native_session *session, struct message *m, uint64_t cookie) {
        struct client *client = &session->client;

        complain(&client->bus->complaints, client->credentials.uid,
                 "Session of uid=%d pid=%d is refused: the bus already holds %d routed handles, "
                 "publications and subscriptions for this user.",
                 (int)client->credentials.uid, (int)client->credentials.pid, NATIVE_USER_MAX);
        message_number(session, m);
        return tell_error(client, m, cookie, DRIVER_ERROR("LimitsExceeded"),
                          "Your user has too many routed handles, publications and subscriptions");
}

/*
 * The bus refuses the message: tell the sender if it is a call that wants a reply, else the log.
 * Returns 0, or a negative errno.
 */
static int input_refuse(struct native_session *session, struct input *in) {
        struct native *native = session->native;
        uint64_t cookie;

        if (in->header[1] != MESSAGE_TYPE_METHOD_CALL ||
            in->header[NATIVE_FLAGS_OFFSET] & MESSAGE_FLAG_NO_REPLY_EXPECTED ||
            in->n_transfers == 0 || native->transfers[0].id == BUS1_INVALID) {
                complain(&native->bus->complaints, session->client.credentials.uid,
                         "Dropped a message of session %s (uid=%d pid=%d): %s.",
                         client_name(&session->client), (int)session->client.credentials.uid,
                         (int)session->client.credentials.pid, in->refusal);
                return 0;
        }
        cookie = native->transfers[0].id;
        native->transfers[0].id = BUS1_INVALID;
        return tell_error_text(&session->client, serial_next(session), cookie, false,
                               in->refusal_name, in->refusal);
}

/* Refuse the call if too many answers are unread. False: it does not even get an error. */
static bool input_check_answers(struct native_session *session, struct input *in) {
        enum native_answers answers;

        if (in->m && !message_wants_reply(in->m))
                return true;
        answers = native_answers_check(session);
        if (answers == NATIVE_ANSWERS_REFUSE && in->m) {
                refuse(in, DRIVER_ERROR("LimitsExceeded"),
                       "Your programs have too many answers of the bus unread");
                memcpy(in->header, in->m->wire, sizeof(in->header));
        }
        return answers != NATIVE_ANSWERS_DROP;
}

static int violation(struct native_session *session, const struct input *in) {
        complain(&session->native->bus->complaints, session->client.credentials.uid,
                 "Session %s (uid=%d pid=%d) is dropped because of a message "
                 "from uid=%d pid=%d: %s.",
                 client_name(&session->client), (int)session->client.credentials.uid,
                 (int)session->client.credentials.pid, (int)in->metadata.uid, (int)in->metadata.pid,
                 in->violation);
        return CLIENT_E_VIOLATION;
}

/* Route the message as one of the session. Returns 0, CLIENT_E_VIOLATION, or a negative errno. */
static int session_receive(struct native_session *session, struct input *in) {
        uint64_t cookie;
        int r;

        if (in->violation)
                return violation(session, in);
        if (!input_check_answers(session, in))
                return 0;
        /* a monitor that sends anything is dropped, whatever it sends */
        if (in->refusal && session->client.state != CLIENT_MONITOR)
                return input_refuse(session, in);
        if (in->refusal)
                return client_violation(&session->client, "a message sent by a monitor");
        r = input_split(session->native, in, &cookie);
        if (r < 0)
                return r;
        if (session->home == BUS1_INVALID && is_hello(in->m)) {
                session->is_informed = in->m->flags & NATIVE_FLAG_INFORM;
                r = session_take_home(session, in->m);
                if (r == -EDQUOT)
                        return session_refuse(session, in->m, cookie);
                if (r != 0) {
                        native_release(session->native, cookie);
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

/* look-ups */

/* Make the call one that wants a reply, so that the bus makes a pending reply for it. */
static void message_expect_reply(struct message *m) {
        m->flags &= (uint8_t)~MESSAGE_FLAG_NO_REPLY_EXPECTED;
        m->wire[NATIVE_FLAGS_OFFSET] = m->flags;
}

/*
 * Any program that holds the handle may send calls in the name of the session that looked up. So
 * the session is not punished for an invalid message. Returns 0, a positive number if the message
 * was refused, or a negative errno.
 */
static int lookup_receive(struct native_lookup *lookup, struct input *in) {
        const struct message_stamp stamp = {
                .destination = lookup->name,
                .path = lookup->path,
        };
        struct native_session *session = lookup->session;
        uint64_t cookie;
        int r;

        if (!in->violation && !input_check_answers(session, in))
                return 0;
        if (in->refusal && !in->violation && !session->close_reason &&
            session->client.state != CLIENT_MONITOR)
                return input_refuse(session, in);
        if (!in->m || in->m->type != MESSAGE_TYPE_METHOD_CALL)
                return 0;
        r = input_split(session->native, in, &cookie);
        if (r < 0)
                return r;
        if (input_is_own(session->native, in))
                message_expect_reply(in->m);
        message_number(session, in->m);
        r = message_stamp(in->m, &stamp);
        if (r == 0 && !session->close_reason)
                return client_receive(&session->client, in->m, cookie);
        native_release(session->native, cookie);
        return r;
}

/* replies */

static int reply_receive(struct native *native, struct reply *reply, struct input *in) {
        struct native_session *session = session_from_client(reply->callee);
        int r;

        if (!in->m)
                return tell_reply_dropped(reply, in->violation ? NULL : in->refusal_name,
                                          in->refusal);
        r = input_attach(native, in, 0);
        if (r < 0)
                return r;
        /*
         * If the bus itself sent the answer, the call had returned to the bus, and message_number()
         * had given it another serial. The answer has a SENDER, so stamping writes the header anew,
         * with the reply serial that is set here.
         */
        if (input_is_own(native, in))
                in->m->reply_serial = reply->serial;
        r = client_receive_reply(&session->client, reply, in->m);
        if (r > 0)
                native_session_close(session, "it broke the protocol");
        return r;
}

/* all */

/* A message arrived at a node of the bus, or the last handle of the node has gone. */
static int node_receive(struct native *native, struct native_node *node, struct input *in) {
        bool gone = in->type == BUS1_MESSAGE_TYPE_HANDLE_RELEASE;
        enum native_node_kind kind = node->kind;
        void *data = node->data;
        int r = 0;

        /* bus1 has released the node: it has no handle any more, or it was one-shot */
        if (gone || kind == NATIVE_NODE_REPLY || kind == NATIVE_NODE_OPENING)
                native_node_remove(native, node, false);
        switch (kind) {
        case NATIVE_NODE_SESSION: {
                struct native_session *session = data;

                if (gone)
                        return native_session_depart(
                                session, "the last handle to its session node has gone");
                if (!session->close_reason && !input_is_own(native, in))
                        r = session_receive(session, in);
                if (r > 0)
                        native_session_close(session, "it broke the protocol");
                break;
        }
        case NATIVE_NODE_REPLY:
                r = reply_receive(native, data, in);
                break;
        case NATIVE_NODE_LOOKUP:
                if (gone) {
                        r = native_channel_end(data);
                        native_lookup_free(data, false);
                } else
                        r = lookup_receive(data, in);
                break;
        case NATIVE_NODE_OPENING:
                r = in->m ? input_attach(native, in, 0) : 0;
                if (r >= 0)
                        r = native_opening_answered(data, in->m);
                break;
        case NATIVE_NODE_MARK: {
                struct native_session *session = data;

                session->mark = BUS1_INVALID;
                r = native_session_depart(session, "the connection was closed");
                break;
        }
        }
        return r < 0 ? r : 0;
}

/* The node behind a handle of the bus has gone. Returns 0 or a negative errno. */
static int handle_gone(struct native_handle *handle) {
        struct native_session *session = handle->session;

        switch (handle->kind) {
        case NATIVE_HANDLE_HOME:
                session->home = BUS1_INVALID;
                native_handle_remove(handle, false);
                return native_session_depart(session, "it gave up its home node");
        case NATIVE_HANDLE_PUBLISHED:
                native_published_free(handle->data, false);
                return 0;
        case NATIVE_HANDLE_SUBSCRIPTION:
                /* the rules of a monitor, and of a client that has left, are freed already */
                if (client_is_registered(&session->client))
                        match_rule_free(handle->data);
                break;
        }
        native_handle_remove(handle, false);
        return 0;
}

int native_receive(struct native *native) {
        struct input in = {};
        int r;

        docket_note_input(native->bus);
        r = input_receive(native, &in);
        if (r > 0 && in.type == BUS1_MESSAGE_TYPE_NODE_RELEASE) {
                struct native_handle *handle = native_handle_find(native, in.metadata.metadata.id);

                /* a handle in no table is, for example, the reply handle of a caller that left */
                if (handle)
                        r = handle_gone(handle);
                r = r < 0 ? r : 1;
        } else if (r > 0) {
                struct native_node *node = native_node_find(native, in.metadata.metadata.id);

                r = node ? node_receive(native, node, &in) : 0;
                r = r < 0 ? r : 1;
        }
        for (size_t i = 0; i < in.n_transfers; i++)
                native_release(native, native->transfers[i].id);
        message_unref(in.m);
        return r;
}
