/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Inside the native front end
 *
 * The bus is one bus1 peer. A native client sends to a node of that peer, and the node says what
 * the message is for. The bus sends to nodes of the client's peer, which the client gave it handles
 * of:
 *
 *        client's peer                      peer of the bus
 *
 *        session handle    ------------->   session node        everything the client says
 *        reply handle      ------------->   reply node          one-shot, the answer to one call
 *        looked-up handle  ------------->   look-up node        calls of one name or object
 *
 *        home node         <-------------   home handle         what the bus delivers
 *        published node    <-------------   published handle    calls of that name or object
 *        subscription node <-------------   subscription handle signals of one match rule
 *
 * Two tables find nodes and handles by their ID.
 */

#include <bus1/bus1.h>
#include <bus1/hosted.h>

#include "base/scm.h"
#include "bridge/base/loop.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/reply.h"
#include "bridge/native/native.h"

#define NATIVE_RECEIVE_BUDGET 64 /* messages of one dispatch */
#define NATIVE_BUFFER_SIZE (256UL * 1024)
#define NATIVE_TRANSFERS_MAX 1024 /* what the core allows in one message */
#define NATIVE_FDS_MAX SCM_FDS_MAX
#define NATIVE_LOOKUPS_MAX 4096 /* of one session, at the same time */
#define NATIVE_PUBLISHED_MAX 4096
/* look-ups, publications and subscriptions of all sessions of one user */
#define NATIVE_USER_MAX 65536

enum native_node_kind {
        NATIVE_NODE_SESSION, /* data: struct native_session */
        NATIVE_NODE_REPLY,   /* data: struct reply; the session is the callee's */
        NATIVE_NODE_LOOKUP,  /* data: struct native_lookup */
        NATIVE_NODE_OPENING, /* data: struct native_opening */
};

struct native_node {
        uint64_t id;
        enum native_node_kind kind;
        void *data;
        UT_hash_handle hh;
};

enum native_handle_kind {
        NATIVE_HANDLE_HOME,         /* data: unused */
        NATIVE_HANDLE_PUBLISHED,    /* data: struct native_published */
        NATIVE_HANDLE_SUBSCRIPTION, /* data: struct match_rule */
};

/* A handle of the bus to a node of a client. */
struct native_handle {
        uint64_t id;
        enum native_handle_kind kind;
        struct native_session *session;
        void *data;
        UT_hash_handle hh;
        struct native_handle *prev, *next; /* of the session */
};

/* A name or object that a client published. */
struct native_published {
        struct native_handle *handle;
        bool is_object;
        UT_hash_handle hh; /* in session->names or session->objects */
        char key[];        /* the name, the path */
};

/* A node of the bus, made for one session that looked up a name or object. */
struct native_lookup {
        struct native_session *session;
        struct client *owner;
        uint64_t node;
        char *name;
        char *path;                        /* NULL: not narrowed */
        struct native_lookup *prev, *next; /* of the session */
        struct native_lookup *owner_prev, *owner_next;
};

/* All look-up nodes that stand for a name or object of one owner. */
struct native_owner {
        struct client *client;
        struct native_lookup *lookups; /* never empty */
        UT_hash_handle hh;
};

/* A look-up that waits until the owner's library has made the node of a direct channel. */
struct native_opening {
        struct native_session *session; /* the session that looked up */
        struct client *owner;
        uint64_t node;
        uint32_t serial; /* of the call to be answered */
        uint64_t caller_cookie;
        int64_t deadline; /* by loop_now(); afterwards the bus answers with a look-up node */
        char *name;
        char *path;
        struct native_opening *prev, *next;         /* of the session */
        struct native_opening *due_prev, *due_next; /* of all, by deadline */
};

/* The count of what the bus's peer holds for one user, so that no user exhausts that peer's quota.
 */
struct native_user {
        uint32_t uid;
        unsigned n_sessions;
        unsigned n_held;
        UT_hash_handle hh;
};

struct native_session {
        struct client client;
        struct native *native;
        struct native_user *user;
        struct native_anchor *anchor; /* NULL when it has gone */
        uint64_t node;
        uint64_t peer_token; /* 0 on the device */
        uint64_t home;       /* handle; BUS1_INVALID before Hello */
        uint32_t serial;     /* last one given to a message of this session */
        bool completed;
        const char *close_reason; /* not NULL: to be ended */
        uint64_t n_exported;
        unsigned n_lookups;
        unsigned n_openings;
        unsigned n_published;
        struct native_published *names;
        struct native_published *objects;
        struct native_handle *handles;
        struct native_lookup *lookups;
        struct native_opening *openings;
        struct native_session *prev, *next; /* of native->sessions, or native->ending */
};

struct native {
        struct bus *bus;
        struct bus1_domain *domain; /* NULL on the device */
        struct bus1_client *peer;
        struct loop *loop;
        uint64_t pid; /* our own, as messages tell it */
        struct loop_source peer_source;
        struct loop_source domain_source;
        struct loop_deferred reap; /* there are sessions to be ended */

        struct native_node *nodes;
        struct native_handle *handles;
        struct native_session *sessions;
        struct native_session *ending; /* those with a close_reason */
        struct native_opening *openings;
        struct loop_timer opening_timer; /* for the first of them */
        struct native_owner *owners;
        struct native_user *users;

        /* the broadcast that is being collected */
        struct {
                struct message *m;
                uint64_t *handles;
                size_t n_handles, n_allocated;
        } broadcast;

        uint8_t *buffer; /* NATIVE_BUFFER_SIZE */
        struct bus1_transfer transfers[NATIVE_TRANSFERS_MAX];
        int fds[NATIVE_FDS_MAX];
};

static inline struct native_session *session_from_client(struct client *client) {
        return (struct native_session *)client; /* its first member */
}

extern const struct client_ops native_client_ops;

static inline bool client_is_native(const struct client *client) {
        return client->ops == &native_client_ops;
}

/* ids.c: what IDs stand for */

/* IDs and pointers are ours, nobody can aim with them: spreading them is enough. */
static inline unsigned native_hash(uint64_t id) {
        return (unsigned)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

int native_node_add(struct native *native, uint64_t id, enum native_node_kind kind, void *data,
                    struct native_node **ret_node);
struct native_node *native_node_find(struct native *native, uint64_t id);
/* Forget it; release it too unless bus1 has done so. NULL is fine. */
void native_node_remove(struct native *native, struct native_node *node, bool release);
/* Takes the handle over in any case. -EDQUOT, -ENOMEM. */
int native_handle_add(struct native_session *session, uint64_t id, enum native_handle_kind kind,
                      void *data, struct native_handle **ret_handle);
struct native_handle *native_handle_find(struct native *native, uint64_t id);
void native_handle_remove(struct native_handle *handle, bool release);
void native_release(struct native *native, uint64_t id); /* BUS1_INVALID is fine */

/* attachment.c: the handles that travel with a message through the bus */

/* Takes the handles over in any case. -ENOMEM. */
int native_attach(struct native *native, const struct bus1_transfer *transfers, size_t n,
                  void **ret_attachment);
void native_attachment_free(void *attachment);
size_t native_attachment_get(const struct message *m, const uint64_t **ret_handles);
/* Take one out; BUS1_INVALID when there is none. */
uint64_t native_attachment_take(struct message *m, size_t i);

/* operations.c: what the bus may do to a native client */

/* Let the event loop end the session. reason is a static text; only the first one counts. */
void native_session_close(struct native_session *session, const char *reason);

/* session.c: members */

/* bus_hooks.session_begin and session_end */
int native_session_negotiate(void *userdata, struct native_anchor *anchor,
                             const struct client_credentials *credentials, enum sasl_bus1_mode mode,
                             int fd, struct native_session **ret_session, uint64_t *ret_handle,
                             int *ret_fd, const char **ret_why);
void native_session_anchor_gone(void *userdata, struct native_session *session);
/* End those. Negative errno is fatal. */
int native_sessions_reap(struct loop_deferred *reap);
/* Now. */
int native_session_end(struct native_session *session);

/* deliver.c: to the programs */

int native_deliver(struct client *client, struct message *m, struct reply *reply, uint64_t cookie);
int native_broadcast_flush(struct native *native);
/*
 * Send to a handle of ours, with the attachment; created, when not NULL, is a transfer in front. 0,
 * CLIENT_E_*, or a negative errno.
 */
int native_send(struct native *native, uint64_t to, struct message *m,
                struct bus1_transfer *created);

/* receive.c: from the programs */

/* 1 when something was received, 0 when there was nothing; negative errno is fatal. */
int native_receive(struct native *native);

/* publish.c: names and objects with nodes of their own */

/* Takes the handle over in any case; replaces what was there. -ENOMEM, -EDQUOT. */
int native_publish(struct native_session *session, bool is_object, const char *key,
                   uint64_t handle);
struct native_published *native_published_find(struct native_session *session, bool is_object,
                                               const char *key, size_t n_key);
void native_published_free(struct native_published *published, bool release);
/* Where a call for the session's client goes. */
uint64_t native_published_route(struct native_session *session, const struct message *m);

/* lookup.c: nodes for those who looked up */

/* *ret_handle is the only handle to it. path may be NULL. -ENOMEM, -EDQUOT. */
int native_lookup_new(struct native_session *session, struct client *owner, const char *name,
                      const char *path, uint64_t *ret_handle);
void native_lookup_free(struct native_lookup *lookup, bool release);
/* The owner does not have the name any more (NULL: has gone altogether). */
void native_lookups_end(struct native *native, struct client *owner, const char *name);

/* answer.c: answers to look-ups that the bus could not answer at once */

/* Send a method return with the handle attached. Ends the cookie, and takes over the handle. */
int native_answer_handle(struct native_session *session, uint32_t serial, uint64_t caller_cookie,
                         uint64_t handle);

/* opening.c: traffic that leaves the daemon */

/* May every message between the two pass unseen by the bus? */
bool native_opening_allowed(struct native *native, struct client *client, struct client *owner);
/*
 * Ask the owner for a node; the call is answered when it comes. Takes over caller_cookie on
 * success. Returns 0, 1 when the owner cannot be asked, or a negative errno.
 */
int native_opening_new(struct native_session *session, uint32_t serial, uint64_t caller_cookie,
                       struct client *owner, const char *name, const char *path);
/* The owner's answer; NULL when there will be none. m may have a handle attached. */
int native_opening_answered(struct native_opening *opening, struct message *m);
/* The owner has had its time. */
int native_openings_expire(struct loop_timer *timer);
/* Those of a session that ends. */
void native_openings_end(struct native_session *session);
/* The policy has changed: all nodes opened so go, and are looked up again. */
void native_openings_withdraw(struct native *native);

/* interface.c */

extern const struct driver_interface native_driver_interface;
