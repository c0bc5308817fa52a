/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Verdicts - may this message go from here to there? The policy is asked, then security modules
 * are, and a denial is logged.
 */

#include "bridge/bus/bus.h"

/* What a message is to its recipient, besides its content. */
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
 * May the client send m to a service that is not there yet? apparmor_label is what it is going to
 * have, NULL: unknown. Whether the service may receive it is asked when it is there.
 */
bool verdict_check_activation(struct client *sender, const struct message *m,
                              const char *apparmor_label, char **ret_rule);

/* May a user with these credentials connect? Logs a refusal. */
bool verdict_check_connect(struct bus *bus, const struct client_credentials *credentials,
                           bool anonymous);

/* As verdict_ask(), where there is anything to ask: on most buses everybody may do everything. */
static inline bool verdict_check(struct bus *bus, struct client *sender, struct client *receiver,
                                 const struct message *m, const struct verdict_context *context,
                                 char **ret_rule) {
        if (!bus->mediators && (!sender || sender->may_send_all) &&
            (!receiver || receiver->may_receive_all))
                return true;
        return verdict_ask(bus, sender, receiver, m, context, ret_rule);
}
