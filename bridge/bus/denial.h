/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Denials in the log - who may not do what, because of which rule
 *
 * One way for all of them: a line, limited in rate (bridge/bus/complaint.h), and the same as fields
 * for the journal. doc/operating/logging.md lists the fields.
 */

#include "bridge/bus/client.h"

struct policy_rule;

/* Who decided. NULL for rule and reason: what applies where nothing does. */
struct denial_source {
        const char *policy;             /* "policy", or a security module's name */
        const struct policy_rule *rule; /* of the policy */
        const char *text;               /* what the rule, or the module, says; or NULL */
};

/* A message from sender to receiver (NULL: the bus), about to be sent or received. */
void denial_log_message(struct bus *bus, const struct client *sender, const struct client *receiver,
                        const struct message *m, bool requested_reply, bool allowed,
                        const char *direction, const struct denial_source *source);
/* A name that the client may not own. */
void denial_log_own(const struct client *client, const char *name,
                    const struct denial_source *source);
/* A client that may not listen to others. */
void denial_log_eavesdrop(const struct client *client, const struct denial_source *source);
/* A connection that may not be there. */
void denial_log_connect(struct bus *bus, const struct client_credentials *credentials,
                        const struct denial_source *source);
