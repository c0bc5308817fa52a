/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Policies for the settings: see setting.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/config.h"
#include "policy/section.h"
#include "test/bench/raw.h"
#include "test/bench/setting.h"

#define RULES_PER_SERVICE 7

static void add(struct bench_policy *policy, enum bench_rule_family family, bool allow,
                uint8_t type, const char *name, const char *interface) {
        struct bench_rule *rule;

        if (policy->n_rules >= BENCH_POLICY_RULES)
                raw_fail("too many rules");
        rule = &policy->rules[policy->n_rules++];
        *rule = (struct bench_rule){.family = family, .allow = allow, .type = type};
        if ((name && !(rule->name = strdup(name))) ||
            (interface && !(rule->interface = strdup(interface))))
                raw_fail("out of memory");
}

/* Add rules like those that the package of a service installs. */
static void add_service(struct bench_policy *policy, const char *name) {
        static const char *const interfaces[RULES_PER_SERVICE - 2] = {
                "org.freedesktop.DBus.Introspectable",
                "org.freedesktop.DBus.ObjectManager",
                "org.freedesktop.DBus.Peer",
                "org.freedesktop.DBus.Properties",
                "com.example.Manager",
        };

        add(policy, BENCH_RULE_OWN, true, 0, name, NULL);
        add(policy, BENCH_RULE_SEND, true, 0, name, name);
        for (size_t i = 0; i < RULES_PER_SERVICE - 2; i++)
                add(policy, BENCH_RULE_SEND, true, 0, name, interfaces[i]);
}

struct bench_policy *bench_policy_new(const char *name) {
        struct bench_policy *policy = calloc(1, sizeof(*policy));
        unsigned n_services, nth = 0;

        if (!policy || !(policy->rules = calloc(BENCH_POLICY_RULES, sizeof(*policy->rules))))
                raw_fail("out of memory");

        /* rules like those of system.conf */
        add(policy, BENCH_RULE_OWN, false, 0, NULL, NULL);
        add(policy, BENCH_RULE_SEND, false, RAW_CALL, NULL, NULL);
        add(policy, BENCH_RULE_SEND, true, RAW_SIGNAL, NULL, NULL);
        add(policy, BENCH_RULE_SEND, true, RAW_RETURN, NULL, NULL);
        add(policy, BENCH_RULE_SEND, true, RAW_ERROR, NULL, NULL);
        for (uint8_t type = RAW_CALL; type <= RAW_SIGNAL; type++)
                add(policy, BENCH_RULE_RECEIVE, true, type, NULL, NULL);
        add(policy, BENCH_RULE_SEND, true, 0, "org.freedesktop.DBus", NULL);

        n_services = (BENCH_POLICY_RULES - policy->n_rules) / RULES_PER_SERVICE;
        for (unsigned i = 0; i < n_services; i++) {
                char service[64];

                snprintf(service, sizeof(service), "com.example.Service%u", i);
                add_service(policy, i == n_services / 2 ? name : service);
        }
        while (policy->n_rules < BENCH_POLICY_RULES) {
                char service[64];

                snprintf(service, sizeof(service), "com.example.Service%u", nth++);
                add(policy, BENCH_RULE_RECEIVE, true, 0, service, NULL);
        }
        return policy;
}

/*
 * Can a controller tell dbus-broker this rule? requested_reply and eavesdrop do not matter:
 * dbus-broker itself decides about replies, and has no eavesdropping.
 */
static bool is_expressible(const struct policy_rule *rule) {
        return !rule->error_name && rule->broadcast == POLICY_ANY && rule->min_fds == 0 &&
               rule->max_fds == UINT32_MAX &&
               (rule->family == POLICY_FAMILY_OWN || !rule->name_is_prefix);
}

struct bench_policy *bench_policy_load(const char *file) {
        static const enum policy_family families[] = {
                [BENCH_RULE_OWN] = POLICY_FAMILY_OWN,
                [BENCH_RULE_SEND] = POLICY_FAMILY_SEND,
                [BENCH_RULE_RECEIVE] = POLICY_FAMILY_RECEIVE,
        };
        struct bench_policy *policy = calloc(1, sizeof(*policy));
        const struct policy_section *section;
        struct bus_config *config;
        size_t position = 0, room = 0;
        char *error = NULL;
        gid_t gids[256];
        int n_gids;

        n_gids = getgroups(256, gids);
        if (!policy || n_gids < 0)
                raw_fail("out of memory");
        if (bus_config_load_part(file, NULL, &config, &error) < 0)
                raw_fail("%s", error ? error : "out of memory");
        policy->file = file;
        policy->owner = policy_ref(config->policy);
        bus_config_free(config);

        while ((section = policy_section_next(policy->owner, &position, geteuid(), gids,
                                              (size_t)n_gids)))
                for (unsigned f = BENCH_RULE_OWN; f <= BENCH_RULE_RECEIVE; f++) {
                        const struct policy_rules *rules = &section->families[families[f]];

                        room += rules->n;
                        policy->rules = reallocarray(policy->rules, room, sizeof(*policy->rules));
                        if (room > 0 && !policy->rules)
                                raw_fail("out of memory");
                        for (size_t i = 0; i < rules->n; i++) {
                                const struct policy_rule *rule = rules->rules[i];

                                if (is_expressible(rule))
                                        policy->rules[policy->n_rules++] = (struct bench_rule){
                                                .family = f,
                                                .allow = rule->allow,
                                                .type = rule->type,
                                                .is_prefix = rule->name_is_prefix,
                                                .name = rule->name,
                                                .path = rule->path,
                                                .interface = rule->interface,
                                                .member = rule->member,
                                        };
                        }
                }
        return policy;
}

char *bench_policy_format(const struct bench_policy *policy) {
        static const char *const types[] = {NULL, "method_call", "method_return", "error",
                                            "signal"};
        char *text;
        size_t n;
        FILE *f = open_memstream(&text, &n);

        if (!f)
                raw_fail("out of memory");
        for (size_t i = 0; i < policy->n_rules; i++) {
                const struct bench_rule *rule = &policy->rules[i];
                bool send = rule->family == BENCH_RULE_SEND;
                const char *direction = send ? "send" : "receive";

                fprintf(f, "    <%s", rule->allow ? "allow" : "deny");
                if (rule->family == BENCH_RULE_OWN)
                        fprintf(f, " own=\"%s\"", rule->name ? rule->name : "*");
                else if (rule->name)
                        fprintf(f, " %s=\"%s\"", send ? "send_destination" : "receive_sender",
                                rule->name);
                if (rule->interface)
                        fprintf(f, " %s_interface=\"%s\"", direction, rule->interface);
                if (rule->type)
                        fprintf(f, " %s_type=\"%s\"", direction, types[rule->type]);
                fprintf(f, "/>\n");
        }
        if (fclose(f) != 0)
                raw_fail("out of memory");
        return text;
}
