/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Clients
 *
 * A client is one participant of the bus. Its front end is bridge/socket for a legacy program, and
 * bridge/native for a native one. The code for names, match rules, replies, policy, quotas and
 * statistics uses struct client for both.
 *
 * A front end embeds struct client, and implements struct client_ops to deliver messages to the
 * program. It parses the messages of the program and passes them to client_receive(), or to
 * client_receive_reply(). It must not route a message from within an operation of struct
 * client_ops.
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
struct docket;
struct later;
struct match_rule;
struct name_ownership;
struct permits;
struct policy_client;
struct reply;
struct signal_forms;
struct signal_permits;
struct state_save;
struct unread;
struct waiter;

/* Outcomes of delivering to a client, and of receiving from one. */
enum {
        CLIENT_E_QUOTA = 1,  /* its queue has no room: LimitsExceeded */
        CLIENT_E_NO_FDS,     /* it cannot take these descriptors: NotSupported */
        CLIENT_E_NO_HANDLES, /* it cannot take bus1 handles: NotSupported */
        CLIENT_E_DENIED,     /* a security module forbids the bus to send this: AccessDenied */
        CLIENT_E_GONE,       /* it is closing and gets nothing any more */
        CLIENT_E_VIOLATION,  /* it broke the protocol (logged); the front end disconnects it */
};

struct client_ops {
        /*
         * Queue a message for the program. Takes a reference of its own if it keeps m. Returns 0,
         * CLIENT_E_*, or a negative errno that is fatal to the bus.
         *
         * reply is the pending reply that m opens (a call; the client is reply->callee) or ends (a
         * return or error; the client is reply->caller), else NULL. For a call, the native front
         * end stores the cookie of its one-shot node in reply->callee_cookie; reply then stays
         * valid until reply_closed() or the answer. For an answer, it sends m to the handle that
         * reply->caller_cookie stands for. If that succeeds, the cookie is used up. reply is then
         * valid only during this function.
         *
         * If a match rule is the reason for the delivery (of a broadcast, or to an eavesdropper),
         * cookie is that of the rule, which is 0 for a rule made with AddMatch. Otherwise cookie is
         * 0.
         */
        int (*deliver)(struct client *client, struct message *m, struct reply *reply,
                       uint64_t cookie);
        /*
         * A call ends, and the client's cookie for it is not 0. If the client is the caller, no
         * answer will be delivered for reply->caller_cookie. If it is the callee, its answer did
         * not come through client_receive_reply(), or nobody waits for an answer any more. reply is
         * gone afterwards. NULL for a front end without cookies.
         */
        void (*reply_closed)(struct client *client, struct reply *reply);
        /*
         * One reason not to read from the client has ended: its backlog is no longer too long, it
         * has no deferred answers (later.h) left, or nothing in its docket (docket.h). The front
         * end reads again if none of client->later, client->docket and quota_is_congested() forbids
         * it. May be called from within deliver() or while another client ends. NULL for a front
         * end that never stops reading.
         */
        void (*resume)(struct client *client);
        /* Another client needs its place: close its connection, soon. */
        void (*displace)(struct client *client);
        /*
         * Write, to the open record of the client in a state document, the field by which the front
         * end finds the client again (state-clients.h). NULL: the client cannot be saved.
         */
        void (*save)(const struct client *client, struct state_save *save);
};

enum client_state {
        CLIENT_CONNECTED,  /* authenticated, has not called Hello yet */
        CLIENT_REGISTERED, /* has its unique name */
        CLIENT_MONITOR,    /* sees messages of others; owns no name and may not send */
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

/* What all clients of a user have together. */
struct holdings {
        uint64_t n_rules;
        uint64_t n_ownerships;
};

struct client {
        struct bus *bus;
        const struct client_ops *ops;
        struct client *prev, *next; /* all clients of the bus */
        struct client *monitor_prev, *monitor_next;
        UT_hash_handle hh; /* registered clients, by unique_name */

        enum client_state state;
        bool has_unique_name; /* CLIENT_GONE: it has to be released yet */
        bool gives_way;       /* see place.h */
        bool has_left;        /* CLIENT_GONE, and nothing of it is left on the bus */
        bool is_closing; /* legacy: its connection is closed, so it reads nothing and leaves soon */
        uint64_t id;     /* the N of the unique name :1.N; from CLIENT_REGISTERED on */
        char unique_name[32]; /* "" before that; a monitor keeps the text */
        size_t n_unique_name;
        uint64_t unique_hash;
        struct client_credentials credentials;
        bool fds_negotiated; /* takes messages with descriptors */
        bool handles_ok;     /* takes messages with attached handles */

        struct account *account;      /* shared by the clients of one uid */
        struct holdings *holdings;    /* in account */
        struct backlog *backlog;      /* calls and signals that it sent and that wait (quota.h) */
        struct policy_client *policy; /* NULL: everything is allowed */
        bool may_send_all;            /* the policy allows it to send everything */
        bool may_receive_all;         /* the policy allows it to receive everything */
        uint8_t settled_send[2];      /* policy_client_settled_send(); [1]: for receivers without a
                                         well-known name */
        uint8_t settled_receive[2];
        struct permits *permits; /* kept verdicts about calls to this client; may be NULL */
        struct signal_permits *signal_permits; /* the same about signals to this client */
        struct signal_forms *signal_forms; /* the forms of signals of this client; may be NULL */

        struct name_ownership *ownerships; /* names owned or waited for, oldest first */
        uint32_t n_ownerships;
        struct match_rule *rules;
        struct match_rule *sleeping_rules; /* see match_rule_sleep() */
        uint64_t last_rule;                /* number of the last one that was made */
        uint32_t n_rules;
        struct reply *pending; /* replies this client waits for */
        uint32_t n_pending;
        struct reply *owed;  /* replies others wait for from this client */
        struct later *later; /* deferred answers, see later.h */
        uint32_t n_later;

        uint64_t n_received; /* messages */
        /* size of the client's message that is being routed; 0: none */
        uint64_t incoming_bytes;
        uint64_t incoming_fds;
        /* its queue, counted by quota_charge_outgoing(); 0 for a native client */
        uint64_t n_outgoing; /* messages */
        uint64_t outgoing_bytes;
        uint64_t outgoing_fds;
        uint64_t queued;    /* memory of these messages, except answers of the bus */
        uint64_t answers;   /* memory of the answers */
        uint32_t n_notices; /* NameAcquired and NameLost in its queue */

        /*
         * A broadcast did not fit into its queue. Until that may have changed, it gets none, so
         * that a client that does not read costs the senders of signals almost nothing.
         */
        bool is_deaf;
        uint64_t deaf_at; /* legacy: what was queued then; ends when half of it has been read */
        bool in_deaf;     /* is in bus.deaf */
        struct client *deaf_prev, *deaf_next;

        uint64_t unfinished; /* bytes that its front end has read, and not passed on yet */
        bool is_paused;      /* is in account->paused[paused_for] */
        uint8_t paused_for;  /* enum account_wait */
        struct client *paused_prev, *paused_next;
        struct client_stats stats;
        uint64_t mark;          /* bus.mark of the last message that its AddMatch rules matched */
        struct waiter *waiters; /* its messages and calls that wait for a service */
        struct docket *docket;  /* those that wait for a newer policy (docket.h); NULL: none */
        struct unread *unread;  /* calls to it that it will not read (unread.h) */
        struct unread *unread_sent; /* calls that it has sent, and others will not read */
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
