/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Match rules (D-Bus spec, "Match Rules")
 *
 * A rule is parsed once into exact values. The index keeps all rules of a bus in buckets, so that a
 * rule that cannot match because of its type, sender, path, interface, member or any one of its
 * other conditions costs a message nothing: see match-index.c.
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

/* The parsed text. Strings are NULL when the rule does not ask for them. */
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
        uint64_t cookie; /* 0: AddMatch; else chosen by the native front end, one for each rule */
        struct match_keys keys;

        /* private to match.c */
        struct match_rule *client_prev, *client_next;
        struct match_rule *bucket_prev, *bucket_next;
        struct match_index *index; /* NULL: in none */
        struct match_bucket *bucket;
        uint64_t mark;
        uint8_t mask;
        uint8_t branch;
        bool attached; /* is in the client's list */
};

/* Parse. MATCH_E_INVALID, MATCH_E_TOO_LONG, -ENOMEM. */
int match_keys_parse(struct match_keys *ret_keys, const char *text, size_t n);
void match_keys_deinit(struct match_keys *keys);
bool match_keys_equal(const struct match_keys *a, const struct match_keys *b);
/* The text form in the reference's order and quoting; allocated. NULL without memory. */
char *match_keys_format(const struct match_keys *keys);

/* Who a message is from and to; sender NULL: the bus itself, destination NULL: none (yet). */
struct match_context {
        struct name_registry *names;
        struct client *sender;
        struct client *destination;
};
/* Does the message match, without regard to eavesdropping? */
bool match_keys_match(const struct match_keys *keys, struct message *m,
                      const struct match_context *context);

/*
 * Add a rule of the client, which may have n_max. cookie is 0, or an id of the native front end.
 * The caller checks that only a privileged client eavesdrops. ret_rule may be NULL. MATCH_E_*,
 * -ENOMEM.
 */
int match_rule_add(struct match_index *index, struct client *client, int64_t n_max,
                   const char *text, size_t n, uint64_t cookie, struct match_rule **ret_rule);
/* Parse a rule for a monitor, whose rules are not in the index. MATCH_E_*, -ENOMEM. */
int match_rule_new(struct client *client, const char *text, size_t n, struct match_rule **ret_rule);
/* Put a parsed rule into the list of its client. index only keeps the peak. */
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

/* The rules that have one kind of condition, beyond those that every message is looked up by. */
struct match_branch {
        uint8_t kind;
        uint8_t arg;
        uint32_t masks;             /* that some rule uses, a bit each */
        uint32_t n_by_mask[32];     /* rules that use this combination of keys */
        size_t n_value_max;         /* no rule asks for a longer one */
        struct match_sorted sorted; /* only of path arguments */
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
        uint64_t mark;
};

/* seed is the bus's: names keep their hashes by it. */
void match_index_init(struct match_index *index, const struct hash_seed *seed);
/*
 * Call found for each rule that matches; only for rules that eavesdrop when that is set. found
 * returns 0 to go on; anything else ends the search and is returned. It must not add or remove
 * rules.
 */
int match_index_search(struct match_index *index, struct message *m,
                       const struct match_context *context, bool eavesdrop,
                       int (*found)(struct match_rule *rule, void *userdata), void *userdata);
