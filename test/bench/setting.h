/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Settings
 *
 * A setting is the load of a bus while it is measured: a policy of a certain size, or the match
 * rules or pending replies of other clients. Each setting has its own instance of each bus, because
 * the load of one setting would change the measurements of the others.
 */

#include <stdint.h>

#include "test/bench/bus.h"

enum setting {
        SETTING_PLAIN,      /* everything is allowed, and there are no other clients */
        SETTING_POLICY,     /* the policy of a system bus: BENCH_POLICY_RULES rules */
        SETTING_SYSTEM,     /* Debian's policy and 20,000 more rules: test/bench/system-policy */
        SETTING_RULES_PATH, /* BENCH_FOREIGN_RULES match rules that differ in path, ... */
        SETTING_RULES_ARG0,
        SETTING_RULES_NAMESPACE, /* ... in path_namespace */
        SETTING_RULES_ARG0_NAMESPACE,
        SETTING_RULES_ARG0_PATH,
        SETTING_REPLIES, /* BENCH_FOREIGN_REPLIES calls that are never answered */
        N_SETTINGS,
};

#define BENCH_POLICY_RULES 861
#define BENCH_FOREIGN_RULES 10000
#define BENCH_FOREIGN_REPLIES 100000

/*
 * Start a bus with the configuration and the other clients of the setting. system_policy is the
 * file for SETTING_SYSTEM, or NULL.
 */
void setting_start(enum setting setting, struct bench_bus *bus, enum bus_kind kind,
                   const char *binary, const char *directory, const char *system_policy);

/* policy */

enum bench_rule_family {
        BENCH_RULE_OWN,
        BENCH_RULE_SEND,
        BENCH_RULE_RECEIVE,
};

/* One <allow> or <deny>. A field that is NULL or 0 matches everything. */
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
        const char
                *file; /* a file with the same rules, which is included instead of them, or NULL */
        struct policy *owner;
};

/*
 * A policy like that of a system bus: clients may own a name or call another client only by the
 * rules of 121 services. One of these services has the given name, which is also its interface.
 */
struct bench_policy *bench_policy_new(const char *name);
/*
 * The rules of a file that apply to the user of this process, and the file. dbus-broker reads no
 * file: the controller sends it the rules. Rules that it does not support are left out: those about
 * errors, broadcasts, prefixes of destinations and numbers of descriptors.
 */
struct bench_policy *bench_policy_load(const char *file);
/* The policy as elements of <policy>. The caller frees the text. */
char *bench_policy_format(const struct bench_policy *policy);
