/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Mediation - security modules of the kernel, asked besides the policy
 *
 * A module is asked after the policy allowed something: it can only deny more. It is asked where
 * the reference asks: when a client wants a name, when it sends, to whomever, and when it wants to
 * listen to others. What the bus itself says is not asked about. The list of a bus is NULL unless a
 * module is active, and that is all that others have to test.
 */

#include "bridge/bus/client.h"

#define MEDIATION_REASON_MAX 1024

struct bus_config;

struct mediation_message {
        const struct client *sender;
        const struct client *receiver; /* NULL: the bus */
        const struct message *m;
        bool requested_reply;
        bool eavesdropping;
        bool activation;           /* the receiver, which is NULL, is about to be started ... */
        const char *assumed_label; /* ... and has this label then; or NULL */
};

struct mediator {
        const char *name;  /* "SELinux", "AppArmor": in the log, and among the bus's Features */
        unsigned enforces; /* BUS_ENFORCES_* */
        struct bus *bus;
        struct mediator *next;
        /*
         * Each returns whether it is allowed. If not, reason, which has MEDIATION_REASON_MAX bytes,
         * gets what to say about it. None blocks for long, or fails: what cannot be found out is
         * denied.
         */
        bool (*may_own)(struct mediator *mediator, const struct client *client, const char *name,
                        char *reason);
        bool (*may_send)(struct mediator *mediator, const struct mediation_message *asked,
                         char *reason);
        bool (*may_eavesdrop)(struct mediator *mediator, const struct client *client,
                              char *reason); /* NULL: nothing is asked */
        void (*free)(struct mediator *mediator);
};

/* Takes the mediator. */
void mediate_add(struct bus *bus, struct mediator *mediator);
void mediate_free_all(struct bus *bus);
/* What all modules together enforce: BUS_ENFORCES_*. */
unsigned mediate_enforced(const struct bus *bus);
/* Whether a module of that name is asked. */
bool mediate_has(const struct bus *bus, const char *name);

/*
 * Do all modules allow this? A denial is logged, and *ret_reason, if not NULL, gets an allocated
 * text for the client, NULL without memory. Without ret_reason nothing is logged.
 */
bool mediate_message(struct bus *bus, const struct mediation_message *asked, char **ret_reason);
bool mediate_own(const struct client *client, const char *name, char **ret_reason);
bool mediate_eavesdrop(const struct client *client, char **ret_reason);
