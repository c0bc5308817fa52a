/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Covering - does one rule match everything that another rule matches?
 *
 * If a later rule covers an earlier one, and applies to all connections to which the earlier one
 * applies, the earlier one never decides (policy/reach.h).
 */

#include "policy/model.h"

/*
 * Does outer match everything that inner matches: messages, names or connections, depending on the
 * family of the rules? Both must be of the same family. The answer assumes that replies have no
 * interface, though a reply may have one. If inner cannot match anything, the answer may be false.
 */
bool policy_rule_covers(const struct policy_rule *outer, const struct policy_rule *inner);
/* Do the rules of outer apply to every connection that those of inner apply to? */
bool policy_block_covers(const struct policy_block *outer, const struct policy_block *inner);
