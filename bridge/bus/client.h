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
 * parsed, and implements struct client_ops to take messages away.
 */

#include "bridge/wire/message.h"

struct bus;
struct client;
struct reply;

struct client_credentials {
        uint32_t uid; /* UINT32_MAX: unknown */
        uint32_t gid;
        uint32_t pid; /* 0: unknown */
        int pidfd;    /* -1: none; owned */
        uint32_t *gids; /* supplementary and primary, sorted; NULL with n_gids 0: unknown; owned */
        size_t n_gids;
        char *label;  /* LSM label without terminator, or NULL; owned */
        size_t n_label;
};

/* Outcomes of delivering to a client. */
enum {
        CLIENT_E_QUOTA = 1,   /* its queue is full: LimitsExceeded */
        CLIENT_E_NO_FDS,      /* it did not negotiate descriptors: NotSupported */
        CLIENT_E_NO_HANDLES,  /* it cannot take bus1 handles: NotSupported */
        CLIENT_E_GONE,        /* it is closing: as if it were not there */
};

struct client_ops {
        /*
         * Queue a message, taking a reference of its own. reply is the pending reply that m opens
         * (a call) or ends (a return or error), else NULL. cookie is that of the match rule that let
         * a broadcast in (0 for a rule made with AddMatch), 0 for all else. Returns 0, CLIENT_E_*, or a negative
         * errno that is fatal to the bus. Never calls back into the bus.
         */
        int (*deliver)(struct client *client, struct message *m, struct reply *reply, uint64_t cookie);
        /*
         * Drop the connection for the reason (a log text). Asynchronous: the front end calls client_disconnect()
         * from its event loop, never from within close.
         */
        void (*close)(struct client *client, const char *reason);
};
