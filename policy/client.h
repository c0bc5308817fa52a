/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Policy clients as data - see policy/policy.h
 */

#include <stdbool.h>
#include <stddef.h>

#include "policy/model.h"

struct policy_client_rules {
        const struct policy_rule **rules;
        size_t n;
        bool allows_all;
};

struct policy_client {
        struct policy *policy;
        struct policy_client_rules families[POLICY_FAMILY_N]; /* CONNECT is not used */
        const struct policy_rule *storage[];
};
