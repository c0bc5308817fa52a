/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Denials in the log - which client may not do what, because of which rule
 *
 * Every denial becomes one line, limited in rate (bridge/bus/complaint.h), and the same information
 * as fields for the journal. So does every message that a rule with log="true" allows.
 * doc/operating/logging.md lists the fields.
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
 * Log a verdict about a message from sender to receiver (NULL: the bus). direction is "send" or
 * "receive".
 */
void denial_log_message(struct bus *bus, const struct client *sender, const struct client *receiver,
                        const struct message *m, bool requested_reply, bool allowed,
                        const char *direction, const struct denial_source *source);
/* Log that the client may not own the name, or (name NULL) may not eavesdrop. */
void denial_log_client(const struct client *client, const char *name,
                       const struct denial_source *source);
/* Log that a user with these credentials may not connect. */
void denial_log_connect(struct bus *bus, const struct client_credentials *credentials,
                        const struct denial_source *source);
