/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Matching - does one rule match a name, a message or a connection?
 *
 * A rule matches if each of its attributes does. Otherwise the result is the first attribute that
 * differs. Explanations show this attribute; verdicts only ask whether the result is POLICY_MATCH.
 */

#include "policy/model.h"

enum policy_mismatch {
        POLICY_MATCH, /* no mismatch */
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

/* The name of the attribute that differs, such as "send_interface". NULL for POLICY_MATCH. */
const char *policy_mismatch_attribute(const struct policy_rule *rule,
                                      enum policy_mismatch mismatch);

/* Does a block of this context (and ID, for GROUP and USER) apply to a user with these groups? */
bool policy_context_applies(enum policy_context context, id_t id, uid_t uid, const gid_t *gids,
                            size_t n_gids);
