/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Settings
 *
 * A setting is the load of a bus while it is measured: nothing, a policy of a certain size, or the
 * match rules, pending replies or connections of other clients. A bus is started once for each
 * setting, because the load of one setting would change the measurements of the others.
 */

#include <stdint.h>

#include "test/bench/bus.h"

enum setting {
        SETTING_PLAIN,      /* everything is allowed, and there are no other clients */
        SETTING_POLICY,     /* a policy like that of a system bus: BENCH_POLICY_RULES rules */
        SETTING_SYSTEM,     /* Debian's policy and 20,000 more rules: test/bench/system-policy */
        SETTING_RULES_PATH, /* BENCH_FOREIGN_RULES match rules that differ in path, */
        SETTING_RULES_ARG0, /* ... in arg0, */
        SETTING_RULES_NAMESPACE,      /* ... in path_namespace, */
        SETTING_RULES_ARG0_NAMESPACE, /* ... in arg0namespace, */
        SETTING_RULES_ARG0_PATH,      /* ... in arg0path */
        SETTING_REPLIES,              /* BENCH_FOREIGN_REPLIES calls that are never answered */
        SETTING_IDLE,                 /* BENCH_IDLE clients that do nothing */
        N_SETTINGS,
};

#define BENCH_POLICY_RULES 861
#define BENCH_FOREIGN_RULES 10000
#define BENCH_FOREIGN_REPLIES 100000
#define BENCH_IDLE 10000

/*
 * Start a bus with the configuration and the other clients of the setting. system_policy is the
 * file for SETTING_SYSTEM, or NULL. The result is a bus that is not available if bus_start() cannot
 * start it, if SETTING_SYSTEM has no file, if SETTING_IDLE needs more descriptors than there are,
 * and for the forwarder with any setting but SETTING_PLAIN.
 */
void setting_start(enum setting setting, struct bench_bus *bus, enum bus_kind kind,
                   const char *binary, const char *directory, const char *system_policy);

/* policy */

enum bench_rule_family {
        BENCH_RULE_OWN,
        BENCH_RULE_SEND,
        BENCH_RULE_RECEIVE,
};

/* One <allow> or <deny>. A type of 0 matches every type, and a string of NULL every value. */
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
        /* NULL, or a file that dbus-daemon and the bridge include instead of the rules */
        const char *file;
        struct policy *owner;
};

/*
 * Make a policy like that of a system bus: clients may own a name or call another client only by
 * the rules of 121 services. One of these services has the given name. The name of a service is
 * also the name of its own interface.
 */
struct bench_policy *bench_policy_new(const char *name);
/*
 * Load the rules about owning, sending and receiving that a file has for the user of this process.
 * They are for dbus-broker, to which its controller sends them. The other buses include the file
 * itself. Rules that dbus-broker does not support are left out: those about errors, broadcasts,
 * prefixes of destinations and numbers of descriptors.
 */
struct bench_policy *bench_policy_load(const char *file);
/*
 * Returns the rules of bench_policy_new() as elements of <policy>. Paths, members and prefixes are
 * not written. The caller frees the text.
 */
char *bench_policy_format(const struct bench_policy *policy);
