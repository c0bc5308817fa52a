/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Matching: one rule, attribute by attribute
 *
 * Cheap attributes are compared first. The names of the peer come last, because finding them costs
 * the most.
 *
 * A message may lack a header field that the rule names: replies need no path, interface or member,
 * and usually only errors have an error name. Then the attribute
 *
 *     interface       matches in a deny and differs in an allow (a call may have no interface)
 *     path, member    matches
 *     error name      differs
 */

#include <string.h>

#include "policy/match.h"

bool policy_name_is_below(const char *name, const char *prefix) {
        size_t n = strlen(prefix);

        return strncmp(name, prefix, n) == 0 && (name[n] == '\0' || name[n] == '.');
}

static bool name_matches(const struct policy_rule *rule, const char *name) {
        if (rule->name_is_prefix)
                return policy_name_is_below(name, rule->name);
        return strcmp(name, rule->name) == 0;
}

static bool peer_matches(const struct policy_rule *rule, const struct policy_message *m) {
        if (!rule->name)
                return true;
        if (!m->peer)
                return m->destination && name_matches(rule, m->destination);
        if (m->peer->is_driver)
                return name_matches(rule, POLICY_DRIVER_NAME);
        if (m->peer->is_nameless)
                return false;
        return m->peer->owns(m->peer->userdata, rule->name, rule->name_is_prefix);
}

static bool reply_matches(const struct policy_rule *rule, const struct policy_message *m) {
        if (m->type != POLICY_TYPE_METHOD_RETURN && m->type != POLICY_TYPE_ERROR)
                return true;
        if (rule->allow)
                return m->requested_reply || !rule->requested_reply || rule->eavesdrop;
        return !m->requested_reply || rule->requested_reply;
}

/* Only RECEIVE rules distinguish eavesdroppers from other recipients, as in the reference. */
static bool eavesdropping_matches(const struct policy_rule *rule, const struct policy_message *m) {
        if (rule->family == POLICY_FAMILY_SEND)
                return true;
        return m->eavesdropping ? !rule->allow || rule->eavesdrop : rule->allow || !rule->eavesdrop;
}

enum policy_mismatch policy_rule_match_message(const struct policy_rule *rule,
                                               const struct policy_message *m) {
        if (rule->type && rule->type != m->type)
                return POLICY_MISMATCH_TYPE;
        if (!reply_matches(rule, m))
                return POLICY_MISMATCH_REQUESTED_REPLY;
        if (!eavesdropping_matches(rule, m))
                return POLICY_MISMATCH_EAVESDROP;
        if (rule->broadcast != POLICY_ANY && (rule->broadcast == POLICY_TRUE) != m->broadcast)
                return POLICY_MISMATCH_BROADCAST;
        if (m->n_fds < rule->min_fds || m->n_fds > rule->max_fds)
                return POLICY_MISMATCH_FDS;
        if (rule->interface &&
            (m->interface ? strcmp(rule->interface, m->interface) != 0 : rule->allow))
                return POLICY_MISMATCH_INTERFACE;
        if (rule->member && m->member && strcmp(rule->member, m->member) != 0)
                return POLICY_MISMATCH_MEMBER;
        if (rule->path && m->path && strcmp(rule->path, m->path) != 0)
                return POLICY_MISMATCH_PATH;
        if (rule->error_name && (!m->error_name || strcmp(rule->error_name, m->error_name) != 0))
                return POLICY_MISMATCH_ERROR;
        return peer_matches(rule, m) ? POLICY_MATCH : POLICY_MISMATCH_NAME;
}

enum policy_mismatch policy_rule_match_own(const struct policy_rule *rule, const char *name) {
        return !rule->name || name_matches(rule, name) ? POLICY_MATCH : POLICY_MISMATCH_NAME;
}

static bool has_group(const gid_t *gids, size_t n_gids, id_t gid) {
        for (size_t i = 0; i < n_gids; i++)
                if (gids[i] == gid)
                        return true;
        return false;
}

static bool is_user(uid_t uid, id_t id) {
        return uid != POLICY_UID_ANONYMOUS && uid == id;
}

enum policy_mismatch policy_rule_match_connect(const struct policy_rule *rule, uid_t uid,
                                               const gid_t *gids, size_t n_gids) {
        bool matches = rule->connect_group ? has_group(gids, n_gids, rule->connect_id)
                                           : is_user(uid, rule->connect_id);

        return rule->connect_any || matches ? POLICY_MATCH : POLICY_MISMATCH_NAME;
}

const char *policy_mismatch_attribute(const struct policy_rule *rule,
                                      enum policy_mismatch mismatch) {
        static const char *const names[POLICY_MISMATCH_N][2] = {
                [POLICY_MISMATCH_NAME] = {"send_destination", "receive_sender"},
                [POLICY_MISMATCH_TYPE] = {"send_type", "receive_type"},
                [POLICY_MISMATCH_REQUESTED_REPLY] = {"send_requested_reply",
                                                     "receive_requested_reply"},
                [POLICY_MISMATCH_EAVESDROP] = {"eavesdrop", "eavesdrop"},
                [POLICY_MISMATCH_BROADCAST] = {"send_broadcast", "send_broadcast"},
                [POLICY_MISMATCH_FDS] = {"min_fds/max_fds", "min_fds/max_fds"},
                [POLICY_MISMATCH_INTERFACE] = {"send_interface", "receive_interface"},
                [POLICY_MISMATCH_MEMBER] = {"send_member", "receive_member"},
                [POLICY_MISMATCH_PATH] = {"send_path", "receive_path"},
                [POLICY_MISMATCH_ERROR] = {"send_error", "receive_error"},
        };

        if (mismatch == POLICY_MATCH)
                return NULL;
        switch (rule->family) {
        case POLICY_FAMILY_CONNECT:
                return rule->connect_group ? "group" : "user";
        case POLICY_FAMILY_OWN:
                return rule->name_is_prefix ? "own_prefix" : "own";
        case POLICY_FAMILY_SEND:
                if (mismatch == POLICY_MISMATCH_NAME && rule->name_is_prefix)
                        return "send_destination_prefix";
                return names[mismatch][0];
        default:
                return names[mismatch][1];
        }
}

bool policy_context_applies(enum policy_context context, id_t id, uid_t uid, const gid_t *gids,
                            size_t n_gids) {
        switch (context) {
        case POLICY_CONTEXT_GROUP:
                return has_group(gids, n_gids, id);
        case POLICY_CONTEXT_USER:
                return is_user(uid, id);
        case POLICY_CONTEXT_CONSOLE_TRUE:
                /* no user is ever "at the console", as in dbus-daemon since 1.11.18 */
                return false;
        default:
                return true;
        }
}
