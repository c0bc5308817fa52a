/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Policy clients - the rules that can apply to one connection
 *
 * The blocks that are for the connection are put one after the other in the order of evaluation.
 * Rules before one that decides about everything can never decide anything, and are left out; on
 * a stock session bus that leaves one rule in each family. Most connections are of few users, and
 * share what is made for the same blocks.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/client.h"
#include "policy/match.h"
#include "policy/model.h"

/* Walk all rules of all blocks that apply, in the order of evaluation. */
#define FOREACH_RULE(policy, uid, gids, n_gids, rule)                                              \
        for (unsigned c_ = 0; c_ < POLICY_CONTEXT_N; c_++)                                         \
                for (size_t b_ = 0; b_ < (policy)->n_blocks; b_++)                                 \
                        if ((policy)->blocks[b_]->context == c_ &&                                 \
                            policy_block_applies((policy)->blocks[b_], uid, gids, n_gids))         \
                                for (size_t r_ = 0; r_ < (policy)->blocks[b_]->n_rules &&          \
                                                    ((rule) = (policy)->blocks[b_]->rules[r_], 1); \
                                     r_++)

bool policy_check_connect(const struct policy *policy, uid_t uid, const gid_t *gids, size_t n_gids,
                          uid_t bus_uid, const struct policy_rule **ret_rule) {
        const struct policy_rule *rule, *last = NULL;

        FOREACH_RULE(policy, uid, gids, n_gids, rule) {
                if (rule->family == POLICY_FAMILY_CONNECT &&
                    policy_rule_match_connect(rule, uid, gids, n_gids) == POLICY_MATCH)
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

/* lists */

const struct policy_rule_list *policy_list_find(const struct policy_client_rules *rules,
                                                const char *name, size_t n, uint32_t hash,
                                                bool is_prefix) {
        for (size_t i = hash; rules->n_slots > 0; i++) {
                const struct policy_rule_list *list = &rules->named[i & (rules->n_slots - 1)];

                if (!list->name)
                        return NULL;
                if (list->hash == hash && list->is_prefix == is_prefix &&
                    !strncmp(list->name, name, n) && list->name[n] == '\0')
                        return list;
        }
        return NULL;
}

static uint32_t hash_name(const char *name) {
        uint32_t hash = POLICY_HASH_INIT;

        for (; *name; name++)
                hash = policy_hash_step(hash, *name);
        return hash;
}

/* The list for the rule's name; a new one takes an empty slot. */
static struct policy_rule_list *list_get(struct policy_client_rules *rules,
                                         const struct policy_rule *rule) {
        struct policy_rule_list *list;
        uint32_t hash;

        if (!rule->name)
                return &rules->unnamed;
        hash = hash_name(rule->name);
        list = (struct policy_rule_list *)policy_list_find(rules, rule->name, strlen(rule->name),
                                                           hash, rule->name_is_prefix);
        if (list)
                return list;
        for (size_t i = hash;; i++) {
                list = &rules->named[i & (rules->n_slots - 1)];
                if (!list->name)
                        break;
        }
        list->name = rule->name;
        list->is_prefix = rule->name_is_prefix;
        list->hash = hash;
        return list;
}

static size_t count_slots(const struct policy_client_rules *rules) {
        size_t n_named = 0, n_slots = 1;

        for (size_t i = 0; i < rules->n; i++)
                n_named += rules->rules[i]->name != NULL;
        while (n_slots < 2 * n_named)
                n_slots *= 2;
        return n_named > 0 ? n_slots : 0;
}

/* Count each list, give it its part of numbers, and fill it. */
static void fill_lists(struct policy_client_rules *rules, uint32_t *numbers) {
        for (size_t i = 0; i < rules->n; i++) {
                list_get(rules, rules->rules[i])->n++;
                rules->has_prefixes = rules->has_prefixes || rules->rules[i]->name_is_prefix;
        }

        rules->unnamed.numbers = numbers;
        numbers += rules->unnamed.n;
        rules->unnamed.n = 0;
        for (size_t i = 0; i < rules->n_slots; i++) {
                rules->named[i].numbers = numbers;
                numbers += rules->named[i].n;
                rules->named[i].n = 0;
        }

        for (size_t i = 0; i < rules->n; i++) {
                struct policy_rule_list *list = list_get(rules, rules->rules[i]);

                ((uint32_t *)list->numbers)[list->n++] = i;
        }
}

static int make_lists(struct policy_client *client) {
        size_t n_numbers = 0, n_slots = 0;
        struct policy_rule_list *slots;
        uint32_t *numbers;

        for (unsigned i = POLICY_FAMILY_OWN; i < POLICY_FAMILY_N; i++) {
                n_numbers += client->families[i].n;
                client->families[i].n_slots = count_slots(&client->families[i]);
                n_slots += client->families[i].n_slots;
        }
        client->numbers = numbers = malloc((n_numbers + 1) * sizeof(*client->numbers));
        client->slots = slots = calloc(n_slots + 1, sizeof(*client->slots));
        if (!numbers || !slots)
                return -ENOMEM;

        for (unsigned i = POLICY_FAMILY_OWN; i < POLICY_FAMILY_N; i++) {
                struct policy_client_rules *rules = &client->families[i];

                rules->named = slots;
                slots += rules->n_slots;
                fill_lists(rules, numbers);
                numbers += rules->n;
        }
        return 0;
}

/* clients */

/* The client in use to which the same blocks apply, or NULL. */
static struct policy_client *find_equal(const struct policy *policy, uid_t uid, const gid_t *gids,
                                        size_t n_gids) {
        struct policy_client *client;

        for (client = policy->clients; client; client = client->next) {
                size_t i;

                for (i = 0; i < policy->n_blocks; i++)
                        if (client->applies[i] !=
                            policy_block_applies(policy->blocks[i], uid, gids, n_gids))
                                break;
                if (i == policy->n_blocks)
                        return client;
        }
        return NULL;
}

static void link_client(struct policy *policy, struct policy_client *client) {
        client->policy = policy_ref(policy);
        client->next = policy->clients;
        if (client->next)
                client->next->prev = client;
        policy->clients = client;
}

static void unlink_client(struct policy_client *client) {
        if (client->next)
                client->next->prev = client->prev;
        if (client->prev)
                client->prev->next = client->next;
        else
                client->policy->clients = client->next;
        policy_unref(client->policy);
}

static void destroy(struct policy_client *client) {
        free(client->applies);
        free(client->numbers);
        free(client->slots);
        free(client);
}

int policy_client_new(struct policy *policy, uid_t uid, const gid_t *gids, size_t n_gids,
                      struct policy_client **ret_client) {
        size_t counts[POLICY_FAMILY_N] = {}, n = 0;
        const struct policy_rule *rule, **next;
        struct policy_client *client;

        client = find_equal(policy, uid, gids, n_gids);
        if (client) {
                client->n_refs++;
                *ret_client = client;
                return 0;
        }

        FOREACH_RULE(policy, uid, gids, n_gids, rule)
        counts[rule->family]++;
        for (unsigned i = POLICY_FAMILY_OWN; i < POLICY_FAMILY_N; i++)
                n += counts[i];

        client = calloc(1, sizeof(*client) + n * sizeof(*client->storage));
        if (!client)
                return -ENOMEM;
        client->n_refs = 1;
        client->applies = malloc((policy->n_blocks + 1) * sizeof(*client->applies));
        if (!client->applies) {
                destroy(client);
                return -ENOMEM;
        }
        for (size_t i = 0; i < policy->n_blocks; i++)
                client->applies[i] = policy_block_applies(policy->blocks[i], uid, gids, n_gids);

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
        if (make_lists(client) < 0) {
                destroy(client);
                return -ENOMEM;
        }
        link_client(policy, client);
        *ret_client = client;
        return 0;
}

struct policy_client *policy_client_free(struct policy_client *client) {
        if (!client || --client->n_refs > 0)
                return NULL;
        unlink_client(client);
        destroy(client);
        return NULL;
}

bool policy_client_allows_all_send(const struct policy_client *client) {
        return client->families[POLICY_FAMILY_SEND].allows_all;
}

bool policy_client_allows_all_receive(const struct policy_client *client) {
        return client->families[POLICY_FAMILY_RECEIVE].allows_all;
}
