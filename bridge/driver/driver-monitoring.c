/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.DBus.Monitoring */

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "bridge/bus/membership.h"
#include "bridge/driver/methods.h"

/* Read the flags. They come after the rules, but are checked before the rules are parsed. */
static uint32_t read_flags(const struct driver_call *call) {
        struct reader reader = call->reader;
        const uint8_t *end;

        reader_array(&reader, 4, &end);
        while (reader.at < end)
                reader_string(&reader);
        return reader_u32(&reader);
}

/*
 * Parse all rules. The calling function frees the array *rules and, after a failure, also the
 * *n_rules rules in it.
 */
static int read_rules(struct driver_call *call, struct match_rule ***rules, size_t *n_rules) {
        struct reader *reader = &call->reader;
        const uint8_t *end;
        int r;

        reader_array(reader, 4, &end);
        while (reader->at < end) {
                struct wire_string text = reader_string(reader);
                struct match_rule **more;

                if ((int64_t)*n_rules >= call->bus->limits.max_match_rules_per_connection)
                        return driver_call_fail(call, DRIVER_ERROR("LimitsExceeded"),
                                                "Too many match rules");
                more = reallocarray(*rules, *n_rules + 1, sizeof(*more));
                if (!more)
                        return -ENOMEM;
                *rules = more;

                r = match_rule_new(call->client, text.s, text.n, &more[*n_rules]);
                if (r < 0)
                        return r;
                if (r > 0)
                        return driver_match_fail(call, r, text.s);
                (*n_rules)++;
        }
        return 0;
}

static int become_monitor(struct driver_call *call) {
        CLEANUP_FREE struct match_rule **rules = NULL;
        size_t n_rules = 0;
        int r;

        if (read_flags(call) != 0)
                return driver_call_fail(call, DRIVER_ERROR("InvalidArgs"),
                                        "BecomeMonitor takes no flags");
        r = driver_check_eavesdrop(call);
        if (r != 0)
                return r;
        r = read_rules(call, &rules, &n_rules);
        if (r == 0) {
                /* What others send when they can know of the answer must not pass the bus by. */
                if (call->bus->hooks.observed)
                        call->bus->hooks.observed(call->bus->hooks.native);
                r = driver_call_reply(call);
        }
        if (r == 0)
                return client_become_monitor(call->client, rules, n_rules);
        for (size_t i = 0; i < n_rules; i++)
                match_rule_free(rules[i]);
        return r;
}

static const struct driver_method methods[] = {
        {"BecomeMonitor", "asu", "", become_monitor, DRIVER_METHOD_PRIVILEGED},
        {},
};

const struct driver_interface driver_interface_monitoring = {
        .name = "org.freedesktop.DBus.Monitoring",
        .methods = methods,
        .canonical_path_only = true,
        .listed = true,
};
