/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * org.bus1.Bridge1.Policy: explains what the policy in force allows (bus1ctl policy explain
 * --live).
 *
 * The answer comes from the rules that the bus uses; the files may have changed since the bus read
 * them. Only root and the user that the bus runs as may ask, because an answer can show any rule.
 * The number of rules bounds the cost of an answer.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bridge/driver/methods.h"
#include "policy/question.h"

#define EXPLAIN_MATCHING 1 /* flag: answer with matching rules only */
#define QUESTION_WORDS_MAX 64

/* The question of one call, with the memory that it points to. */
struct explain {
        const char *texts[QUESTION_WORDS_MAX];
        struct policy_words words;
        struct client *peer; /* the other side of the message; NULL: none, or no client */
        uint32_t *gids;
        uint32_t flags;
};

/*
 * Does the other side own the name? It has the names that the question gives it and, if it is a
 * client, those that this client owns or waits for.
 */
static bool peer_owns(void *userdata, const char *name, bool prefix) {
        struct explain *e = userdata;

        return policy_words_own(&e->words, name, prefix) ||
               (e->peer && name_client_owns(e->peer, name, prefix));
}

static int read_words(struct driver_call *call, struct explain *e) {
        CLEANUP_FREE char *error = NULL;
        const uint8_t *end;
        size_t n = 0;
        int r;

        reader_array(&call->reader, 4, &end);
        while (call->reader.at < end) {
                struct wire_string text = reader_string(&call->reader);

                if (n == QUESTION_WORDS_MAX)
                        return driver_call_fail(call, DRIVER_ERROR("InvalidArgs"),
                                                "The question has more than %d words",
                                                QUESTION_WORDS_MAX);
                e->texts[n++] = text.s;
        }
        r = policy_words_parse(&e->words, e->texts, n, &error);
        if (r == -EINVAL)
                return driver_call_fail(call, DRIVER_ERROR("InvalidArgs"), "%s", error);
        if (r != 0)
                return r;

        e->words.peer.owns = peer_owns;
        e->words.peer.userdata = e;
        if (e->words.peer_name && !e->words.peer.is_driver)
                e->peer = name_resolve(&call->bus->names, e->words.peer_name,
                                       strlen(e->words.peer_name));
        return 0;
}

/* Read the subject of the policy: a client or the bus (by name), or else a uid and groups. */
static int read_who(struct driver_call *call, struct explain *e) {
        struct wire_string name = reader_string(&call->reader);
        struct policy_question *q = &e->words.question;
        const struct client_credentials *credentials;
        const uint8_t *end;

        q->bus_uid = call->bus->uid;
        q->uid = reader_u32(&call->reader);
        reader_array(&call->reader, 4, &end);
        e->gids = malloc(end - call->reader.at + 1);
        if (!e->gids)
                return -ENOMEM;
        while (call->reader.at < end)
                e->gids[q->n_gids++] = reader_u32(&call->reader);
        q->gids = e->gids;

        if (name.n > 0) {
                credentials = driver_find_credentials(call, name);
                if (!credentials)
                        return DRIVER_CALL_FAILED;
                q->uid = credentials->uid;
                q->gids = credentials->gids;
                q->n_gids = credentials->n_gids;
        }
        return 0;
}

static void write_step(struct writer *w, const struct policy_step *step, bool decides) {
        CLEANUP_FREE char *text = policy_rule_text(step->rule);
        bool has_id = step->block->context == POLICY_CONTEXT_USER ||
                      step->block->context == POLICY_CONTEXT_GROUP;

        if (!text) {
                w->error = -ENOMEM;
                return;
        }
        writer_struct(w);
        writer_string(w, step->rule->file);
        writer_u32(w, step->rule->line);
        writer_string(w, text);
        writer_bool(w, step->rule->allow);
        writer_string(w, policy_context_name(step->block->context));
        writer_u32(w, has_id ? step->block->id : UINT32_MAX);
        writer_string(w, step->mismatch ? step->mismatch : "");
        writer_bool(w, decides);
}

static void write_explanation(struct driver_call *call, const struct explain *e,
                              const struct policy_explanation *explanation) {
        const struct policy_question *q = &e->words.question;
        struct writer *w = &call->writer;
        void *position = NULL;
        const char *name;

        writer_bool(w, explanation->allowed);
        writer_string(w, explanation->rule ? "" : policy_default_reason(q, explanation->allowed));
        writer_u32(w, q->uid);
        writer_array_begin(w, 4);
        for (size_t i = 0; i < q->n_gids; i++)
                writer_u32(w, q->gids[i]);
        writer_array_end(w);
        writer_u32(w, q->bus_uid);
        writer_array_begin(w, 4);
        for (name = e->peer ? name_client_next(e->peer, &position) : NULL; name;
             name = name_client_next(e->peer, &position))
                writer_string(w, name);
        writer_array_end(w);
        writer_array_begin(w, 8);
        for (size_t i = 0; i < explanation->n_steps; i++) {
                const struct policy_step *step = &explanation->steps[i];

                if (!step->mismatch || !(e->flags & EXPLAIN_MATCHING))
                        write_step(w, step, step->rule == explanation->rule);
        }
        writer_array_end(w);
}

static void explain_clear(struct explain *e) {
        policy_words_clear(&e->words);
        free(e->gids);
}

static int run_explain(struct driver_call *call) {
        CLEANUP(explain_clear) struct explain e = {};
        struct policy_explanation explanation;
        int r;

        r = read_words(call, &e);
        if (r == 0)
                r = read_who(call, &e);
        if (r != 0)
                return r;
        e.flags = reader_u32(&call->reader);
        if (e.flags & ~EXPLAIN_MATCHING)
                return driver_call_fail(call, DRIVER_ERROR("InvalidArgs"), "Unknown flags");
        if (!call->bus->policy)
                return driver_call_fail(call, DRIVER_ERROR("Failed"), "The bus has no policy");
        r = policy_explain(call->bus->policy, &e.words.question, &explanation);
        if (r < 0)
                return r;
        write_explanation(call, &e, &explanation);
        policy_explanation_clear(&explanation);
        return 0;
}

/*
 * List the files and the directories of <includedir> that the configuration was read from, the main
 * file first, each with its stamp (bus_config_stamp()).
 */
static int run_get_sources(struct driver_call *call) {
        const struct bus_config *config = call->bus->config;
        struct writer *w = &call->writer;

        if (!config)
                return driver_call_fail(call, DRIVER_ERROR("Failed"),
                                        "The bus has no configuration");
        writer_array_begin(w, 8);
        for (size_t i = 0; i < config->inputs.n_sources; i++) {
                writer_struct(w);
                writer_string(w, config->inputs.sources[i].path);
                writer_u64(w, config->inputs.sources[i].stamp);
        }
        writer_array_end(w);
        return 0;
}

#define FLAGS (DRIVER_METHOD_CANONICAL_PATH | DRIVER_METHOD_PRIVILEGED)

static const struct driver_method methods[] = {
        {"Explain", "assuauu", "bsuauuasa(susbsusb)", run_explain, FLAGS},
        {"GetSources", "", "a(st)", run_get_sources, FLAGS},
        {},
};

const struct driver_interface driver_interface_policy = {
        .name = "org.bus1.Bridge1.Policy",
        .methods = methods,
        .canonical_path_only = true,
        .listed = true,
};
