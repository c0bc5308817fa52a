/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Covering: attribute by attribute
 *
 * A rule matches if all its attributes match. So it covers another rule if each of its attributes
 * covers the same attribute of the other rule. policy/match.c explains attributes whose header
 * field the message does not have.
 */

#include <string.h>

#include "policy/cover.h"

static bool text_covers(const char *outer, const char *inner) {
        return !outer || (inner && strcmp(outer, inner) == 0);
}

static bool name_covers(const struct policy_rule *outer, const struct policy_rule *inner) {
        if (!outer->name)
                return true;
        if (!inner->name)
                return false;
        if (outer->name_is_prefix)
                return policy_name_is_below(inner->name, outer->name);
        return !inner->name_is_prefix && strcmp(outer->name, inner->name) == 0;
}

static bool connect_covers(const struct policy_rule *outer, const struct policy_rule *inner) {
        if (outer->connect_any)
                return true;
        return !inner->connect_any && outer->connect_group == inner->connect_group &&
               outer->connect_id == inner->connect_id;
}

static bool matches_unrequested(const struct policy_rule *rule) {
        return !rule->allow || !rule->requested_reply || rule->eavesdrop;
}

static bool matches_requested(const struct policy_rule *rule) {
        return rule->allow || rule->requested_reply;
}

static bool reply_covers(const struct policy_rule *outer, const struct policy_rule *inner) {
        if (inner->type == POLICY_TYPE_METHOD_CALL || inner->type == POLICY_TYPE_SIGNAL)
                return true;
        /* replies have no interface, so an allow that names one does not match them */
        if (inner->allow && inner->interface)
                return true;
        return matches_unrequested(outer) >= matches_unrequested(inner) &&
               matches_requested(outer) >= matches_requested(inner);
}

static bool matches_eavesdroppers(const struct policy_rule *rule) {
        return rule->family == POLICY_FAMILY_SEND || !rule->allow || rule->eavesdrop;
}

static bool matches_recipients(const struct policy_rule *rule) {
        return rule->family == POLICY_FAMILY_SEND || rule->allow || !rule->eavesdrop;
}

static bool interface_covers(const struct policy_rule *outer, const struct policy_rule *inner) {
        if (!outer->interface)
                return true;
        /* a deny also matches messages without an interface, an allow does not */
        return text_covers(outer->interface, inner->interface) && (inner->allow || !outer->allow);
}

static bool message_covers(const struct policy_rule *outer, const struct policy_rule *inner) {
        return (!outer->type || outer->type == inner->type) && reply_covers(outer, inner) &&
               matches_eavesdroppers(outer) >= matches_eavesdroppers(inner) &&
               matches_recipients(outer) >= matches_recipients(inner) &&
               (outer->broadcast == POLICY_ANY || outer->broadcast == inner->broadcast) &&
               outer->min_fds <= inner->min_fds && outer->max_fds >= inner->max_fds &&
               interface_covers(outer, inner) && text_covers(outer->member, inner->member) &&
               text_covers(outer->path, inner->path) &&
               text_covers(outer->error_name, inner->error_name) && name_covers(outer, inner);
}

bool policy_rule_covers(const struct policy_rule *outer, const struct policy_rule *inner) {
        switch (outer->family) {
        case POLICY_FAMILY_CONNECT:
                return connect_covers(outer, inner);
        case POLICY_FAMILY_OWN:
                return name_covers(outer, inner);
        default:
                return message_covers(outer, inner);
        }
}

bool policy_block_covers(const struct policy_block *outer, const struct policy_block *inner) {
        switch (outer->context) {
        case POLICY_CONTEXT_DEFAULT:
        case POLICY_CONTEXT_CONSOLE_FALSE:
        case POLICY_CONTEXT_MANDATORY:
                return true;
        default:
                return outer->context == inner->context && outer->id == inner->id;
        }
}
