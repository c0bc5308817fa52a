/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The driver's methods about match rules. */

#include "base/cleanup.h"
#include "bridge/bus/account.h"
#include "bridge/bus/mediate.h"
#include "bridge/driver/methods.h"

int driver_match_fail(struct driver_call *call, int e, const char *text) {
        switch (e) {
        case MATCH_E_TOO_LONG:
                return driver_call_fail(call, DRIVER_ERROR("LimitsExceeded"),
                                        "A match rule may be at most %d bytes long",
                                        MATCH_RULE_LENGTH_MAX);
        case MATCH_E_QUOTA:
                return driver_call_fail(call, DRIVER_ERROR("LimitsExceeded"),
                                        "Connection \"%s\" or its user has too many match rules",
                                        call->client->unique_name);
        case MATCH_E_NOT_FOUND:
                return driver_call_fail(call, DRIVER_ERROR("MatchRuleNotFound"),
                                        "There is no such match rule: %s", text);
        default:
                return driver_call_fail(call, DRIVER_ERROR("MatchRuleInvalid"),
                                        "The match rule is not valid: %s", text);
        }
}

int driver_check_eavesdrop(struct driver_call *call) {
        CLEANUP_FREE char *text = NULL;

        if (!call->bus->mediators || mediate_eavesdrop(call->client, &text))
                return 0;
        return driver_call_fail(call, DRIVER_ERROR("AccessDenied"),
                                "Connection \"%s\" is not allowed to eavesdrop (%s)",
                                call->client->unique_name, text ? text : "");
}

int driver_add_match(struct driver_call *call, const char *text, size_t n, uint64_t cookie,
                     struct match_rule **ret_rule) {
        struct match_rule *rule;
        int r;

        r = match_rule_add(&call->bus->matches, call->client,
                           call->bus->limits.max_match_rules_per_connection, text, n, cookie,
                           &rule);
        if (r < 0)
                return r;
        if (r == MATCH_E_QUOTA)
                account_note(call->bus, call->client->account, ACCOUNT_OUT_OF_ROOM);
        if (r > 0)
                return driver_match_fail(call, r, text);

        if (rule->eavesdrop) {
                r = client_is_privileged(call->client)
                            ? driver_check_eavesdrop(call)
                            : driver_call_fail(call, DRIVER_ERROR("AccessDenied"),
                                               "Only root and the user of the bus may eavesdrop");
                if (r != 0) {
                        match_rule_free(rule);
                        return r;
                }
                if (call->bus->hooks.observed)
                        call->bus->hooks.observed(call->bus->hooks.native);
        }
        if (ret_rule)
                *ret_rule = rule;
        return 0;
}

int driver_add_match_method(struct driver_call *call) {
        struct wire_string text = reader_string(&call->reader);

        return driver_add_match(call, text.s, text.n, 0, NULL);
}

int driver_remove_match_method(struct driver_call *call) {
        struct wire_string text = reader_string(&call->reader);
        int r;

        r = match_rule_remove(&call->bus->matches, call->client, text.s, text.n);
        return r > 0 ? driver_match_fail(call, r, text.s) : r;
}
