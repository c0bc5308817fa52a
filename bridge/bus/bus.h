/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The bus - all that clients share
 *
 * Names, match rules, pending replies, accounts, the driver's interfaces and the configuration in
 * force. One thread uses it; nothing in it blocks.
 */

#include "bridge/activation/service-environment.h"
#include "bridge/bus/client.h"
#include "bridge/bus/complaint.h"
#include "bridge/bus/match.h"
#include "bridge/bus/name.h"
#include "bridge/bus/reply.h"
#include "bridge/wire/sasl.h"
#include "policy/config.h"

struct activation;
struct driver_interface;
struct later;
struct log;
struct mediator;
struct native_anchor;
struct native_session;

/*
 * What the bus asks of the floors above it, and tells them. Each function may be NULL. Those of the
 * native front end get hooks.native, those of the process get hooks.process.
 */
struct bus_hooks {
        /* the native front end */
        void *native;
        /*
         * The authenticated, authorised connection asks for a native session (NEGOTIATE_BUS1). fd
         * is the descriptor that came with the line, which the hook takes over, or -1. On success
         * *ret_handle is the session handle in the client's peer, *ret_fd the descriptor to pass
         * with the answer (owned by the caller) or -1, and *ret_session stays valid until
         * session_end() or anchor->close(). On failure a negative errno, and *ret_why (static) goes
         * into the refusal.
         */
        int (*session_begin)(void *native, struct native_anchor *anchor,
                             const struct client_credentials *credentials, enum sasl_bus1_mode mode,
                             int fd, struct native_session **ret_session, uint64_t *ret_handle,
                             int *ret_fd, const char **ret_why);
        /* The socket of the session has gone. Called from the event loop. */
        void (*session_end)(void *native, struct native_session *session);
        /* A routing step is complete: all deliveries since the last call belong together. */
        void (*step_end)(void *native);
        /* A well-known name has another owner (NULL: none). Called before the signals are sent. */
        void (*name_owner_changed)(void *native, const char *name, struct client *old_owner,
                                   struct client *new_owner);
        /* The client has left; it is valid during the call, but has no names and rules any more. */
        void (*client_gone)(void *native, struct client *client);
        /* A client became a monitor or an eavesdropper: it is to see messages between others. */
        void (*observed)(void *native);
        /* The policies of all clients have changed. */
        void (*policy_changed)(void *native);

        /* the process */
        void *process;
        /*
         * ReloadConfig: read the configuration again, call bus_configure(), and end later (NULL:
         * nobody waits), now or when that is done. Negative errno is fatal.
         */
        int (*reload)(void *process, struct later *later);
};

/* The part of a native session that the socket front end implements. */
struct native_anchor {
        /* Close the socket, asynchronously; session_end() is not called for it any more. */
        void (*close)(struct native_anchor *anchor, const char *reason);
        /* The client of the session has its name: auth_timeout ends, the connection is complete. */
        void (*completed)(struct native_anchor *anchor);
};

#define BUS_INTERFACES_MAX 16

struct bus {
        char id[33];  /* GetId; hex */
        uint32_t uid; /* the user it runs as */
        uint32_t pid;
        uint32_t serial; /* last serial of a driver's message */
        uint64_t next_client_id;
        struct client_credentials credentials; /* of the bus itself */
        bool selinux;                          /* is what labels are by */
        struct hash_seed seed;
        struct log *log;
        struct complaints complaints;
        struct bus_limits limits;
        struct policy *policy;           /* NULL: everything is allowed */
        const struct bus_config *config; /* as bus_configure() was given it; NULL before */
        struct mediator *mediators;      /* security modules that are asked; NULL: none */
        char *type;                      /* session, system, or NULL */
        char *address;                   /* as printed; NULL before listening */
        bool systemd_activation;
        bool has_servicehelper;

        struct client *clients; /* all */
        struct client *monitors;
        uint32_t n_incomplete; /* connections before Hello, kept by the front ends */
        struct name_registry names;
        struct match_index matches;
        struct reply_table replies;
        struct account *accounts;               /* hash by uid */
        struct activation *activation;          /* NULL: no service can be started */
        struct service_environment environment; /* of what is started */
        uint32_t n_stats;                       /* Debug.Stats' own serial */
        uint64_t mark;                          /* the last broadcast; see client.mark */

        const struct driver_interface *interfaces[BUS_INTERFACES_MAX];
        size_t n_interfaces;

        /* Run a call to the driver's object; driver_dispatch(), which is on a floor above. */
        int (*dispatch)(struct client *client, struct message *m, uint64_t caller_cookie);
        struct bus_hooks hooks;
};

/* Make an empty bus that allows everything, with default limits. The driver is added by
 * interfaces.h. */
int bus_init(struct bus *bus, struct log *log);
/* After the process changed its user: ask anew who the bus is. */
void bus_refresh_identity(struct bus *bus);
/* All clients must have gone. */
void bus_deinit(struct bus *bus);
/* 32 random hex digits: ids of buses and addresses. */
void bus_make_id(char id[33]);
/* Is the client root, or the user that the bus runs as? */
static inline bool client_is_privileged(const struct client *client) {
        return client->credentials.uid == 0 || client->credentials.uid == client->bus->uid;
}
