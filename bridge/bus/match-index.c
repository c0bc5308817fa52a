/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Match rules: adding them to the tree of match-node.h, and removing them */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/container-of.h"
#include "bridge/bus/match-node.h"

/* the five keys together, the destination, the namespace of paths, and the arguments */
#define CONDITIONS_MAX (3 + MESSAGE_ARGS_MAX)

#define SIZE_OF_KEYS_MAX (1 + MATCH_RULE_LENGTH_MAX)

void match_index_init(struct match_index *index, const struct hash_seed *seed) {
        *index = (struct match_index){.seed = *seed};
        table_init(&index->nodes);
        table_init(&index->rules);
}

void match_index_deinit(struct match_index *index) {
        table_deinit(&index->nodes);
        table_deinit(&index->rules);
}

/* conditions */

struct condition {
        uint8_t kind;
        uint8_t arg;
        const char *value;
        size_t n_value;
        uint64_t hash; /* of the value */
};

struct conditions {
        struct condition list[CONDITIONS_MAX];
        size_t n;
        char keys[SIZE_OF_KEYS_MAX]; /* value of the first condition */
};

static void add_condition(struct conditions *conditions, const struct hash_seed *seed,
                          enum match_kind kind, unsigned arg, const char *value, size_t n_value) {
        conditions->list[conditions->n++] = (struct condition){
                .kind = kind,
                .arg = arg,
                .value = value,
                .n_value = n_value,
                .hash = hash_bytes(seed, value, n_value),
        };
}

/* The condition for the five keys. */
static void add_keys(struct conditions *conditions, const struct hash_seed *seed,
                     const struct match_keys *keys) {
        const char *strings[_KEY_MAX] = {
                [KEY_SENDER] = keys->sender,
                [KEY_PATH] = keys->path,
                [KEY_INTERFACE] = keys->interface,
                [KEY_MEMBER] = keys->member,
        };
        uint64_t hashes[_KEY_MAX] = {[KEY_TYPE] = keys->type};
        unsigned mask = keys->type ? 1U << KEY_TYPE : 0;
        char *p = conditions->keys;

        *p++ = keys->type;
        for (unsigned i = KEY_SENDER; i < _KEY_MAX; i++)
                if (strings[i]) {
                        size_t n = strlen(strings[i]);

                        mask |= 1U << i;
                        hashes[i] = hash_bytes(seed, strings[i], n);
                        memcpy(p, strings[i], n + 1);
                        p += n + 1;
                }
        conditions->list[conditions->n++] = (struct condition){
                .kind = MATCH_KEYS,
                .arg = mask,
                .value = conditions->keys,
                .n_value = p - conditions->keys,
                .hash = match_keys_hash(mask, hashes),
        };
}

static void add_args(struct conditions *conditions, const struct hash_seed *seed,
                     const struct match_keys *keys, enum match_arg_kind arg_kind,
                     enum match_kind kind) {
        for (size_t i = 0; i < keys->n_args; i++) {
                const struct match_arg *arg = &keys->args[i];

                if (arg->kind == arg_kind)
                        add_condition(conditions, seed, kind, arg->index, arg->value, arg->n_value);
        }
}

static void list_conditions(struct conditions *conditions, const struct hash_seed *seed,
                            const struct match_keys *keys) {
        conditions->n = 0;
        add_keys(conditions, seed, keys);
        if (keys->destination)
                add_condition(conditions, seed, MATCH_DESTINATION, 0, keys->destination,
                              strlen(keys->destination));
        add_args(conditions, seed, keys, MATCH_ARG_STRING, MATCH_ARG_EQUAL);
        add_args(conditions, seed, keys, MATCH_ARG_NAMESPACE, MATCH_ARG_BELOW_NAME);
        if (keys->path_namespace)
                add_condition(conditions, seed, MATCH_PATH_BELOW, 0, keys->path_namespace,
                              strlen(keys->path_namespace));
        add_args(conditions, seed, keys, MATCH_ARG_PATH, MATCH_ARG_PATHS);
}

/* The reverse: the keys of a node. All pointers are valid as long as the node is. */
static void node_get_keys(const struct match_node *node, struct match_keys *ret_keys,
                          struct match_arg args[MESSAGE_ARGS_MAX]) {
        static const uint8_t kinds[] = {
                [MATCH_ARG_EQUAL] = MATCH_ARG_STRING,
                [MATCH_ARG_BELOW_NAME] = MATCH_ARG_NAMESPACE,
                [MATCH_ARG_PATHS] = MATCH_ARG_PATH,
        };
        const char **strings[_KEY_MAX] = {
                [KEY_SENDER] = &ret_keys->sender,
                [KEY_PATH] = &ret_keys->path,
                [KEY_INTERFACE] = &ret_keys->interface,
                [KEY_MEMBER] = &ret_keys->member,
        };
        const char *p;

        *ret_keys = (struct match_keys){.args = args};
        memset(args, 0, MESSAGE_ARGS_MAX * sizeof(*args));
        for (; node->kind != MATCH_KEYS; node = node->parent) {
                if (node->kind == MATCH_DESTINATION)
                        ret_keys->destination = node->value;
                else if (node->kind == MATCH_PATH_BELOW)
                        ret_keys->path_namespace = node->value;
                else
                        args[node->arg] = (struct match_arg){node->arg, kinds[node->kind],
                                                             node->value, node->n_value};
        }
        for (unsigned i = 0; i < MESSAGE_ARGS_MAX; i++)
                if (args[i].value)
                        args[ret_keys->n_args++] = args[i];

        p = node->value;
        ret_keys->type = *p++;
        for (unsigned i = KEY_SENDER; i < _KEY_MAX; i++)
                if (node->arg & 1U << i) {
                        *strings[i] = p;
                        p += strlen(p) + 1;
                }
}

/* nodes */

static struct match_path_node *path_node(struct match_node *node) {
        return container_of(node, struct match_path_node, node);
}

int match_path_compare(const struct match_path_node *a, const struct match_path_node *b) {
        size_t n_a = a->node.n_value, n_b = b->node.n_value;
        int r = memcmp(a->node.value, b->node.value, n_a < n_b ? n_a : n_b);

        return r ? r : (n_a > n_b) - (n_a < n_b);
}

RB_GENERATE(match_paths, match_path_node, sorted, match_path_compare)

struct match_node *match_child_find(const struct match_index *index,
                                    const struct match_node *parent, unsigned kind, unsigned arg,
                                    const char *value, size_t n_value, uint64_t hash) {
        struct table_link *link;

        for (link = table_first(&index->nodes, hash); link; link = table_next(link)) {
                struct match_node *node = container_of(link, struct match_node, link);

                if (node->parent == parent && node->kind == kind && node->arg == arg &&
                    node->n_value == n_value && !memcmp(node->value, value, n_value))
                        return node;
        }
        return NULL;
}

/* Find or make the branch of a node; NULL without memory. */
static struct match_branch *branch_get(struct match_node *node, unsigned kind, unsigned arg) {
        struct match_branch *more;

        for (unsigned i = 0; i < node->n_branches; i++)
                if (node->branches[i].kind == kind && node->branches[i].arg == arg)
                        return &node->branches[i];
        more = reallocarray(node->branches, node->n_branches + 1U, sizeof(*more));
        if (!more)
                return NULL;
        node->branches = more;
        more[node->n_branches] = (struct match_branch){.kind = kind, .arg = arg};
        return &more[node->n_branches++];
}

static void branch_drop(struct match_node *node, struct match_branch *branch) {
        *branch = node->branches[--node->n_branches];
        if (node->n_branches == 0) {
                free(node->branches);
                node->branches = NULL;
        }
}

/* Put a new node below its parent. Returns 0 or -ENOMEM. */
static int parent_add(struct match_index *index, struct match_node *node) {
        struct match_branch *branch;

        if (!node->parent) {
                index->n_by_mask[node->arg]++;
                index->masks |= 1U << node->arg;
                return 0;
        }
        branch = branch_get(node->parent, node->kind, node->arg);
        if (!branch)
                return -ENOMEM;
        branch->n++;
        KEEP_PEAK(branch->n_value_max, node->n_value);
        if (node->kind == MATCH_ARG_PATHS)
                RB_INSERT(match_paths, &branch->paths, path_node(node));
        node->parent->n_children++;
        return 0;
}

static void parent_remove(struct match_index *index, struct match_node *node) {
        struct match_branch *branch;

        if (!node->parent) {
                if (--index->n_by_mask[node->arg] == 0)
                        index->masks &= ~(1U << node->arg);
                return;
        }
        branch = branch_get(node->parent, node->kind, node->arg);
        if (node->kind == MATCH_ARG_PATHS)
                RB_REMOVE(match_paths, &branch->paths, path_node(node));
        if (--branch->n == 0)
                branch_drop(node->parent, branch);
        node->parent->n_children--;
}

static struct match_node *node_allocate(enum match_kind kind, size_t n_value) {
        struct match_path_node *path;

        if (kind != MATCH_ARG_PATHS)
                return calloc(1, sizeof(struct match_node) + n_value + 1);
        path = calloc(1, sizeof(*path) + n_value + 1);
        return path ? &path->node : NULL;
}

static void node_free(struct match_node *node) {
        if (node->kind == MATCH_ARG_PATHS)
                free(path_node(node));
        else
                free(node);
}

/* Find or make the child for a condition; NULL without memory. */
static struct match_node *child_get(struct match_index *index, struct match_node *parent,
                                    const struct condition *c) {
        uint64_t hash = match_child_hash(parent, c->kind, c->arg, c->hash);
        struct match_node *node;

        node = match_child_find(index, parent, c->kind, c->arg, c->value, c->n_value, hash);
        if (node)
                return node;
        node = node_allocate(c->kind, c->n_value);
        if (!node)
                return NULL;
        node->kind = c->kind;
        node->arg = c->arg;
        node->parent = parent;
        node->n_value = c->n_value;
        memcpy(node->value, c->value, c->n_value);
        if (parent_add(index, node) < 0) {
                node_free(node);
                return NULL;
        }
        table_add(&index->nodes, &node->link, hash);
        return node;
}

/* Free the node and those above it that nothing needs any more. */
static void node_release(struct match_index *index, struct match_node *node) {
        while (node && node->n_children == 0 && !node->rules[0] && !node->rules[1] &&
               !node->sleepers) {
                struct match_node *parent = node->parent;

                table_remove(&index->nodes, &node->link);
                parent_remove(index, node);
                node_free(node);
                node = parent;
        }
}

/* Find or make the node of a rule; NULL without memory. */
static struct match_node *node_get(struct match_index *index, const struct match_keys *keys) {
        struct match_node *node = NULL, *child;
        struct conditions conditions;

        list_conditions(&conditions, &index->seed, keys);
        for (size_t i = 0; i < conditions.n; i++) {
                child = child_get(index, node, &conditions.list[i]);
                if (!child) {
                        node_release(index, node);
                        return NULL;
                }
                node = child;
        }
        return node;
}

static struct match_node *node_find(const struct match_index *index,
                                    const struct match_keys *keys) {
        struct match_node *node = NULL;
        struct conditions conditions;

        list_conditions(&conditions, &index->seed, keys);
        for (size_t i = 0; i < conditions.n; i++) {
                const struct condition *c = &conditions.list[i];

                node = match_child_find(index, node, c->kind, c->arg, c->value, c->n_value,
                                        match_child_hash(node, c->kind, c->arg, c->hash));
                if (!node)
                        return NULL;
        }
        return node;
}

/* rules */

static uint64_t rule_hash(const struct match_node *node, const struct client *client,
                          bool eavesdrop) {
        uint64_t hash = (uintptr_t)node * 0x9e3779b97f4a7c15ULL + (uintptr_t)client + eavesdrop;

        hash = (hash ^ hash >> 32) * 0xff51afd7ed558ccdULL;
        return hash ^ hash >> 32;
}

/* Find the rule without a cookie. */
static struct match_rule *rule_find(const struct match_index *index, const struct match_node *node,
                                    const struct client *client, bool eavesdrop) {
        uint64_t hash = rule_hash(node, client, eavesdrop);
        struct table_link *link;

        for (link = table_first(&index->rules, hash); link; link = table_next(link)) {
                struct match_rule *rule = container_of(link, struct match_rule, link);

                if (rule->node == node && rule->client == client && rule->eavesdrop == eavesdrop)
                        return rule;
        }
        return NULL;
}

/* Count n rules more that are equal to this one. */
static void count_rules(struct match_index *index, struct match_rule *rule, uint32_t n) {
        struct client *client = rule->client;

        rule->n += n;
        client->n_rules += n;
        client->holdings->n_rules += n;
        KEEP_PEAK(client->stats.peak_rules, client->n_rules);
        KEEP_PEAK(index->peak_rules_per_client, client->n_rules);
}

void match_rule_attach(struct match_index *index, struct match_rule *rule) {
        DL_APPEND2(rule->client->rules, rule, client_prev, client_next);
        rule->attached = true;
        rule->number = ++rule->client->last_rule;
        count_rules(index, rule, 1);
}

/* Make a rule that is outside the index, and takes over *parsed; NULL without memory. */
static struct match_rule *rule_new_outside(struct client *client, struct match_keys *parsed) {
        CLEANUP_FREE struct match_rule *rule = calloc(1, sizeof(*rule));
        CLEANUP_FREE struct match_keys *keys = calloc(1, sizeof(*keys));

        if (!rule || !keys)
                return NULL;
        *keys = *parsed;
        *parsed = (struct match_keys){};
        rule->client = client;
        rule->eavesdrop = keys->eavesdrop;
        rule->keys = steal_ptr(&keys);
        return steal_ptr(&rule);
}

int match_rule_new(struct client *client, const char *text, size_t n,
                   struct match_rule **ret_rule) {
        CLEANUP(match_keys_deinit) struct match_keys keys = {};
        int r;

        r = match_keys_parse(&keys, text, n);
        if (r != 0)
                return r;
        *ret_rule = rule_new_outside(client, &keys);
        return *ret_rule ? 0 : -ENOMEM;
}

/* Make a rule of the client, and put it to its node. */
static int rule_new(struct match_index *index, struct client *client, struct match_node *node,
                    bool eavesdrop, uint64_t cookie, struct match_rule **ret_rule) {
        struct match_rule *rule = calloc(1, sizeof(*rule));

        if (!rule)
                return -ENOMEM;
        rule->client = client;
        rule->cookie = cookie;
        rule->eavesdrop = eavesdrop;
        rule->index = index;
        rule->node = node;
        DL_APPEND2(node->rules[eavesdrop], rule, node_prev, node_next);
        if (cookie == 0)
                table_add(&index->rules, &rule->link, rule_hash(node, client, eavesdrop));
        match_rule_attach(index, rule);
        *ret_rule = rule;
        return 0;
}

static void count_in_index(struct match_index *index, const struct match_rule *rule, uint32_t n) {
        index->n_rules += n;
        KEEP_PEAK(index->peak_rules, index->n_rules);
        if (rule->eavesdrop)
                index->n_eavesdrop += n;
}

int match_rule_add(struct match_index *index, struct client *client, int64_t n_max,
                   const char *text, size_t n, uint64_t cookie, struct match_rule **ret_rule) {
        CLEANUP(match_keys_deinit) struct match_keys keys = {};
        struct match_rule *rule = NULL;
        struct match_node *node;
        int r;

        r = match_keys_parse(&keys, text, n);
        if (r != 0)
                return r;
        if ((int64_t)client->n_rules >= n_max ||
            (int64_t)(client->holdings->n_rules / MATCH_USER_FACTOR) >= n_max)
                return MATCH_E_QUOTA;
        node = node_get(index, &keys);
        if (!node)
                return -ENOMEM;
        if (cookie == 0)
                rule = rule_find(index, node, client, keys.eavesdrop);
        if (rule)
                count_rules(index, rule, 1);
        else {
                r = rule_new(index, client, node, keys.eavesdrop, cookie, &rule);
                if (r < 0) {
                        node_release(index, node);
                        return r;
                }
        }
        count_in_index(index, rule, 1);
        if (ret_rule)
                *ret_rule = rule;
        return 0;
}

static int restore_in_index(struct match_index *index, struct client *client,
                            const struct match_keys *keys, uint64_t cookie, uint32_t n_equal) {
        struct match_rule *rule;
        struct match_node *node;
        int r;

        node = node_get(index, keys);
        if (!node)
                return -ENOMEM;
        if (cookie == 0 && rule_find(index, node, client, keys->eavesdrop))
                return MATCH_E_INVALID;
        r = rule_new(index, client, node, keys->eavesdrop, cookie, &rule);
        if (r < 0) {
                node_release(index, node);
                return r;
        }
        count_rules(index, rule, n_equal - 1);
        count_in_index(index, rule, n_equal);
        return 0;
}

static int restore_outside(struct match_index *index, struct client *client,
                           struct match_keys *keys) {
        struct match_rule *rule = rule_new_outside(client, keys);

        if (!rule)
                return -ENOMEM;
        match_rule_attach(index, rule);
        return 0;
}

int match_rule_restore(struct match_index *index, struct client *client, const char *text, size_t n,
                       uint64_t cookie, uint32_t n_equal) {
        CLEANUP(match_keys_deinit) struct match_keys keys = {};
        bool is_outside = client->state == CLIENT_MONITOR;
        int r;

        if (n_equal == 0 || (n_equal > 1 && (cookie != 0 || is_outside)) ||
            (cookie != 0 && is_outside) || n_equal > UINT32_MAX - client->n_rules ||
            n_equal > UINT32_MAX - index->n_rules)
                return MATCH_E_INVALID;
        r = match_keys_parse_formatted(&keys, text, n);
        if (r != 0)
                return r < 0 ? r : MATCH_E_INVALID;
        return is_outside ? restore_outside(index, client, &keys)
                          : restore_in_index(index, client, &keys, cookie, n_equal);
}

/* Find or make the sleepers of a node for a user; NULL without memory. */
static struct match_sleepers *sleepers_get(struct match_node *node, uint64_t user) {
        struct match_sleepers *sleepers;

        DL_FOREACH(node->sleepers, sleepers) {
                if (sleepers->user == user)
                        return sleepers;
        }
        sleepers = calloc(1, sizeof(*sleepers));
        if (!sleepers)
                return NULL;
        sleepers->user = user;
        DL_APPEND(node->sleepers, sleepers);
        return sleepers;
}

void match_rule_sleep(struct match_rule *rule, uint64_t user) {
        struct match_sleepers *sleepers = rule->sleepers ? NULL : sleepers_get(rule->node, user);

        if (!sleepers)
                return;
        DL_DELETE2(rule->node->rules[0], rule, node_prev, node_next);
        DL_APPEND2(sleepers->rules, rule, node_prev, node_next);
        DL_APPEND2(rule->client->sleeping_rules, rule, sleeping_prev, sleeping_next);
        rule->sleepers = sleepers;
}

static void rule_wake(struct match_rule *rule) {
        struct match_sleepers *sleepers = steal_ptr(&rule->sleepers);

        DL_DELETE2(rule->client->sleeping_rules, rule, sleeping_prev, sleeping_next);
        DL_DELETE2(sleepers->rules, rule, node_prev, node_next);
        DL_APPEND2(rule->node->rules[0], rule, node_prev, node_next);
        if (!sleepers->rules) {
                DL_DELETE(rule->node->sleepers, sleepers);
                free(sleepers);
        }
}

void match_rules_wake(struct client *client) {
        while (client->sleeping_rules)
                rule_wake(client->sleeping_rules);
}

/* Take back n of these equal rules. */
static void uncount_rules(struct match_rule *rule, uint32_t n) {
        struct match_index *index = rule->index;

        rule->n -= n;
        rule->client->n_rules -= n;
        rule->client->holdings->n_rules -= n;
        if (!index)
                return;
        index->n_rules -= n;
        if (rule->eavesdrop)
                index->n_eavesdrop -= n;
}

struct match_rule *match_rule_free(struct match_rule *rule) {
        struct match_index *index = rule ? rule->index : NULL;

        if (!rule)
                return NULL;
        if (rule->attached) {
                uncount_rules(rule, 1);
                if (rule->n > 0)
                        return NULL;
                DL_DELETE2(rule->client->rules, rule, client_prev, client_next);
        }
        if (index) {
                if (rule->cookie == 0)
                        table_remove(&index->rules, &rule->link);
                if (rule->sleepers)
                        rule_wake(rule);
                DL_DELETE2(rule->node->rules[rule->eavesdrop], rule, node_prev, node_next);
                node_release(index, rule->node);
        }
        if (rule->keys)
                match_keys_deinit(rule->keys);
        free(rule->keys);
        free(rule);
        return NULL;
}

void match_rules_free(struct client *client) {
        while (client->rules) {
                uncount_rules(client->rules, client->rules->n - 1);
                match_rule_free(client->rules);
        }
}

int match_rule_remove(struct match_index *index, struct client *client, const char *text,
                      size_t n) {
        CLEANUP(match_keys_deinit) struct match_keys keys = {};
        struct match_rule *rule = NULL;
        struct match_node *node;
        int r;

        r = match_keys_parse(&keys, text, n);
        if (r != 0)
                return r;
        node = node_find(index, &keys);
        if (node)
                rule = rule_find(index, node, client, keys.eavesdrop);
        if (!rule)
                return MATCH_E_NOT_FOUND;
        match_rule_free(rule);
        return 0;
}

char *match_rule_format(const struct match_rule *rule) {
        struct match_arg args[MESSAGE_ARGS_MAX];
        struct match_keys keys;

        if (rule->keys)
                return match_keys_format(rule->keys);
        node_get_keys(rule->node, &keys, args);
        keys.eavesdrop = rule->eavesdrop;
        return match_keys_format(&keys);
}
