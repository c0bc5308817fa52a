/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sections: made from blocks
 *
 * In a section, the rules of a family before a final one (policy_rule_is_final()) never decide, so
 * the section does not contain them. With the stock configuration of the session bus, three rules
 * remain: one about owning names, one about sending, and one about receiving.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/match.h"
#include "policy/section.h"

/* lists */

const struct policy_rule_list *policy_list_find(const struct policy_rules *rules, const char *name,
                                                size_t n, uint32_t hash, bool is_prefix) {
        for (size_t i = hash; rules->n_slots > 0; i++) {
                const struct policy_rule_list *list = &rules->named[i & (rules->n_slots - 1)];

                if (!list->name)
                        return NULL;
                if (list->hash == hash && list->is_prefix == is_prefix &&
                    strncmp(list->name, name, n) == 0 && list->name[n] == '\0')
                        return list;
        }
        return NULL;
}

/* Find the list for a rule. If there is none for its name yet, make one in an unused slot. */
static struct policy_rule_list *list_get(struct policy_rules *rules,
                                         const struct policy_rule *rule) {
        struct policy_rule_list *list;
        uint32_t hash;

        if (!rule->name)
                return &rules->unnamed;
        hash = policy_hash_name(rule->name);
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

static int compare_lists(const void *a, const void *b) {
        const struct policy_rule *x = *(const struct policy_rule *const *)a;
        const struct policy_rule *y = *(const struct policy_rule *const *)b;

        return strcmp(x->name, y->name) ?: x->name_is_prefix - y->name_is_prefix;
}

/* A table of all names, which many rules may share. Returns 0 or -ENOMEM. */
static int count_slots(const struct policy_rules *rules, size_t *ret_n_slots) {
        CLEANUP_FREE const struct policy_rule **named = malloc((rules->n + 1) * sizeof(*named));
        size_t n_named = 0, n_names = 0, n_slots = 1;

        if (!named)
                return -ENOMEM;
        for (size_t i = 0; i < rules->n; i++)
                if (rules->rules[i]->name)
                        named[n_named++] = rules->rules[i];
        qsort(named, n_named, sizeof(*named), compare_lists);
        for (size_t i = 0; i < n_named; i++)
                n_names += i == 0 || compare_lists(&named[i - 1], &named[i]) != 0;
        while (n_slots < 2 * n_names)
                n_slots *= 2;
        *ret_n_slots = n_names > 0 ? n_slots : 0;
        return 0;
}

/* Count the rules of each list, give each list a part of the array "numbers", and fill the part. */
static void fill_lists(struct policy_rules *rules, uint32_t *numbers) {
        for (size_t i = 0; i < rules->n; i++)
                list_get(rules, rules->rules[i])->n++;

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

static int make_lists(struct policy_section *section) {
        size_t n_numbers = 0, n_slots = 0;
        struct policy_rule_list *slots;
        uint32_t *numbers;
        int r;

        for (unsigned i = POLICY_FAMILY_OWN; i < POLICY_FAMILY_N; i++) {
                r = count_slots(&section->families[i], &section->families[i].n_slots);
                if (r < 0)
                        return r;
                n_numbers += section->families[i].n;
                n_slots += section->families[i].n_slots;
        }
        section->numbers = numbers = malloc((n_numbers + 1) * sizeof(*numbers));
        section->slots = slots = calloc(n_slots + 1, sizeof(*slots));
        if (!numbers || !slots)
                return -ENOMEM;

        for (unsigned i = POLICY_FAMILY_OWN; i < POLICY_FAMILY_N; i++) {
                struct policy_rules *rules = &section->families[i];

                rules->named = slots;
                slots += rules->n_slots;
                fill_lists(rules, numbers);
                numbers += rules->n;
        }
        return 0;
}

/* sections */

/* Drop the rules before the last final one. */
static void prune(struct policy_rules *rules) {
        for (size_t i = rules->n; i > 0; i--)
                if (policy_rule_is_final(rules->rules[i - 1])) {
                        rules->is_final = true;
                        rules->rules += i - 1;
                        rules->n -= i - 1;
                        return;
                }
}

/* Can the rule match a message of the type? This ignores unrequested replies and eavesdropping. */
static bool can_match(const struct policy_rule *rule, uint8_t type) {
        bool is_reply = type == POLICY_TYPE_METHOD_RETURN || type == POLICY_TYPE_ERROR;

        if (rule->type && rule->type != type)
                return false;
        if (rule->allow)
                return true;
        if (is_reply && !rule->requested_reply)
                return false;
        return rule->family == POLICY_FAMILY_SEND || !rule->eavesdrop;
}

/*
 * For an allow for which can_match() is true: does it match all messages of the type? This, too,
 * ignores unrequested replies and eavesdropping.
 */
static bool must_match(const struct policy_rule *rule, uint8_t type) {
        return !rule->name && (!rule->type || rule->type == type) && !rule->path &&
               !rule->interface && !rule->member && !rule->error_name &&
               rule->broadcast == POLICY_ANY && rule->min_fds == 0 && rule->max_fds == UINT32_MAX;
}

/*
 * Search from the last rule to the first. If a rule may deny or log a message of the type, the type
 * goes into the set "objects". If an allow matches every message of the type, the type goes into
 * the set "allows". Either ends the search.
 */
static void judge_type(struct policy_rules *rules, uint8_t type, bool is_nameless) {
        for (size_t i = rules->n; i > 0; i--) {
                const struct policy_rule *rule = rules->rules[i - 1];

                if ((is_nameless && rule->name) || !can_match(rule, type))
                        continue;
                if (!rule->allow || rule->log) {
                        rules->objects[is_nameless] |= 1U << type;
                        return;
                }
                if (must_match(rule, type)) {
                        rules->allows[is_nameless] |= 1U << type;
                        return;
                }
        }
}

static void judge(struct policy_rules *rules) {
        for (unsigned type = POLICY_TYPE_METHOD_CALL; type <= POLICY_TYPE_SIGNAL; type++) {
                judge_type(rules, type, false);
                judge_type(rules, type, true);
        }
        rules->allows_all = true;
        for (size_t i = 0; i < rules->n; i++) {
                const struct policy_rule *rule = rules->rules[i];

                rules->allows_all = rules->allows_all && rule->allow && !rule->log;
                rules->asks_for_path = rules->asks_for_path || rule->path;
                rules->has_prefixes = rules->has_prefixes || rule->name_is_prefix;
        }
}

/* Make a section from n blocks of the same context and ID. */
static int section_init(struct policy_section *section, struct policy_block *const *blocks,
                        size_t n) {
        size_t counts[POLICY_FAMILY_N] = {}, n_rules = 0;
        const struct policy_rule **next;

        *section = (struct policy_section){.context = blocks[0]->context, .id = blocks[0]->id};
        for (size_t b = 0; b < n; b++) {
                n_rules += blocks[b]->n_rules;
                for (size_t i = 0; i < blocks[b]->n_rules; i++)
                        counts[blocks[b]->rules[i]->family]++;
        }
        section->storage = next = malloc((n_rules + 1) * sizeof(*section->storage));
        if (!next)
                return -ENOMEM;
        for (unsigned i = 0; i < POLICY_FAMILY_N; i++) {
                section->families[i].rules = next;
                next += counts[i];
        }
        for (size_t b = 0; b < n; b++)
                for (size_t i = 0; i < blocks[b]->n_rules; i++) {
                        const struct policy_rule *rule = blocks[b]->rules[i];
                        struct policy_rules *family = &section->families[rule->family];

                        family->rules[family->n++] = rule;
                }
        for (unsigned i = POLICY_FAMILY_OWN; i < POLICY_FAMILY_N; i++) {
                prune(&section->families[i]);
                judge(&section->families[i]);
        }
        return make_lists(section);
}

void policy_section_clear(struct policy_section *section) {
        free(section->storage);
        free(section->numbers);
        free(section->slots);
        *section = (struct policy_section){};
}

static int block_compare(const void *a, const void *b) {
        const struct policy_block *x = *(struct policy_block *const *)a;
        const struct policy_block *y = *(struct policy_block *const *)b;

        if (x->context != y->context)
                return x->context < y->context ? -1 : 1;
        if (x->id != y->id)
                return x->id < y->id ? -1 : 1;
        return x->position < y->position ? -1 : x->position > y->position;
}

/* Are the blocks parts of one section? */
static bool belong_together(const struct policy_block *a, const struct policy_block *b) {
        return a->context == b->context && a->id == b->id;
}

int policy_make_sections(struct policy *policy) {
        size_t n = policy->n_blocks, n_sections = 0, end;

        if (n == 0)
                return 0;
        for (size_t i = 0; i < n; i++)
                policy->blocks[i]->position = i;
        qsort(policy->blocks, n, sizeof(*policy->blocks), block_compare);

        for (size_t i = 0; i < n; i++)
                n_sections += i == 0 || !belong_together(policy->blocks[i - 1], policy->blocks[i]);
        policy->sections = calloc(n_sections, sizeof(*policy->sections));
        if (!policy->sections)
                return -ENOMEM;
        for (size_t i = 0; i < n; i = end) {
                const struct policy_block *first = policy->blocks[i];
                int r;

                for (end = i + 1; end < n; end++)
                        if (!belong_together(first, policy->blocks[end]))
                                break;
                r = section_init(&policy->sections[policy->n_sections++], &policy->blocks[i],
                                 end - i);
                if (r < 0)
                        return r;
                if (policy->sections[policy->n_sections - 1]
                            .families[POLICY_FAMILY_RECEIVE]
                            .asks_for_path)
                        policy->receiving_asks_for_path = true;
        }
        return 0;
}

const struct policy_section *policy_section_next(const struct policy *policy, size_t *position,
                                                 uid_t uid, const gid_t *gids, size_t n_gids) {
        while (*position < policy->n_sections) {
                const struct policy_section *section = &policy->sections[(*position)++];

                if (policy_context_applies(section->context, section->id, uid, gids, n_gids))
                        return section;
        }
        return NULL;
}

/*
 * This is not in model.c, because it calls policy_section_clear(), which is a floor above model.c.
 */
struct policy *policy_unref(struct policy *policy) {
        if (!policy || --policy->n_refs > 0)
                return NULL;
        for (size_t i = 0; i < policy->n_sections; i++)
                policy_section_clear(&policy->sections[i]);
        free(policy->sections);
        for (size_t i = 0; i < policy->n_blocks; i++)
                policy_block_free(policy->blocks[i]);
        free(policy->blocks);
        for (size_t i = 0; i < policy->n_names; i++)
                free(policy->names[i]);
        free(policy->names);
        free(policy);
        return NULL;
}
