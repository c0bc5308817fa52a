/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as a configuration. An accepted one gives verdicts about some clients. Each verdict
 * must be that of the last rule that matches, but clients may always receive answers of the bus. If
 * a rule about owning names is reported to cover another, it must match the name of the other one.
 */

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "policy/config.h"
#include "policy/cover.h"
#include "policy/explain.h"
#include "policy/lint.h"
#include "policy/match.h"

#define RULES_MAX 64

static const char *const peer_names[] = {"a.b", "a.b.c", "org.freedesktop.DBus.x"};

static bool owns(void *userdata, const char *name, bool prefix) {
        const char *own = userdata;

        return prefix ? policy_name_is_below(own, name) : strcmp(own, name) == 0;
}

static const char *next_name(void *userdata, void **position) {
        const char *name = *position ? NULL : userdata;

        *position = userdata;
        return name;
}

static void check_verdict(struct policy *policy, const struct policy_question *question) {
        const struct policy_rule *last = NULL;
        struct policy_explanation e;

        FUZZ_CHECK(policy_explain(policy, question, &e) == 0);
        for (size_t i = 0; i < e.n_steps; i++)
                if (!e.steps[i].mismatch)
                        last = e.steps[i].rule;
        /* the last rule that matches decides, but clients may always receive answers of the bus */
        if (e.rule != last) {
                FUZZ_CHECK(question->family == POLICY_FAMILY_RECEIVE);
                FUZZ_CHECK(!e.rule && e.allowed && question->message.peer->is_driver);
        } else if (last)
                FUZZ_CHECK(e.allowed == last->allow);
        policy_explanation_clear(&e);
}

static void check_message(struct policy *policy, struct policy_question question, uint8_t type,
                          const struct policy_peer *peer, bool eavesdropping) {
        bool reply = type == POLICY_TYPE_METHOD_RETURN || type == POLICY_TYPE_ERROR;

        question.message = (struct policy_message){
                .type = type,
                .path = reply ? NULL : "/a",
                .interface = reply || question.uid ? NULL : "i.j",
                .member = reply ? NULL : "M",
                .error_name = type == POLICY_TYPE_ERROR ? "e.f" : NULL,
                .destination = type == POLICY_TYPE_SIGNAL ? NULL : "a.b",
                .n_fds = type,
                .requested_reply = reply && question.uid,
                .broadcast = type == POLICY_TYPE_SIGNAL,
                .eavesdropping = eavesdropping && type != POLICY_TYPE_SIGNAL,
                .peer = peer,
        };
        question.family = POLICY_FAMILY_SEND;
        check_verdict(policy, &question);
        question.family = POLICY_FAMILY_RECEIVE;
        check_verdict(policy, &question);
}

static void check_verdicts(struct policy *policy, uid_t uid) {
        static const gid_t gids[] = {0, 5};
        struct policy_question question = {.uid = uid, .gids = gids, .n_gids = uid ? 2 : 1};
        const struct policy_peer driver = {.is_driver = true};

        question.family = POLICY_FAMILY_CONNECT;
        check_verdict(policy, &question);
        question.family = POLICY_FAMILY_OWN;
        question.name = "a.b.c";
        check_verdict(policy, &question);
        for (uint8_t type = POLICY_TYPE_METHOD_CALL; type <= POLICY_TYPE_SIGNAL; type++) {
                check_message(policy, question, type, &driver, false);
                for (size_t i = 0; i < sizeof(peer_names) / sizeof(*peer_names); i++) {
                        const struct policy_peer peer = {
                                .owns = owns,
                                .next_name = i > 0 ? next_name : NULL,
                                .userdata = (void *)peer_names[i],
                        };

                        check_message(policy, question, type, &peer, false);
                        check_message(policy, question, type, &peer, true);
                }
        }
}

/* Compare the first RULES_MAX rules of one block with each other. */
static void check_cover(const struct policy_block *block) {
        size_t n = block->n_rules < RULES_MAX ? block->n_rules : RULES_MAX;

        for (size_t i = 0; i < n; i++) {
                const struct policy_rule *outer = block->rules[i];

                FUZZ_CHECK(policy_rule_covers(outer, outer));
                for (size_t j = 0; j < n; j++) {
                        const struct policy_rule *inner = block->rules[j];

                        if (outer->family == POLICY_FAMILY_OWN &&
                            inner->family == POLICY_FAMILY_OWN && inner->name &&
                            policy_rule_covers(outer, inner))
                                FUZZ_CHECK(policy_rule_match_own(outer, inner->name) ==
                                           POLICY_MATCH);
                }
        }
}

static void check_config(const struct bus_config *config) {
        struct policy_finding *findings;
        size_t n;

        for (size_t i = 0; i < config->policy->n_blocks; i++)
                check_cover(config->policy->blocks[i]);
        check_verdicts(config->policy, 0);
        check_verdicts(config->policy, 7);
        check_verdicts(config->policy, POLICY_UID_ANONYMOUS);
        FUZZ_CHECK(policy_lint(config, &findings, &n) == 0);
        policy_findings_free(findings, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        const struct bus_config_environment environment = {.home = "/home/x"};
        struct bus_config *config;
        char path[64], *error = NULL;
        int fd, r;

        fd = memfd_create("config", MFD_CLOEXEC);
        FUZZ_CHECK(fd >= 0 && write(fd, data, n) == (ssize_t)n);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        r = bus_config_load_part(path, &environment, &config, &error);
        close(fd);
        if (r < 0) {
                /* an error has a text and a place */
                FUZZ_CHECK(error && strstr(error, ": "));
                free(error);
                return 0;
        }
        check_config(config);
        bus_config_free(config);
        return 0;
}
