/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * GetAllMatchRules
 *
 * There can be tens of thousands of rules, so the answer is made in pieces: some rules in each turn
 * of the caller's user. The answer shows clients and rules that come and go meanwhile, or does not.
 * The answers for one user are made one after the other, and only while the user reads them,
 * because each can be as large as all match rules.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/container-of.h"
#include "base/error.h"
#include "bridge/bus/account.h"
#include "bridge/bus/later.h"
#include "bridge/driver/methods.h"

#define UNREAD_MAX ((uint64_t)8 * 1024 * 1024) /* bytes of answers */

struct rules_answer {
        struct bus *bus;
        struct account *account; /* of the caller; referenced */
        struct later *later;
        struct schedule_job job;
        struct writer writer;
        uint64_t n_done;    /* the rules of clients with a lower id are in the answer */
        uint64_t last_rule; /* of the client with this id: number of the last one in it; 0: none */
        bool has_begun;
        bool refused; /* it must not begin */
        bool failed;  /* there is no memory for it */
};

static struct rules_answer *answer_free(struct rules_answer *answer) {
        if (!answer)
                return NULL;
        writer_deinit(&answer->writer);
        later_free(answer->later);
        answer->account->n_rules_answers--;
        account_put(answer->bus, answer->account);
        free(answer);
        return NULL;
}

/* The clients are in the order of their ids. */
static struct client *next_client(const struct rules_answer *answer) {
        struct client *client, *next;

        HASH_ITER(hh, answer->bus->names.registered, client, next) {
                if (client->id >= answer->n_done)
                        return client;
        }
        return NULL;
}

static int write_rule(struct rules_answer *answer, const struct match_rule *rule) {
        CLEANUP_FREE char *text = match_rule_format(rule);

        if (!text)
                return -ENOMEM;
        for (uint32_t n = 0; n < rule->n; n++)
                writer_string(&answer->writer, text);
        return 0;
}

/* Go on with the rules of this client. Returns false if the turn is over before the last one. */
static bool write_rules(struct rules_answer *answer, const struct client *client) {
        const struct match_rule *rule = client->rules;
        struct writer *w = &answer->writer;

        while (rule && rule->number <= answer->last_rule)
                rule = rule->client_next;
        if (answer->last_rule == 0) {
                writer_struct(w);
                writer_string(w, client->unique_name);
                writer_array_begin(w, 4);
        }
        while (rule && !answer->failed) {
                answer->failed = write_rule(answer, rule) < 0;
                answer->last_rule = rule->number;
                schedule_count(&answer->bus->schedule, rule->n);
                rule = rule->client_next;
                if (rule && schedule_is_over(&answer->bus->schedule))
                        return false;
        }
        return true;
}

static void end_client(struct rules_answer *answer) {
        writer_array_end(&answer->writer);
        answer->last_rule = 0;
}

static int finish(struct rules_answer *answer) {
        CLEANUP(message_unrefp) struct message *m = NULL;
        struct later *later = steal_ptr(&answer->later);
        int r;

        if (!later->client) {
                later_free(later);
                return 0;
        }
        if (answer->refused)
                return later_fail(later, DRIVER_ERROR("LimitsExceeded"),
                                  "User %u does not read the answers of the bus",
                                  (unsigned)answer->account->uid);
        if (answer->failed)
                return later_fail(later, DRIVER_ERROR("NoMemory"),
                                  "There is no memory for the answer");
        writer_array_end(&answer->writer);
        voice_address(answer->bus, &answer->writer, later->client);
        r = writer_finish(&answer->writer, &m);
        if (r < 0)
                return later_fail(later, DRIVER_ERROR("LimitsExceeded"),
                                  "The bus cannot make the answer: %s", strerror(-r));
        return later_send(later, m);
}

static int run(struct schedule_job *job) {
        struct rules_answer *answer = container_of(job, struct rules_answer, job);
        struct schedule *schedule = &answer->bus->schedule;
        struct client *client = next_client(answer);
        bool is_over = false;
        int r;

        if (!answer->has_begun && answer->account->answers > UNREAD_MAX) {
                answer->refused = true;
                r = finish(answer);
                answer_free(answer);
                return r;
        }
        answer->has_begun = true;
        if (answer->last_rule > 0 && (!client || client->id != answer->n_done))
                end_client(answer); /* it has left */
        while (client && !is_over && !answer->failed && answer->later->client) {
                answer->n_done = client->id;
                is_over = !write_rules(answer, client);
                if (!is_over) {
                        end_client(answer);
                        answer->n_done++;
                        client = client->hh.next;
                        is_over = client && schedule_is_over(schedule);
                }
        }
        if (is_over) {
                /* before the others of this user, which have not begun */
                schedule_add_first(schedule, &answer->account->schedule, &answer->job);
                return 0;
        }
        r = finish(answer);
        answer_free(answer);
        return r;
}

/* Begin the answer, which has its later. */
static void answer_init(struct rules_answer *answer, struct bus *bus) {
        answer->bus = bus;
        answer->account = answer->later->client->account;
        answer->account->n_refs++;
        answer->account->n_rules_answers++;
        answer->job.run = run;
        writer_init(&answer->writer, MESSAGE_TYPE_METHOD_RETURN, MESSAGE_FLAG_NO_REPLY_EXPECTED, 0,
                    "a{sas}");
        answer->writer.reply_serial = answer->later->serial;
        writer_array_begin(&answer->writer, 8);
}

static void answer_schedule(struct rules_answer *answer) {
        schedule_add(&answer->bus->schedule, &answer->account->schedule, &answer->job);
}

int driver_get_all_match_rules(struct driver_call *call) {
        struct rules_answer *answer;
        int r;

        answer = calloc(1, sizeof(*answer));
        if (!answer)
                return -ENOMEM;
        r = driver_call_later(call, LATER_MATCH_RULES, &answer->later);
        if (r != 0) {
                free(answer);
                return r;
        }
        answer_init(answer, call->bus);
        if (answer->account->n_rules_answers == 1)
                return run(&answer->job);
        answer_schedule(answer);
        return 0;
}

int driver_answer_match_rules(struct bus *bus, struct later *list) {
        struct rules_answer *answer;
        struct later *later, *next;
        int result = 0;

        DL_FOREACH_SAFE2(list, later, next, owner_next) {
                answer = later->client ? calloc(1, sizeof(*answer)) : NULL;
                if (!later->client)
                        later_free(later);
                else if (!answer)
                        keep_error(&result, later_fail(later, DRIVER_ERROR("NoMemory"),
                                                       "There is no memory for the answer"));
                else {
                        answer->later = later;
                        answer_init(answer, bus);
                        answer_schedule(answer);
                }
        }
        return result;
}
