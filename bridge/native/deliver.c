/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the bus does to a native client: it delivers messages, tells that a pending reply has ended,
 * and closes the session
 *
 * The bus keeps no queue for a native client. When a send has succeeded, the message is in the
 * client's bus1 queue, and bus1 accounts for it. A reply goes through the caller's one-shot handle.
 * A call that wants a reply carries the handle of a new one-shot node of the bus. For a broadcast
 * the bus first collects the receivers, then sends a multicast to them.
 */

#include "bridge/native/native-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/container-of.h"
#include "base/error.h"
#include "bridge/bus/account.h"
#include "bridge/bus/deaf.h"
#include "bridge/bus/name.h"
#include "bridge/bus/quota.h"

/* Turn the errno of a failed send into a result of deliver(). */
static int result_from_errno(int r) {
        switch (r) {
        case -EBADRQC: /* the bus has no such handle any more */
        case -ESHUTDOWN:
                return CLIENT_E_GONE;
        case -EACCES:
                return CLIENT_E_DENIED;
        case -EDQUOT:
        case -ETOOMANYREFS:
        case -EMSGSIZE:
        case -ENOMEM:
        case -EMFILE:
        case -ENFILE:
                return CLIENT_E_QUOTA;
        case -EINVAL:     /* a descriptor of a bus1 peer */
        case -EOPNOTSUPP: /* another descriptor that the kernel module does not take */
        case -EBADF:
                return CLIENT_E_NO_FDS;
        default:
                return r;
        }
}

/*
 * The client whose credentials go to the session with this message, or NULL: the session does not
 * want any, the bus itself is the sender, or the sender has left. See client_ops.deliver() for
 * reply.
 */
static const struct client *client_to_tell(const struct native_session *session,
                                           const struct message *m, const struct reply *reply) {
        if (!session->is_informed || !m->sender.s || m->sender.s[0] != ':')
                return NULL;
        if (reply)
                return message_is_reply(m) ? reply->callee : reply->caller;
        return name_resolve(&session->native->bus->names, m->sender.s, m->sender.n);
}

/*
 * Send to the nodes behind these handles, with the credentials of sender, unless it is NULL.
 * Returns 0, CLIENT_E_*, or a negative errno.
 */
static int send_to(struct native *native, const uint64_t *to, size_t n_to, struct message *m,
                   struct bus1_transfer *created, bool with_handles, const struct client *sender) {
        struct bus1_transfer transfers[NATIVE_TRANSFERS_MAX + 1];
        struct bus1_message_fds out = {};
        const uint64_t *handles;
        size_t n_handles = 0, n_created = created ? 1 : 0;
        struct native_credentials credentials;
        struct iovec vecs[] = {{m->wire, m->n_wire}, {&credentials, sizeof(credentials)}};
        int r;

        if (with_handles)
                n_handles = native_attachment_get(m, &handles);
        if (n_handles > NATIVE_TRANSFERS_MAX)
                return CLIENT_E_QUOTA;
        if (created)
                transfers[0] = *created;
        for (size_t i = 0; i < n_handles; i++)
                transfers[n_created + i] = (struct bus1_transfer){.id = handles[i]};
        out.message.type = BUS1_MESSAGE_TYPE_USER;
        out.message.n_transfers = n_created + n_handles;
        out.message.ptr_transfers = (uintptr_t)transfers;
        out.message.n_data = m->n_wire;
        out.message.n_data_vecs = 1;
        out.message.ptr_data_vecs = (uintptr_t)vecs;
        if (sender) {
                credentials = (struct native_credentials){
                        .uid = sender->credentials.uid,
                        .gid = sender->credentials.gid,
                        .pid = sender->credentials.pid,
                };
                out.message.n_data += sizeof(credentials);
                out.message.n_data_vecs = 2;
        }
        if (m->n_fds > 0) {
                out.message.flags = BUS1_MESSAGE_FLAG_FDS;
                out.n_fds = m->n_fds;
                out.ptr_fds = (uintptr_t)m->fds;
        }
        r = bus1_client_send(native->peer, n_to, to, NULL, &out.message);
        if (r < 0)
                return result_from_errno(r);
        if (created)
                *created = transfers[0];
        return 0;
}

int native_send(struct native *native, uint64_t to, struct message *m,
                struct bus1_transfer *created) {
        return send_to(native, &to, 1, m, created, true, NULL);
}

/* Like native_send(), with the credentials of the sender if the session wants them. */
static int send_informed(struct native_session *session, uint64_t to, struct message *m,
                         struct bus1_transfer *created, const struct reply *reply) {
        return send_to(session->native, &to, 1, m, created, true,
                       client_to_tell(session, m, reply));
}

/* broadcasts */

/*
 * The multicast failed. Send to each receiver alone, so that a receiver that cannot take the
 * message does not keep it from the others.
 */
static int broadcast_singly(struct native *native, const struct native_receivers *group,
                            const struct client *sender) {
        int r;

        for (size_t i = 0; i < group->n; i++) {
                uint64_t to = group->handles[i];

                r = send_to(native, &to, 1, native->broadcast.m, NULL, true, sender);
                if (r < 0)
                        return r;
                if (r == CLIENT_E_QUOTA || r == CLIENT_E_DENIED) {
                        struct native_handle *handle = native_handle_find(native, to);
                        struct client *client = handle ? &handle->session->client : NULL;

                        /* Each try costs a send to each receiver of the broadcast alone. */
                        if (client && r == CLIENT_E_QUOTA)
                                client->is_deaf = deaf_for_a_time(client);
                        complain(&native->bus->complaints,
                                 client ? client->credentials.uid : UINT32_MAX,
                                 "Dropped a signal %s.%s to %s (uid=%d pid=%d): %s.",
                                 native->broadcast.m->interface.s, native->broadcast.m->member.s,
                                 client ? client_name(client) : "(gone)",
                                 client ? (int)client->credentials.uid : -1,
                                 client ? (int)client->credentials.pid : -1,
                                 r == CLIENT_E_QUOTA ? "there is no room for it"
                                                     : "a security module refuses it");
                }
        }
        return 0;
}

static int broadcast_to(struct native *native, struct native_receivers *group,
                        const struct client *sender) {
        int r = 0;

        if (group->n > 0)
                r = send_to(native, group->handles, group->n, native->broadcast.m, NULL, true,
                            sender);
        if (r != 0)
                r = broadcast_singly(native, group, sender);
        group->n = 0;
        return r;
}

int native_broadcast_flush(struct native *native) {
        struct native_receivers *groups = native->broadcast.groups;
        struct message *m = native->broadcast.m;
        const struct client *sender = NULL;
        int r;

        if (!m)
                return 0;
        if (groups[1].n > 0)
                sender = name_resolve(&native->bus->names, m->sender.s, m->sender.n);
        r = broadcast_to(native, &groups[0], NULL);
        keep_error(&r, broadcast_to(native, &groups[1], sender));
        native->broadcast.m = message_unref(m);
        native->bus->hooks.in_step = false;
        return r;
}

static int broadcast_add(struct native_session *session, struct message *m, uint64_t handle) {
        bool with_credentials = session->is_informed && m->sender.s && m->sender.s[0] == ':';
        struct native *native = session->native;
        struct native_receivers *group = &native->broadcast.groups[with_credentials];
        int r;

        if (native->broadcast.m != m || group->n == NATIVE_RECEIVERS_MAX) {
                r = native_broadcast_flush(native);
                if (r < 0)
                        return r;
                native->broadcast.m = message_ref(m);
                native->bus->hooks.in_step = true;
        }
        group->handles[group->n++] = handle;
        return 0;
}

/* unicast */

static int deliver_answer(struct native_session *session, struct message *m, struct reply *reply) {
        int r;

        if (!reply || !reply->caller_cookie)
                return 0; /* no caller waits for it */
        r = send_informed(session, reply->caller_cookie, m, NULL, reply);
        if (r == 0)
                native_spent_add(session, reply->caller_cookie);
        if (r == 0 && quota_kind_of(reply->caller, m) == QUOTA_ANSWER)
                native_answers_add(session_from_client(reply->caller), m->n_wire);
        /* a caller that has gone needs no answer */
        return r == CLIENT_E_GONE ? 0 : r;
}

static int deliver_call(struct native_session *session, struct message *m, struct reply *reply) {
        struct bus1_transfer created = {
                .flags = BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                .id = BUS1_INVALID,
        };
        uint64_t to = native_published_route(session, m);
        struct native *native = session->native;
        int r;

        if (!reply)
                return send_informed(session, to, m, NULL, NULL);
        /* other receivers of the message, such as monitors, get the flags as they were sent */
        if (!client_is_native(reply->caller))
                m->wire[NATIVE_FLAGS_OFFSET] |= NATIVE_FLAG_NO_HANDLES;
        r = send_informed(session, to, m, &created, reply);
        m->wire[NATIVE_FLAGS_OFFSET] = m->flags;
        if (r != 0)
                return r;
        r = native_node_add(native, created.id, NATIVE_NODE_REPLY, reply, NULL);
        if (r < 0) {
                native_release(native, created.id);
                return r;
        }
        reply->callee_cookie = created.id;
        return 0;
}

/* Send a copy, without the handles, to a client that the message is not for. */
static int deliver_copy(struct native_session *session, struct message *m, uint64_t to) {
        return send_to(session->native, &to, 1, m, NULL, false, client_to_tell(session, m, NULL));
}

/* Is this client the destination? If not, it eavesdrops. */
static bool is_addressed_to(const struct client *client, const struct message *m) {
        return strcmp(m->destination.s, client->unique_name) == 0 ||
               name_resolve(&client->bus->names, m->destination.s, m->destination.n) == client;
}

static int deliver(struct client *client, struct message *m, struct reply *reply, uint64_t cookie) {
        struct native_session *session = session_from_client(client);
        struct native *native = session->native;
        int r;

        if (session->close_reason)
                return CLIENT_E_GONE;
        if (m->type == MESSAGE_TYPE_SIGNAL && !m->destination.s && client->state != CLIENT_MONITOR)
                return broadcast_add(session, m, cookie ? cookie : session->home);

        /* an earlier broadcast must arrive first */
        r = native_broadcast_flush(native);
        if (r < 0)
                return r;
        if (client->state == CLIENT_MONITOR)
                return deliver_copy(session, m, session->home);
        /*
         * The message is no broadcast, but matches a rule of the client: the client eavesdrops. The
         * message must not reach the nodes where the client serves calls and waits for replies.
         */
        if (cookie)
                return deliver_copy(session, m, cookie);
        if (message_is_reply(m))
                return deliver_answer(session, m, reply);
        if (!reply && (message_wants_reply(m) || !is_addressed_to(client, m)))
                return 0;
        if (m->type == MESSAGE_TYPE_METHOD_CALL)
                return deliver_call(session, m, reply);
        return send_informed(session, session->home, m, NULL, NULL);
}

/* closing */

/*
 * A session cannot be freed while one of its messages is handled. So this only marks the session,
 * and a job of its user ends it.
 */
void native_session_close(struct native_session *session, const char *reason) {
        struct native *native = session->native;

        if (session->close_reason)
                return;
        session->close_reason = reason;
        DL_DELETE(native->sessions, session);
        DL_APPEND(native->ending, session);
        schedule_add_first(&native->bus->schedule, &session->client.account->schedule,
                           &session->end);
}

/*
 * This is called once for each cookie that is left in the reply. A client that called itself may
 * have both: the first call then ends the caller's cookie, the second one the callee's.
 */
static void session_reply_closed(struct client *client, struct reply *reply) {
        struct native *native = session_from_client(client)->native;

        if (reply->caller == client && reply->caller_cookie) {
                native_release(native, reply->caller_cookie);
                reply->caller_cookie = 0;
        } else if (reply->callee == client && reply->callee_cookie) {
                native_node_remove(native, native_node_find(native, reply->callee_cookie), true);
                reply->callee_cookie = 0;
        }
}

static void displace(struct client *client) {
        native_session_close(container_of(client, struct native_session, client),
                             "a connection of another user needs its place");
}

const struct client_ops native_client_ops = {
        .deliver = deliver,
        .reply_closed = session_reply_closed,
        .displace = displace,
        .save = native_session_save,
};
