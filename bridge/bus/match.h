/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Match rules (D-Bus spec, "Match Rules")
 *
 * A rule is parsed once into keys. The index keeps the rules of all clients except monitors in
 * buckets, so that a message is compared only with rules that nearly match:
 *
 *     match_index
 *       branches   one for each kind of condition that some rule has besides the five common keys:
 *        |         none | argN | argNpath | arg0namespace | path_namespace | destination
 *        |
 *        +- masks  which of the five keys (type, sender, path, interface, member) rules of this
 *        |         branch name, one bit for each combination in use
 *        v
 *       buckets    hash by (branch, its value, mask, values of the mask's keys)
 *        |
 *        v
 *       rules      each one is compared in full with the message
 *
 * A rule with several further conditions goes into the branch of the most selective one. For each
 * branch and mask in use, the search computes the hashes that a matching rule could have, and looks
 * only at the buckets of these hashes. match-index.c describes namespaces, paths and senders with
 * several names.
 */

#include "bridge/bus/client.h"
#include "bridge/bus/match-sorted.h"

#define MATCH_RULE_LENGTH_MAX 1024

struct name_registry;

enum {
        MATCH_E_INVALID = 1,
        MATCH_E_TOO_LONG,
        MATCH_E_NOT_FOUND,
        MATCH_E_QUOTA,
};

enum match_arg_kind {
        MATCH_ARG_STRING,
        MATCH_ARG_PATH,
        MATCH_ARG_NAMESPACE,
};

struct match_arg {
        uint8_t index;
        enum match_arg_kind kind;
        const char *value;
        size_t n_value;
};

/* A parsed rule. A string is NULL if the rule has no such key. */
struct match_keys {
        uint8_t type; /* MESSAGE_TYPE_*, 0 for any */
        bool eavesdrop;
        const char *sender;
        const char *destination;
        const char *interface;
        const char *member;
        const char *path;
        const char *path_namespace;
        struct match_arg *args; /* by index, ascending */
        size_t n_args;
        char *buffer; /* holds all the strings */
};

struct match_index;

struct match_rule {
        struct client *client;
        uint64_t cookie; /* unique number of the native front end; 0: AddMatch, BecomeMonitor */
        struct match_keys keys;

        /* only match-index.c changes these */
        struct match_rule *client_prev, *client_next;
        struct match_rule *bucket_prev, *bucket_next;
        struct match_index *index; /* NULL: it is in no index */
        struct match_bucket *bucket;
        uint64_t mark; /* number of the last search that it matched */
        uint8_t mask;
        uint8_t branch; /* index into the branches */
        bool attached;  /* is in the client's list */
};

/* Parse the text of a rule. MATCH_E_INVALID, MATCH_E_TOO_LONG, -ENOMEM. */
int match_keys_parse(struct match_keys *ret_keys, const char *text, size_t n);
void match_keys_deinit(struct match_keys *keys);
bool match_keys_equal(const struct match_keys *a, const struct match_keys *b);
/* The allocated text of a rule, with keys and quotes like the reference's. NULL without memory. */
char *match_keys_format(const struct match_keys *keys);

/*
 * Sender (NULL: the bus) and receiver (NULL: the bus, the receivers of a broadcast, or a service
 * that does not run) of a message.
 */
struct match_context {
        struct name_registry *names;
        struct client *sender;
        struct client *destination;
};
/* Does the message match? The key eavesdrop is ignored. */
bool match_keys_match(const struct match_keys *keys, struct message *m,
                      const struct match_context *context);

/*
 * Add a rule of the client, which may have n_max rules. cookie is 0, or a number of the native
 * front end. ret_rule may be NULL. The calling function checks whether the client may eavesdrop.
 * MATCH_E_*, -ENOMEM.
 */
int match_rule_add(struct match_index *index, struct client *client, int64_t n_max,
                   const char *text, size_t n, uint64_t cookie, struct match_rule **ret_rule);
/*
 * Make a rule that is not in the index yet; the rules of a monitor stay outside it. MATCH_E_*,
 * -ENOMEM.
 */
int match_rule_new(struct client *client, const char *text, size_t n, struct match_rule **ret_rule);
/* Put a rule into the list of its client. Of index only peak_rules_per_client changes. */
void match_rule_attach(struct match_index *index, struct match_rule *rule);
/* NULL is fine; returns NULL. */
struct match_rule *match_rule_free(struct match_rule *rule);
/* Free all rules of the client. */
void match_rules_free(struct client *client);
/* Remove one rule with cookie 0 that equals the text. MATCH_E_*, -ENOMEM. */
int match_rule_remove(struct match_index *index, struct client *client, const char *text, size_t n);

/* index */

struct match_bucket {
        uint64_t key;
        struct match_rule *rules;
        UT_hash_handle hh;
};

/*
 * A branch: the rules whose most selective condition besides the five common keys has this kind
 * and, for an argument, this index.
 */
struct match_branch {
        uint8_t kind;
        uint8_t arg;
        uint32_t masks;             /* bit i: some rule has the mask i */
        uint32_t n_by_mask[32];     /* number of rules with the mask i */
        size_t n_value_max;         /* length of the longest value so far */
        struct match_sorted sorted; /* rules of an argNpath branch, sorted by value */
};

struct match_index {
        struct hash_seed seed;
        struct match_bucket *buckets;
        struct match_branch *branches; /* NULL while there are no rules */
        size_t n_branches;
        uint32_t n_rules;
        uint32_t n_eavesdrop;
        uint32_t peak_rules;
        uint32_t peak_rules_per_client;
        uint64_t mark; /* number of searches */
};

/* seed is that of the name registry, because the index uses the hashes that names have. */
void match_index_init(struct match_index *index, const struct hash_seed *seed);
/*
 * Call found() for each rule that matches; if eavesdrop is set, only for rules with
 * eavesdrop='true'. found() returns 0 to go on; any other value ends the search and is returned.
 * found() must not add or remove rules.
 */
int match_index_search(struct match_index *index, struct message *m,
                       const struct match_context *context, bool eavesdrop,
                       int (*found)(struct match_rule *rule, void *userdata), void *userdata);
