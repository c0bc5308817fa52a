/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Policy clients: made from the sections of a policy
 *
 * After each successful reload every client of the bus gets a new policy client. That is cheap,
 * because the policy has its sections ready, and because connections of the same user and groups
 * share one policy client.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "policy/client.h"
#include "policy/match.h"

bool policy_check_connect(const struct policy *policy, uid_t uid, const gid_t *gids, size_t n_gids,
                          uid_t bus_uid, const struct policy_rule **ret_rule) {
        const struct policy_rule *last = NULL;
        const struct policy_section *section;
        size_t position = 0;

        while ((section = policy_section_next(policy, &position, uid, gids, n_gids))) {
                const struct policy_rules *rules = &section->families[POLICY_FAMILY_CONNECT];

                for (size_t i = rules->n; i > 0; i--)
                        if (policy_rule_match_connect(rules->rules[i - 1], uid, gids, n_gids) ==
                            POLICY_MATCH) {
                                last = rules->rules[i - 1];
                                break;
                        }
        }
        if (ret_rule)
                *ret_rule = last;
        if (last)
                return last->allow;
        return uid == bus_uid || uid == POLICY_UID_ANONYMOUS;
}

/*
 * Find the message types of which all messages are allowed. For each type, the last section that
 * has the type in its set "allows" or "objects" decides.
 */
static uint8_t settled(const struct policy_client_family *family, bool is_nameless) {
        uint8_t types = 0, objections = 0;

        for (size_t i = family->n; i > 0; i--) {
                const struct policy_rules *rules = family->sections[i - 1];

                types |= rules->allows[is_nameless] & ~objections;
                objections |= rules->objects[is_nameless] & ~types;
        }
        return types;
}

/*
 * Collect the sections that can decide in one family. Sections without rules of the family cannot,
 * and neither can those before the last section that is final in it (policy/section.h).
 */
static void family_init(struct policy_client_family *family, const struct policy_client *client,
                        enum policy_family which, const struct policy_rules **storage) {
        bool is_final = false;
        size_t first = client->n_sections;

        while (first > 0 && !is_final)
                is_final = client->sections[--first]->families[which].is_final;

        family->sections = storage;
        family->allows_all = is_final;
        for (size_t i = first; i < client->n_sections; i++) {
                const struct policy_rules *rules = &client->sections[i]->families[which];

                if (rules->n == 0)
                        continue;
                family->sections[family->n++] = rules;
                family->allows_all = family->allows_all && rules->allows_all;
                family->asks_for_path = family->asks_for_path || rules->asks_for_path;
        }
        for (unsigned is_nameless = 0; is_nameless < 2; is_nameless++)
                family->settled[is_nameless] = settled(family, is_nameless);
}

static struct policy_client *client_alloc(const struct policy *policy, uid_t uid, const gid_t *gids,
                                          size_t n_gids) {
        const struct policy_section *section;
        size_t position = 0, n = 0;
        struct policy_client *client;

        while (policy_section_next(policy, &position, uid, gids, n_gids))
                n++;
        client = calloc(1, sizeof(*client) + (POLICY_FAMILY_N + 1) * n * sizeof(*client->storage));
        if (!client)
                return NULL;
        client->n_refs = 1;
        client->sections = (const struct policy_section **)&client->storage[POLICY_FAMILY_N * n];
        position = 0;
        while ((section = policy_section_next(policy, &position, uid, gids, n_gids)))
                client->sections[client->n_sections++] = section;
        for (unsigned i = POLICY_FAMILY_OWN; i < POLICY_FAMILY_N; i++)
                family_init(&client->families[i], client, i, &client->storage[i * n]);
        return client;
}

int policy_client_new(struct policy *policy, uid_t uid, const gid_t *gids, size_t n_gids,
                      struct policy_client **ret_client) {
        struct policy_client *client, *equal;

        client = client_alloc(policy, uid, gids, n_gids);
        if (!client)
                return -ENOMEM;
        DL_FOREACH(policy->clients, equal) {
                if (equal->n_sections == client->n_sections &&
                    memcmp(equal->sections, client->sections,
                           client->n_sections * sizeof(*client->sections)) == 0) {
                        free(client);
                        equal->n_refs++;
                        *ret_client = equal;
                        return 0;
                }
        }
        client->policy = policy_ref(policy);
        client->id = ++policy->n_clients;
        DL_PREPEND(policy->clients, client);
        *ret_client = client;
        return 0;
}

struct policy_client *policy_client_free(struct policy_client *client) {
        if (!client || --client->n_refs > 0)
                return NULL;
        DL_DELETE(client->policy->clients, client);
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

uint8_t policy_client_settled_send(const struct policy_client *client, bool is_nameless) {
        return client->families[POLICY_FAMILY_SEND].settled[is_nameless];
}

uint8_t policy_client_settled_receive(const struct policy_client *client, bool is_nameless) {
        return client->families[POLICY_FAMILY_RECEIVE].settled[is_nameless];
}

uint64_t policy_client_id(const struct policy_client *client) {
        return client->id;
}

bool policy_client_asks_for_path(const struct policy_client *client) {
        return client->families[POLICY_FAMILY_SEND].asks_for_path;
}

bool policy_client_depends_on_path(const struct policy_client *client) {
        return client->families[POLICY_FAMILY_SEND].asks_for_path ||
               client->policy->receiving_asks_for_path;
}
