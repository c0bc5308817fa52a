/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus1ctl policy explain - does a policy allow an action, and which rule decides?
 *
 * A running bus answers from the files as it has read them. If they have changed since, and a
 * reload would change the answer or would fail, the output says so.
 */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "policy/config.h"
#include "tools/bus1ctl/live.h"
#include "tools/bus1ctl/output.h"

#define SYSTEM_CONFIG "/usr/share/dbus-1/system.conf"
#define SESSION_CONFIG "/usr/share/dbus-1/session.conf"

struct arguments {
        const char *config;
        struct live_bus bus;
        const char *client;
        const char *user;
        char **groups;
        size_t n_groups;
        bool json;
        bool matching; /* show only rules that match */
        char **words;  /* the question; ends with NULL */
        size_t n_words;
};

struct outcome {
        struct answer answer;
        struct live_sources sources;
        bool has_reloaded; /* a reload would change the answer to reloaded */
        struct answer reloaded;
        char *reload_error; /* why a reload would fail, or NULL */
};

static int check_options(const struct arguments *a) {
        if (!a->bus.is_live && (a->bus.address || a->client))
                return report_failure("--address and --client need --live");
        if (a->bus.is_live && a->config)
                return report_failure("--config and --live exclude each other");
        if (a->client && (a->user || a->n_groups))
                return report_failure("--client excludes --user and --group");
        if (!a->user && !a->client)
                return report_failure("policy explain needs --user%s",
                                      a->bus.is_live ? " or --client" : "");
        return 0;
}

static int parse_options(struct arguments *a, int argc, char *argv[]) {
        static const struct option options[] = {
                {"config", required_argument, NULL, 'c'},
                {"system", no_argument, NULL, 'Y'},
                {"session", no_argument, NULL, 'S'},
                {"live", no_argument, NULL, 'l'},
                {"address", required_argument, NULL, 'a'},
                {"client", required_argument, NULL, 'C'},
                {"user", required_argument, NULL, 'u'},
                {"group", required_argument, NULL, 'g'},
                {"json", no_argument, NULL, 'j'},
                {"matching", no_argument, NULL, 'm'},
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
                if (c == 'c')
                        a->config = optarg;
                else if (c == 'Y' || c == 'S')
                        a->bus.is_session = c == 'S';
                else if (c == 'l')
                        a->bus.is_live = true;
                else if (c == 'a')
                        a->bus.address = optarg;
                else if (c == 'C')
                        a->client = optarg;
                else if (c == 'u')
                        a->user = optarg;
                else if (c == 'g')
                        APPEND(a->groups, a->n_groups, optarg);
                else if (c == 'j')
                        a->json = true;
                else if (c == 'm')
                        a->matching = true;
                else
                        return STATUS_FAILED;
        }
        a->words = argv + optind;
        a->n_words = argc - optind;
        return check_options(a);
}

/* files */

/*
 * Ask the files. If they cannot be loaded, *ret_error gets the reason, which is not printed, and
 * the result is STATUS_FAILED.
 */
static int ask_files(const struct arguments *a, const char *path, const struct who *who,
                     uid_t bus_uid, char *const *words, size_t n, struct answer *ret_answer,
                     char **ret_error) {
        CLEANUP(policy_words_clear) struct policy_words parsed = {};
        CLEANUP_FREE char *error = NULL;
        struct bus_config *config;
        int r, status;

        r = policy_words_parse(&parsed, (const char *const *)words, n, &error);
        if (r < 0)
                return report_failure("%s", error ? error : strerror(-r));
        r = bus_config_load_part(path, NULL, &config, &error);
        if (r < 0) {
                *ret_error = error ? steal_ptr(&error) : copy_text(strerror(-r));
                return STATUS_FAILED;
        }
        parsed.question.uid = who->uid;
        parsed.question.gids = who->gids;
        parsed.question.n_gids = who->n_gids;
        parsed.question.bus_uid = bus_uid;
        status = answer_make(ret_answer, config->policy, &parsed.question, a->matching);
        bus_config_free(config);
        return status;
}

static int explain_files(const struct arguments *a, struct outcome *o) {
        const char *path = a->config ?: a->bus.is_session ? SESSION_CONFIG : SYSTEM_CONFIG;
        CLEANUP(who_clear) struct who who = {};
        CLEANUP_FREE char *error = NULL;
        int status;

        status = who_resolve(&who, a->user, a->groups, a->n_groups);
        if (status)
                return status;
        status = ask_files(a, path, &who, geteuid(), a->words, a->n_words, &o->answer, &error);
        return error ? report_failure("%s", error) : status;
}

/* a running bus */

/*
 * Ask the files of the bus as they are now, about the same connections: the other end of the
 * message has the names that it has on the bus.
 */
static int ask_changed_files(const struct arguments *a, const struct live_context *context,
                             struct outcome *o) {
        const char *key = a->n_words > 0 && strcmp(a->words[0], "send") == 0 ? "owns" : "sender";
        char **words = NULL;
        size_t n = 0;
        int status;

        for (size_t i = 0; i < a->n_words; i++)
                APPEND(words, n, a->words[i]);
        for (char **name = context->names; name && *name; name++) {
                char *word = NULL;

                check_memory(asprintf(&word, "%s=%s", key, *name) >= 0);
                APPEND(words, n, word);
        }
        status = ask_files(a, o->sources.main, &context->who, context->bus_uid, words, n,
                           &o->reloaded, &o->reload_error);
        if (!status)
                o->has_reloaded = !answer_equal(&o->answer, &o->reloaded);
        while (n > a->n_words)
                free(words[--n]);
        free(words);
        return o->reload_error ? STATUS_OK : status;
}

static int explain_live(const struct arguments *a, struct outcome *o) {
        CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CLEANUP(live_context_clear) struct live_context context = {};
        CLEANUP(who_clear) struct who who = {};
        int status = STATUS_OK;

        if (a->user)
                status = who_resolve(&who, a->user, a->groups, a->n_groups);
        if (!status)
                status = live_open(&a->bus, &bus);
        if (!status)
                status = live_explain(bus, a->client, &who, a->words, a->matching, &o->answer,
                                      &context);
        if (!status)
                status = live_get_sources(bus, &o->sources);
        if (!status && o->sources.n_changed > 0)
                status = ask_changed_files(a, &context, o);
        return status;
}

/* output */

static int print_text(const struct outcome *o) {
        answer_print_verdict(&o->answer);
        for (size_t i = 0; i < o->sources.n_changed; i++)
                output_print("changed since the bus read it: %s\n", o->sources.changed[i]);
        if (o->has_reloaded) {
                printf("after a reload: ");
                answer_print_verdict(&o->reloaded);
        } else if (o->reload_error)
                output_print("a reload would fail: %s\n", o->reload_error);
        answer_print_rules(&o->answer);
        return output_flush();
}

static int print_json(const struct arguments *a, const struct outcome *o) {
        struct json_object *object = json_make_object();

        answer_to_json(&o->answer, object);
        if (a->bus.is_live) {
                struct json_object *changed = json_make_array(), *reloaded = NULL;

                for (size_t i = 0; i < o->sources.n_changed; i++)
                        json_append(changed, json_make_string(o->sources.changed[i]));
                json_add(object, "changed", changed);
                if (o->has_reloaded) {
                        reloaded = json_make_object();
                        answer_to_json(&o->reloaded, reloaded);
                }
                json_add(object, "after_reload", reloaded);
                json_add_string(object, "reload_error", o->reload_error);
        }
        return json_finish(object);
}

int policy_explain_main(int argc, char *argv[]) {
        struct arguments a = {};
        struct outcome o = {};
        int status;

        status = parse_options(&a, argc, argv);
        if (!status)
                status = a.bus.is_live ? explain_live(&a, &o) : explain_files(&a, &o);
        if (!status)
                status = a.json ? print_json(&a, &o) : print_text(&o);
        if (!status)
                status = o.answer.allowed ? STATUS_OK : STATUS_NO;
        answer_clear(&o.answer);
        answer_clear(&o.reloaded);
        live_sources_clear(&o.sources);
        free(o.reload_error);
        free(a.groups);
        return status;
}
