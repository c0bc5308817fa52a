/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Matching - whether one rule is about a name, a message or somebody
 *
 * What is not matched is so because of one attribute, the first one that was found to differ. Who
 * explains a verdict wants to know it; who gives one only whether there is any.
 */

#include "policy/model.h"

enum policy_mismatch {
        POLICY_MATCH, /* none: the rule matches */
        POLICY_MISMATCH_NAME,
        POLICY_MISMATCH_TYPE,
        POLICY_MISMATCH_REQUESTED_REPLY,
        POLICY_MISMATCH_EAVESDROP,
        POLICY_MISMATCH_BROADCAST,
        POLICY_MISMATCH_FDS,
        POLICY_MISMATCH_INTERFACE,
        POLICY_MISMATCH_MEMBER,
        POLICY_MISMATCH_PATH,
        POLICY_MISMATCH_ERROR,
        POLICY_MISMATCH_N,
};

/* OWN */
enum policy_mismatch policy_rule_match_own(const struct policy_rule *rule, const char *name);
/* SEND, RECEIVE */
enum policy_mismatch policy_rule_match_message(const struct policy_rule *rule,
                                               const struct policy_message *m);
/* CONNECT */
enum policy_mismatch policy_rule_match_connect(const struct policy_rule *rule, uid_t uid,
                                               const gid_t *gids, size_t n_gids);

/* The attribute of the rule that made the mismatch: "send_interface". */
const char *policy_mismatch_attribute(const struct policy_rule *rule,
                                      enum policy_mismatch mismatch);

/* Whether the rules of such a block (id: of GROUP and USER) are for such a connection. */
bool policy_context_applies(enum policy_context context, id_t id, uid_t uid, const gid_t *gids,
                            size_t n_gids);
