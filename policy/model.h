/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Policy model - rules, blocks and policies as data
 *
 * A rule is one <allow> or <deny>. A block is one <policy> element: rules and whom they are for. A
 * policy is all blocks in the order of evaluation, and owns the file names that rules point to.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "policy/policy.h"

/* What a rule is about; each is evaluated on its own. */
enum policy_family {
        POLICY_FAMILY_CONNECT,
        POLICY_FAMILY_OWN,
        POLICY_FAMILY_SEND,
        POLICY_FAMILY_RECEIVE,
        POLICY_FAMILY_N,
};

/* Whom a block is for, in the order of evaluation. */
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
        char *text; /* the element, for messages */
        enum policy_family family;
        bool allow;
        bool log;
        /* The rule names a user or group that does not exist, and can never match. */
        bool is_void;

        /*
         * Whose name: to own, of the recipient, of the sender; NULL for any ("*"). With
         * name_is_prefix also the names below it.
         */
        char *name;
        bool name_is_prefix;

        /* CONNECT: a group's ID or a user's, or any */
        bool connect_group;
        bool connect_any;
        id_t connect_id;

        /* SEND, RECEIVE: NULL and 0 match every message */
        uint8_t type;
        char *path;
        char *interface;
        char *member;
        char *error_name;
        enum policy_tristate broadcast;
        /* allow: unrequested replies are not matched; deny: requested ones are matched, too */
        bool requested_reply;
        /*
         * RECEIVE: an allow matches eavesdroppers, too; a deny only eavesdroppers. An allow, also
         * of SEND, matches unrequested replies, whatever requested_reply is.
         */
        bool eavesdrop;
        uint32_t min_fds;
        uint32_t max_fds;
};

struct policy_block {
        enum policy_context context;
        id_t id;         /* GROUP, USER; else 0 */
        size_t position; /* in the document, of those of the policy */
        struct policy_rule **rules;
        size_t n_rules;
};

struct policy {
        unsigned n_refs;
        struct policy_block **blocks;
        size_t n_blocks;
        struct policy_section *sections; /* made of the blocks, see policy/section.h */
        size_t n_sections;
        char **names;
        size_t n_names;
        uint64_t n_clients;            /* ever made */
        struct policy_client *clients; /* in use, see policy/client.h; they hold references */
};

/* rule */

/*
 * Make a rule of the attributes (name, value, ..., NULL) of an <allow> or <deny>. ret_message gets
 * what is wrong when it returns -EINVAL; on success it is NULL or a warning. -ENOMEM.
 */
int policy_rule_new(bool allow, const char *const *attributes, struct policy_rule **ret_rule,
                    char **ret_message);
struct policy_rule *policy_rule_free(struct policy_rule *rule);
/*
 * Whether the rule decides about everything in its family, so that rules before it never matter.
 * False for CONNECT.
 */
bool policy_rule_is_final(const struct policy_rule *rule);
/*
 * Whether the rule is one that the reference bus takes for a final one though it is not: it names
 * neither type, path, interface, member nor peer, but something else.
 */
bool policy_rule_is_wildcard(const struct policy_rule *rule);

/* block */

int policy_block_new(enum policy_context context, id_t id, struct policy_block **ret_block);
struct policy_block *policy_block_free(struct policy_block *block);
/* Takes the rule on success. */
int policy_block_add(struct policy_block *block, struct policy_rule *rule);

/* policy */

int policy_new(struct policy **ret_policy);
/* A copy of name that lives as long as the policy. NULL without memory. */
const char *policy_intern(struct policy *policy, const char *name);
