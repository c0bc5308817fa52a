/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus1ctl policy explain - what a bus would say, and why
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/array.h"
#include "policy/config.h"
#include "tools/bus1ctl/bus1ctl.h"
#include "tools/bus1ctl/question.h"

struct arguments {
        const char *config;
        const char *user;
        char **groups;
        size_t n_groups;
        bool json;
        bool matching; /* only rules that match */
};

static int parse_options(struct arguments *a, int argc, char *argv[]) {
        static const struct option options[] = {
                {"config", required_argument, NULL, 'c'}, {"system", no_argument, NULL, 'Y'},
                {"session", no_argument, NULL, 'S'},      {"user", required_argument, NULL, 'u'},
                {"group", required_argument, NULL, 'g'},  {"json", no_argument, NULL, 'j'},
                {"matching", no_argument, NULL, 'm'},     {}};
        int c;

        a->config = "/usr/share/dbus-1/system.conf";
        while ((c = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
                switch (c) {
                case 'c':
                        a->config = optarg;
                        break;
                case 'Y':
                        a->config = "/usr/share/dbus-1/system.conf";
                        break;
                case 'S':
                        a->config = "/usr/share/dbus-1/session.conf";
                        break;
                case 'u':
                        a->user = optarg;
                        break;
                case 'g':
                        if (POLICY_ARRAY_APPEND(a->groups, a->n_groups, optarg) < 0)
                                return complain("out of memory");
                        break;
                case 'j':
                        a->json = true;
                        break;
                case 'm':
                        a->matching = true;
                        break;
                default:
                        return STATUS_FAILED;
                }
        }
        return a->user ? 0 : complain("policy explain needs --user");
}

/* Why the answer is what it is, where no rule says so. */
static const char *default_reason(const struct policy_question *question, bool allowed) {
        if (question->family == POLICY_FAMILY_CONNECT)
                return allowed ? "no rule matches, and this is the user of the bus"
                               : "no rule matches, and this is not the user of the bus";
        if (allowed)
                return "the bus itself says it to the one it is for";
        return "no rule matches";
}

static void print_text(const struct arguments *a, const struct policy_question *question,
                       const struct policy_explanation *e) {
        printf("%s", e->allowed ? "allowed" : "denied");
        if (e->rule)
                printf(" by %s:%u: %s\n", e->rule->file, e->rule->line, e->rule->text);
        else
                printf(": %s\n", default_reason(question, e->allowed));

        printf("\nrules in the order of evaluation, of which the last that matches decides:\n");
        for (size_t i = 0; i < e->n_steps; i++) {
                const struct policy_step *step = &e->steps[i];

                if (step->mismatch && a->matching)
                        continue;
                printf("%s %s",
                       step->rule == e->rule ? "=>"
                       : step->mismatch      ? "  "
                                             : " +",
                       policy_context_name(step->block->context));
                if (step->block->context == POLICY_CONTEXT_USER ||
                    step->block->context == POLICY_CONTEXT_GROUP)
                        printf("=%u", (unsigned)step->block->id);
                printf(" %s:%u: %s", step->rule->file, step->rule->line, step->rule->text);
                if (step->mismatch)
                        printf(" (differs: %s)", step->mismatch);
                putchar('\n');
        }
}

static struct json_object *rule_to_json(const struct policy_rule *rule) {
        struct json_object *object;

        if (!rule)
                return NULL;
        object = json_make_object();
        json_add_string(object, "file", rule->file);
        json_add_number(object, "line", rule->line);
        json_add_string(object, "text", rule->text);
        json_add_bool(object, "allow", rule->allow);
        return object;
}

static int print_json(const struct arguments *a, const struct policy_question *question,
                      const struct policy_explanation *e) {
        struct json_object *object = json_make_object(), *steps = json_make_array();

        json_add_string(object, "verdict", e->allowed ? "allow" : "deny");
        json_add(object, "rule", rule_to_json(e->rule));
        json_add_string(object, "reason", e->rule ? NULL : default_reason(question, e->allowed));
        for (size_t i = 0; i < e->n_steps; i++) {
                const struct policy_step *step = &e->steps[i];
                struct json_object *one;

                if (step->mismatch && a->matching)
                        continue;
                one = rule_to_json(step->rule);
                json_add_string(one, "context", policy_context_name(step->block->context));
                if (step->block->context == POLICY_CONTEXT_USER ||
                    step->block->context == POLICY_CONTEXT_GROUP)
                        json_add_number(one, "id", step->block->id);
                json_add_bool(one, "matches", !step->mismatch);
                json_add_string(one, "mismatch", step->mismatch);
                json_append(steps, one);
        }
        json_add(object, "rules", steps);
        return json_finish(object);
}

static int explain(const struct arguments *a, const struct question *q) {
        struct policy_explanation explanation;
        struct bus_config *config;
        char *error = NULL;
        int r, status;

        r = bus_config_load_part(a->config, NULL, &config, &error);
        if (r < 0) {
                status = complain("%s", error ? error : strerror(-r));
                free(error);
                return status;
        }
        r = policy_explain(config->policy, &q->question, &explanation);
        if (r < 0) {
                bus_config_free(config);
                return complain("%s", strerror(-r));
        }
        if (a->json)
                status = print_json(a, &q->question, &explanation);
        else {
                print_text(a, &q->question, &explanation);
                status = fflush(stdout) ? complain("cannot write: %m") : STATUS_OK;
        }
        if (status == STATUS_OK)
                status = explanation.allowed ? STATUS_OK : STATUS_NO;
        policy_explanation_clear(&explanation);
        bus_config_free(config);
        return status;
}

int policy_explain_main(int argc, char *argv[]) {
        struct arguments a = {};
        struct question q = {};
        int status;

        status = parse_options(&a, argc, argv);
        if (!status)
                status = question_parse(&q, argc - optind, argv + optind);
        if (!status)
                status = question_set_user(&q, a.user, a.groups, a.n_groups);
        if (!status)
                status = explain(&a, &q);
        question_clear(&q);
        free(a.groups);
        return status;
}
