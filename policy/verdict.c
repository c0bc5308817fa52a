/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Verdicts - which rule decides about a name or a message
 *
 * The sections are searched from the last to the first, until a rule matches. In each section these
 * lists of policy/section.h are searched: "unnamed", and those for the names of the peer and for
 * their prefixes. Rules in other lists cannot match. If the names of the peer cannot be listed, all
 * rules of the section are searched.
 */

#include "policy/client.h"
#include "policy/match.h"
#include "policy/model.h"

/* A message, or a name to own, for which one section is searched. */
struct question {
        const struct policy_rules *rules;
        const struct policy_message *m; /* NULL: the question is about owning */
        const char *name;
        size_t last; /* position of the last rule that matched so far, plus 1; 0: none */
};

static bool rule_matches(const struct question *q, const struct policy_rule *rule) {
        if (q->m)
                return policy_rule_match_message(rule, q->m) == POLICY_MATCH;
        return policy_rule_match_own(rule, q->name) == POLICY_MATCH;
}

static void try_list(struct question *q, const struct policy_rule_list *list) {
        for (size_t i = list ? list->n : 0; i > 0 && list->numbers[i - 1] >= q->last; i--)
                if (rule_matches(q, q->rules->rules[list->numbers[i - 1]])) {
                        q->last = (size_t)list->numbers[i - 1] + 1;
                        return;
                }
}

/* Try the rules for this name, and the prefix rules for it and for each prefix of it. */
static void try_name(struct question *q, const char *name) {
        const struct policy_rules *rules = q->rules;
        uint32_t hash = POLICY_HASH_INIT;
        size_t n;

        if (rules->n_slots == 0)
                return;
        for (n = 0; name[n]; n++) {
                if (rules->has_prefixes && name[n] == '.')
                        try_list(q, policy_list_find(rules, name, n, hash, true));
                hash = policy_hash_step(hash, name[n]);
        }
        if (rules->has_prefixes)
                try_list(q, policy_list_find(rules, name, n, hash, true));
        try_list(q, policy_list_find(rules, name, n, hash, false));
}

/*
 * Try all names of the peer, or the destination if there is no peer. Returns false if the names of
 * the peer cannot be listed.
 */
static bool try_peer(struct question *q, const struct policy_message *m) {
        const struct policy_peer *peer = m->peer;
        void *position = NULL;
        const char *name;

        if (q->rules->n_slots == 0)
                return true;
        if (!peer) {
                if (m->destination)
                        try_name(q, m->destination);
        } else if (peer->is_driver) {
                try_name(q, POLICY_DRIVER_NAME);
        } else if (!peer->is_nameless) {
                if (!peer->next_name)
                        return false;
                while ((name = peer->next_name(peer->userdata, &position)))
                        try_name(q, name);
        }
        return true;
}

static const struct policy_rule *find_in(const struct policy_rules *rules,
                                         const struct policy_message *m, const char *name) {
        struct question q = {.rules = rules, .m = m, .name = name};

        if (!m) {
                try_name(&q, name);
        } else if (!try_peer(&q, m)) {
                for (size_t i = q.rules->n; i > 0; i--)
                        if (rule_matches(&q, q.rules->rules[i - 1]))
                                return q.rules->rules[i - 1];
                return NULL;
        }
        try_list(&q, &q.rules->unnamed);
        return q.last > 0 ? q.rules->rules[q.last - 1] : NULL;
}

static const struct policy_rule *find(const struct policy_client *client, enum policy_family which,
                                      const struct policy_message *m, const char *name) {
        const struct policy_client_family *family = &client->families[which];
        const struct policy_rule *rule = NULL;

        for (size_t i = family->n; i > 0 && !rule; i--)
                rule = find_in(family->sections[i - 1], m, name);
        return rule;
}

static bool decide(const struct policy_rule *rule, bool otherwise,
                   const struct policy_rule **ret_rule) {
        if (ret_rule)
                *ret_rule = rule;
        return rule ? rule->allow : otherwise;
}

bool policy_check_own(const struct policy_client *client, const char *name,
                      const struct policy_rule **ret_rule) {
        return decide(find(client, POLICY_FAMILY_OWN, NULL, name), false, ret_rule);
}

bool policy_check_send(const struct policy_client *client, const struct policy_message *m,
                       const struct policy_rule **ret_rule) {
        return decide(find(client, POLICY_FAMILY_SEND, m, NULL), false, ret_rule);
}

bool policy_check_receive(const struct policy_client *client, const struct policy_message *m,
                          const struct policy_rule **ret_rule) {
        bool from_bus = m->peer && m->peer->is_driver && !m->broadcast && !m->eavesdropping;

        /* without the answers of the bus, the client would wait in vain */
        if (from_bus && (m->type == POLICY_TYPE_METHOD_RETURN || m->type == POLICY_TYPE_ERROR))
                return decide(NULL, true, ret_rule);
        return decide(find(client, POLICY_FAMILY_RECEIVE, m, NULL), from_bus, ret_rule);
}
