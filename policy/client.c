/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Policy clients - the rules that can apply to one connection
 *
 * The blocks that are for the connection are put one after the other in the order of evaluation.
 * Rules before one that decides about everything can never decide anything, and are left out; on
 * a stock session bus that leaves one rule in each family.
 */

#include <errno.h>
#include <stdlib.h>

#include "policy/client.h"
#include "policy/model.h"

static bool has_group(const gid_t *gids, size_t n_gids, id_t gid) {
        for (size_t i = 0; i < n_gids; i++)
                if (gids[i] == gid)
                        return true;
        return false;
}

static bool block_applies(const struct policy_block *block, uid_t uid, const gid_t *gids,
                          size_t n_gids) {
        switch (block->context) {
        case POLICY_CONTEXT_GROUP:
                return has_group(gids, n_gids, block->id);
        case POLICY_CONTEXT_USER:
                return uid != POLICY_UID_ANONYMOUS && block->id == uid;
        case POLICY_CONTEXT_CONSOLE_TRUE:
                /* nobody is ever "at the console", as in dbus-daemon since 1.11.18 */
                return false;
        default:
                return true;
        }
}

/* Walk all rules of all blocks that apply, in the order of evaluation. */
#define FOREACH_RULE(policy, uid, gids, n_gids, rule)                                              \
        for (unsigned c_ = 0; c_ < POLICY_CONTEXT_N; c_++)                                         \
                for (size_t b_ = 0; b_ < (policy)->n_blocks; b_++)                                 \
                        if ((policy)->blocks[b_]->context == c_ &&                                 \
                            block_applies((policy)->blocks[b_], (uid), (gids), (n_gids)))          \
                                for (size_t r_ = 0; r_ < (policy)->blocks[b_]->n_rules &&          \
                                                    ((rule) = (policy)->blocks[b_]->rules[r_], 1); \
                                     r_++)

static bool connect_matches(const struct policy_rule *rule, uid_t uid, const gid_t *gids,
                            size_t n_gids) {
        if (rule->connect_any)
                return true;
        if (rule->connect_group)
                return has_group(gids, n_gids, rule->connect_id);
        return uid != POLICY_UID_ANONYMOUS && rule->connect_id == uid;
}

bool policy_check_connect(const struct policy *policy, uid_t uid, const gid_t *gids, size_t n_gids,
                          uid_t bus_uid, const struct policy_rule **ret_rule) {
        const struct policy_rule *rule, *last = NULL;

        FOREACH_RULE(policy, uid, gids, n_gids, rule) {
                if (rule->family == POLICY_FAMILY_CONNECT &&
                    connect_matches(rule, uid, gids, n_gids))
                        last = rule;
        }
        if (ret_rule)
                *ret_rule = last;
        if (last)
                return last->allow;
        return uid == bus_uid || uid == POLICY_UID_ANONYMOUS;
}

/* Drop what is before the last rule that decides about everything. */
static void prune(struct policy_client_rules *rules) {
        for (size_t i = rules->n; i > 1; i--) {
                if (policy_rule_is_final(rules->rules[i - 1])) {
                        rules->rules += i - 1;
                        rules->n -= i - 1;
                        return;
                }
        }
}

static bool allows_all(const struct policy_client_rules *rules) {
        if (!rules->n || !policy_rule_is_final(rules->rules[0]))
                return false;
        for (size_t i = 0; i < rules->n; i++)
                if (!rules->rules[i]->allow || rules->rules[i]->log)
                        return false;
        return true;
}

int policy_client_new(struct policy *policy, uid_t uid, const gid_t *gids, size_t n_gids,
                      struct policy_client **ret_client) {
        size_t counts[POLICY_FAMILY_N] = {}, n = 0;
        const struct policy_rule *rule, **next;
        struct policy_client *client;

        FOREACH_RULE(policy, uid, gids, n_gids, rule)
        counts[rule->family]++;
        for (unsigned i = POLICY_FAMILY_OWN; i < POLICY_FAMILY_N; i++)
                n += counts[i];

        client = calloc(1, sizeof(*client) + n * sizeof(*client->storage));
        if (!client)
                return -ENOMEM;
        client->policy = policy_ref(policy);
        next = client->storage;
        for (unsigned i = POLICY_FAMILY_OWN; i < POLICY_FAMILY_N; i++) {
                client->families[i].rules = next;
                next += counts[i];
        }
        FOREACH_RULE(policy, uid, gids, n_gids, rule) {
                struct policy_client_rules *family = &client->families[rule->family];

                if (rule->family != POLICY_FAMILY_CONNECT)
                        family->rules[family->n++] = rule;
        }
        for (unsigned i = POLICY_FAMILY_OWN; i < POLICY_FAMILY_N; i++) {
                prune(&client->families[i]);
                client->families[i].allows_all = allows_all(&client->families[i]);
        }
        *ret_client = client;
        return 0;
}

struct policy_client *policy_client_free(struct policy_client *client) {
        if (!client)
                return NULL;
        policy_unref(client->policy);
        free(client);
        return NULL;
}

bool policy_client_allows_all_send(const struct policy_client *client) {
        return client->families[POLICY_FAMILY_SEND].allows_all;
}

bool policy_client_allows_all_receive(const struct policy_client *client) {
        return client->families[POLICY_FAMILY_RECEIVE].allows_all;
}
