/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks by match rules: many that are equal, nearly match, or match all the attacker's signals.
 */

#include <stdio.h>

#include "test/hostile/attack.h"
#include "test/hostile/crowd.h"
#include "test/hostile/own.h"

#define RULES 511 /* a connection may have 512 */
#define OWN_SIGNAL "type='signal',interface='" OWN_INTERFACE "',member='Broadcast',path='/',"
#define VICTIM_SIGNAL \
        "type='signal',interface='" VICTIM_NAME "',member='Signal',path='" VICTIM_PATH "',"

/* Add RULES calls of AddMatch or RemoveMatch; %u in the format is a number of the rule. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void rules(struct text *t, const char *method, const char *format, unsigned first) {
        char rule[256];

        for (unsigned i = 0; i < RULES; i++) {
                snprintf(rule, sizeof(rule), format, first + i);
                text_add_bus_call(t, RAW_NO_REPLY, method, rule);
        }
}
#pragma GCC diagnostic pop

static void add_and_remove_equal(struct text *t, const struct scene *scene, unsigned member) {
        rules(t, "AddMatch", "type='signal',member='Equal'", 0);
        rules(t, "RemoveMatch", "type='signal',member='Equal'", 0);
}

static void equal_rules(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .alike = true,
                .round = add_and_remove_equal,
        };

        crowd_run(scene, &plan);
}

static void add_and_remove(struct text *t, const struct scene *scene, unsigned member) {
        rules(t, "AddMatch", OWN_SIGNAL "arg0='%u'", member * RULES);
        rules(t, "RemoveMatch", OWN_SIGNAL "arg0='%u'", member * RULES);
}

static void rule_churn(const struct scene *scene) {
        static const struct crowd_plan plan = {.connections = 250, .round = add_and_remove};

        crowd_run(scene, &plan);
}

static void nearly_own(struct text *t, const struct scene *scene, unsigned member) {
        rules(t, "AddMatch", OWN_SIGNAL "arg0='same',arg1='%u'", member * RULES);
}

static void same_signals(struct text *t, const struct scene *scene, unsigned member) {
        for (unsigned i = 0; i < 100; i++)
                own_broadcast(t, "same");
}

static void near_own(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .settles = true,
                .enter = nearly_own,
                .round = same_signals,
        };

        crowd_run(scene, &plan);
}

/* A path that ends with a slash also matches the rules for all paths below. */
static void all_below(struct text *t, const struct scene *scene, unsigned member) {
        rules(t, "AddMatch", OWN_SIGNAL "arg0path='/path%u/'", member * RULES);
}

static void root_signals(struct text *t, const struct scene *scene, unsigned member) {
        for (unsigned i = 0; i < 100; i++)
                own_broadcast(t, "/");
}

static void paths_below_1(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 1,
                .settles = true,
                .enter = all_below,
                .round = root_signals,
        };

        crowd_run(scene, &plan);
}

static void paths_below_250(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .settles = true,
                .enter = all_below,
                .round = root_signals,
        };

        crowd_run(scene, &plan);
}

static void nearly_victim(struct text *t, const struct scene *scene, unsigned member) {
        rules(t, "AddMatch", VICTIM_SIGNAL "arg0='" VICTIM_NAME "',arg1='%u'", member * RULES);
}

static void near_victim(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .settles = true,
                .enter = nearly_victim,
        };

        crowd_run(scene, &plan);
}

/* The same in other conditions; a fifth of the connections for each. */
static void nearly_victim_mixed(struct text *t, const struct scene *scene, unsigned member) {
        static const char *const formats[] = {
                VICTIM_SIGNAL "arg0namespace='" VICTIM_NAME ".N%u'",
                VICTIM_SIGNAL "arg0namespace='" VICTIM_NAME "',arg1path='/N%u'",
                VICTIM_SIGNAL "arg0='" VICTIM_NAME "',sender='com.example.N%u'",
                "type='signal',interface='" VICTIM_NAME "',path_namespace='" VICTIM_PATH "/N%u'",
                "path_namespace='" VICTIM_PATH "',arg0='" VICTIM_NAME "',member='N%u'",
        };

        rules(t, "AddMatch", formats[member % 5], member * RULES);
}

static void near_victim_mixed(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .settles = true,
                .enter = nearly_victim_mixed,
        };

        crowd_run(scene, &plan);
}

static void many_paths(struct text *t, const struct scene *scene, unsigned member) {
        char rule[256];

        for (unsigned i = 0; i < RULES - 1; i++) {
                snprintf(rule, sizeof(rule), OWN_SIGNAL "arg0path='/m/%u/%u/'", member, i);
                text_add_bus_call(t, RAW_NO_REPLY, "AddMatch", rule);
        }
}

static void first_path(struct text *t, const struct scene *scene, unsigned member) {
        char rule[256];

        snprintf(rule, sizeof(rule), OWN_SIGNAL "arg0path='/a/%u/'", member);
        for (unsigned i = 0; i < 100; i++) {
                text_add_bus_call(t, RAW_NO_REPLY, "AddMatch", rule);
                text_add_bus_call(t, RAW_NO_REPLY, "RemoveMatch", rule);
        }
}

static void front_of_paths(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .enter = many_paths,
                .round = first_path,
        };

        crowd_run(scene, &plan);
}

const struct attack attacks_match[] = {
        {
                .name = "equal-rules",
                .what = "adds and removes 511 equal rules, 250 connections",
                .n_processes = 2,
                .run = equal_rules,
        },
        {
                .name = "rule-churn",
                .what = "adds and removes 511 different rules, 250 connections",
                .n_processes = 2,
                .run = rule_churn,
        },
        {
                .name = "near-own",
                .what = "signals that nearly match its 127,750 rules, 250 connections",
                .n_processes = 2,
                .run = near_own,
        },
        {
                .name = "paths-below-1",
                .what = "signals that match all of its 511 arg0path rules, one connection",
                .n_processes = 1,
                .run = paths_below_1,
        },
        {
                .name = "paths-below-250",
                .what = "signals that match all of its 127,750 arg0path rules, 250 connections",
                .n_processes = 2,
                .run = paths_below_250,
        },
        {
                .name = "near-victim",
                .what = "127,750 rules that nearly match the victim's signals",
                .n_processes = 1,
                .step = VICTIM_SIGNALS,
                .run = near_victim,
        },
        {
                .name = "near-victim-mixed",
                .what = "the same number of rules that each miss it in one of five ways",
                .n_processes = 1,
                .step = VICTIM_SIGNALS,
                .run = near_victim_mixed,
        },
        {
                .name = "front-of-paths",
                .what = "adds and removes a rule in front of 127,500 arg0path rules",
                .n_processes = 2,
                .run = front_of_paths,
        },
        {},
};
