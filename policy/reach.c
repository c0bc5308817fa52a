/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reach: the search for rules that overrule others
 *
 * A rule has texts (interface, member, path, error name) and a name. If a rule covers another one,
 * each of its texts is either the same or missing, and its name is the same, missing or a prefix.
 * So each entry is in a bucket whose key is made from its connections, name and texts. The search
 * for rules that cover an entry looks into one bucket for each combination of a subset of the texts
 * of the entry (at most 16 subsets), a name that covers its name, and connections (everybody, or
 * those of the entry). An entry of a group is also in a second bucket, for the search for
 * opposites.
 *
 * The entries are taken from the last to the first: for each, the search is done first, then the
 * entry is inserted. So during the search for an entry, the buckets contain exactly the later
 * entries, in order.
 *
 * The key of a bucket is only a hash. A collision costs time but does no harm, because
 * policy_rule_covers() checks each entry found. The table does not use uthash: its size is known
 * beforehand, its keys are hashes already, and it is one allocation.
 */

#include <errno.h>
#include <stdlib.h>

#include "policy/array.h"
#include "policy/cover.h"
#include "policy/reach.h"
#include "policy/section.h"

/* This bit is set in the hash of every text. So 0 is no such hash, and stands for "no text". */
#define IS_TEXT (UINT64_C(1) << 32)

/* The number of texts that a rule can have besides its name. */
#define N_TEXTS 4

/* The part of a key for the connections to which a <policy> block applies. */
#define WHO_EVERYBODY UINT64_C(1)
#define WHO_ANY_GROUP UINT64_C(2)

struct bucket {
        uint64_t key; /* 0: unused */
        size_t first;
};

struct index {
        struct reach_entry *entries;
        struct bucket *buckets; /* their number is a power of two; at most half are used */
        size_t mask;
};

static uint64_t hash_text(const char *text) {
        return text ? IS_TEXT | policy_hash_name(text) : 0;
}

static uint64_t mix(uint64_t a, uint64_t b) {
        a = (a ^ b) * UINT64_C(0x9e3779b97f4a7c15);
        return a ^ (a >> 29);
}

/* The bucket with this key, or an unused one. */
static struct bucket *find(const struct index *index, uint64_t key) {
        for (size_t i = key >> 1;; i++) {
                struct bucket *bucket = &index->buckets[i & index->mask];

                if (bucket->key == key || bucket->key == 0)
                        return bucket;
        }
}

/* Put entry i at the front of a bucket. Returns the entry that was there, or REACH_NONE. */
static size_t push(const struct index *index, uint64_t key, size_t i) {
        struct bucket *bucket = find(index, key | 1);
        size_t next = bucket->key ? bucket->first : REACH_NONE;

        *bucket = (struct bucket){.key = key | 1, .first = i};
        return next;
}

static size_t look_up(const struct index *index, uint64_t key) {
        const struct bucket *bucket = find(index, key | 1);

        return bucket->key ? bucket->first : REACH_NONE;
}

static void hash_texts(const struct policy_rule *rule, uint64_t ret_texts[N_TEXTS]) {
        ret_texts[0] = hash_text(rule->interface);
        ret_texts[1] = hash_text(rule->member);
        ret_texts[2] = hash_text(rule->path);
        ret_texts[3] = hash_text(rule->error_name);
}

/* A CONNECT rule has a user or group in the place of a name. */
static uint64_t hash_name(const struct policy_rule *rule) {
        if (rule->family == POLICY_FAMILY_CONNECT)
                return rule->connect_any
                               ? 0
                               : mix(rule->connect_group ? 3 : 4, (uint64_t)rule->connect_id + 1);
        return rule->name ? mix(hash_text(rule->name), rule->name_is_prefix) : 0;
}

static uint64_t make_key(uint64_t who, uint64_t name, const uint64_t texts[N_TEXTS],
                         unsigned with_texts) {
        uint64_t key = mix(who, name);

        for (unsigned i = 0; i < N_TEXTS; i++)
                key = mix(key, with_texts & (1u << i) ? texts[i] : 0);
        return key;
}

/* The key for the connections of a block. Blocks for the same connections have the same key. */
static uint64_t whose(const struct policy_block *block) {
        switch (block->context) {
        case POLICY_CONTEXT_DEFAULT:
        case POLICY_CONTEXT_CONSOLE_FALSE:
        case POLICY_CONTEXT_MANDATORY:
                return WHO_EVERYBODY;
        default:
                return mix((uint64_t)block->context + 16, (uint64_t)block->id + 1);
        }
}

bool reach_is_opposite(const struct policy_rule *a, const struct policy_rule *b) {
        return a->allow != b->allow && policy_rule_covers(a, b) && policy_rule_covers(b, a);
}

/* search */

struct search {
        const struct index *index;
        const struct reach_entry *entry;
        uint64_t texts[N_TEXTS];
        unsigned has_texts;
        uint64_t who[2];
        unsigned n_who;
        size_t best;
};

static bool overrules(const struct reach_entry *later, const struct reach_entry *entry) {
        return policy_rule_covers(later->rule, entry->rule) &&
               policy_block_covers(later->block, entry->block);
}

static void try_bucket(struct search *s, uint64_t key) {
        const struct reach_entry *entries = s->index->entries;

        for (size_t i = look_up(s->index, key); i < s->best; i = entries[i].next[0])
                if (overrules(&entries[i], s->entry)) {
                        s->best = i;
                        return;
                }
}

/* Search the later entries with this name and any subset of the texts. */
static void try_name(struct search *s, uint64_t name) {
        unsigned with_texts = s->has_texts;

        for (;;) {
                for (unsigned i = 0; i < s->n_who; i++)
                        try_bucket(s, make_key(s->who[i], name, s->texts, with_texts));
                if (with_texts == 0)
                        return;
                with_texts = (with_texts - 1) & s->has_texts; /* the next subset */
        }
}

static size_t find_overruling(const struct index *index, const struct reach_entry *entry) {
        struct search s = {.index = index, .entry = entry, .best = REACH_NONE};
        const struct policy_rule *rule = entry->rule;
        uint32_t hash = POLICY_HASH_INIT;

        hash_texts(rule, s.texts);
        for (unsigned i = 0; i < N_TEXTS; i++)
                s.has_texts |= s.texts[i] ? 1u << i : 0;
        s.who[s.n_who++] = WHO_EVERYBODY;
        if (whose(entry->block) != WHO_EVERYBODY)
                s.who[s.n_who++] = whose(entry->block);

        try_name(&s, 0);
        if (hash_name(rule))
                try_name(&s, hash_name(rule));
        for (const char *c = rule->name; c; c++) {
                if (*c == '.' || *c == '\0')
                        try_name(&s, mix(IS_TEXT | hash, true));
                if (*c == '\0')
                        break;
                hash = policy_hash_step(hash, *c);
        }
        return s.best;
}

/* The key for all group rules that allow (or deny) and have the name and texts of the rule. */
static uint64_t opposite_key(const struct policy_rule *rule, bool allow) {
        uint64_t texts[N_TEXTS];

        hash_texts(rule, texts);
        return mix(make_key(WHO_ANY_GROUP, hash_name(rule), texts, -1), allow);
}

static void insert(const struct index *index, size_t i) {
        struct reach_entry *entry = &index->entries[i];
        uint64_t texts[N_TEXTS], key;

        hash_texts(entry->rule, texts);
        key = make_key(whose(entry->block), hash_name(entry->rule), texts, -1);
        entry->next[0] = push(index, key, i);
        if (entry->block->context == POLICY_CONTEXT_GROUP) {
                key = opposite_key(entry->rule, entry->rule->allow);
                entry->next[1] = push(index, key, i);
        }
}

static int collect(struct reach *reach, const struct policy *policy, enum policy_family family) {
        for (unsigned context = 0; context < POLICY_CONTEXT_N; context++)
                for (size_t b = 0; b < policy->n_blocks; b++) {
                        const struct policy_block *block = policy->blocks[b];

                        for (size_t i = 0; block->context == context && i < block->n_rules; i++) {
                                struct reach_entry entry = {
                                        .rule = block->rules[i],
                                        .block = block,
                                        .overruled_by = REACH_NONE,
                                        .opposite = REACH_NONE,
                                        .next = {REACH_NONE, REACH_NONE},
                                };

                                if (entry.rule->family == family &&
                                    POLICY_ARRAY_APPEND(reach->entries, reach->n_entries, entry) <
                                            0)
                                        return -ENOMEM;
                        }
                }
        return 0;
}

int reach_compute(const struct policy *policy, enum policy_family family, struct reach *ret_reach) {
        struct reach reach = {};
        struct index index = {.mask = 1};

        if (collect(&reach, policy, family) >= 0) {
                while (index.mask < 4 * reach.n_entries)
                        index.mask *= 2;
                index.buckets = calloc(index.mask, sizeof(*index.buckets));
                index.mask--;
                index.entries = reach.entries;
        }
        if (!index.buckets) {
                reach_clear(&reach);
                return -ENOMEM;
        }

        for (size_t i = reach.n_entries; i > 0; i--) {
                struct reach_entry *entry = &reach.entries[i - 1];

                entry->overruled_by = find_overruling(&index, entry);
                if (entry->block->context == POLICY_CONTEXT_GROUP)
                        entry->opposite =
                                look_up(&index, opposite_key(entry->rule, !entry->rule->allow));
                insert(&index, i - 1);
        }
        free(index.buckets);
        *ret_reach = reach;
        return 0;
}

void reach_clear(struct reach *reach) {
        free(reach->entries);
        *reach = (struct reach){};
}

size_t reach_next_opposite(const struct reach *reach, size_t entry, size_t after) {
        const struct reach_entry *e = &reach->entries[entry];
        size_t i = after == REACH_NONE ? e->opposite : reach->entries[after].next[1];

        while (i < e->overruled_by && !reach_is_opposite(e->rule, reach->entries[i].rule))
                i = reach->entries[i].next[1];
        return i < e->overruled_by ? i : REACH_NONE;
}
