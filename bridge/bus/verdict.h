/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Verdicts - may this message go from this sender to this receiver?
 *
 * The policy is asked twice: may the sender send it, and may the receiver receive it? Then the
 * security modules are asked (mediate.h). A denial is logged with the rule that decided.
 */

#include "bridge/bus/bus.h"

/* Circumstances of a message that rules of the policy can depend on. */
struct verdict_context {
        bool requested_reply;
        bool eavesdropping;
};

/*
 * May sender (NULL: the bus) send m to receiver (NULL: the bus), and may the receiver receive it?
 * On a denial *ret_rule gets an allocated text that names the deciding rule (NULL without memory),
 * and a line is logged. With ret_rule NULL nothing is logged.
 */
bool verdict_ask(struct bus *bus, struct client *sender, struct client *receiver,
                 const struct message *m, const struct verdict_context *context, char **ret_rule);

/*
 * May the client send m to a service that does not run yet? apparmor_label is the label that the
 * service will have, NULL if that is not known. When the service runs, verdict_check() is asked
 * before it gets m.
 */
bool verdict_check_activation(struct client *sender, const struct message *m,
                              const char *apparmor_label, char **ret_rule);

/* May a user with these credentials connect? A denial is logged. */
bool verdict_check_connect(struct bus *bus, const struct client_credentials *credentials,
                           bool anonymous);

/*
 * Like verdict_ask(), but quick for clients that no rule can restrict. On a session bus these are
 * usually all clients.
 */
static inline bool verdict_check(struct bus *bus, struct client *sender, struct client *receiver,
                                 const struct message *m, const struct verdict_context *context,
                                 char **ret_rule) {
        if (!bus->mediators && (!sender || sender->may_send_all) &&
            (!receiver || receiver->may_receive_all))
                return true;
        return verdict_ask(bus, sender, receiver, m, context, ret_rule);
}
