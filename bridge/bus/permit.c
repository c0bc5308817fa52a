/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Permits: each receiver has a few slots; a new permit may replace an older one. */

#include "bridge/bus/permit.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/bus/permit-key.h"
#include "bridge/bus/signal-permit.h"

struct permit {
        uint64_t policy; /* policy_client_id(); 0: empty */
        struct permit_key key;
};

struct permits {
        struct permit slots[PERMITS_MAX];
};

/* Returns false for messages that never get a permit. */
static bool fields_of(const struct policy_client *policy, const struct message *m,
                      struct permit_fields *ret_fields) {
        return m->type == MESSAGE_TYPE_METHOD_CALL &&
               permit_fields_of(m, policy_client_asks_for_path(policy), ret_fields);
}

bool permit_find(const struct client *receiver, const struct policy_client *policy,
                 const struct message *m) {
        const struct permit *permit;
        struct permit_fields f;

        if (!receiver->permits || !fields_of(policy, m, &f))
                return false;
        permit = &receiver->permits->slots[permit_fields_slot(&f, PERMITS_MAX)];
        return permit->policy == policy_client_id(policy) && permit_key_equals(&permit->key, &f);
}

void permit_add(struct client *receiver, const struct policy_client *policy,
                const struct message *m) {
        struct permit *permit;
        struct permit_fields f;

        if (!fields_of(policy, m, &f))
                return;
        if (!receiver->permits)
                receiver->permits = calloc(1, sizeof(*receiver->permits));
        if (!receiver->permits)
                return; /* without memory the policy is asked each time */

        permit = &receiver->permits->slots[permit_fields_slot(&f, PERMITS_MAX)];
        permit->policy = policy_client_id(policy);
        permit_key_set(&permit->key, &f);
}

void permit_drop(struct client *client) {
        free(client->permits);
        client->permits = NULL;
        signal_permit_drop(client);
}

void permit_policy_changed(struct client *client) {
        client->may_send_all = !client->policy || policy_client_allows_all_send(client->policy);
        client->may_receive_all =
                !client->policy || policy_client_allows_all_receive(client->policy);
        for (unsigned is_nameless = 0; is_nameless < 2; is_nameless++) {
                client->settled_send[is_nameless] =
                        client->may_send_all
                                ? UINT8_MAX
                                : policy_client_settled_send(client->policy, is_nameless);
                client->settled_receive[is_nameless] =
                        client->may_receive_all
                                ? UINT8_MAX
                                : policy_client_settled_receive(client->policy, is_nameless);
        }
        permit_drop(client);
}
