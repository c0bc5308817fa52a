/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Settings
 *
 * A setting is what a bus has to live with while it is measured: a policy of a certain size, match
 * rules or pending replies of others. Each has buses of its own, because what others left there
 * would slow down, or speed up, every other measurement.
 */

#include <stdint.h>

#include "test/bench/bus.h"

enum setting {
        SETTING_PLAIN,      /* everything is allowed, nobody else is there */
        SETTING_POLICY,     /* the policy of a system bus: BENCH_POLICY_RULES rules */
        SETTING_SYSTEM,     /* Debian's policy and 20,000 rules more: test/bench/system-policy */
        SETTING_RULES_PATH, /* BENCH_FOREIGN_RULES match rules that differ in path, ... */
        SETTING_RULES_ARG0,
        SETTING_RULES_NAMESPACE, /* ... in path_namespace */
        SETTING_RULES_ARG0_NAMESPACE,
        SETTING_RULES_ARG0_PATH,
        SETTING_REPLIES, /* BENCH_FOREIGN_REPLIES calls nobody answers */
        N_SETTINGS,
};

#define BENCH_POLICY_RULES 861
#define BENCH_FOREIGN_RULES 10000
#define BENCH_FOREIGN_REPLIES 100000

/*
 * Start the bus with what the setting wants of its configuration, and leave the rest there.
 * system_policy is the file for SETTING_SYSTEM, or NULL.
 */
void setting_start(enum setting setting, struct bench_bus *bus, enum bus_kind kind,
                   const char *binary, const char *directory, const char *system_policy);

/* policy */

enum bench_rule_family {
        BENCH_RULE_OWN,
        BENCH_RULE_SEND,
        BENCH_RULE_RECEIVE,
};

/* One <allow> or <deny>; NULL and 0 stand for any. */
struct bench_rule {
        enum bench_rule_family family;
        bool allow;
        uint8_t type;
        bool is_prefix;
        const char *name;
        const char *path;
        const char *interface;
        const char *member;
};

struct policy;

struct bench_policy {
        struct bench_rule *rules;
        size_t n_rules;
        const char *file; /* that says the same and is to be included, or NULL */
        struct policy *owner;
};

/*
 * As on a system bus: nobody may own names or call anyone, except what the rules of 121 services
 * say; one of these has the given name and, as its interface.
 */
struct bench_policy *bench_policy_new(const char *name);
/*
 * The rules of a file that apply to this process, for dbus-broker, which takes rules from its
 * parent. What its rules cannot say is left out: errors, broadcasts, prefixes of destinations,
 * numbers of descriptors.
 */
struct bench_policy *bench_policy_load(const char *file);
/* As elements of <policy>; to be freed. */
char *bench_policy_format(const struct bench_policy *policy);
