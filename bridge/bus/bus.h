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
#include "bridge/bus/native-hooks.h"
#include "bridge/bus/reply.h"
#include "policy/config.h"

#define BUS_DRIVER_NAME "org.freedesktop.DBus"
#define BUS_DRIVER_PATH "/org/freedesktop/DBus"
#define BUS_DRIVER_INTERFACE "org.freedesktop.DBus"

struct activation;
struct driver_interface;
struct driver_later;
struct log;
struct mediator;
struct name;

/* What other parts of the daemon want to know; each may be NULL. Called with hooks_userdata. */
struct bus_hooks {
        /* A routing step is complete: what was delivered since the last call belongs together. */
        void (*broadcast_end)(void *userdata);
        /* The owner of a well-known name changed; NULL: none. Called before the signals go out. */
        void (*name_owner_changed)(void *userdata, const char *name, struct client *old_owner,
                                   struct client *new_owner);
        /* The client left; it is still valid during the call, with its names and rules gone. */
        void (*client_gone)(void *userdata, struct client *client);
        /* Somebody asked to be shown what others say to each other: a monitor, an eavesdropper. */
        void (*observed)(void *userdata);
        /* The policy of all clients was made anew (ReloadConfig). */
        void (*policy_changed)(void *userdata);
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

        struct client *clients;    /* all */
        struct client *registered; /* hash, by unique_name */
        struct client *monitors;
        uint32_t n_incomplete; /* connections before Hello, kept by the front ends */
        uint32_t n_registered; /* clients after it */
        struct name *names;    /* hash */
        uint32_t n_names;
        uint32_t peak_names; /* unique ones and the bus's own included, see bus_count_names() */
        uint32_t peak_names_per_client, peak_rules_per_client;
        struct match_index matches;
        struct reply_table replies;
        struct reply *deadlines;                /* oldest first, when there is a reply_timeout */
        struct account *accounts;               /* hash by uid */
        struct activation *activation;          /* NULL: no service can be started */
        struct service_environment environment; /* of what is started */
        uint32_t n_stats;                       /* Debug.Stats' own serial */
        uint64_t mark;                          /* the last broadcast; see client.mark */

        const struct driver_interface *interfaces[BUS_INTERFACES_MAX];
        size_t n_interfaces;

        const struct native_hooks *native; /* NULL: no bus1 here */
        void *native_userdata;
        struct bus_hooks hooks;
        void *hooks_userdata;

        /*
         * ReloadConfig: have the configuration read again, bus_configure(), and end later (NULL:
         * nobody waits), now or when that is done. Negative errno is fatal.
         */
        int (*reload)(void *userdata, struct driver_later *later);
        void *reload_userdata;

        /* The oldest reply ends at this time, by loop_now(): call reply_expire() then. May be NULL.
         */
        void (*set_reply_timer)(void *userdata, int64_t deadline);
        void *reply_timer_userdata;
};

/* An empty bus that allows everything, with default limits and the standard interfaces. -ENOMEM. */
int bus_init(struct bus *bus, struct log *log);
/* After the process changed its user: ask anew who the bus is. */
void bus_refresh_identity(struct bus *bus);
/* All clients must have gone. */
void bus_deinit(struct bus *bus);
/*
 * Take over limits and policy of a configuration, for clients that are there too. Atomic; -ENOMEM.
 * The configuration stays the caller's, and has to live until the bus gets another one.
 */
int bus_configure(struct bus *bus, const struct bus_config *config);

/* 32 random hex digits: ids of buses and addresses. */
void bus_make_id(char id[33]);
/* All names there are, of any kind; notes the peak. */
uint32_t bus_count_names(struct bus *bus);
/* The next serial for a message of the driver; never 0. */
uint32_t bus_next_serial(struct bus *bus);

/* May a user with these credentials be here (connect policy)? Logs a refusal. */
bool bus_check_connect(struct bus *bus, const struct client_credentials *credentials,
                       bool anonymous);
