/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Inside the native front end
 *
 * The bus is one bus1 peer. A native client sends to a node of that peer, and the node tells the
 * purpose of the message. The bus sends to nodes of the client's peer, to which the client gave it
 * handles:
 *
 *        client's peer                      peer of the bus
 *
 *        session handle    ------------->   session node        all other messages of the client
 *        reply handle      ------------->   reply node          one-shot, the answer to one call
 *        reply handle      ------------->   opening node        one-shot, the answer to OpenChannel
 *        looked-up handle  ------------->   look-up node        calls of one name or object
 *
 *        home node         <-------------   home handle         all other messages to the client
 *        reply node        <-------------   reply handle        one-shot, the answer to one call
 *        published node    <-------------   published handle    calls of that name or object
 *        subscription node <-------------   subscription handle signals of one match rule
 *
 * Two tables find nodes and handles by their ID, except reply handles.
 */

#include <bus1/bus1.h>
#include <bus1/hosted.h>

#include "base/scm.h"
#include "bridge/base/loop.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/reply.h"
#include "bridge/native/native.h"

#define NATIVE_RECEIVE_BUDGET 64 /* limit for one turn of the loop, in messages */
#define NATIVE_BUFFER_SIZE (260UL * 1024)
#define NATIVE_TRANSFERS_MAX 1024 /* the core's limit for one message */
#define NATIVE_FDS_MAX SCM_FDS_MAX
#define NATIVE_RECEIVERS_MAX 4096 /* of one multicast */
#define NATIVE_LOOKUPS_MAX 4096   /* of one session */
#define NATIVE_PUBLISHED_MAX 4096 /* of one session */
#define NATIVE_USER_MAX 65536     /* native_user.n_held of one user */
#define NATIVE_SPENT_MAX 32       /* see spent.c */

#define NATIVE_FLAGS_OFFSET 2 /* of the flags in the header of a D-Bus message */
/* A flag of calls to native clients, set by the bus: the caller can get no handles in the reply. */
#define NATIVE_FLAG_NO_HANDLES 0x80
/* A flag of Hello: the program wants struct native_credentials, and more about its channels. */
#define NATIVE_FLAG_INFORM 0x40

/*
 * What follows a D-Bus message to a session that wants it: the credentials of the client that is
 * the SENDER. The bus takes no message that is longer than its header says, so no client can send
 * such bytes.
 */
struct native_credentials {
        uint32_t uid;
        uint32_t gid;
        uint32_t pid;
};

enum native_node_kind {
        NATIVE_NODE_SESSION, /* data: struct native_session */
        NATIVE_NODE_REPLY,   /* data: struct reply, whose callee is native */
        NATIVE_NODE_LOOKUP,  /* data: struct native_lookup */
        NATIVE_NODE_OPENING, /* data: struct native_opening */
        NATIVE_NODE_MARK,    /* data: struct native_session; see native_session_mark() */
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
        struct native_session *session; /* of the client */
        void *data;
        UT_hash_handle hh;
        struct native_handle *prev, *next; /* of the session */
};

/* A name or object that a client published. */
struct native_published {
        struct native_handle *handle;
        bool is_object;
        UT_hash_handle hh; /* in session->names or session->objects */
        char key[];        /* the name or path */
};

/* A node of the bus, made for one session that looked up a name or object. */
struct native_lookup {
        struct native_session *session;
        struct client *owner;
        uint64_t node;
        char *path;                        /* stored behind the name; NULL: any object */
        struct native_opening *opening;    /* NULL: no channel is being opened */
        uint64_t opened_in;                /* the era in which it got its last channel; 0: none */
        struct native_lookup *prev, *next; /* of the session */
        struct native_lookup *owner_prev, *owner_next;
        char name[];
};

/* All look-up nodes for names and objects of one client. */
struct native_owner {
        struct client *client;
        struct native_lookup *lookups; /* never empty */
        UT_hash_handle hh;
};

/* A call of OpenChannel that waits until the owner's library has made the node of the channel. */
struct native_opening {
        struct native_lookup *lookup; /* the channel is for calls through the handle to this node */
        uint64_t node;
        uint32_t serial; /* of the call */
        uint64_t caller_cookie;
        uint64_t era;                       /* in which the owner was asked */
        int64_t deadline;                   /* by loop_now(); then the caller gets an error */
        struct native_opening *prev, *next; /* of the session that looked up */
        struct native_opening *due_prev, *due_next; /* of all sessions, earliest deadline first */
};

/* Counts what the peer of the bus holds for one user, so that no user exhausts the peer's quota. */
struct native_user {
        uint32_t uid;
        unsigned n_sessions;
        unsigned n_held;    /* number of native_lookup and native_handle of the user's sessions */
        uint64_t n_answers; /* sum of native_session.n_answers */
        int64_t looked;     /* when answers.c last asked the core about all sessions; loop_now() */
        UT_hash_handle hh;
};

struct native_session {
        struct client client;
        struct native *native;
        struct native_user *user;
        struct native_anchor *anchor; /* NULL: closed */
        uint64_t node;
        uint64_t mark;            /* node; BUS1_INVALID: the program has not left */
        uint64_t peer_token;      /* of the client's peer on the core that the bus hosts, or 0 */
        uint64_t home;            /* handle; BUS1_INVALID before Hello, or if its node has gone */
        uint64_t n_answers;       /* bytes of answers of the bus that may be unread */
        uint32_t serial;          /* that message_number() gave to the last message */
        bool completed;           /* Hello has succeeded */
        bool is_informed;         /* Hello had NATIVE_FLAG_INFORM */
        bool has_channels;        /* or has had some, as owner or caller, in this era */
        const char *close_reason; /* not NULL: the session ends */
        struct schedule_job end;  /* is wanted then */
        uint64_t n_exported;
        uint64_t spent[NATIVE_SPENT_MAX];
        uint8_t n_spent;
        bool leaves_handles; /* its reply handles are not one-shot */
        unsigned n_lookups;
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
        struct hosted_thaw *thaw;   /* while the domain is being loaded: state-core.h */
        struct bus1_client *peer;
        bool is_borrowed; /* from the bus of before, until native_settle(): nothing is released */
        struct loop *loop;
        uint64_t pid; /* of the bus; its own messages have this pid in their metadata */
        struct loop_source peer_source;
        struct loop_source domain_source;

        struct native_node *nodes;
        struct native_handle *handles;
        struct native_session *sessions;
        struct native_session *ending; /* those with a close_reason */
        uint64_t era;             /* begins with 1; a new one begins when all channels are closed */
        int64_t max_message_size; /* the limits when a channel was last asked for */
        int64_t max_message_unix_fds;
        struct native_opening *openings;
        struct loop_timer opening_timer; /* for the first opening */
        struct native_owner *owners;
        struct native_user *users;

        /* the broadcast whose receivers are being collected */
        struct {
                struct message *m; /* NULL: none */
                /* the second group gets the credentials of the sender, too */
                struct native_receivers {
                        size_t n;
                        uint64_t handles[NATIVE_RECEIVERS_MAX];
                } groups[2];
        } broadcast;

        /* parts of the message that is being received */
        struct bus1_transfer transfers[NATIVE_TRANSFERS_MAX];
        int fds[NATIVE_FDS_MAX];
        uint8_t buffer[NATIVE_BUFFER_SIZE];
};

static inline struct native_session *session_from_client(struct client *client) {
        return (struct native_session *)client; /* the client is the first member */
}

extern const struct client_ops native_client_ops;

static inline bool client_is_native(const struct client *client) {
        return client->ops == &native_client_ops;
}

/* Does the policy let the client send and receive everything? */
static inline bool client_is_unrestricted(const struct client *client) {
        return client->may_send_all && client->may_receive_all;
}

/* ids.c: nodes and handles of the bus */

/* For IDs, pointers and uids. Clients choose none of them, so spreading the values is enough. */
static inline unsigned native_hash(uint64_t id) {
        return (unsigned)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

int native_node_add(struct native *native, uint64_t id, enum native_node_kind kind, void *data,
                    struct native_node **ret_node);
struct native_node *native_node_find(struct native *native, uint64_t id);
/* Forget the node. release tells whether bus1 still has it and must release it. NULL is fine. */
void native_node_remove(struct native *native, struct native_node *node, bool release);
/*
 * Add a handle that the client gave to the bus. The handle is taken over, even on failure. -EDQUOT,
 * -ENOMEM.
 */
int native_handle_add(struct native_session *session, uint64_t id, enum native_handle_kind kind,
                      void *data, struct native_handle **ret_handle);
struct native_handle *native_handle_find(struct native *native, uint64_t id);
void native_handle_remove(struct native_handle *handle, bool release);
void native_release(struct native *native, uint64_t id); /* 0 and BUS1_INVALID are fine */

/*
 * Make an attachment that owns these handles; they are taken over even on failure. -ENOMEM.
 */
int native_attach(struct native *native, const struct bus1_transfer *transfers, size_t n,
                  void **ret_attachment);
void native_attachment_free(void *attachment);
size_t native_attachment_get(const struct message *m, const uint64_t **ret_handles);
/* Take out handle i, which the caller then owns; BUS1_INVALID if there is none. */
uint64_t native_attachment_take(struct message *m, size_t i);

/* session.c: native clients as members of the bus */

/* Make a session without nodes and handles; anchor becomes its own. -ENOMEM. */
int native_session_new(struct native *native, struct native_anchor *anchor,
                       const struct client_credentials *credentials,
                       struct native_session **ret_session);
/* bus_hooks.session_begin */
int native_session_negotiate(void *userdata, struct native_anchor *anchor,
                             const struct client_credentials *credentials, enum sasl_bus1_mode mode,
                             int fd, struct native_session **ret_session, uint64_t *ret_handle,
                             int *ret_fd, const char **ret_why);
/* bus_hooks.session_end */
void native_session_anchor_gone(void *userdata, struct native_session *session);
/*
 * The program has left. Put a mark into the queue of the bus, behind all that the program has sent:
 * when the bus receives the mark, it calls native_session_depart(). If there is no room for a mark,
 * the session ends at once.
 */
void native_session_mark(struct native_session *session);
/*
 * The bus has received all that the program sent before it left. Do the first step of its end now:
 * whoever sent the next message in the queue finds its names free. As native_session_close(), but
 * only for a caller that handles no message. Returns 0 or a negative errno.
 */
int native_session_depart(struct native_session *session, const char *reason);
/* End and free the session now. Returns 0 or a negative errno that is fatal. */
int native_session_end(struct native_session *session);

/* deliver.c: delivers to native clients, and closes their sessions */

/* Let the event loop end the session. reason is a static text; only the first one counts. */
void native_session_close(struct native_session *session, const char *reason);
/* Send the broadcast that is being collected, if there is one. */
int native_broadcast_flush(struct native *native);
/*
 * Send to a handle of the bus, with the handles attached to m. created, if not NULL, is a transfer
 * in front of them. Returns 0, CLIENT_E_*, or a negative errno.
 */
int native_send(struct native *native, uint64_t to, struct message *m,
                struct bus1_transfer *created);

/* answers.c: answers of the bus that native clients have not read */

/* The bus has sent an answer of n bytes. */
void native_answers_add(struct native_session *session, uint64_t n);
/* What happens to a call that wants a reply, as so many answers of the bus are unread? */
enum native_answers {
        NATIVE_ANSWERS_FIT,
        NATIVE_ANSWERS_REFUSE, /* it gets an error */
        NATIVE_ANSWERS_DROP,   /* its reply handle is released */
};
enum native_answers native_answers_check(struct native_session *session);
/* The session ends. */
void native_answers_end(struct native_session *session);

/* spent.c: reply handles that the bus has used */

/* An answer to the session was sent through this reply handle. */
void native_spent_add(struct native_session *session, uint64_t handle);

/* receive.c: messages from native clients */

/*
 * Receive one message or notification. Returns 1, 0 if there is none or no memory to receive it, or
 * a negative errno that is fatal.
 */
int native_receive(struct native *native);

/* publish.c: clients' nodes for names and objects */

/*
 * Use this handle for a name or object of the client; an earlier handle is released. The handle is
 * taken over, even on failure. -ENOMEM, -EDQUOT.
 */
int native_publish(struct native_session *session, bool is_object, const char *key,
                   uint64_t handle);
bool native_is_published(struct native_session *session, const char *path);
/* Does nothing if key is not published. */
void native_unpublish(struct native_session *session, bool is_object, const char *key,
                      size_t n_key);
void native_published_free(struct native_published *published, bool release);
/* The handle that a message for the session is sent to. */
uint64_t native_published_route(struct native_session *session, const struct message *m);

/* lookup.c: nodes for clients that looked up */

/*
 * Make a look-up node; *ret_handle is the only handle to it. path may be NULL. -ENOMEM, -EDQUOT,
 * errors of bus1_client_create_node().
 */
int native_lookup_new(struct native_session *session, struct client *owner, const char *name,
                      const char *path, struct native_lookup **ret_lookup, uint64_t *ret_handle);
/* A look-up of the bus of before, whose node exists. -ENOMEM, -EDQUOT. */
int native_lookup_restore(struct native_session *session, struct client *owner, const char *name,
                          const char *path, uint64_t node, uint64_t opened_in);
/* The look-up of the session whose node has this ID, or NULL. */
struct native_lookup *native_lookup_find(struct native_session *session, uint64_t node);
void native_lookup_free(struct native_lookup *lookup, bool release);
/*
 * End the look-ups of name, which owner does not own any more, or, if name is NULL, all look-ups of
 * owner, which has left.
 */
void native_lookups_end(struct native *native, struct client *owner, const char *name);

/* opening.c: direct channels */

/* the text of the error DRIVER_ERROR("Failed") that the caller of OpenChannel gets */
#define NATIVE_NO_CHANNEL "There is no direct channel for this handle at present"

/*
 * Ask the owner for the node of a channel; native_opening_answered() then answers the caller of
 * OpenChannel. control is the handle by which the owner tells the caller that it has closed the
 * channel; it is taken over, even on failure. Takes over caller_cookie on success. Returns 0, a
 * positive number if there can be no channel now, or a negative errno.
 */
int native_opening_new(struct native_lookup *lookup, uint32_t serial, uint64_t caller_cookie,
                       uint64_t control);
/*
 * Answer the caller with the handle attached to m, and free opening. If m is no method return with
 * a handle (NULL: there is no valid answer, or not in time), or a direct channel is not allowed any
 * more, the answer is an error.
 */
int native_opening_answered(struct native_opening *opening, struct message *m);
/*
 * An opening of the bus of before, whose node exists; the lists in *from are ignored. Restore them
 * in the order of their deadlines. -ENOMEM.
 */
int native_opening_restore(const struct native_opening *from);
/* Set opening_timer for the first opening, if there is one. -ENOMEM. */
int native_openings_wake(struct native *native);
/* opening_timer: callers whose deadline has passed get the error. */
int native_openings_expire(struct loop_timer *timer);
/*
 * The look-up ends: if it has a channel, tell the owner's library to end its node. Returns 0 or a
 * negative errno.
 */
int native_channel_end(struct native_lookup *lookup);
/* End the openings that the session waits for, because the session ends. */
void native_openings_end(struct native_session *session);
/* Tell all clients that have direct channels to close them; the calls then go through the bus. */
void native_openings_withdraw(struct native *native);

/* state-session.c: sessions in a state document, as fields of their clients */

/* client_ops.save() */
void native_session_save(const struct client *client, struct state_save *save);
/* Take them over into a new session. Returns 0 or load->error. */
int native_session_get(struct native_session *session, struct state_load *load);
/* Can this be an ID of the core, which was in the field? Returns 0 or load->error. */
int native_id_check(struct state_load *load, const char *field, uint64_t id);
/*
 * Add a node of the bus of before, whose ID was in the field. One that is there already is an
 * error. Returns 0 or load->error.
 */
int native_node_restore(struct native *native, struct state_load *load, const char *field,
                        uint64_t id, enum native_node_kind kind, void *data);

/* bus-peer.c: the front end */

/* Make a front end without a peer. NULL without memory. */
struct native *native_alloc(struct bus *bus, struct loop *loop);
/* The front end has its peer: add it to the bus and the loop. Returns 0 or a negative errno. */
int native_begin(struct native *native);

/* interface.c */

extern const struct driver_interface native_driver_interface;
