/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Match rules: the index (match.h has a drawing of it)
 *
 * The mask of a rule says which of the five keys type, sender, path, interface and member the rule
 * has. The most selective other condition of the rule decides its branch: a destination, an
 * argument, or a namespace of paths (choose_branch()). A rule without such a condition is in the
 * branch BRANCH_NONE. A hash of the branch, the mask and their values is the key of the bucket. The
 * value of a destination is not part of the hash.
 *
 * A message has one hash for each of the five keys that it has. Only the sender can have several:
 * that of its unique name, and that of each well-known name that it owns. In each branch a message
 * has one hash for each value that a matching rule could have: the argument itself, and every
 * namespace that a path or name is in. (Rules for paths below an argument that ends with "/" are
 * found in a sorted array instead, see match-sorted.h.) The search looks up these buckets for every
 * branch and mask in use, and compares each rule in them in full. So the cost of a message depends
 * on the number of different kinds of rules and on the rules that nearly match, but not on the
 * number of all rules.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bridge/bus/match.h"
#include "bridge/bus/name.h"

enum {
        KEY_TYPE,
        KEY_SENDER,
        KEY_PATH,
        KEY_INTERFACE,
        KEY_MEMBER,
        _KEY_MAX,
};

enum branch_kind {
        BRANCH_NONE,
        BRANCH_ARG,
        BRANCH_ARG_NAMESPACE,
        BRANCH_ARG_PATH,
        BRANCH_PATH_NAMESPACE,
        BRANCH_ADDRESSED, /* the rule names a destination, so no broadcast can match */
};

#define BRANCHES_MAX 256 /* match_rule.branch has 8 bits; fewer branches are possible */

void match_index_init(struct match_index *index, const struct hash_seed *seed) {
        *index = (struct match_index){.seed = *seed};
}

/* All that determines the bucket of a rule. */
struct place {
        enum branch_kind kind;
        unsigned arg;
        const char *value; /* NULL if this kind of branch has none */
        size_t n_value;
        unsigned mask;
        uint64_t hashes[_KEY_MAX];
};

/*
 * Combine branch, value and the keys of the mask into one hash. The position of each key is hashed
 * too, so that the same string under another key gives another hash.
 */
static uint64_t combine(const struct match_branch *branch, uint64_t value, unsigned mask,
                        const uint64_t hashes[_KEY_MAX]) {
        uint64_t key =
                value ^ ((branch->kind << 16 | branch->arg << 8 | mask) * 0x9e3779b97f4a7c15ULL);

        for (unsigned i = 0; i < _KEY_MAX; i++)
                if (mask & 1U << i) {
                        key ^= hashes[i] + i;
                        key *= 0xff51afd7ed558ccdULL;
                        key ^= key >> 32;
                }
        return key;
}

/*
 * Choose the branch by the most selective condition. From the most to the least selective, these
 * are: a destination, a string argument, a namespace argument, a path argument, a namespace of
 * paths.
 */
static void choose_branch(const struct match_keys *keys, struct place *ret_place) {
        static const uint8_t ranks[] = {
                [MATCH_ARG_STRING] = BRANCH_ARG,
                [MATCH_ARG_NAMESPACE] = BRANCH_ARG_NAMESPACE,
                [MATCH_ARG_PATH] = BRANCH_ARG_PATH,
        };

        if (keys->destination) {
                ret_place->kind = BRANCH_ADDRESSED;
                return;
        }
        for (size_t i = 0; i < keys->n_args; i++) {
                const struct match_arg *arg = &keys->args[i];

                if (ret_place->kind == BRANCH_NONE || ranks[arg->kind] < ret_place->kind) {
                        ret_place->kind = ranks[arg->kind];
                        ret_place->arg = arg->index;
                        ret_place->value = arg->value;
                        ret_place->n_value = arg->n_value;
                }
        }
        if (ret_place->kind == BRANCH_NONE && keys->path_namespace &&
            strcmp(keys->path_namespace, "/") != 0) {
                ret_place->kind = BRANCH_PATH_NAMESPACE;
                ret_place->value = keys->path_namespace;
                ret_place->n_value = strlen(keys->path_namespace);
        }
}

static void place_rule(const struct match_keys *keys, const struct hash_seed *seed,
                       struct place *ret_place) {
        const char *strings[_KEY_MAX] = {
                [KEY_SENDER] = keys->sender,
                [KEY_PATH] = keys->path,
                [KEY_INTERFACE] = keys->interface,
                [KEY_MEMBER] = keys->member,
        };

        *ret_place = (struct place){.kind = BRANCH_NONE};
        choose_branch(keys, ret_place);
        if (keys->type) {
                ret_place->mask |= 1U << KEY_TYPE;
                ret_place->hashes[KEY_TYPE] = keys->type;
        }
        for (unsigned i = 0; i < _KEY_MAX; i++)
                if (strings[i]) {
                        ret_place->mask |= 1U << i;
                        ret_place->hashes[i] = hash_bytes(seed, strings[i], strlen(strings[i]));
                }
}

static uint64_t place_key(const struct match_index *index, const struct match_branch *branch,
                          const struct place *place) {
        uint64_t value = place->value ? hash_bytes(&index->seed, place->value, place->n_value) : 0;

        return combine(branch, value, place->mask, place->hashes);
}

/* branches */

static struct match_branch *branch_find(struct match_index *index, const struct place *place) {
        for (size_t i = 0; i < index->n_branches; i++)
                if (index->branches[i].kind == place->kind && index->branches[i].arg == place->arg)
                        return &index->branches[i];
        return NULL;
}

/* Find or make the branch; NULL without memory. */
static struct match_branch *branch_get(struct match_index *index, const struct place *place) {
        struct match_branch *branch = branch_find(index, place), *more;

        if (branch || index->n_branches == BRANCHES_MAX)
                return branch;
        more = reallocarray(index->branches, index->n_branches + 1, sizeof(*more));
        if (!more)
                return NULL;
        index->branches = more;
        branch = &more[index->n_branches++];
        *branch = (struct match_branch){.kind = place->kind, .arg = place->arg};
        return branch;
}

static void branch_add(struct match_branch *branch, struct match_rule *rule,
                       const struct place *place) {
        if (branch->kind == BRANCH_ARG_PATH)
                match_sorted_add(&branch->sorted, place->value, place->n_value, rule);
        branch->n_by_mask[rule->mask]++;
        branch->masks |= 1U << rule->mask;
        KEEP_PEAK(branch->n_value_max, place->n_value);
}

static void branch_remove(struct match_branch *branch, struct match_rule *rule) {
        if (branch->kind == BRANCH_ARG_PATH) {
                struct place place = {.kind = BRANCH_NONE};

                choose_branch(&rule->keys, &place);
                match_sorted_remove(&branch->sorted, place.value, place.n_value, rule);
        }
        if (--branch->n_by_mask[rule->mask] == 0)
                branch->masks &= ~(1U << rule->mask);
}

static void branches_free(struct match_index *index) {
        for (size_t i = 0; i < index->n_branches; i++)
                match_sorted_deinit(&index->branches[i].sorted);
        free(index->branches);
        index->branches = NULL;
        index->n_branches = 0;
}

/* buckets */

static struct match_bucket *bucket_find(struct match_index *index, uint64_t key) {
        struct match_bucket *bucket;

        HASH_FIND_BYHASHVALUE(hh, index->buckets, &key, sizeof(key), (unsigned)key, bucket);
        return bucket;
}

/* Find or make the bucket; NULL without memory. */
static struct match_bucket *bucket_get(struct match_index *index, uint64_t key) {
        CLEANUP_FREE struct match_bucket *fresh = NULL;
        struct match_bucket *bucket = bucket_find(index, key);

        if (bucket)
                return bucket;
        fresh = calloc(1, sizeof(*fresh));
        if (!fresh)
                return NULL;
        fresh->key = key;
        HASH_ADD_KEYPTR_BYHASHVALUE(hh, index->buckets, &fresh->key, sizeof(fresh->key),
                                    (unsigned)key, fresh);
        return fresh->hh.tbl ? steal_ptr(&fresh) : NULL;
}

static int index_link(struct match_index *index, struct match_rule *rule) {
        struct match_bucket *bucket = NULL;
        struct match_branch *branch;
        struct place place;

        place_rule(&rule->keys, &index->seed, &place);
        branch = branch_get(index, &place);
        if (branch &&
            (branch->kind != BRANCH_ARG_PATH || match_sorted_reserve(&branch->sorted) == 0))
                bucket = bucket_get(index, place_key(index, branch, &place));
        if (!bucket) {
                if (index->n_rules == 0)
                        branches_free(index);
                return -ENOMEM;
        }

        rule->mask = place.mask;
        rule->branch = branch - index->branches;
        rule->index = index;
        rule->bucket = bucket;
        branch_add(branch, rule, &place);
        DL_APPEND2(bucket->rules, rule, bucket_prev, bucket_next);
        index->n_rules++;
        KEEP_PEAK(index->peak_rules, index->n_rules);
        if (rule->keys.eavesdrop)
                index->n_eavesdrop++;
        return 0;
}

static void index_unlink(struct match_index *index, struct match_rule *rule) {
        struct match_bucket *bucket = rule->bucket;

        DL_DELETE2(bucket->rules, rule, bucket_prev, bucket_next);
        branch_remove(&index->branches[rule->branch], rule);
        index->n_rules--;
        if (rule->keys.eavesdrop)
                index->n_eavesdrop--;
        if (!bucket->rules) {
                HASH_DEL(index->buckets, bucket);
                free(bucket);
        }
        if (index->n_rules == 0)
                branches_free(index);
}

/* rules of a client */

int match_rule_new(struct client *client, const char *text, size_t n,
                   struct match_rule **ret_rule) {
        CLEANUP_FREE struct match_rule *rule = calloc(1, sizeof(*rule));
        int r;

        if (!rule)
                return -ENOMEM;
        rule->client = client;
        r = match_keys_parse(&rule->keys, text, n);
        if (r == 0)
                *ret_rule = steal_ptr(&rule);
        return r;
}

void match_rule_attach(struct match_index *index, struct match_rule *rule) {
        struct client *client = rule->client;

        DL_APPEND2(client->rules, rule, client_prev, client_next);
        client->n_rules++;
        KEEP_PEAK(client->stats.peak_rules, client->n_rules);
        KEEP_PEAK(index->peak_rules_per_client, client->n_rules);
        rule->attached = true;
}

int match_rule_add(struct match_index *index, struct client *client, int64_t n_max,
                   const char *text, size_t n, uint64_t cookie, struct match_rule **ret_rule) {
        struct match_rule *rule;
        int r;

        r = match_rule_new(client, text, n, &rule);
        if (r != 0)
                return r;
        r = (int64_t)client->n_rules < n_max ? index_link(index, rule) : MATCH_E_QUOTA;
        if (r != 0) {
                match_rule_free(rule);
                return r;
        }
        rule->cookie = cookie;
        match_rule_attach(index, rule);
        if (ret_rule)
                *ret_rule = rule;
        return 0;
}

struct match_rule *match_rule_free(struct match_rule *rule) {
        if (!rule)
                return NULL;
        if (rule->bucket)
                index_unlink(rule->index, rule);
        if (rule->attached) {
                DL_DELETE2(rule->client->rules, rule, client_prev, client_next);
                rule->client->n_rules--;
        }
        match_keys_deinit(&rule->keys);
        free(rule);
        return NULL;
}

void match_rules_free(struct client *client) {
        while (client->rules)
                match_rule_free(client->rules);
}

int match_rule_remove(struct match_index *index, struct client *client, const char *text,
                      size_t n) {
        CLEANUP(match_keys_deinit) struct match_keys keys = {};
        struct match_bucket *bucket = NULL;
        struct match_branch *branch;
        struct match_rule *rule;
        struct place place;
        int r;

        r = match_keys_parse(&keys, text, n);
        if (r != 0)
                return r;

        place_rule(&keys, &index->seed, &place);
        branch = branch_find(index, &place);
        if (branch)
                bucket = bucket_find(index, place_key(index, branch, &place));
        DL_FOREACH2(bucket ? bucket->rules : NULL, rule, bucket_next) {
                if (rule->client == client && rule->cookie == 0 &&
                    match_keys_equal(&rule->keys, &keys)) {
                        match_rule_free(rule);
                        return 0;
                }
        }
        return MATCH_E_NOT_FOUND;
}

/* search */

struct search {
        struct match_index *index;
        struct message *m;
        const struct match_context *context;
        bool eavesdrop;
        int (*found)(struct match_rule *rule, void *userdata);
        void *userdata;

        unsigned has; /* mask of the keys that are in hashes */
        uint64_t hashes[_KEY_MAX];
};

static int search_rule(const struct search *search, struct match_rule *rule) {
        if (search->eavesdrop && !rule->keys.eavesdrop)
                return 0;
        /*
         * A rule may be found twice: by two values of the message that have the same hash, or by
         * search_below() after search_namespaces().
         */
        if (rule->mark == search->index->mark ||
            !match_keys_match(&rule->keys, search->m, search->context))
                return 0;
        rule->mark = search->index->mark;
        return search->found(rule, search->userdata);
}

static int search_bucket(const struct search *search, uint64_t key) {
        struct match_bucket *bucket = bucket_find(search->index, key);
        struct match_rule *rule;
        int r;

        if (!bucket)
                return 0;
        DL_FOREACH2(bucket->rules, rule, bucket_next) {
                r = search_rule(search, rule);
                if (r != 0)
                        return r;
        }
        return 0;
}

/*
 * Search the bucket of one mask. If the mask has the sender, search one bucket for each name that
 * the sender has.
 */
static int search_mask(struct search *search, const struct match_branch *branch, uint64_t value,
                       unsigned mask) {
        const struct client *sender = search->context->sender;
        struct name_ownership *ownership;
        uint64_t unique;
        int r;

        r = search_bucket(search, combine(branch, value, mask, search->hashes));
        if (r != 0 || !(mask & 1U << KEY_SENDER) || !sender)
                return r;

        unique = search->hashes[KEY_SENDER];
        DL_FOREACH2(sender->ownerships, ownership, client_next) {
                if (!name_ownership_is_primary(ownership))
                        continue;
                search->hashes[KEY_SENDER] = ownership->name->hash;
                r = search_bucket(search, combine(branch, value, mask, search->hashes));
                if (r != 0)
                        break;
        }
        search->hashes[KEY_SENDER] = unique;
        return r;
}

/* Search all masks of the branch for rules with this value. */
static int search_value(struct search *search, const struct match_branch *branch, const char *value,
                        size_t n_value) {
        uint64_t hash = value ? hash_bytes(&search->index->seed, value, n_value) : 0;
        int r;

        for (uint32_t masks = branch->masks; masks; masks &= masks - 1) {
                unsigned mask = __builtin_ctz(masks);

                if (mask & ~search->has)
                        continue;
                r = search_mask(search, branch, hash, mask);
                if (r != 0)
                        return r;
        }
        return 0;
}

/*
 * Search for the value and for each namespace that contains it. A namespace is a prefix of the
 * value that ends before a separator or, if inclusive, with a separator. No rule of the branch has
 * a value longer than n_value_max.
 */
static int search_namespaces(struct search *search, const struct match_branch *branch,
                             const struct wire_string *value, char separator, bool inclusive) {
        size_t n_max = value->n < branch->n_value_max ? value->n : branch->n_value_max;
        int r;

        if (value->n <= n_max) {
                r = search_value(search, branch, value->s, value->n);
                if (r != 0)
                        return r;
        }
        for (size_t i = inclusive ? 0 : 1; i < value->n; i++) {
                size_t n = i + inclusive;

                if (n > n_max)
                        break;
                if (value->s[i] != separator || n == value->n)
                        continue;
                r = search_value(search, branch, value->s, n);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* Search the rules whose value begins with this value, which ends with "/"; see match-sorted.h. */
static int search_below(struct search *search, const struct match_branch *branch,
                        const struct wire_string *value) {
        const struct match_sorted_entry *entry, *end;
        int r;

        entry = match_sorted_begin(&branch->sorted, value->s, value->n, &end);
        for (; entry < end && match_sorted_begins_with(entry, value->s, value->n); entry++) {
                r = search_rule(search, entry->rule);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int search_branch(struct search *search, const struct match_branch *branch) {
        struct message *m = search->m;
        struct message_arg arg;
        int r;

        switch ((enum branch_kind)branch->kind) {
        case BRANCH_NONE:
                return search_value(search, branch, NULL, 0);
        case BRANCH_ADDRESSED:
                return m->destination.s ? search_value(search, branch, NULL, 0) : 0;
        case BRANCH_PATH_NAMESPACE:
                return m->path.s ? search_namespaces(search, branch, &m->path, '/', false) : 0;
        case BRANCH_ARG:
        case BRANCH_ARG_NAMESPACE:
        case BRANCH_ARG_PATH:
                break;
        }

        arg = message_get_arg(m, branch->arg);
        if (arg.type != 's' && (arg.type != 'o' || branch->kind != BRANCH_ARG_PATH))
                return 0;
        if (branch->kind == BRANCH_ARG)
                return search_value(search, branch, arg.value.s, arg.value.n);
        if (branch->kind == BRANCH_ARG_NAMESPACE)
                return search_namespaces(search, branch, &arg.value, '.', false);
        r = search_namespaces(search, branch, &arg.value, '/', true);
        if (r == 0 && arg.value.n > 0 && arg.value.s[arg.value.n - 1] == '/')
                r = search_below(search, branch, &arg.value);
        return r;
}

/* Hash those fields of the message that some rule has a key for. */
static void hash_keys(struct search *search) {
        const struct match_index *index = search->index;
        const struct client *sender = search->context->sender;
        const struct message *m = search->m;
        const struct wire_string *fields[_KEY_MAX] = {
                [KEY_PATH] = &m->path,
                [KEY_INTERFACE] = &m->interface,
                [KEY_MEMBER] = &m->member,
        };
        unsigned wanted = 0;

        for (size_t i = 0; i < index->n_branches; i++)
                for (uint32_t masks = index->branches[i].masks; masks; masks &= masks - 1)
                        wanted |= __builtin_ctz(masks);

        search->has = 1U << KEY_TYPE;
        search->hashes[KEY_TYPE] = m->type;
        if (wanted & 1U << KEY_SENDER) {
                search->has |= 1U << KEY_SENDER;
                search->hashes[KEY_SENDER] =
                        sender ? sender->unique_hash
                               : hash_bytes(&index->seed, BUS_DRIVER_NAME, strlen(BUS_DRIVER_NAME));
        }
        for (unsigned i = KEY_PATH; i <= KEY_MEMBER; i++)
                if ((wanted & 1U << i) && fields[i]->s) {
                        search->has |= 1U << i;
                        search->hashes[i] = hash_bytes(&index->seed, fields[i]->s, fields[i]->n);
                }
}

int match_index_search(struct match_index *index, struct message *m,
                       const struct match_context *context, bool eavesdrop,
                       int (*found)(struct match_rule *rule, void *userdata), void *userdata) {
        struct search search = {
                .index = index,
                .m = m,
                .context = context,
                .eavesdrop = eavesdrop,
                .found = found,
                .userdata = userdata,
        };
        int r;

        hash_keys(&search);
        index->mark++;
        for (size_t i = 0; i < index->n_branches; i++) {
                if (index->branches[i].masks == 0)
                        continue;
                r = search_branch(&search, &index->branches[i]);
                if (r != 0)
                        return r;
        }
        return 0;
}
