/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any texts as match rules, separated by bytes of value 1. An accepted rule must not change when it
 * is written and parsed again, unless its text gets too long then. A rule must be equal to itself
 * and to the rule that is parsed again. The index must find exactly the rules that match.
 */

#include <string.h>

#include "bridge/bus/bus.h"
#include "bridge/bus/membership.h"
#include "bridge/bus/receive.h"
#include "bridge/driver/driver.h"
#include "bridge/wire/writer.h"
#include "fuzz.h"

#define RULES_MAX 8
#define SEPARATOR 1

/* owner is :1.0 and owns own.Name; subscriber is :1.1 and has all match rules */
static struct bus bus;
static struct client owner, subscriber;
static struct message *messages[4];

static int deliver(struct client *client, struct message *m, struct reply *reply, uint64_t cookie) {
        return 0;
}

static const struct client_ops ops = {.deliver = deliver};

static struct message *finish(struct writer *w) {
        struct message *m;

        FUZZ_CHECK(writer_finish(w, &m) == 0);
        return m;
}

static void call_driver(struct client *client, const char *member, const char *name) {
        struct message *m;
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_METHOD_CALL, 0, 1, name ? "su" : "");
        w.destination = BUS_DRIVER_NAME;
        w.path = BUS_DRIVER_PATH;
        w.interface = BUS_DRIVER_INTERFACE;
        w.member = member;
        if (name) {
                writer_string(&w, name);
                writer_u32(&w, 0);
        }
        m = finish(&w);
        FUZZ_CHECK(client_receive(client, m, 0) == 0);
        message_unref(m);
}

static void make_client(struct client *client) {
        struct client_credentials credentials;

        client_credentials_init(&credentials);
        FUZZ_CHECK(client_init(client, &bus, &ops, &credentials) == 0);
        call_driver(client, "Hello", NULL);
}

static struct message *make_message(uint8_t type, const char *destination, const char *signature,
                                    const char *arg) {
        struct writer w;

        writer_init(&w, type, 0, 1, signature);
        w.destination = destination;
        w.path = "/a/b";
        w.interface = "a.b.C";
        w.member = "M";
        if (arg)
                writer_string(&w, arg);
        return finish(&w);
}

static void set_up(void) {
        FUZZ_CHECK(bus_init(&bus, NULL) == 0 && driver_add_interfaces(&bus) == 0);
        make_client(&owner);
        make_client(&subscriber);
        call_driver(&owner, "RequestName", "own.Name");
        messages[0] = make_message(MESSAGE_TYPE_SIGNAL, NULL, "s", "x.y");
        messages[1] = make_message(MESSAGE_TYPE_SIGNAL, NULL, "o", "/aa/bb");
        messages[2] = make_message(MESSAGE_TYPE_METHOD_CALL, ":1.1", "s", "/aa/");
        messages[3] = make_message(MESSAGE_TYPE_SIGNAL, "own.Name", "", NULL);
}

/* one rule */

static void check_text_form(const struct match_keys *keys) {
        char *text = match_keys_format(keys), *again;
        struct match_keys back;

        FUZZ_CHECK(text);
        if (strlen(text) <= MATCH_RULE_LENGTH_MAX) {
                FUZZ_CHECK(match_keys_parse(&back, text, strlen(text)) == 0);
                again = match_keys_format(&back);
                FUZZ_CHECK(again && strcmp(text, again) == 0);
                free(again);
                match_keys_deinit(&back);
        }
        free(text);
}

static void check_keys(const struct match_keys *keys) {
        FUZZ_CHECK(keys->type <= MESSAGE_TYPE_SIGNAL);
        FUZZ_CHECK(!keys->path || !keys->path_namespace);
        for (size_t i = 0; i < keys->n_args; i++) {
                FUZZ_CHECK(keys->args[i].index < MESSAGE_ARGS_MAX);
                FUZZ_CHECK(i == 0 || keys->args[i - 1].index < keys->args[i].index);
                FUZZ_CHECK(strlen(keys->args[i].value) == keys->args[i].n_value);
        }
        check_text_form(keys);
}

/* all rules */

struct rules {
        struct match_rule *rules[RULES_MAX];
        struct match_keys keys[RULES_MAX];
        const char *texts[RULES_MAX];
        size_t sizes[RULES_MAX];
        bool found[RULES_MAX];
        size_t n;
};

static int found(struct match_rule *rule, void *userdata) {
        struct rules *rules = userdata;
        bool is_known = false;

        for (size_t i = 0; i < rules->n; i++)
                if (rules->rules[i] == rule) {
                        FUZZ_CHECK(!rules->found[i]);
                        rules->found[i] = true;
                        is_known = true;
                }
        FUZZ_CHECK(is_known);
        return 0;
}

static void check_search(struct rules *rules, struct message *m, struct client *sender,
                         struct client *destination, bool eavesdrop) {
        const struct match_context context = {
                .names = &bus.names,
                .sender = sender,
                .destination = destination,
        };

        memset(rules->found, 0, sizeof(rules->found));
        FUZZ_CHECK(match_index_search(&bus.matches, m, &context, eavesdrop, found, rules) == 0);
        for (size_t i = 0; i < rules->n; i++) {
                const struct match_keys *keys = &rules->keys[i];

                FUZZ_CHECK(rules->found[i] == (match_keys_match(keys, m, &context) &&
                                               (keys->eavesdrop || !eavesdrop)));
        }
}

/* The index does not keep the keys of a rule, but can tell them. Their text is an equal rule. */
static void check_text(struct match_rule *rule, const struct match_keys *keys) {
        char *text = match_keys_format(keys), *kept = match_rule_format(rule);
        struct match_rule *equal;

        FUZZ_CHECK(text && kept && strcmp(text, kept) == 0);
        if (strlen(text) <= MATCH_RULE_LENGTH_MAX) {
                FUZZ_CHECK(match_rule_add(&bus.matches, &subscriber, INT64_MAX, text, strlen(text),
                                          0, &equal) == 0);
                FUZZ_CHECK(equal == rule);
                match_rule_free(equal);
        }
        free(text);
        free(kept);
}

static void add_rule(struct rules *rules, const char *text, size_t n) {
        struct match_keys keys;

        if (match_keys_parse(&keys, text, n) != 0) {
                FUZZ_CHECK(match_rule_add(&bus.matches, &subscriber, INT64_MAX, text, n, 0, NULL) >
                           0);
                return;
        }
        check_keys(&keys);
        rules->keys[rules->n] = keys;
        rules->texts[rules->n] = text;
        rules->sizes[rules->n] = n;
        FUZZ_CHECK(match_rule_add(&bus.matches, &subscriber, INT64_MAX, text, n, 0,
                                  &rules->rules[rules->n]) == 0);
        check_text(rules->rules[rules->n], &keys);
        rules->n++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        const char *text = (const char *)data, *end = text + n;
        struct rules rules = {.n = 0};

        /* a match rule arrives as a string of a message, which has no NUL inside */
        if (n > 0 && memchr(data, 0, n))
                return 0;
        if (!messages[0])
                set_up();

        while (rules.n < RULES_MAX) {
                const char *next = text < end ? memchr(text, SEPARATOR, end - text) : NULL;

                add_rule(&rules, text, (next ? next : end) - text);
                if (!next)
                        break;
                text = next + 1;
        }
        FUZZ_CHECK(bus.matches.n_rules == rules.n);

        for (unsigned eavesdrop = 0; eavesdrop < 2; eavesdrop++) {
                check_search(&rules, messages[0], &owner, NULL, eavesdrop);
                check_search(&rules, messages[1], NULL, NULL, eavesdrop);
                check_search(&rules, messages[2], &owner, &subscriber, eavesdrop);
                check_search(&rules, messages[3], &subscriber, &owner, eavesdrop);
        }

        /* the text of each rule removes this rule or an equal one, so no rule is left in the end */
        for (size_t i = 0; i < rules.n; i++) {
                FUZZ_CHECK(match_rule_remove(&bus.matches, &subscriber, rules.texts[i],
                                             rules.sizes[i]) == 0);
                match_keys_deinit(&rules.keys[i]);
        }
        FUZZ_CHECK(bus.matches.n_rules == 0 && bus.matches.nodes.n == 0 && !subscriber.rules);
        return 0;
}
