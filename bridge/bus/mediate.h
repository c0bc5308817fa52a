/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Mediation - asking the security modules of the kernel
 *
 * A mediator is one module (SELinux, AppArmor). The bus asks it about actions that it would allow
 * without the module, so a module can only deny more. Like in the reference, the actions are:
 * requesting a name, sending a message, and eavesdropping. Messages of the bus itself are not
 * mediated. bus->mediators is NULL if no module is active.
 */

#include "bridge/bus/client.h"

#define MEDIATION_REASON_MAX 1024

struct bus_config;

struct mediation_message {
        const struct client *sender;
        const struct client *receiver; /* NULL: the bus, or see activation */
        const struct message *m;
        bool requested_reply;
        bool eavesdropping;
        bool activation;           /* the receiver (NULL) is a service that does not run yet */
        const char *assumed_label; /* the label that this service will have, if known */
};

struct mediator {
        const char *name;  /* "SELinux", "AppArmor"; for the log and the property Features */
        unsigned enforces; /* BUS_ENFORCES_* */
        struct bus *bus;
        struct mediator *next;
        /*
         * Each may_*() returns whether the module allows the action. On a denial it writes a text
         * for the log and the client into reason, which has room for MEDIATION_REASON_MAX bytes. It
         * does not block for long. If it cannot get a verdict, it denies the action, unless the
         * module only logs its denials.
         */
        bool (*may_own)(struct mediator *mediator, const struct client *client, const char *name,
                        char *reason);
        bool (*may_send)(struct mediator *mediator, const struct mediation_message *asked,
                         char *reason);
        bool (*may_eavesdrop)(struct mediator *mediator, const struct client *client,
                              char *reason); /* NULL: eavesdropping is always allowed */
        void (*free)(struct mediator *mediator);
};

/* Add a mediator; the bus owns it from then on. */
void mediate_add(struct bus *bus, struct mediator *mediator);
void mediate_free_all(struct bus *bus);
/* The flags in mediator.enforces of all modules together. */
unsigned mediate_enforced(const struct bus *bus);
/* Is there a mediator of this name? */
bool mediate_has(const struct bus *bus, const char *name);

/*
 * Do all modules allow the action? On a denial *ret_reason gets an allocated text for the client
 * (NULL without memory) and a line is logged. Only mediate_message() accepts NULL for ret_reason;
 * then this line is not logged.
 */
bool mediate_message(struct bus *bus, const struct mediation_message *asked, char **ret_reason);
bool mediate_own(const struct client *client, const char *name, char **ret_reason);
bool mediate_eavesdrop(const struct client *client, char **ret_reason);
