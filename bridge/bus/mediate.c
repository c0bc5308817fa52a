/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Mediation: the list of modules, asked one after the other until one denies. */

#include "bridge/bus/mediate.h"

#include <stdio.h>
#include <string.h>

#include "bridge/bus/bus.h"
#include "bridge/bus/denial.h"

void mediate_add(struct bus *bus, struct mediator *mediator) {
        mediator->bus = bus;
        mediator->next = bus->mediators;
        bus->mediators = mediator;
}

void mediate_free_all(struct bus *bus) {
        while (bus->mediators) {
                struct mediator *mediator = bus->mediators;

                bus->mediators = mediator->next;
                mediator->free(mediator);
        }
}

unsigned mediate_enforced(const struct bus *bus) {
        unsigned enforced = 0;

        for (const struct mediator *m = bus->mediators; m; m = m->next)
                enforced |= m->enforces;
        return enforced;
}

bool mediate_has(const struct bus *bus, const char *name) {
        for (const struct mediator *m = bus->mediators; m; m = m->next)
                if (strcmp(m->name, name) == 0)
                        return true;
        return false;
}

/* The text for the client; NULL without memory. */
static char *text_of(const struct mediator *mediator, const char *reason) {
        char *text;

        return asprintf(&text, "%s: %s", mediator->name, reason) < 0 ? NULL : text;
}

bool mediate_message(struct bus *bus, const struct mediation_message *asked, char **ret_reason) {
        char reason[MEDIATION_REASON_MAX] = "";

        for (struct mediator *m = bus->mediators; m; m = m->next) {
                if (m->may_send(m, asked, reason))
                        continue;
                if (ret_reason) {
                        denial_log_message(
                                bus, asked->sender, asked->receiver, asked->m,
                                asked->requested_reply, false, "send",
                                &(struct denial_source){.policy = m->name, .text = reason});
                        *ret_reason = text_of(m, reason);
                }
                return false;
        }
        return true;
}

/* Ask about owning a name, or (name NULL) about eavesdropping. */
static bool mediate_client(const struct client *client, const char *name, char **ret_reason) {
        char reason[MEDIATION_REASON_MAX] = "";

        for (struct mediator *m = client->bus->mediators; m; m = m->next) {
                if (name ? m->may_own(m, client, name, reason)
                         : !m->may_eavesdrop || m->may_eavesdrop(m, client, reason))
                        continue;
                denial_log_client(client, name,
                                  &(struct denial_source){.policy = m->name, .text = reason});
                *ret_reason = text_of(m, reason);
                return false;
        }
        return true;
}

bool mediate_own(const struct client *client, const char *name, char **ret_reason) {
        return mediate_client(client, name, ret_reason);
}

bool mediate_eavesdrop(const struct client *client, char **ret_reason) {
        return mediate_client(client, NULL, ret_reason);
}
