/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Verdicts - may this message go from this sender to this receiver?
 *
 * The policy is asked in both directions (may the sender send it, may the receiver receive it),
 * then the security modules (mediate.h). A denial is logged with the rule that decided.
 */

#include "bridge/bus/bus.h"

/* Circumstances of a message that policy rules can ask for. */
struct verdict_context {
        bool requested_reply;
        bool eavesdropping;
};

/*
 * May sender (NULL: the bus) send m to receiver (NULL: the bus), and may the receiver receive it?
 * On a denial, and when ret_rule is not NULL, *ret_rule gets an allocated text that names the
 * deciding rule (or NULL without memory), and a line is logged.
 */
bool verdict_ask(struct bus *bus, struct client *sender, struct client *receiver,
                 const struct message *m, const struct verdict_context *context, char **ret_rule);

/*
 * May the client send m to a service that is not running yet? apparmor_label is the label that the
 * service is going to have, NULL if that is not known. Whether the service may receive m is asked
 * again when it runs.
 */
bool verdict_check_activation(struct client *sender, const struct message *m,
                              const char *apparmor_label, char **ret_rule);

/* May a user with these credentials connect? Logs a refusal. */
bool verdict_check_connect(struct bus *bus, const struct client_credentials *credentials,
                           bool anonymous);

/* verdict_ask(), skipped for clients that no rule can restrict: on most buses that is everybody. */
static inline bool verdict_check(struct bus *bus, struct client *sender, struct client *receiver,
                                 const struct message *m, const struct verdict_context *context,
                                 char **ret_rule) {
        if (!bus->mediators && (!sender || sender->may_send_all) &&
            (!receiver || receiver->may_receive_all))
                return true;
        return verdict_ask(bus, sender, receiver, m, context, ret_rule);
}
