/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Verdicts - may this message go from this sender to this receiver?
 *
 * The policy is asked about each side that is a client: may the sender send the message, and may
 * the receiver receive it? If both may, and the sender is a client, the security modules are asked
 * (mediate.h). A denial is logged with the rule or module that decided, unless ret_rule is NULL.
 */

#include "bridge/bus/bus.h"

/* Circumstances of a message that rules of the policy can depend on. */
struct verdict_context {
        bool requested_reply;
        bool eavesdropping;
};

/*
 * May sender (NULL: the bus) send m to receiver (NULL: the bus), and may the receiver receive it?
 * On a denial *ret_rule gets an allocated text that names the deciding rule or module (NULL without
 * memory), and a line is logged. With ret_rule NULL this line is not logged. A message that a rule
 * with log="true" allows is logged in any case.
 */
bool verdict_ask(struct bus *bus, struct client *sender, struct client *receiver,
                 const struct message *m, const struct verdict_context *context, char **ret_rule);

/*
 * May the client send m to a service that does not run yet? apparmor_label is the label that the
 * service will have, NULL if that is not known. ret_rule is as above, but not NULL. When the
 * service runs, verdict_check() is asked before it gets m.
 */
bool verdict_check_activation(struct client *sender, const struct message *m,
                              const char *apparmor_label, char **ret_rule);

/*
 * May a program with these credentials connect? anonymous: it has authenticated with ANONYMOUS. A
 * denial is logged.
 */
bool verdict_check_connect(struct bus *bus, const struct client_credentials *credentials,
                           bool anonymous);

/*
 * Like verdict_ask(), but quick if no security module is active and no rule can restrict the
 * clients. On a session bus this is usually so.
 */
static inline bool verdict_check(struct bus *bus, struct client *sender, struct client *receiver,
                                 const struct message *m, const struct verdict_context *context,
                                 char **ret_rule) {
        if (!bus->mediators && (!sender || sender->may_send_all) &&
            (!receiver || receiver->may_receive_all))
                return true;
        return verdict_ask(bus, sender, receiver, m, context, ret_rule);
}
