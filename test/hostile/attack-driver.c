/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks by calls of the bus's own methods. */

#include <stdio.h>
#include <unistd.h>

#include "test/hostile/attack.h"
#include "test/hostile/crowd.h"
#include "test/hostile/own.h"

#define ROUND 50 /* calls in a round */
#define NAMES 500

/* Calls of a method of any interface of the bus. */
static void calls(struct text *t, const char *interface, const char *member, const char *signature,
                  const void *body, size_t n_body) {
        for (unsigned i = 0; i < ROUND; i++)
                text_add_message(t, &(struct raw_fields){
                                            .type = RAW_CALL,
                                            .path = "/org/freedesktop/DBus",
                                            .interface = interface,
                                            .member = member,
                                            .destination = "org.freedesktop.DBus",
                                            .signature = signature,
                                            .body = body,
                                            .n_body = n_body,
                                    });
}

static void many_rules(struct text *t, const struct scene *scene, unsigned member) {
        char rule[128];

        for (unsigned i = 0; i < 511; i++) {
                snprintf(rule, sizeof(rule), "type='signal',member='M%u_%u'", member, i);
                text_add_bus_call(t, RAW_NO_REPLY, "AddMatch", rule);
        }
}

static void ask_rules(struct text *t, const struct scene *scene, unsigned member) {
        if (member % 10 == 0)
                calls(t, "org.freedesktop.DBus.Debug.Stats", "GetAllMatchRules", NULL, NULL, 0);
}

static void all_rules(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .settles = true,
                .enter = many_rules,
                .round = ask_rules,
        };

        crowd_run(scene, &plan);
}

static void ask_introspection(struct text *t, const struct scene *scene, unsigned member) {
        calls(t, "org.freedesktop.DBus.Introspectable", "Introspect", NULL, NULL, 0);
}

static void introspect(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .alike = true,
                .round = ask_introspection,
        };

        crowd_run(scene, &plan);
}

static void ask_credentials(struct text *t, const struct scene *scene, unsigned member) {
        for (unsigned i = 0; i < ROUND; i++)
                text_add_bus_call(t, 0, "GetConnectionCredentials", VICTIM_NAME);
}

static void credentials(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .alike = true,
                .round = ask_credentials,
        };

        crowd_run(scene, &plan);
}

static void want_to_monitor(struct text *t, const struct scene *scene, unsigned member) {
        static const uint32_t no_rules_no_flags[2] = {0, 0};

        calls(t, "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu", no_rules_no_flags,
              sizeof(no_rules_no_flags));
}

static void monitor(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .alike = true,
                .round = want_to_monitor,
        };

        crowd_run(scene, &plan);
}

static void set_environment(struct text *t, const struct scene *scene, unsigned member) {
        /* {"A": "B"}: the size of the array, padding, and two strings */
        static const struct {
                uint32_t size, padding, n_key;
                char key[4];
                uint32_t n_value;
                char value[2];
        } environment = {14, 0, 1, "A", 1, "B"};

        calls(t, "org.freedesktop.DBus", "UpdateActivationEnvironment", "a{ss}", &environment, 22);
}

static void environment(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .alike = true,
                .round = set_environment,
        };

        crowd_run(scene, &plan);
}

static void format_name(char name[static 64], unsigned member, unsigned i) {
        snprintf(name, 64, "com.example.Attacker%u.M%u.N%u", (unsigned)getuid(), member, i);
}

static void listen_names(struct text *t, const struct scene *scene, unsigned member) {
        text_add_bus_call(t, RAW_NO_REPLY, "AddMatch",
                          "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'");
}

static void own_and_release(struct text *t, const struct scene *scene, unsigned member) {
        char name[64];

        for (unsigned i = 0; i < ROUND; i++) {
                format_name(name, member, i);
                text_add_bus_call(t, RAW_NO_REPLY, "RequestName", name);
                text_add_bus_call(t, RAW_NO_REPLY, "ReleaseName", name);
        }
}

static void name_churn(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 250,
                .enter = listen_names,
                .round = own_and_release,
        };

        crowd_run(scene, &plan);
}

static void own_many(struct text *t, const struct scene *scene, unsigned member) {
        char name[64];

        for (unsigned i = 0; i < NAMES; i++) {
                format_name(name, member, i);
                text_add_bus_call(t, RAW_NO_REPLY, "RequestName", name);
        }
}

static void names_leave(const struct scene *scene) {
        static const struct crowd_plan plan = {
                .connections = 125,
                .enter = own_many,
                .end = CROWD_LEAVES_IN_STEP,
                /* the reply to Hello, and NameAcquired for the unique name and for each name */
                .await = 2 + NAMES,
        };

        crowd_run(scene, &plan);
}

const struct attack attacks_driver[] = {
        {
                .name = "all-rules",
                .what = "GetAllMatchRules from 25 of 250 connections with 511 rules each",
                .n_processes = 1,
                .run = all_rules,
        },
        {
                .name = "introspect",
                .what = "Introspect from 250 connections",
                .n_processes = 2,
                .run = introspect,
        },
        {
                .name = "credentials",
                .what = "GetConnectionCredentials of the victim from 250 connections",
                .n_processes = 2,
                .run = credentials,
        },
        {
                .name = "monitor",
                .what = "BecomeMonitor, which is refused, from 250 connections",
                .n_processes = 2,
                .run = monitor,
        },
        {
                .name = "environment",
                .what = "UpdateActivationEnvironment from 250 connections",
                .n_processes = 2,
                .run = environment,
        },
        {
                .name = "name-churn",
                .what = "RequestName and ReleaseName, 250 connections that listen",
                .n_processes = 2,
                .run = name_churn,
        },
        {
                .name = "names-leave",
                .what = "125 connections with 500 names each leave at once, and come again",
                .n_processes = 1,
                .run = names_leave,
        },
        {},
};
