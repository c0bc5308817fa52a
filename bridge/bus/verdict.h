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
#include "bridge/bus/signal-permit.h"

/* Circumstances of a message that rules of the policy can depend on. */
struct verdict_context {
        bool requested_reply;
        bool eavesdropping;
        /*
         * For a signal about which there are several verdicts, one for each receiver: where its
         * form (signal-permit.h) is kept between them, 0 before the first one. Else NULL.
         */
        uint64_t *form;
        /*
         * Instead of being denied by a policy that is older than its files, the message, which is
         * one of a client, may wait in the docket of its sender. Then nothing is logged, and the
         * calling function, which learns it from docket_waits(), must do nothing more about the
         * message.
         */
        bool may_wait;
};

/*
 * May sender (NULL: the bus) send m to receiver (NULL: the bus), and may the receiver receive it?
 * On a denial *ret_rule gets an allocated text that names the deciding rule or module (NULL without
 * memory), and a line is logged. With ret_rule NULL this line is not logged. A message that a rule
 * with log="true" allows is logged in any case.
 */
bool verdict_ask(struct bus *bus, struct client *sender, struct client *receiver, struct message *m,
                 const struct verdict_context *context, char **ret_rule);

/*
 * May the client send m to a service that does not run yet? apparmor_label is the label that the
 * service will have, NULL if that is not known. m may wait, and ret_rule is as above, but not
 * NULL. When the service runs, verdict_check() is asked before it gets m.
 */
bool verdict_check_activation(struct client *sender, struct message *m, const char *apparmor_label,
                              char **ret_rule);

/*
 * May a program with these credentials connect? anonymous: it has authenticated with ANONYMOUS. A
 * denial is logged. If the policy is older than its files, visit waits (visit->bus is not NULL
 * then), and nothing is logged.
 */
bool verdict_check_connect(struct bus *bus, const struct client_credentials *credentials,
                           bool anonymous, struct docket_visit *visit);

/*
 * Does the policy allow all messages of this type from or to peer (NULL: the bus)? Then the policy
 * need not be asked. settled is settled_send or settled_receive of a client. Always false for
 * eavesdropping and for replies that were not requested.
 */
static inline bool verdict_is_settled(const uint8_t settled[2], const struct client *peer,
                                      const struct message *m,
                                      const struct verdict_context *context) {
        return (settled[peer && !peer->ownerships] & 1U << m->type) && !context->eavesdropping &&
               (context->requested_reply || !message_is_reply(m));
}

/*
 * Like verdict_ask(), but quick if no security module is active, and if no rule can restrict the
 * clients or this message of theirs. On a session bus this is usually so.
 */
static inline bool verdict_check(struct bus *bus, struct client *sender, struct client *receiver,
                                 struct message *m, const struct verdict_context *context,
                                 char **ret_rule) {
        if (!bus->mediators) {
                if ((!sender || sender->may_send_all) && (!receiver || receiver->may_receive_all))
                        return true;
                if ((!sender || verdict_is_settled(sender->settled_send, receiver, m, context)) &&
                    (!receiver ||
                     verdict_is_settled(receiver->settled_receive, sender, m, context)))
                        return true;
                if (receiver && context->form && signal_permit_find(receiver, *context->form))
                        return true;
        }
        return verdict_ask(bus, sender, receiver, m, context, ret_rule);
}
