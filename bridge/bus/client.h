/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Clients
 *
 * A client is one participant of the bus. It has two possible front ends, the socket of a legacy
 * program (bridge/socket) and the bus1 session of a native one (bridge/native); everything behind
 * (names, matches, replies, policy, quotas, statistics) sees only clients.
 *
 * A front end embeds struct client, calls client_receive() with each message it has read and
 * parsed, and implements struct client_ops to take messages away. It calls into the bus from its
 * own event handlers only, never from within an operation of struct client_ops.
 */

#include "bridge/base/hash.h"
#include "bridge/wire/message.h"

struct account;
struct backlog;
struct bus;
struct client;
struct driver_later;
struct match_rule;
struct name_ownership;
struct permits;
struct policy_client;
struct reply;
struct waiter;

struct client_credentials {
        uint32_t uid; /* UINT32_MAX: unknown */
        uint32_t gid;
        uint32_t pid;   /* 0: unknown */
        int pidfd;      /* -1: none; owned */
        uint32_t *gids; /* supplementary and primary, sorted; NULL with n_gids 0: unknown; owned */
        size_t n_gids;
        char *label; /* LSM label without terminator, or NULL; owned */
        size_t n_label;
};

/* All unknown. */
void client_credentials_init(struct client_credentials *credentials);
/* A copy with descriptors and arrays of its own. -ENOMEM, -EMFILE. */
int client_credentials_copy(const struct client_credentials *credentials,
                            struct client_credentials *ret_copy);
void client_credentials_deinit(struct client_credentials *credentials);

/* Outcomes of delivering to a client, and of receiving from one. */
enum {
        CLIENT_E_QUOTA = 1,  /* its queue is full: LimitsExceeded */
        CLIENT_E_NO_FDS,     /* it did not negotiate descriptors: NotSupported */
        CLIENT_E_NO_HANDLES, /* it cannot take bus1 handles: NotSupported */
        CLIENT_E_GONE,       /* it is closing: as if it were not there */
        CLIENT_E_VIOLATION,  /* it broke a rule of the protocol (logged): the front end disconnects
                                it */
};

struct client_ops {
        /*
         * Queue a message, taking a reference of its own. reply is the pending reply that m opens
         * (a call; the client is reply->callee) or ends (a return or error; the client is
         * reply->caller), else NULL. For a call a native front end leaves its one-shot node in
         * reply->callee_cookie; for an answer it sends to what it keeps under
         * reply->caller_cookie, which is thereby used up. The pointer is valid during the call for
         * answers, and until the reply ends (below) for calls. cookie is that of the match rule
         * that let a broadcast in (0 for a rule made with AddMatch), 0 for all else. Returns 0,
         * CLIENT_E_*, or a negative errno that is fatal to the bus. Never calls back into the bus.
         */
        int (*deliver)(struct client *client, struct message *m, struct reply *reply,
                       uint64_t cookie);
        /*
         * Drop the connection for the reason (a log text). Asynchronous: the front end calls
         * client_disconnect() from its event loop, never from within close.
         */
        void (*close)(struct client *client, const char *reason);
        /*
         * A reply ended on a way that used up nothing of this client's: as the caller, no answer
         * will be delivered under reply->caller_cookie; as the callee, an answer came otherwise
         * than through client_receive_reply(), or nobody waits any more. Only called for a cookie
         * that is not 0; may be NULL for a front end without cookies. reply is gone afterwards.
         */
        void (*reply_closed)(struct client *client, struct reply *reply);
        /*
         * quota_is_congested() said that the client is not to be read from, or it has calls that
         * the bus answers later, and it no longer is so. May come from within deliver() or the end
         * of another client; NULL for a front end that does not ask.
         */
        void (*resume)(struct client *client);
};

enum client_state {
        CLIENT_CONNECTED,  /* authenticated; only Hello is understood */
        CLIENT_REGISTERED, /* has its unique name */
        CLIENT_MONITOR,    /* listens to everything, has no name, may not speak */
        CLIENT_GONE,       /* disconnected */
};

struct client_stats {
        uint32_t peak_rules;
        uint32_t peak_names;
        uint64_t peak_incoming_bytes;
        uint64_t peak_incoming_fds;
        uint64_t peak_outgoing_bytes;
        uint64_t peak_outgoing_fds;
};

struct client {
        struct bus *bus;
        const struct client_ops *ops;
        struct client *prev, *next; /* all clients of the bus */
        struct client *monitor_prev, *monitor_next;
        UT_hash_handle hh; /* registered clients, by unique_name */

        enum client_state state;
        uint64_t id;          /* the N of the unique name :1.N; from CLIENT_REGISTERED on */
        char unique_name[32]; /* "" before; stays the same as a monitor */
        size_t n_unique_name;
        uint64_t unique_hash;
        struct client_credentials credentials;
        bool fds_negotiated; /* takes messages with descriptors */
        bool handles_ok;     /* takes messages with attached handles */

        struct account *account;      /* shared by the clients of one uid */
        struct backlog *backlog;      /* what it sent and others did not read yet */
        struct policy_client *policy; /* NULL: everything is allowed */
        bool may_send_all;            /* no rule can forbid this client to send, ... */
        bool may_receive_all;         /* ... or to receive, whatever it be */
        uint8_t settled_send[2];      /* see policy_client_settled_send(), by is_nameless */
        uint8_t settled_receive[2];
        struct permits *permits; /* to send to it; may be NULL */

        struct name_ownership *ownerships; /* names owned or waited for, oldest first */
        uint32_t n_ownerships;
        struct match_rule *rules;
        uint32_t n_rules;
        struct reply *pending; /* replies this client waits for */
        uint32_t n_pending;
        struct reply *owed;         /* replies others wait for from this client */
        struct driver_later *later; /* calls to the bus that it answers later */
        uint32_t n_later;

        /* of the message that is being routed */
        uint64_t incoming_bytes;
        uint64_t incoming_fds;
        /* kept by the front end through quota_charge_outgoing() */
        uint64_t n_outgoing; /* messages */
        uint64_t outgoing_bytes;
        uint64_t outgoing_fds;
        uint64_t answer_bytes; /* of outgoing_bytes: what the bus answered */
        uint32_t n_notices;    /* of the bus, unread */
        struct client_stats stats;
        uint64_t mark;          /* private to broadcasts: the last one delivered */
        struct waiter *waiters; /* what it sent to names that are to get an owner */
};

/*
 * Make a client of a bus. credentials are moved in, and are those of the whole life. Returns 0 or
 * -ENOMEM (then credentials are deinitialised too).
 */
int client_init(struct client *client, struct bus *bus, const struct client_ops *ops,
                struct client_credentials *credentials);
/* After client_disconnect(), which it calls if that was not done. */
void client_deinit(struct client *client);

/*
 * Route a parsed message from the client. Takes its own references; the caller drops his
 * afterwards. m must not be held by anyone else yet: its header is laid anew with the sender's
 * name.
 *
 * caller_cookie is what a native front end knows the reply handle of a call by, 0 for none. A
 * cookie that is not 0 is ended exactly once, maybe before this returns: by deliver() with a reply
 * that has it as caller_cookie, or by reply_closed().
 *
 * Returns 0, CLIENT_E_VIOLATION (already logged; the front end disconnects the client), or a
 * negative errno that is fatal to the bus.
 */
int client_receive(struct client *client, struct message *m, uint64_t caller_cookie);

/*
 * Route a return or error that came in through the callee_cookie of a reply; the cookie is used up.
 * The destination is set to the waiting caller. A wrong type or reply serial is CLIENT_E_VIOLATION,
 * and NoReply for the caller. The reply is gone afterwards.
 */
int client_receive_reply(struct client *callee, struct reply *reply, struct message *m);

/*
 * Leave the bus: names, rules and replies go, callers waiting for this client get NoReply.
 * Idempotent. The client gets no more deliveries.
 */
int client_disconnect(struct client *client);

/* Log that the client broke a rule of the protocol; always returns CLIENT_E_VIOLATION. */
int client_violation(struct client *client, const char *rule);

static inline bool client_is_registered(const struct client *client) {
        return client->state == CLIENT_REGISTERED;
}

/* How logs call the client: its unique name, or something else before it has one. */
const char *client_name(const struct client *client);
/* Is it root, or the user the bus runs as? */
bool client_is_privileged(const struct client *client);
