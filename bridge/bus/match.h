/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Match rules (D-Bus spec, "Match Rules")
 *
 * A rule is parsed once into keys. The index keeps the rules of all clients except monitors in a
 * tree of conditions (match-node.h), so that a message meets only rules that match. Equal rules of
 * one client are one struct match_rule.
 */

#include "bridge/base/table.h"
#include "bridge/bus/client.h"

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

/* How many clients of a user may have as many rules as a client may have. */
#define MATCH_USER_FACTOR 64

struct match_index;

struct match_rule {
        struct client *client;
        uint64_t cookie; /* unique number of the native front end; 0: AddMatch, BecomeMonitor */
        bool eavesdrop;
        uint32_t n;              /* how many equal rules of the client this is; 1 with a cookie */
        struct match_keys *keys; /* of a rule outside the index; else NULL */

        /* only match-index.c changes these */
        struct match_rule *client_prev, *client_next;
        bool attached;             /* is in the client's list */
        uint64_t number;           /* of the client's rules; later ones have higher numbers */
        struct match_index *index; /* NULL: it is in no index */
        struct match_node *node;
        struct match_rule *node_prev, *node_next;
        struct match_sleepers *sleepers;                  /* NULL: it is awake */
        struct match_rule *sleeping_prev, *sleeping_next; /* those of the client */
        struct table_link link;                           /* in the index, without a cookie */
};

/* Parse the text of a rule. MATCH_E_INVALID, MATCH_E_TOO_LONG, -ENOMEM. */
int match_keys_parse(struct match_keys *ret_keys, const char *text, size_t n);
/*
 * The same for a text of match_keys_format(), whose quotes can make it longer than the text that a
 * client may send: only the values together may not be.
 */
int match_keys_parse_formatted(struct match_keys *ret_keys, const char *text, size_t n);
void match_keys_deinit(struct match_keys *keys);
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
 * Add a rule of the client, which may have n_max rules. All clients of its user together may have
 * MATCH_USER_FACTOR times as many. cookie is 0, or a number of the native
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
/*
 * For a bus that takes over from another one (state-names.h): make n_equal equal rules of a client
 * that has its unique name or is a monitor. The text is that of match_rule_format().
 * MATCH_E_INVALID also if the client has such a rule already, or if a rule cannot be there so
 * often; -ENOMEM.
 */
int match_rule_restore(struct match_index *index, struct client *client, const char *text, size_t n,
                       uint64_t cookie, uint32_t n_equal);
/* Take back one of the equal rules; the last one is freed. NULL is fine; returns NULL. */
struct match_rule *match_rule_free(struct match_rule *rule);
/* Free all rules of the client. */
void match_rules_free(struct client *client);
/* Remove one rule with cookie 0 that equals the text. MATCH_E_*, -ENOMEM. */
int match_rule_remove(struct match_index *index, struct client *client, const char *text, size_t n);
/* The allocated text of a rule, as match_keys_format() makes it. NULL without memory. */
char *match_rule_format(const struct match_rule *rule);

/* index */

struct match_index {
        struct hash_seed seed;
        struct table nodes;
        struct table rules;     /* those without a cookie, by node, client and eavesdrop */
        uint32_t masks;         /* bit i: there is a node of the five keys with the mask i */
        uint32_t n_by_mask[32]; /* number of these nodes */
        uint32_t n_rules;
        uint32_t n_eavesdrop;
        uint32_t peak_rules;
        uint32_t peak_rules_per_client;
};

/* seed is that of the name registry, because the index uses the hashes that names have. */
void match_index_init(struct match_index *index, const struct hash_seed *seed);
/* Free the memory of an index without rules. */
void match_index_deinit(struct match_index *index);
/*
 * Call found() for each rule that matches (once for equal rules of a client); if eavesdrop is set,
 * only for rules with eavesdrop='true'. found() returns 0 to go on; any other value ends the search
 * and is returned. found() must not add or remove rules, but may put the one that it gets to sleep.
 */
int match_index_search(struct match_index *index, struct message *m,
                       const struct match_context *context, bool eavesdrop,
                       int (*found)(struct match_rule *rule, void *userdata), void *userdata);
#define MATCH_ALL_USERS UINT64_MAX
/*
 * No message that this user caused, or none at all (MATCH_ALL_USERS), meets the rule before
 * match_rules_wake(). So messages that a client cannot take cost nothing. The rule is in the index,
 * and has not eavesdrop='true'. Does nothing without memory, or if the rule is asleep already.
 */
void match_rule_sleep(struct match_rule *rule, uint64_t user);
/* The client can take messages again. */
void match_rules_wake(struct client *client);
