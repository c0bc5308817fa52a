/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Denials in the log - which client may not do what, because of which rule
 *
 * A denial becomes one line, limited in rate (bridge/bus/complaint.h), with fields for the journal.
 * verdict.h says which denials are not logged. A message that a rule with log="true" allows gets
 * such a line, too. doc/operating/logging.md lists the fields.
 */

#include "bridge/bus/client.h"

struct policy_rule;

/* What decided: a rule, a security module, or, if no rule matched, the default. */
struct denial_source {
        const char *policy;             /* "policy", or a security module's name */
        const struct policy_rule *rule; /* NULL: a security module or the default decided */
        const char *text;               /* policy_rule_describe(), or the module's reason */
};

/*
 * Log a verdict about a message from sender (NULL: the bus) to receiver (NULL: the bus, or a
 * service that does not run yet). direction is "send" or "receive".
 */
void denial_log_message(struct bus *bus, const struct client *sender, const struct client *receiver,
                        const struct message *m, bool requested_reply, bool allowed,
                        const char *direction, const struct denial_source *source);
/* Log that the client may not own the name, or (name NULL) may not eavesdrop. */
void denial_log_client(const struct client *client, const char *name,
                       const struct denial_source *source);
/* Log that a program with these credentials may not connect. */
void denial_log_connect(struct bus *bus, const struct client_credentials *credentials,
                        const struct denial_source *source);
