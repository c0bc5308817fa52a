/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Verdicts - which rule decides about a name or a message
 *
 * Rules are tried from the last to the first, and the first that matches decides. Within a rule
 * the tests go from cheap to dear: asking which names a connection has comes last.
 *
 * Where a header field that a rule names is missing from the message (replies have no path,
 * interface or member, only errors have an error name):
 *
 *     interface    a deny matches, an allow does not: calls may leave it out
 *     path, member do not count, such a message is neither matched nor exempted because of them
 *     error name   does not match
 */

#include <string.h>

#include "policy/client.h"
#include "policy/model.h"

bool policy_name_is_below(const char *name, const char *prefix) {
        size_t n = strlen(prefix);

        return !strncmp(name, prefix, n) && (name[n] == '\0' || name[n] == '.');
}

static bool name_matches(const struct policy_rule *rule, const char *name) {
        if (rule->name_is_prefix)
                return policy_name_is_below(name, rule->name);
        return !strcmp(name, rule->name);
}

static bool peer_matches(const struct policy_rule *rule, const struct policy_message *m) {
        if (!rule->name)
                return true;
        if (!m->peer)
                return m->destination && name_matches(rule, m->destination);
        if (m->peer->is_driver)
                return name_matches(rule, POLICY_DRIVER_NAME);
        if (m->peer->is_nameless)
                return false;
        return m->peer->owns(m->peer->userdata, rule->name, rule->name_is_prefix);
}

static bool reply_matches(const struct policy_rule *rule, const struct policy_message *m) {
        if (m->type != POLICY_TYPE_METHOD_RETURN && m->type != POLICY_TYPE_ERROR)
                return true;
        if (rule->allow)
                return m->requested_reply || !rule->requested_reply || rule->eavesdrop;
        return !m->requested_reply || rule->requested_reply;
}

static bool message_matches(const struct policy_rule *rule, const struct policy_message *m) {
        if (rule->type && rule->type != m->type)
                return false;
        if (!reply_matches(rule, m))
                return false;
        if (m->eavesdropping ? rule->allow && !rule->eavesdrop : !rule->allow && rule->eavesdrop)
                return false;
        if (rule->broadcast != POLICY_ANY && (rule->broadcast == POLICY_TRUE) != m->broadcast)
                return false;
        if (m->n_fds < rule->min_fds || m->n_fds > rule->max_fds)
                return false;
        if (rule->interface &&
            (m->interface ? !!strcmp(rule->interface, m->interface) : rule->allow))
                return false;
        if (rule->member && m->member && strcmp(rule->member, m->member))
                return false;
        if (rule->path && m->path && strcmp(rule->path, m->path))
                return false;
        if (rule->error_name && (!m->error_name || strcmp(rule->error_name, m->error_name)))
                return false;
        return peer_matches(rule, m);
}

static const struct policy_rule *find(const struct policy_client *client, enum policy_family family,
                                      const struct policy_message *m) {
        const struct policy_client_rules *rules = &client->families[family];

        for (size_t i = rules->n; i > 0; i--)
                if (message_matches(rules->rules[i - 1], m))
                        return rules->rules[i - 1];
        return NULL;
}

static bool decide(const struct policy_rule *rule, bool otherwise,
                   const struct policy_rule **ret_rule) {
        if (ret_rule)
                *ret_rule = rule;
        return rule ? rule->allow : otherwise;
}

bool policy_check_own(const struct policy_client *client, const char *name,
                      const struct policy_rule **ret_rule) {
        const struct policy_client_rules *rules = &client->families[POLICY_FAMILY_OWN];

        for (size_t i = rules->n; i > 0; i--) {
                const struct policy_rule *rule = rules->rules[i - 1];

                if (!rule->name || name_matches(rule, name))
                        return decide(rule, false, ret_rule);
        }
        return decide(NULL, false, ret_rule);
}

bool policy_check_send(const struct policy_client *client, const struct policy_message *m,
                       const struct policy_rule **ret_rule) {
        return decide(find(client, POLICY_FAMILY_SEND, m), false, ret_rule);
}

bool policy_check_receive(const struct policy_client *client, const struct policy_message *m,
                          const struct policy_rule **ret_rule) {
        bool from_bus = m->peer && m->peer->is_driver && !m->broadcast && !m->eavesdropping;

        /* a client that never hears the bus's answers can do nothing but hang */
        if (from_bus && (m->type == POLICY_TYPE_METHOD_RETURN || m->type == POLICY_TYPE_ERROR))
                return decide(NULL, true, ret_rule);
        return decide(find(client, POLICY_FAMILY_RECEIVE, m), from_bus, ret_rule);
}
