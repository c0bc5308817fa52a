/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks by match rules and broadcasts. */

#include <stdio.h>

#include "test/hostile/attack.h"

#define RULES 500

/* Rules that differ in the number between these texts. */
static void add_rules(struct text *t, const char *before, const char *after, unsigned member) {
        char rule[256];

        for (unsigned i = 0; i < RULES; i++) {
                snprintf(rule, sizeof(rule), "%s%u%s", before, member * RULES + i, after);
                text_add_bus_call(t, RAW_NO_REPLY, "AddMatch", rule);
        }
}

static void near_misses(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        add_rules(t, "interface='" ATTACK_INTERFACE "',member='Signal',arg0='x", "'", member);
}

static void near_misses_of_the_victim(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        add_rules(t, "interface='" VICTIM_NAME "',member='Signal',path='/com/example/V", "'",
                  member);
}

static void paths(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        add_rules(t, "interface='" ATTACK_INTERFACE "',arg0path='/a/", "/'", member);
}

static void equal_rules(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        for (unsigned i = 0; i < RULES; i++)
                text_add_bus_call(t, RAW_NO_REPLY, "AddMatch", "interface='" ATTACK_INTERFACE "'");
}

static void one_rule(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        text_add_bus_call(t, RAW_NO_REPLY, "AddMatch", "interface='" ATTACK_INTERFACE "'");
}

static void the_signals_of_the_victim(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        text_add_bus_call(t, RAW_NO_REPLY, "AddMatch", "interface='" VICTIM_NAME "'");
}

static void own_signals(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        for (unsigned i = 0; i < 16; i++)
                attack_add_signal(t, "y");
}

static void signals_with_a_path(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        for (unsigned i = 0; i < 16; i++)
                attack_add_signal(t, "/");
}

static void remove_and_add(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        text_add_bus_call(t, RAW_NO_REPLY, "RemoveMatch", "interface='" ATTACK_INTERFACE "'");
        text_add_bus_call(t, RAW_NO_REPLY, "AddMatch", "interface='" ATTACK_INTERFACE "'");
}

static void add_in_front(struct text *t, const struct scene *scene, unsigned member) {
        static const char rule[] = "interface='" ATTACK_INTERFACE "',arg0path='/'";

        (void)scene;
        (void)member;
        text_add_bus_call(t, RAW_NO_REPLY, "AddMatch", rule);
        text_add_bus_call(t, RAW_NO_REPLY, "RemoveMatch", rule);
}

static void changing_rules(struct text *t, const struct scene *scene, unsigned member) {
        char rule[96];

        (void)scene;
        for (unsigned i = 0; i < 16; i++) {
                snprintf(rule, sizeof(rule), "path='/p%u/%u',arg%u='x'", member, i, i);
                text_add_bus_call(t, RAW_NO_REPLY, "AddMatch", rule);
                text_add_bus_call(t, RAW_NO_REPLY, "RemoveMatch", rule);
        }
}

const struct attack attacks_match[] = {
        {
                .name = "RemoveMatch",
                .what = "RemoveMatch and AddMatch of equal rules, 250 connections with 500 each",
                .plan = {.connections = 250,
                         .alike = true,
                         .enter = equal_rules,
                         .round = remove_and_add},
        },
        {
                .name = "near misses",
                .what = "own signals, and 500 rules each that nearly match, 250 connections",
                .plan = {.connections = 250, .enter = near_misses, .round = own_signals},
        },
        {
                .name = "paths, 1",
                .what = "own signals with arg0='/', and 500 rules with arg0path",
                .plan = {.connections = 1, .enter = paths, .round = signals_with_a_path},
        },
        {
                .name = "paths, 250",
                .what = "the same, 250 connections",
                .plan = {.connections = 250, .enter = paths, .round = signals_with_a_path},
        },
        {
                .name = "miss victim",
                .what = "rules that nearly match the victim's signals, 250 connections",
                .plan = {.connections = 250,
                         .enter = near_misses_of_the_victim,
                         .end = CROWD_RESTS},
                .victim = VICTIM_SIGNALS,
        },
        {
                .name = "AddMatch",
                .what = "AddMatch in front of many arg0path rules, 250 connections",
                .plan = {.connections = 250, .enter = paths, .round = add_in_front},
        },
        {
                .name = "rule changes",
                .what = "AddMatch and RemoveMatch of ever other rules, 250 connections",
                .plan = {.connections = 250, .round = changing_rules},
        },
        {
                .name = "own broadcast",
                .what = "own broadcasts to 250 own connections",
                .plan = {.connections = 250,
                         .alike = true,
                         .enter = one_rule,
                         .round = own_signals},
                .n_processes = 2,
        },
        {
                .name = "unread signals",
                .what = "250 connections that never read the victim's signals",
                .plan = {.connections = 250,
                         .alike = true,
                         .enter = the_signals_of_the_victim,
                         .end = CROWD_RESTS,
                         .reading = CROWD_READS_NOT},
                .victim = VICTIM_SIGNALS,
        },
        {},
};
