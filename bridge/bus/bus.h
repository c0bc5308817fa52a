/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The bus - all that clients share
 *
 * It holds clients, names, match rules, pending replies, accounts, the driver's interfaces, and the
 * configuration in force. Only one thread uses it, and this thread does not wait for clients.
 */

#include "bridge/activation/service-environment.h"
#include "bridge/base/ids.h"
#include "bridge/base/schedule.h"
#include "bridge/bus/client.h"
#include "bridge/bus/complaint.h"
#include "bridge/bus/match.h"
#include "bridge/bus/name.h"
#include "bridge/bus/reply.h"
#include "bridge/wire/sasl.h"
#include "policy/config.h"

struct activation;
struct docket;
struct docket_visit;
struct driver_interface;
struct later;
struct log;
struct mediator;
struct native_anchor;
struct native_session;
struct state_load;
struct state_save;

/*
 * Functions by which the bus calls the native front end and the process, on which bridge/bus must
 * not depend. Each may be NULL. The first argument is hooks.native for the hooks of the native
 * front end, and hooks.process for those of the process.
 */
struct bus_hooks {
        /* the native front end */
        void *native;
        /*
         * A program asks for a native session (NEGOTIATE_BUS1). It has authenticated, and the
         * policy lets it connect. fd is the descriptor that came with the line, which the hook
         * takes over, or -1. On success *ret_handle is the ID that the handle to the session node
         * has in the program's peer, *ret_fd is the descriptor to pass with the answer (the socket
         * front end then owns it) or -1, and *ret_session stays valid until session_end() or
         * anchor->close(). Otherwise the result is a negative errno, and the bus refuses with the
         * static text *ret_why.
         */
        int (*session_begin)(void *native, struct native_anchor *anchor,
                             const struct client_credentials *credentials, enum sasl_bus1_mode mode,
                             int fd, struct native_session **ret_session, uint64_t *ret_handle,
                             int *ret_fd, const char **ret_why);
        /*
         * The program has closed the socket of the session. The session ends when the bus has
         * handled all that was sent before; anchor->close() tells when. Returns 0 or a negative
         * errno that is fatal.
         */
        int (*session_leave)(void *native, struct native_session *session);
        /*
         * The bus closes the socket of the session, or its handshake ended without an agreement on
         * bus1: the session ends at once.
         */
        void (*session_end)(void *native, struct native_session *session);
        /*
         * The current record of a state document is the Client of a session (bridge/state/load.h):
         * make the session of the program with these credentials. *ret_session is like that of
         * session_begin(). Returns 0 or load->error.
         */
        int (*session_load)(void *native, struct native_anchor *anchor,
                            const struct client_credentials *credentials, struct state_load *load,
                            struct native_session **ret_session);
        /*
         * The bus has routed a message or removed a client: send the broadcast for which native
         * receivers were collected, if there is one.
         */
        void (*step_end)(void *native);
        bool in_step; /* set while there is such a broadcast; otherwise step_end() is not called */
        /* A well-known name has another owner (NULL: none). Called before the signals are sent. */
        void (*name_owner_changed)(void *native, const char *name, struct client *old_owner,
                                   struct client *new_owner);
        /* The client has left. It is valid during this call, but has no names or rules any more. */
        void (*client_gone)(void *native, struct client *client);
        /*
         * A client is about to become a monitor, or has added a match rule with eavesdrop='true',
         * so it shall see messages between others. Its call has not been answered yet.
         */
        void (*observed)(void *native);
        /* bus_configure() has given all clients a new policy. */
        void (*policy_changed)(void *native);

        /* the process */
        void *process;
        /*
         * ReloadConfig: begin to read the configuration again. If it is valid, bus_configure() is
         * called. Then the deferred answer `later` (NULL: none) is sent, which is an error if the
         * reload failed. A negative errno is fatal.
         */
        int (*reload)(void *process, struct later *later);
        /*
         * Reexecute: the process executes its program again. The deferred answer `later` is sent by
         * the next program, or is an error if there is none. A negative errno is fatal.
         */
        int (*reexecute)(void *process, struct later *later);
        /*
         * Is the policy in force older than its files, as far as can be seen without waiting? Then
         * the process reads the files as soon as it may, and calls docket_judge_all() afterwards.
         */
        bool (*policy_is_old)(void *process);
        /*
         * The files have changed, and policy_is_old() may not have seen it: it returns true from
         * now on, until they have been read.
         */
        void (*files_have_changed)(void *process);
};

/*
 * The anchor of a native session: the socket with which the session ends. The socket front end
 * implements it.
 */
struct native_anchor {
        /* Close the socket, asynchronously. Closing it in this way does not call session_end(). */
        void (*close)(struct native_anchor *anchor, const char *reason);
        /* The client of the session has its unique name: stop the timer of auth_timeout. */
        void (*completed)(struct native_anchor *anchor);
        /* Write, to the open record of a state document, by which field it is found again. */
        void (*save)(const struct native_anchor *anchor, struct state_save *save);
};

#define BUS_INTERFACES_MAX 16

/* File descriptors in messages, see descriptors.h. */
struct fds_pool {
        uint64_t max;
        uint64_t used;
        uint32_t n_users; /* users who have some */
};

struct bus {
        char id[33];  /* GetId; hex */
        uint32_t uid; /* the user it runs as */
        uint32_t pid;
        uint32_t serial;                       /* of the last message that the bus made */
        struct ids ids;                        /* of clients: the numbers in their unique names */
        struct client_credentials credentials; /* of the bus itself */
        bool selinux;                          /* labels of clients are SELinux contexts */
        struct hash_seed seed;
        struct log *log;
        struct complaints complaints;
        struct bus_limits limits;
        struct policy *policy;           /* NULL: everything is allowed */
        const struct bus_config *config; /* see bus_configure(); NULL before that */
        struct mediator *mediators;      /* active security modules; NULL: none */
        char *type;                      /* <type> of the configuration */
        char *address;                   /* as printed; NULL before listening */
        bool systemd_activation;
        bool has_servicehelper;
        bool standard_configuration; /* --session or --system has chosen the configuration */
        bool system_configuration;   /* it was --system */
        struct client *unit_manager; /* systemd, while its broadcasts are of interest; or NULL */

        struct client *clients; /* all */
        struct client *monitors;
        uint32_t n_incomplete; /* connections without Hello */
        uint32_t n_giving_way; /* clients that lose their places, see place.h */
        uint32_t n_leaving;    /* clients that are CLIENT_GONE, but may own names still */
        struct name_registry names;
        struct match_index matches;
        struct reply_table replies;
        struct account *accounts;      /* hash by uid */
        struct account *idle_accounts; /* of these: those without references, oldest first */
        uint32_t n_idle_accounts;
        struct fds_pool fds[2]; /* by enum fds_kind */
        struct client *deaf;    /* those of deaf_for_a_time() */
        struct loop_timer deaf_timer;
        bool policy_is_checked;                 /* see docket_note_input() */
        struct docket *dockets;                 /* of clients that wait for a newer policy */
        struct docket_visit *visits;            /* handshakes that do */
        struct schedule schedule;               /* whose turn it is; set up by the server */
        struct activation *activation;          /* NULL: no service can be started */
        struct service_environment environment; /* variables set for services */
        uint32_t n_stats;                       /* Serial of the next answer of Debug.Stats */
        uint64_t mark;                          /* counts broadcasts and eavesdropper searches */
        uint64_t n_signal_forms;                /* how many were ever made (signal-permit.h) */

        const struct driver_interface *interfaces[BUS_INTERFACES_MAX];
        size_t n_interfaces;
        struct writer_body *name_list; /* the answer to ListNames; NULL: not made */
        char *introspection[2]; /* their XML at other paths, and at the driver's; NULL: not made */

        /* Run a call to the bus: driver_dispatch(). bridge/bus must not depend on bridge/driver. */
        int (*dispatch)(struct client *client, struct message *m, uint64_t caller_cookie);
        /* client_receive_again(), which is on a floor above those who need it. */
        int (*receive_again)(struct client *client, struct message *m, uint64_t caller_cookie,
                             bool is_call);
        struct bus_hooks hooks;
};

/* Make an empty bus that allows everything, has default limits, and has no driver yet. */
int bus_init(struct bus *bus, struct log *log);
/* Read the credentials of the bus again, after the process has changed its user. */
void bus_refresh_identity(struct bus *bus);
/* Call this after the last client has gone. */
void bus_deinit(struct bus *bus);
/* Make an id of a bus or an address: 32 random hex digits. */
void bus_make_id(char id[33]);
/* Is the client root, or the user that the bus runs as? */
static inline bool client_is_privileged(const struct client *client) {
        return client->credentials.uid == 0 || client->credentials.uid == client->bus->uid;
}
