/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Policy clients as data - see policy/policy.h */

#include "policy/section.h"

/* The sections of one family that can decide, in the order of evaluation: the last is asked first.
 */
struct policy_client_family {
        const struct policy_rules **sections;
        size_t n;
        bool allows_all;
        bool asks_for_path;
        uint8_t settled[2]; /* see policy_client_settled_send(), by is_nameless */
};

struct policy_client {
        unsigned n_refs;
        uint64_t id;
        struct policy *policy;
        struct policy_client *prev, *next;                     /* of the policy */
        struct policy_client_family families[POLICY_FAMILY_N]; /* CONNECT is not used */
        size_t n_sections;
        const struct policy_section **sections; /* all that apply: equal ones make equal clients */
        const struct policy_rules *storage[];
};
