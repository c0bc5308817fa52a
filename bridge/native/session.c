/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: native clients as members of the bus
 *
 * A session begins when a program that the socket front end has authenticated asks for it. The bus
 * makes a session node and gives the program the only handle to it. The session ends when its
 * anchor (the socket) is closed, the last handle to the session node is released, the home node of
 * the program goes, the program breaks the protocol, the bus cannot tell it to close direct
 * channels, or the bus ends.
 *
 * In the first three cases the program leaves, and all that it has sent before is handled first, as
 * with a legacy client. bus1 queues the end of a handle or node behind what was sent before. The
 * end of the anchor comes from elsewhere, so the bus puts a mark into its own queue:
 *
 *      program     queue of the bus                   bus
 *      send, send  message, message
 *      close()                                        sees the end of the anchor
 *                  message, message, mark             makes a node, releases its only handle
 *                  message, message, mark, message    others send in the name of the session
 *                  message                            receives the mark: the session ends
 *
 * The mark is the notification HANDLE_RELEASE of a node that the bus makes for this purpose. So
 * living sessions cost nothing more. The connection of the anchor stays until the session has
 * ended, so a session that is about to leave counts towards the limits of its user.
 */

#include "bridge/native/native-private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/container-of.h"
#include "base/error.h"
#include "bridge/bus/account.h"
#include "bridge/bus/docket.h"
#include "bridge/bus/membership.h"

/* beginning */

/* Give the handle of the session node to the program's peer on the device; *fd is this peer. */
static int grant_device(struct native *native, int *fd, uint64_t handle, uint64_t *ret_handle) {
        struct bus1_transfer src = {.id = handle}, dst;
        struct bus1_client *peer;
        struct stat st;
        int r;

        /* A command on a file that is no character device could make the bus wait for a program. */
        if (fstat(*fd, &st) < 0)
                return -errno;
        if (!S_ISCHR(st.st_mode))
                return -EMEDIUMTYPE;
        r = bus1_client_new_from_fd(&peer, *fd);
        if (r < 0)
                return r;
        steal_fd(fd);
        r = bus1_client_transfer(native->peer, peer, 1, &src, &dst);
        bus1_client_free(peer);
        if (r >= 0)
                *ret_handle = dst.id;
        return r;
}

/* Make the program's peer on the core that the bus hosts, and give it the handle. */
static int grant_hosted(struct native_session *session, uint64_t handle, uint64_t *ret_handle,
                        int *ret_fd) {
        const struct client_credentials *c = &session->client.credentials;
        struct native *native = session->native;
        CLEANUP_CLOSE int fd = -1;
        int r;

        r = bus1_domain_serve_peer(native->domain, c->uid, c->gid, c->pid, &fd,
                                   &session->peer_token);
        if (r < 0)
                return r;
        r = bus1_domain_grant(native->domain, native->peer, handle, session->peer_token,
                              ret_handle);
        if (r < 0) {
                bus1_domain_revoke(native->domain, session->peer_token);
                return r;
        }
        *ret_fd = steal_fd(&fd);
        return 0;
}

static int user_get(struct native *native, uint32_t uid, struct native_user **ret_user) {
        struct native_user *user;

        HASH_FIND_BYHASHVALUE(hh, native->users, &uid, sizeof(uid), native_hash(uid), user);
        if (!user) {
                user = calloc(1, sizeof(*user));
                if (!user)
                        return -ENOMEM;
                user->uid = uid;
                HASH_ADD_BYHASHVALUE(hh, native->users, uid, sizeof(uid), native_hash(uid), user);
                if (!user->hh.tbl) {
                        free(user);
                        return -ENOMEM;
                }
        }
        user->n_sessions++;
        *ret_user = user;
        return 0;
}

static void user_put(struct native *native, struct native_user *user) {
        if (--user->n_sessions > 0)
                return;
        HASH_DELETE(hh, native->users, user);
        free(user);
}

/* Do what comes before anybody can learn that the session has left. It may be done again. */
static int end_prepare(struct native_session *session) {
        struct native_lookup *lookup;
        int r;

        /* others wait for what it sent */
        r = docket_flush(&session->client);
        native_openings_end(session);
        DL_FOREACH(session->lookups, lookup)
                keep_error(&r, native_channel_end(lookup));
        return r;
}

/*
 * Like the end of a connection, the end of a session is work of its user, in as many turns as
 * needed.
 */
static int end_run(struct schedule_job *job) {
        struct native_session *session = container_of(job, struct native_session, end);
        struct client *client = &session->client;
        bool done;
        int r;

        r = end_prepare(session);
        keep_error(&r, client_leave_in_turn(client, &done));
        if (!done)
                schedule_add_first(&client->bus->schedule, &client->account->schedule,
                                   &session->end);
        else
                keep_error(&r, native_session_end(session));
        return r;
}

int native_end_closing(struct native *native, bool *ret_ended) {
        int r = 0;

        *ret_ended = native && native->ending;
        while (native && native->ending) {
                keep_error(&r, end_prepare(native->ending));
                keep_error(&r, native_session_end(native->ending));
        }
        if (native)
                keep_error(&r, native_broadcast_flush(native));
        return r;
}

int native_session_new(struct native *native, struct native_anchor *anchor,
                       const struct client_credentials *credentials,
                       struct native_session **ret_session) {
        CLEANUP_FREE struct native_session *session = calloc(1, sizeof(*session));
        struct client_credentials copy;
        int r;

        if (!session)
                return -ENOMEM;
        r = user_get(native, credentials->uid, &session->user);
        if (r < 0)
                return r;
        r = client_credentials_copy(credentials, &copy);
        if (r >= 0)
                r = client_init(&session->client, native->bus, &native_client_ops, &copy);
        if (r < 0) {
                user_put(native, session->user);
                return r;
        }
        session->client.fds_negotiated = true;
        session->client.handles_ok = true;
        session->native = native;
        session->end.run = end_run;
        session->anchor = anchor;
        session->node = BUS1_INVALID;
        session->mark = BUS1_INVALID;
        session->home = BUS1_INVALID;
        DL_APPEND(native->sessions, session);
        *ret_session = steal_ptr(&session);
        return 0;
}

int native_session_negotiate(void *userdata, struct native_anchor *anchor,
                             const struct client_credentials *credentials, enum sasl_bus1_mode mode,
                             int fd, struct native_session **ret_session, uint64_t *ret_handle,
                             int *ret_fd, const char **ret_why) {
        CLEANUP_CLOSE int device_fd = fd;
        struct native *native = userdata;
        struct native_session *session;
        uint64_t node, handle;
        int r;

        *ret_fd = -1;
        if ((mode == SASL_BUS1_DEVICE) != !native->domain || (mode == SASL_BUS1_DEVICE && fd < 0)) {
                *ret_why = native->domain ? "this bus hosts bus1 itself"
                                          : "this bus needs your descriptor of the bus1 device";
                return -EOPNOTSUPP;
        }
        *ret_why = "out of resources";
        r = native_session_new(native, anchor, credentials, &session);
        if (r < 0)
                return r;
        r = bus1_client_create_node(native->peer, 0, &node, &handle);
        if (r >= 0) {
                session->node = node;
                r = native_node_add(native, node, NATIVE_NODE_SESSION, session, NULL);
                if (r < 0)
                        native_release(native, node);
                else if (native->domain)
                        r = grant_hosted(session, handle, ret_handle, ret_fd);
                else
                        r = grant_device(native, &device_fd, handle, ret_handle);
                /* From now on only the program holds a handle, if it was granted one. */
                native_release(native, handle);
        }
        if (r < 0) {
                session->anchor = NULL;
                native_session_end(session);
                return r;
        }
        *ret_session = session;
        return 0;
}

void native_session_anchor_gone(void *userdata, struct native_session *session) {
        session->anchor = NULL;
        session->client.credentials.socket = -1;
        native_session_close(session, "the connection was closed");
}

/* leaving */

/* Returns 0 or a negative errno: there is no mark in the queue. */
static int mark_put(struct native_session *session) {
        struct native *native = session->native;
        uint64_t node, handle;
        int r;

        r = bus1_client_create_node(native->peer, 0, &node, &handle);
        if (r < 0)
                return r;
        r = native_node_add(native, node, NATIVE_NODE_MARK, session, NULL);
        if (r < 0) {
                native_release(native, node);
                native_release(native, handle);
                return r;
        }
        session->mark = node;
        return bus1_client_release_one(native->peer, handle);
}

void native_session_mark(struct native_session *session) {
        if (session->close_reason)
                return;
        if (mark_put(session) < 0)
                native_session_close(session, "the connection was closed");
}

int native_session_depart(struct native_session *session, const char *reason) {
        struct client *client = &session->client;
        struct schedule *schedule = &client->bus->schedule;
        struct schedule_user *before;
        bool done;
        int r;

        if (session->close_reason)
                return 0;
        native_session_close(session, reason);
        before = schedule_switch(schedule, &client->account->schedule);
        r = end_prepare(session);
        keep_error(&r, client_leave(client, &done));
        schedule_switch(schedule, before);
        return r;
}

/* ending */

int native_session_end(struct native_session *session) {
        struct native *native = session->native;
        int r;

        native_session_close(session, "the bus ends");
        schedule_cancel(&native->bus->schedule, &session->end);
        native_openings_end(session);
        r = client_disconnect(&session->client);
        /*
         * The session node goes first: then the program knows that its session has ended, and does
         * not take the end of its handles for the end of their owners.
         */
        native_node_remove(native, native_node_find(native, session->node), true);
        native_node_remove(native, native_node_find(native, session->mark), true);
        while (session->lookups)
                native_lookup_free(session->lookups, true);
        while (session->handles) {
                if (session->handles->kind == NATIVE_HANDLE_PUBLISHED)
                        native_published_free(session->handles->data, true);
                else /* client_disconnect() has freed the match rule of a subscription */
                        native_handle_remove(session->handles, true);
        }
        if (session->peer_token && !native->is_borrowed)
                bus1_domain_revoke(native->domain, session->peer_token);
        if (session->anchor)
                session->anchor->close(session->anchor, session->close_reason);
        client_deinit(&session->client);
        native_answers_end(session);
        user_put(native, session->user);
        DL_DELETE(native->ending, session);
        free(session);
        return r;
}
