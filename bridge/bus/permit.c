/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Permits: each receiver has a few slots; a new permit may replace an older one. */

#include "bridge/bus/permit.h"

#include <stdlib.h>
#include <string.h>

struct permit {
        uint64_t policy; /* policy_client_id(); 0: empty */
        uint32_t n_interface, n_member, n_path;
        char text[PERMIT_TEXT_MAX]; /* interface, member, path ("": no rule needs it) */
};

struct permits {
        struct permit slots[PERMITS_MAX];
};

/* The fields of a message that the verdict depends on. */
struct question {
        const struct wire_string *interface, *member;
        struct wire_string path;
};

/* Returns false for messages that never get a permit. */
static bool question_of(const struct policy_client *policy, const struct message *m,
                        struct question *ret_question) {
        struct wire_string path =
                policy_client_asks_for_path(policy) ? m->path : (struct wire_string){};

        if (m->type != MESSAGE_TYPE_METHOD_CALL || m->n_fds > 0 || m->error_name.s ||
            !m->interface.s || m->interface.n + m->member.n + path.n > PERMIT_TEXT_MAX)
                return false;
        *ret_question = (struct question){&m->interface, &m->member, path};
        return true;
}

static size_t slot_of(const struct question *q) {
        return (q->interface->n + 3 * q->member->n + 5 * q->path.n) % PERMITS_MAX;
}

bool permit_find(const struct client *receiver, const struct policy_client *policy,
                 const struct message *m) {
        const struct permit *permit;
        struct question q;

        if (!receiver->permits || !question_of(policy, m, &q))
                return false;
        permit = &receiver->permits->slots[slot_of(&q)];
        return permit->policy == policy_client_id(policy) &&
               permit->n_interface == q.interface->n && permit->n_member == q.member->n &&
               permit->n_path == q.path.n &&
               !memcmp(permit->text, q.interface->s, q.interface->n) &&
               !memcmp(permit->text + q.interface->n, q.member->s, q.member->n) &&
               (!q.path.n ||
                !memcmp(permit->text + q.interface->n + q.member->n, q.path.s, q.path.n));
}

void permit_add(struct client *receiver, const struct policy_client *policy,
                const struct message *m) {
        struct permit *permit;
        struct question q;
        char *end;

        if (!question_of(policy, m, &q))
                return;
        if (!receiver->permits)
                receiver->permits = calloc(1, sizeof(*receiver->permits));
        if (!receiver->permits)
                return; /* without memory the policy is asked each time */

        permit = &receiver->permits->slots[slot_of(&q)];
        permit->policy = policy_client_id(policy);
        permit->n_interface = q.interface->n;
        permit->n_member = q.member->n;
        permit->n_path = q.path.n;
        end = mempcpy(permit->text, q.interface->s, q.interface->n);
        end = mempcpy(end, q.member->s, q.member->n);
        if (q.path.n)
                memcpy(end, q.path.s, q.path.n);
}

void permit_drop(struct client *receiver) {
        free(receiver->permits);
        receiver->permits = NULL;
}

void permit_policy_changed(struct client *client) {
        client->may_send_all = !client->policy || policy_client_allows_all_send(client->policy);
        client->may_receive_all =
                !client->policy || policy_client_allows_all_receive(client->policy);
        for (unsigned is_nameless = 0; client->policy && is_nameless < 2; is_nameless++) {
                client->settled_send[is_nameless] =
                        policy_client_settled_send(client->policy, is_nameless);
                client->settled_receive[is_nameless] =
                        policy_client_settled_receive(client->policy, is_nameless);
        }
        permit_drop(client);
}
