/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Covering - whether one rule matches whatever another does
 */

#include "policy/model.h"

/*
 * Whether every message (name, connection) that inner matches is matched by outer, too, both being
 * of the same family. It is taken that no reply has an interface, though it might. False may also
 * be said of an inner rule that can match nothing at all.
 */
bool policy_rule_covers(const struct policy_rule *outer, const struct policy_rule *inner);
/* Whether outer's rules are for every connection that inner's are for. */
bool policy_block_covers(const struct policy_block *outer, const struct policy_block *inner);
