/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Policy clients as data - the sections that apply to a connection
 *
 * policy/policy.h explains the concept. A client keeps the list of all its sections, and for each
 * family but CONNECT a list of the sections that can decide. Two connections share one client if
 * their lists of all sections are equal.
 */

#include "policy/section.h"

/*
 * The sections that can decide in one family, in the order of evaluation. The last one with a
 * matching rule decides.
 */
struct policy_client_family {
        const struct policy_rules **sections;
        size_t n;
        bool allows_all;
        bool asks_for_path;
        uint8_t settled[2]; /* index: is_nameless; see policy_client_settled_send() */
};

struct policy_client {
        unsigned n_refs;
        uint64_t id;
        struct policy *policy;
        struct policy_client *prev, *next;                     /* in the list of the policy */
        struct policy_client_family families[POLICY_FAMILY_N]; /* CONNECT is not used */
        size_t n_sections;
        const struct policy_section **sections; /* all that apply */
        const struct policy_rules *storage[];   /* the memory of the lists above */
};
