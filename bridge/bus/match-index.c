/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Match rules: the index
 *
 * A rule's mask says which of five keys it asks for exactly; its bucket is the combination of their
 * hashes. A message has one hash for each key, except for the sender, who goes by his unique
 * name and by each well-known name he owns. For every mask in use, the message's buckets are looked
 * up, and each rule in them is then checked in full.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/bus/bus.h"
#include "bridge/bus/match.h"
#include "bridge/bus/name.h"

enum {
        KEY_SENDER,
        KEY_PATH,
        KEY_INTERFACE,
        KEY_MEMBER,
        KEY_ARG0,
        _KEY_MAX,
};

void match_index_init(struct match_index *index, const struct hash_seed *seed) {
        *index = (struct match_index){.seed = *seed};
}

/* Combine the hashes of a mask's keys, so that the same hash under another key differs. */
static uint64_t combine(unsigned mask, const uint64_t hashes[_KEY_MAX]) {
        uint64_t key = mask * 0x9e3779b97f4a7c15ULL;

        for (unsigned i = 0; i < _KEY_MAX; i++)
                if (mask & 1U << i) {
                        key ^= hashes[i] + i;
                        key *= 0xff51afd7ed558ccdULL;
                        key ^= key >> 32;
                }
        return key;
}

static uint64_t rule_key(const struct match_keys *keys, const struct hash_seed *seed,
                         unsigned *ret_mask) {
        const char *strings[_KEY_MAX] = {
                [KEY_SENDER] = keys->sender,
                [KEY_PATH] = keys->path,
                [KEY_INTERFACE] = keys->interface,
                [KEY_MEMBER] = keys->member,
        };
        uint64_t hashes[_KEY_MAX];
        unsigned mask = 0;

        if (keys->n_args > 0 && keys->args[0].index == 0 && keys->args[0].kind == MATCH_ARG_STRING)
                strings[KEY_ARG0] = keys->args[0].value;

        for (unsigned i = 0; i < _KEY_MAX; i++)
                if (strings[i]) {
                        mask |= 1U << i;
                        hashes[i] = hash_bytes(seed, strings[i], strlen(strings[i]));
                }
        *ret_mask = mask;
        return combine(mask, hashes);
}

static struct match_bucket *bucket_find(struct match_index *index, uint64_t key) {
        struct match_bucket *bucket;

        HASH_FIND_BYHASHVALUE(hh, index->buckets, &key, sizeof(key), (unsigned)key, bucket);
        return bucket;
}

static int bucket_get(struct match_index *index, uint64_t key, struct match_bucket **ret_bucket) {
        struct match_bucket *bucket;

        bucket = bucket_find(index, key);
        if (!bucket) {
                bucket = calloc(1, sizeof(*bucket));
                if (!bucket)
                        return -ENOMEM;
                bucket->key = key;
                HASH_ADD_KEYPTR_BYHASHVALUE(hh, index->buckets, &bucket->key, sizeof(bucket->key),
                                            (unsigned)key, bucket);
                if (!bucket->hh.tbl) {
                        free(bucket);
                        return -ENOMEM;
                }
        }
        *ret_bucket = bucket;
        return 0;
}

static int index_link(struct match_index *index, struct match_rule *rule) {
        struct match_bucket *bucket;
        uint64_t key;
        int r;

        key = rule_key(&rule->keys, &index->seed, &rule->mask);
        r = bucket_get(index, key, &bucket);
        if (r < 0)
                return r;

        rule->bucket = bucket;
        DL_APPEND2(bucket->rules, rule, bucket_prev, bucket_next);
        index->n_by_mask[rule->mask]++;
        index->n_rules++;
        if (index->n_rules > index->peak_rules)
                index->peak_rules = index->n_rules;
        if (rule->keys.eavesdrop)
                index->n_eavesdrop++;
        return 0;
}

static void index_unlink(struct match_index *index, struct match_rule *rule) {
        struct match_bucket *bucket = rule->bucket;

        DL_DELETE2(bucket->rules, rule, bucket_prev, bucket_next);
        index->n_by_mask[rule->mask]--;
        index->n_rules--;
        if (rule->keys.eavesdrop)
                index->n_eavesdrop--;
        if (!bucket->rules) {
                HASH_DEL(index->buckets, bucket);
                free(bucket);
        }
        rule->bucket = NULL;
}

/* rules of a client */

int match_rule_new(struct client *client, const char *text, size_t n,
                   struct match_rule **ret_rule) {
        struct match_rule *rule;
        int r;

        rule = calloc(1, sizeof(*rule));
        if (!rule)
                return -ENOMEM;
        r = match_keys_parse(&rule->keys, text, n);
        if (r) {
                free(rule);
                return r;
        }
        rule->client = client;
        *ret_rule = rule;
        return 0;
}

void match_rule_attach(struct match_rule *rule) {
        struct client *client = rule->client;

        DL_APPEND2(client->rules, rule, client_prev, client_next);
        client->n_rules++;
        if (client->n_rules > client->stats.peak_rules)
                client->stats.peak_rules = client->n_rules;
        if (client->n_rules > client->bus->peak_rules_per_client)
                client->bus->peak_rules_per_client = client->n_rules;
        rule->attached = true;
}

int match_rule_add(struct client *client, const char *text, size_t n, uint64_t cookie,
                   struct match_rule **ret_rule) {
        struct bus *bus = client->bus;
        struct match_rule *rule;
        int r;

        r = match_rule_new(client, text, n, &rule);
        if (r)
                return r;
        if ((int64_t)client->n_rules >= bus->limits.max_match_rules_per_connection) {
                match_rule_free(rule);
                return MATCH_E_QUOTA;
        }
        r = index_link(&bus->matches, rule);
        if (r < 0) {
                match_rule_free(rule);
                return r;
        }
        rule->cookie = cookie;
        match_rule_attach(rule);
        if (ret_rule)
                *ret_rule = rule;
        return 0;
}

struct match_rule *match_rule_free(struct match_rule *rule) {
        struct client *client;

        if (!rule)
                return NULL;
        client = rule->client;
        if (rule->bucket)
                index_unlink(&client->bus->matches, rule);
        if (rule->attached) {
                DL_DELETE2(client->rules, rule, client_prev, client_next);
                client->n_rules--;
        }
        match_keys_deinit(&rule->keys);
        free(rule);
        return NULL;
}

int match_rule_remove(struct client *client, const char *text, size_t n) {
        struct match_bucket *bucket;
        struct match_rule *rule;
        struct match_keys keys;
        unsigned mask;
        int r;

        r = match_keys_parse(&keys, text, n);
        if (r)
                return r;

        r = MATCH_E_NOT_FOUND;
        bucket = bucket_find(&client->bus->matches, rule_key(&keys, &client->bus->seed, &mask));
        if (bucket)
                DL_FOREACH2(bucket->rules, rule, bucket_next)
        if (rule->client == client && rule->cookie == 0 && match_keys_equal(&rule->keys, &keys)) {
                match_rule_free(rule);
                r = 0;
                break;
        }
        match_keys_deinit(&keys);
        return r;
}

/* search */

struct search {
        struct match_index *index;
        struct message *m;
        const struct match_context *context;
        bool eavesdrop;
        int (*found)(struct match_rule *rule, void *userdata);
        void *userdata;
};

static int search_bucket(const struct search *search, uint64_t key) {
        struct match_bucket *bucket;
        struct match_rule *rule;
        int r;

        bucket = bucket_find(search->index, key);
        if (!bucket)
                return 0;

        DL_FOREACH2(bucket->rules, rule, bucket_next) {
                if (search->eavesdrop && !rule->keys.eavesdrop)
                        continue;
                /* Two masks whose hashes collide would lead here twice. */
                if (rule->mark == search->index->mark ||
                    !match_keys_match(&rule->keys, search->m, search->context))
                        continue;
                rule->mark = search->index->mark;
                r = search->found(rule, search->userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* The buckets of one mask: one for each name of the sender, if the mask asks for the sender. */
static int search_mask(const struct search *search, unsigned mask, uint64_t hashes[_KEY_MAX]) {
        const struct client *sender = search->context->sender;
        struct name_ownership *ownership;
        uint64_t unique;
        int r;

        r = search_bucket(search, combine(mask, hashes));
        if (r != 0 || !(mask & 1U << KEY_SENDER) || !sender)
                return r;

        unique = hashes[KEY_SENDER];
        DL_FOREACH2(sender->ownerships, ownership, client_next) {
                if (!name_ownership_is_primary(ownership))
                        continue;
                hashes[KEY_SENDER] = ownership->name->hash;
                r = search_bucket(search, combine(mask, hashes));
                if (r != 0)
                        break;
        }
        hashes[KEY_SENDER] = unique;
        return r;
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
        const struct wire_string *fields[_KEY_MAX] = {
                [KEY_PATH] = &m->path,
                [KEY_INTERFACE] = &m->interface,
                [KEY_MEMBER] = &m->member,
        };
        uint64_t hashes[_KEY_MAX] = {};
        unsigned wanted = 0, has = 0;
        struct message_arg arg0;
        int r;

        for (unsigned mask = 0; mask < 1U << _KEY_MAX; mask++)
                if (index->n_by_mask[mask] > 0)
                        wanted |= mask;

        if (wanted & 1U << KEY_SENDER) {
                has |= 1U << KEY_SENDER;
                hashes[KEY_SENDER] = context->sender ? context->sender->unique_hash
                                                     : hash_bytes(&index->seed, BUS_DRIVER_NAME,
                                                                  strlen(BUS_DRIVER_NAME));
        }
        for (unsigned i = KEY_PATH; i <= KEY_MEMBER; i++)
                if ((wanted & 1U << i) && fields[i]->s) {
                        has |= 1U << i;
                        hashes[i] = hash_bytes(&index->seed, fields[i]->s, fields[i]->n);
                }
        if (wanted & 1U << KEY_ARG0) {
                arg0 = message_get_arg(m, 0);
                if (arg0.type == 's') {
                        has |= 1U << KEY_ARG0;
                        hashes[KEY_ARG0] = hash_bytes(&index->seed, arg0.value.s, arg0.value.n);
                }
        }

        index->mark++;
        for (unsigned mask = 0; mask < 1U << _KEY_MAX; mask++) {
                if (index->n_by_mask[mask] == 0 || (mask & ~has))
                        continue;
                r = search_mask(&search, mask, hashes);
                if (r != 0)
                        return r;
        }
        return 0;
}
