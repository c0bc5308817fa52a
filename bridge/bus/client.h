/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Clients
 *
 * A client is one participant of the bus. Its front end is either the socket of a legacy program
 * (bridge/socket) or the bus1 session of a native one (bridge/native). Everything behind the front
 * ends (names, matches, replies, policy, quotas, statistics) sees only clients.
 *
 * A front end embeds struct client, calls client_receive() with each message it has read and
 * parsed, and implements struct client_ops to take messages away. It calls into the bus from its
 * own event handlers only, never from within an operation of struct client_ops.
 */

#include "bridge/base/hash.h"
#include "bridge/bus/credentials.h"
#include "bridge/wire/message.h"

/* The bus itself, as its clients know it. */
#define BUS_DRIVER_NAME "org.freedesktop.DBus"
#define BUS_DRIVER_PATH "/org/freedesktop/DBus"
#define BUS_DRIVER_INTERFACE "org.freedesktop.DBus"

struct account;
struct backlog;
struct bus;
struct client;
struct later;
struct match_rule;
struct name_ownership;
struct permits;
struct policy_client;
struct reply;
struct waiter;

/* Outcomes of delivering to a client, and of receiving from one. */
enum {
        CLIENT_E_QUOTA = 1,  /* its queue is full: LimitsExceeded */
        CLIENT_E_NO_FDS,     /* it did not negotiate descriptors: NotSupported */
        CLIENT_E_NO_HANDLES, /* it cannot take bus1 handles: NotSupported */
        CLIENT_E_DENIED,     /* a security module of the kernel refuses it: AccessDenied */
        CLIENT_E_GONE,       /* it is closing and gets nothing any more */
        CLIENT_E_VIOLATION,  /* it broke the protocol (logged); the front end disconnects it */
};

struct client_ops {
        /*
         * Queue a message, taking a reference of its own. Never calls back into the bus. Returns 0,
         * CLIENT_E_*, or a negative errno that is fatal to the bus.
         *
         * reply is the pending reply that m opens (a call; the client is reply->callee) or ends (a
         * return or error; the client is reply->caller), else NULL. For a call, a native front end
         * leaves the cookie of its one-shot node in reply->callee_cookie; reply then stays valid
         * until reply_closed() or the answer. For an answer, it sends to the handle that
         * reply->caller_cookie stands for, which uses that cookie up; reply is valid only during
         * this function.
         *
         * cookie is that of the match rule that lets a broadcast in: 0 for a rule made with
         * AddMatch, and for all other messages.
         */
        int (*deliver)(struct client *client, struct message *m, struct reply *reply,
                       uint64_t cookie);
        /*
         * Drop the connection; reason is a text for the log. The front end calls
         * client_disconnect() later from its event loop, never from within close().
         */
        void (*close)(struct client *client, const char *reason);
        /*
         * A pending reply ended while the client's cookie in it was not 0. If the client is the
         * caller, no answer will be delivered for reply->caller_cookie. If it is the callee, its
         * answer did not come through client_receive_reply(), or nobody waits for an answer any
         * more. reply is gone afterwards. NULL for a front end without cookies.
         */
        void (*reply_closed)(struct client *client, struct reply *reply);
        /*
         * One reason not to read from the client has ended: its backlog is no longer too long, or
         * it has no deferred answers (later.h) left. The front end reads again if neither
         * client->later nor quota_is_congested() forbids it. May be called from within deliver() or
         * while another client ends. NULL for a front end that never stops reading.
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
        char unique_name[32]; /* "" before; a monitor keeps it */
        size_t n_unique_name;
        uint64_t unique_hash;
        struct client_credentials credentials;
        bool fds_negotiated; /* takes messages with descriptors */
        bool handles_ok;     /* takes messages with attached handles */

        struct account *account;      /* shared by the clients of one uid */
        struct backlog *backlog;      /* messages that it sent and that are not delivered yet */
        struct policy_client *policy; /* NULL: everything is allowed */
        bool may_send_all;            /* the policy allows it to send everything */
        bool may_receive_all;         /* the policy allows it to receive everything */
        uint8_t settled_send[2];      /* policy_client_settled_send(); [1]: for receivers without a
                                         well-known name */
        uint8_t settled_receive[2];
        struct permits *permits; /* kept verdicts about calls to this client; may be NULL */

        struct name_ownership *ownerships; /* names owned or waited for, oldest first */
        uint32_t n_ownerships;
        struct match_rule *rules;
        uint32_t n_rules;
        struct reply *pending; /* replies this client waits for */
        uint32_t n_pending;
        struct reply *owed;  /* replies others wait for from this client */
        struct later *later; /* deferred answers, see later.h */
        uint32_t n_later;

        /* size of the message that is being routed */
        uint64_t incoming_bytes;
        uint64_t incoming_fds;
        /* its queue, kept by the front end through quota_charge_outgoing() */
        uint64_t n_outgoing; /* messages */
        uint64_t outgoing_bytes;
        uint64_t outgoing_fds;
        uint64_t answer_bytes; /* the part of outgoing_bytes that answers of the bus take */
        uint32_t n_notices;    /* unread signals of the bus about names */
        struct client_stats stats;
        uint64_t mark;          /* bus.mark of the last message that AddMatch rules let in */
        struct waiter *waiters; /* its messages and calls that wait for a service */
};

/* Raise peak to value if value is greater. */
#define KEEP_PEAK(peak, value)            \
        do {                              \
                if ((value) > (peak))     \
                        (peak) = (value); \
        } while (0)

static inline bool client_is_registered(const struct client *client) {
        return client->state == CLIENT_REGISTERED;
}

/* The client in log lines: its unique name, if it has one. */
static inline const char *client_name(const struct client *client) {
        return client->unique_name[0] ? client->unique_name : "(inactive)";
}
