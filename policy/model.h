/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Policy model - rules, blocks and policies as data
 *
 *      policy
 *        block (<policy user="alice">)     in the order of evaluation
 *          rule (<allow own="..."/>)       in the order of the document
 *
 * A policy owns its blocks and a block owns its rules. The policy also owns the names of the files
 * that rules come from. When the configuration is complete, policy_make_sections() sorts the blocks
 * into the order of evaluation and makes sections of them (policy/section.h). After that the
 * blocks, rules and sections do not change.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "policy/policy.h"

/* The subject of a rule. Rules of different families do not affect each other. */
enum policy_family {
        POLICY_FAMILY_CONNECT,
        POLICY_FAMILY_OWN,
        POLICY_FAMILY_SEND,
        POLICY_FAMILY_RECEIVE,
        POLICY_FAMILY_N,
};

/* The kind of connections that a block applies to, in the order of evaluation. */
enum policy_context {
        POLICY_CONTEXT_DEFAULT,
        POLICY_CONTEXT_GROUP,
        POLICY_CONTEXT_USER,
        POLICY_CONTEXT_CONSOLE_TRUE,
        POLICY_CONTEXT_CONSOLE_FALSE,
        POLICY_CONTEXT_MANDATORY,
        POLICY_CONTEXT_N,
};

enum policy_tristate {
        POLICY_ANY,
        POLICY_FALSE,
        POLICY_TRUE,
};

#define POLICY_FDS_MAX UINT32_C(33554432)

struct policy_rule {
        const char *file; /* owned by the policy */
        unsigned line;
        enum policy_family family;
        bool allow;
        bool log;
        /*
         * The rule can have no effect, so the reader drops it: it names a user or group that does
         * not exist, or it is about a user or group in a policy with at_console. A deny in a policy
         * with at_console="false" has an effect, though.
         */
        bool is_void;

        /*
         * OWN: the name to own. SEND: a name of the recipient. RECEIVE: a name of the sender. NULL
         * ("*" or no attribute) matches every name, and also a recipient or sender without a name.
         * With name_is_prefix the rule also matches names below this name.
         */
        const char *name;
        bool name_is_prefix;

        /* CONNECT: connect_id is a group or a user; it is not used with connect_any */
        bool connect_group;
        bool connect_any;
        id_t connect_id;

        /* SEND, RECEIVE: each of these six, if it is NULL or 0, matches every message */
        uint8_t type;
        const char *path;
        const char *interface;
        const char *member;
        const char *error_name;
        enum policy_tristate broadcast;
        /*
         * For returns and errors. If true, an allow matches only requested replies, and a deny all
         * replies. If false, an allow matches all replies, and a deny only unrequested ones.
         */
        bool requested_reply;
        /*
         * RECEIVE: if true, an allow also matches eavesdroppers, and a deny matches only them. SEND
         * and RECEIVE: if true, an allow also matches unrequested replies, regardless of
         * requested_reply.
         */
        bool eavesdrop;
        uint32_t min_fds;
        uint32_t max_fds;
        /*
         * The attributes of the element, of which policy_rule_text() makes a text. The strings of
         * the rule are in it, because a large policy has thousands of them.
         */
        char attributes[];
};

struct policy_block {
        enum policy_context context;
        id_t id;         /* GROUP, USER; else 0 */
        size_t position; /* among all blocks, in the order of the document */
        struct policy_rule **rules;
        size_t n_rules;
};

struct policy {
        unsigned n_refs;
        struct policy_block **blocks;
        size_t n_blocks;
        struct policy_section *sections; /* made from the blocks, see policy/section.h */
        size_t n_sections;
        bool receiving_asks_for_path; /* a rule of a section, about receiving, has a path */
        char **names;
        size_t n_names;
        uint64_t n_clients; /* how many were made so far */
        /* the clients in use, see policy/client.h; each holds a reference to the policy */
        struct policy_client *clients;
};

/* rule */

/*
 * Make a rule from the attributes (name, value, ..., NULL) of an <allow> or <deny>. Returns 0,
 * -ENOMEM, or -EINVAL with an error text in *ret_message. On success *ret_message is NULL or a
 * warning. The caller frees the message.
 */
int policy_rule_new(bool allow, const char *const *attributes, struct policy_rule **ret_rule,
                    char **ret_message);
struct policy_rule *policy_rule_free(struct policy_rule *rule);
/* The element, for log lines and error texts; the caller frees it. NULL if there is no memory. */
char *policy_rule_text(const struct policy_rule *rule);
/*
 * Does the rule match every question of its family? Then the rules of the family before it, in its
 * section and in earlier ones, never decide. Returns false for CONNECT rules.
 */
bool policy_rule_is_final(const struct policy_rule *rule);
/*
 * Does dbus-daemon mistake the rule for a final one? It takes a SEND or RECEIVE rule for a final
 * one if the rule names neither type, path, interface, member, error nor peer, even if it has other
 * attributes.
 */
bool policy_rule_is_wildcard(const struct policy_rule *rule);
/*
 * Does dbus-daemon apply the rule, which is for errors with a certain name, also to messages that
 * have no such name? It does so with send_error, unless send_type="error" excludes these messages.
 */
bool policy_rule_is_for_errors(const struct policy_rule *rule);

/* block */

/* Make an empty block. Returns NULL when memory runs out. */
struct policy_block *policy_block_new(enum policy_context context, id_t id);
struct policy_block *policy_block_free(struct policy_block *block);
/* Append a rule. The block takes the rule over on success. Returns 0 or -ENOMEM. */
int policy_block_add(struct policy_block *block, struct policy_rule *rule);

/* policy */

/* Make an empty policy with one reference. Returns NULL when memory runs out. */
struct policy *policy_new(void);
/* Get a copy of name that lives as long as the policy. Returns NULL when memory runs out. */
const char *policy_intern(struct policy *policy, const char *name);
