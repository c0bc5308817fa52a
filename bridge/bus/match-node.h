/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The tree of the conditions of match rules
 *
 * Each rule is a list of conditions, always in this order: first one for the keys type, sender,
 * path, interface and member together, of which the rule may leave out some; then the destination;
 * string arguments; the namespace argument; the namespace of paths; path arguments. The rule is at
 * the node that this list leads to from the top:
 *
 *      mask of the five keys, and their values       (type='signal',member='M')
 *        |-- branch, value                            (arg0='a')
 *        |     `-- branch, value                      (arg2path='/x/')
 *        `-- branch, value                            (path_namespace='/p')
 *      ...
 *
 * A branch of a node is the kind of the next condition, and for an argument its index. All nodes
 * are in one hash table, by their parent, branch and value. So a search takes from a node only to
 * children whose condition the message meets, and never looks at a rule that the message does not
 * match. Rules with the same conditions are at the same node.
 *
 * The children of a branch for path arguments are in a tree, too, sorted by value: a message whose
 * argument ends with "/" matches all values below it.
 */

#include <sys/types.h>

#include <bsd/sys/tree.h>

#include "bridge/bus/match.h"

enum {
        KEY_TYPE,
        KEY_SENDER,
        KEY_PATH,
        KEY_INTERFACE,
        KEY_MEMBER,
        _KEY_MAX,
};

/* in the order of the conditions of a rule */
enum match_kind {
        MATCH_KEYS, /* arg is the mask: bit i is for KEY_* i */
        MATCH_DESTINATION,
        MATCH_ARG_EQUAL,
        MATCH_ARG_BELOW_NAME, /* argNnamespace */
        MATCH_PATH_BELOW,     /* path_namespace */
        MATCH_ARG_PATHS,      /* argNpath */
};

/* Rules of a node that messages of one user do not meet, or of all users. */
struct match_sleepers {
        struct match_sleepers *prev, *next;
        uint64_t user; /* or MATCH_ALL_USERS */
        struct match_rule *rules;
};

struct match_node {
        struct table_link
                link; /* its hash also identifies the node in the hashes of its children */
        struct match_node *parent; /* NULL: it is at the top */
        struct match_branch *branches;
        /* the rules of clients; second, those with eavesdrop='true' */
        struct match_rule *rules[2];
        struct match_sleepers *sleepers; /* their rules are not in rules[0] */
        uint32_t n_children;
        uint32_t n_value;
        uint8_t kind;
        uint8_t arg;
        uint8_t n_branches;
        /* MATCH_KEYS: a byte for the type, then each string with its NUL. Else a string. */
        char value[];
};

/* a node with the kind MATCH_ARG_PATHS */
struct match_path_node {
        RB_ENTRY(match_path_node) sorted;
        struct match_node node;
};

RB_HEAD(match_paths, match_path_node);
/* A value comes before longer values that begin with it. */
int match_path_compare(const struct match_path_node *a, const struct match_path_node *b);
RB_PROTOTYPE(match_paths, match_path_node, sorted, match_path_compare)

struct match_branch {
        uint8_t kind;
        uint8_t arg;
        uint32_t n;         /* children */
        size_t n_value_max; /* length of the longest value so far */
        struct match_paths paths;
};

/* The hash of a child (parent is NULL for a node at the top). value_hash is that of its value. */
static inline uint64_t match_child_hash(const struct match_node *parent, unsigned kind,
                                        unsigned arg, uint64_t value_hash) {
        uint64_t hash = parent ? parent->link.hash : 0;

        hash = (hash ^ ((kind << 8 | arg) * 0x9e3779b97f4a7c15ULL)) * 0xff51afd7ed558ccdULL;
        hash ^= hash >> 32;
        hash = (hash ^ value_hash) * 0xc4ceb9fe1a85ec53ULL;
        return hash ^ hash >> 32;
}

/* The hash for the five keys of a mask. */
static inline uint64_t match_keys_hash(unsigned mask, const uint64_t hashes[_KEY_MAX]) {
        uint64_t hash = 0;

        for (unsigned i = 0; i < _KEY_MAX; i++)
                if (mask & 1U << i) {
                        hash = (hash ^ (hashes[i] + i)) * 0xff51afd7ed558ccdULL;
                        hash ^= hash >> 32;
                }
        return hash;
}

/* Find a child whose value is n_value bytes of value; hash is that of match_child_hash(). */
struct match_node *match_child_find(const struct match_index *index,
                                    const struct match_node *parent, unsigned kind, unsigned arg,
                                    const char *value, size_t n_value, uint64_t hash);
