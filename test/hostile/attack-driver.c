/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks on the bus itself: its methods, and the names. */

#include <stdio.h>

#include "test/hostile/attack.h"

#define NAMES 500

static void add_interface_call(struct text *t, const char *interface, const char *member) {
        const struct raw_fields f = {
                .type = RAW_CALL,
                .path = "/org/freedesktop/DBus",
                .interface = interface,
                .member = member,
                .destination = "org.freedesktop.DBus",
        };

        text_add_message(t, &f);
}

static void some_rules(struct text *t, const struct scene *scene, unsigned member) {
        char rule[128];

        (void)scene;
        for (unsigned i = 0; member > 0 && i < NAMES; i++) {
                snprintf(rule, sizeof(rule), "interface='" ATTACK_INTERFACE "',member='M%u_%u'",
                         member, i);
                text_add_bus_call(t, RAW_NO_REPLY, "AddMatch", rule);
        }
}

static void all_rules(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        if (member == 0)
                add_interface_call(t, "org.freedesktop.DBus.Debug.Stats", "GetAllMatchRules");
}

static void introspect(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        for (unsigned i = 0; i < 16; i++)
                add_interface_call(t, "org.freedesktop.DBus.Introspectable", "Introspect");
}

static void names(struct text *t, const struct scene *scene, unsigned member) {
        char name[96];

        (void)scene;
        for (unsigned i = 0; i < NAMES; i++) {
                snprintf(name, sizeof(name), "%s.x%u", attack_name(member), i);
                text_add_bus_call(t, 0, "RequestName", name);
        }
}

static void listen_to_names(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        text_add_bus_call(t, RAW_NO_REPLY, "AddMatch", "member='NameOwnerChanged'");
}

static void change_names(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        for (unsigned i = 0; i < 16; i++) {
                text_add_bus_call(t, 0, "RequestName", attack_name(member));
                text_add_bus_call(t, 0, "ReleaseName", attack_name(member));
        }
}

static void credentials(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        for (unsigned i = 0; i < 32; i++)
                text_add_bus_call(t, 0, "GetConnectionCredentials", VICTIM_NAME);
}

static void refused(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        (void)member;
        for (unsigned i = 0; i < 32; i++)
                text_add_bus_call(t, 0, "NoSuchMethod", "x");
}

static void start_services(struct text *t, const struct scene *scene, unsigned member) {
        (void)scene;
        for (unsigned i = 0; i < 32; i++)
                attack_add_call(t, "com.example.NobodyAtAll", "x");
        (void)member;
}

const struct attack attacks_driver[] = {
        {
                .name = "all rules",
                .what = "GetAllMatchRules while the user has very many",
                .plan = {.connections = 64, .enter = some_rules, .round = all_rules},
        },
        {
                .name = "introspect",
                .what = "Introspect, 250 connections",
                .plan = {.connections = 250, .alike = true, .round = introspect},
        },
        {
                .name = "leaving",
                .what = "125 connections with 500 names each leave at once",
                .plan = {.connections = 125,
                         .enter = names,
                         .end = CROWD_LEAVES,
                         .await = 1 + NAMES},
        },
        {
                .name = "name changes",
                .what = "RequestName and ReleaseName, 250 listen to all changes",
                .plan = {.connections = 250, .enter = listen_to_names, .round = change_names},
        },
        {
                .name = "credentials",
                .what = "GetConnectionCredentials of the victim, 250 connections",
                .plan = {.connections = 250, .alike = true, .round = credentials},
        },
        {
                .name = "errors",
                .what = "calls that the bus refuses, 250 connections",
                .plan = {.connections = 250, .alike = true, .round = refused},
        },
        {
                .name = "no such name",
                .what = "messages to a name without owner and service, 250 connections",
                .plan = {.connections = 250, .alike = true, .round = start_services},
        },
        {},
};
