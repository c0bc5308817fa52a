/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Verdicts: a table of rules, messages and expected verdicts, for each attribute. The rules of a
 * case are on lines 1, 2, ..., and the case has the line of the rule that must decide (0: none).
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static struct scratch scratch;

static void setup(void) {
        scratch_open(&scratch);
}

static void teardown(void) {
        scratch_close(&scratch);
}

/* The peer of all cases that name no other peer. It owns a.b and is queued for c.d.e. */
static bool owns(void *userdata, const char *name, bool prefix) {
        static const char *const names[] = {"a.b", "c.d.e"};

        for (size_t i = 0; i < 2; i++)
                if (prefix ? policy_name_is_below(names[i], name) : !strcmp(names[i], name))
                        return true;
        return false;
}

static const char *next_name(void *userdata, void **position) {
        static const char *const names[] = {"a.b", "c.d.e", NULL};
        const char *const *next = *position ? *position : names;

        *position = (void *)(next + 1);
        return *next;
}

static const struct policy_peer client_peer = {.owns = owns};
static const struct policy_peer listed_peer = {.owns = owns, .next_name = next_name};
static const struct policy_peer nameless_peer = {.is_nameless = true};
static const struct policy_peer bus_peer = {.is_driver = true};

static struct policy_client *client_of(const char *rules) {
        struct policy_client *client;
        struct bus_config *config;
        char content[1024];

        snprintf(content, sizeof(content),
                 "<busconfig><listen>unix:path=/x</listen><policy context=\"default\">"
                 "%s</policy></busconfig>",
                 rules);
        scratch_write(&scratch, "main.conf", content);
        config = scratch_load(&scratch, "main.conf");
        ck_assert_msg(!!config, "%s: %s", rules, scratch.error);
        ck_assert_int_eq(policy_client_new(config->policy, 1000, NULL, 0, &client), 0);
        bus_config_free(config);
        return client;
}

#define CALL                                                                              \
        .type = POLICY_TYPE_METHOD_CALL, .path = "/p", .interface = "i.f", .member = "M", \
        .destination = "a.b"
#define CALL_BARE \
        .type = POLICY_TYPE_METHOD_CALL, .path = "/p", .member = "M", .destination = ":1.7"
#define RETURN .type = POLICY_TYPE_METHOD_RETURN, .destination = ":1.7", .requested_reply = true
#define RETURN_UNASKED .type = POLICY_TYPE_METHOD_RETURN, .destination = ":1.7"
#define ERROR                                                                  \
        .type = POLICY_TYPE_ERROR, .error_name = "e.r", .destination = ":1.7", \
        .requested_reply = true
#define SIGNAL                                                                       \
        .type = POLICY_TYPE_SIGNAL, .path = "/p", .interface = "i.f", .member = "M", \
        .broadcast = true
#define UNICAST                                                                      \
        .type = POLICY_TYPE_SIGNAL, .path = "/p", .interface = "i.f", .member = "M", \
        .destination = "a.b"

#define ALL "<allow send_destination=\"*\" eavesdrop=\"true\"/>\n"
#define ALL_R "<allow eavesdrop=\"true\"/>\n"

struct verdict {
        const char *rules;
        struct policy_message message;
        bool allowed;
        unsigned line;
};

static const struct verdict sends[] = {
        /* no rule */
        {"", {CALL}, false, 0},
        {"<allow receive_type=\"method_call\"/>", {CALL}, false, 0},
        /* the last match decides */
        {"<allow send_type=\"method_call\"/>\n<deny send_path=\"/p\"/>", {CALL}, false, 2},
        {"<deny send_path=\"/p\"/>\n<allow send_type=\"method_call\"/>", {CALL}, true, 2},
        {"<deny send_type=\"method_call\"/>\n<allow send_path=\"/q\"/>", {CALL}, false, 1},
        /* type */
        {"<allow send_type=\"method_call\"/>", {CALL}, true, 1},
        {"<allow send_type=\"method_call\"/>", {SIGNAL}, false, 0},
        {"<allow send_type=\"signal\"/>", {SIGNAL}, true, 1},
        {"<allow send_type=\"method_return\"/>", {RETURN}, true, 1},
        {"<allow send_type=\"error\"/>", {ERROR}, true, 1},
        {"<allow send_type=\"error\"/>", {RETURN}, false, 0},
        {"<allow send_type=\"*\"/>", {SIGNAL}, true, 1},
        /* destination: the names of the recipient, whichever of them the message is addressed to */
        {"<allow send_destination=\"a.b\"/>", {CALL}, true, 1},
        {"<allow send_destination=\"a.b\"/>", {CALL_BARE}, true, 1},
        {"<allow send_destination=\"c.d.e\"/>", {CALL}, true, 1},
        {"<allow send_destination=\"c.d\"/>", {CALL}, false, 0},
        {"<allow send_destination=\":1.7\"/>", {CALL_BARE}, false, 0},
        {"<allow send_destination=\"*\"/>", {CALL}, true, 1},
        {"<allow send_destination=\"*\"/>", {SIGNAL}, true, 1},
        {ALL "<deny send_destination=\"a.b\"/>", {SIGNAL}, false, 2},
        {ALL "<deny send_destination=\"x.y\"/>", {SIGNAL}, true, 1},
        {"<allow send_destination=\"\"/>", {CALL}, false, 0},
        {"<allow send_destination=\"a.b\"/>", {CALL, .peer = &nameless_peer}, false, 0},
        {"<allow send_destination=\"*\"/>", {CALL, .peer = &nameless_peer}, true, 1},
        /* destination prefix */
        {"<allow send_destination_prefix=\"c.d\"/>", {CALL}, true, 1},
        {"<allow send_destination_prefix=\"c.d.e\"/>", {CALL}, true, 1},
        {"<allow send_destination_prefix=\"c\"/>", {CALL_BARE}, true, 1},
        {"<allow send_destination_prefix=\"c.d.e.f\"/>", {CALL}, false, 0},
        {"<allow send_destination_prefix=\"a.\"/>", {CALL}, false, 0},
        {"<allow send_destination_prefix=\"*\"/>", {CALL}, false, 0},
        {"<allow send_destination_prefix=\"\"/>", {CALL}, false, 0},
        {ALL "<deny send_destination_prefix=\"c\"/>", {CALL}, false, 2},
        /* interface: a deny also matches messages without one; an allow only if it is for "*" */
        {"<allow send_interface=\"i.f\"/>", {CALL}, true, 1},
        {"<allow send_interface=\"i.g\"/>", {CALL}, false, 0},
        {"<allow send_interface=\"i.f\"/>", {CALL_BARE}, false, 0},
        {"<allow send_interface=\"*\"/>", {CALL_BARE}, true, 1},
        {ALL "<deny send_interface=\"i.f\"/>", {CALL}, false, 2},
        {ALL "<deny send_interface=\"i.g\"/>", {CALL}, true, 1},
        {ALL "<deny send_interface=\"i.g\"/>", {CALL_BARE}, false, 2},
        {ALL "<deny send_interface=\"i.g\"/>", {RETURN}, true, 1},
        {ALL "<deny send_interface=\"i.g\"/>", {RETURN_UNASKED}, false, 2},
        {ALL "<deny send_interface=\"i.g\" send_destination=\"x.y\"/>", {CALL_BARE}, true, 1},
        /* member */
        {"<allow send_interface=\"i.f\" send_member=\"M\"/>", {CALL}, true, 1},
        {"<allow send_interface=\"i.f\" send_member=\"N\"/>", {CALL}, false, 0},
        {"<allow send_path=\"/p\" send_member=\"M\"/>", {CALL_BARE}, true, 1},
        {"<allow send_path=\"/p\" send_member=\"*\"/>", {CALL_BARE}, true, 1},
        /* path */
        {"<allow send_path=\"/p\"/>", {CALL}, true, 1},
        {"<allow send_path=\"/\"/>", {CALL}, false, 0},
        {"<allow send_path=\"/q\"/>", {RETURN}, true, 1},
        {ALL "<deny send_path=\"/q\" send_requested_reply=\"true\"/>", {RETURN}, false, 2},
        {ALL "<deny send_path=\"/q\"/>", {RETURN}, true, 1},
        /* error name */
        {"<allow send_error=\"e.r\"/>", {ERROR}, true, 1},
        {"<allow send_error=\"e.s\"/>", {ERROR}, false, 0},
        {"<allow send_error=\"e.r\"/>", {CALL}, false, 0},
        {"<allow send_error=\"*\"/>", {ERROR}, true, 1},
        {ALL "<deny send_error=\"e.r\" send_requested_reply=\"true\"/>", {ERROR}, false, 2},
        {ALL "<deny send_error=\"e.r\"/>", {CALL}, true, 1},
        {ALL "<deny send_error=\"e.r\" send_requested_reply=\"true\"/>", {RETURN}, true, 1},
        /* broadcast */
        {"<allow send_broadcast=\"true\"/>", {SIGNAL}, true, 1},
        {"<allow send_broadcast=\"true\"/>", {UNICAST}, false, 0},
        {"<allow send_broadcast=\"false\"/>", {SIGNAL}, false, 0},
        {"<allow send_broadcast=\"false\"/>", {UNICAST}, true, 1},
        {"<allow send_broadcast=\"false\"/>", {CALL}, true, 1},
        {"<allow send_broadcast=\"false\"/>", {RETURN}, true, 1},
        {"<allow send_broadcast=\"false\" send_type=\"signal\"/>", {CALL}, false, 0},
        /*
         * A rule without type, path, interface, member or peer decides only about messages that it
         * matches. (dbus-daemon takes it for a rule about everything.)
         */
        {"<allow send_type=\"method_call\"/>\n<allow send_broadcast=\"true\"/>", {CALL}, true, 1},
        {"<allow send_type=\"method_call\"/>\n<deny send_error=\"e.r\"/>", {CALL}, true, 1},
        /* requested replies */
        {"<allow send_type=\"method_return\"/>", {RETURN_UNASKED}, false, 0},
        {"<allow send_requested_reply=\"true\"/>", {RETURN_UNASKED}, false, 0},
        {"<allow send_requested_reply=\"false\"/>", {RETURN_UNASKED}, true, 1},
        {"<allow send_requested_reply=\"false\"/>", {RETURN}, true, 1},
        {"<allow send_requested_reply=\"true\"/>", {CALL}, true, 1},
        {"<allow send_destination=\"*\" eavesdrop=\"true\"/>", {RETURN_UNASKED}, true, 1},
        {"<allow send_requested_reply=\"true\" eavesdrop=\"true\"/>", {RETURN_UNASKED}, true, 1},
        {ALL "<deny send_type=\"method_return\"/>", {RETURN}, true, 1},
        {ALL "<deny send_type=\"method_return\"/>", {RETURN_UNASKED}, false, 2},
        {ALL "<deny send_requested_reply=\"false\"/>", {RETURN}, true, 1},
        {ALL "<deny send_requested_reply=\"true\"/>", {RETURN}, false, 2},
        {ALL "<deny send_requested_reply=\"true\"/>", {RETURN_UNASKED}, false, 2},
        {ALL "<deny send_destination=\"*\"/>", {CALL}, false, 2},
        {ALL "<deny send_destination=\"*\"/>", {RETURN}, true, 1},
        /* eavesdropping does not matter for sending */
        {"<allow send_type=\"method_call\"/>", {CALL, .eavesdropping = true}, true, 1},
        {"<allow send_type=\"method_call\" eavesdrop=\"true\"/>",
         {CALL, .eavesdropping = true},
         true,
         1},
        {ALL "<deny send_type=\"method_call\" eavesdrop=\"true\"/>", {CALL}, false, 2},
        {ALL "<deny send_type=\"method_call\" eavesdrop=\"true\"/>",
         {CALL, .eavesdropping = true},
         false,
         2},
        {ALL "<deny send_type=\"method_call\" eavesdrop=\"false\"/>",
         {CALL, .eavesdropping = true},
         false,
         2},
        /* descriptors */
        {"<allow send_type=\"method_call\" max_fds=\"0\"/>", {CALL}, true, 1},
        {"<allow send_type=\"method_call\" max_fds=\"0\"/>", {CALL, .n_fds = 1}, false, 0},
        {"<allow send_type=\"method_call\" max_fds=\"2\"/>", {CALL, .n_fds = 2}, true, 1},
        {ALL "<deny send_destination=\"*\" min_fds=\"1\"/>", {CALL}, true, 1},
        {ALL "<deny send_destination=\"*\" min_fds=\"1\"/>", {CALL, .n_fds = 1}, false, 2},
        {ALL "<deny send_destination=\"*\" min_fds=\"3\" max_fds=\"1\"/>",
         {CALL, .n_fds = 2},
         true,
         1},
        /* the bus */
        {"<allow send_destination=\"org.freedesktop.DBus\"/>", {CALL, .peer = &bus_peer}, true, 1},
        {"<allow send_destination_prefix=\"org.freedesktop\"/>",
         {CALL, .peer = &bus_peer},
         true,
         1},
        {"<allow send_destination=\"a.b\"/>", {CALL, .peer = &bus_peer}, false, 0},
        {"<allow send_destination=\"org.freedesktop.DBus\"/>", {CALL}, false, 0},
        {"", {CALL, .peer = &bus_peer}, false, 0},
        /* all of the attributes must match */
        {"<allow send_destination=\"a.b\" send_interface=\"i.f\" send_member=\"M\" "
         "send_path=\"/p\" send_type=\"method_call\"/>",
         {CALL},
         true,
         1},
        {"<allow send_destination=\"a.b\" send_interface=\"i.f\" send_member=\"M\" "
         "send_path=\"/p\" send_type=\"signal\"/>",
         {CALL},
         false,
         0},
        {ALL "<deny send_destination=\"x.y\" send_interface=\"i.f\"/>", {CALL}, true, 1},
};

static const struct verdict receives[] = {
        {"", {CALL}, false, 0},
        {"<allow send_type=\"method_call\"/>", {CALL}, false, 0},
        {"<allow eavesdrop=\"false\"/>", {CALL}, true, 1},
        {"<allow eavesdrop=\"true\"/>", {CALL}, true, 1},
        {"<allow receive_type=\"signal\"/>", {SIGNAL}, true, 1},
        {"<allow receive_type=\"signal\"/>", {CALL}, false, 0},
        {"<allow receive_sender=\"a.b\"/>", {CALL}, true, 1},
        {"<allow receive_sender=\"c.d.e\"/>", {CALL}, true, 1},
        {"<allow receive_sender=\"c.d\"/>", {CALL}, false, 0},
        {"<allow receive_sender=\"*\"/>", {CALL}, true, 1},
        {"<allow receive_interface=\"i.f\"/>", {SIGNAL}, true, 1},
        {"<allow receive_interface=\"i.f\"/>", {CALL_BARE}, false, 0},
        {ALL_R "<deny receive_interface=\"i.g\"/>", {CALL_BARE}, false, 2},
        {ALL_R "<deny receive_interface=\"i.f\" receive_member=\"M\"/>", {SIGNAL}, false, 2},
        {ALL_R "<deny receive_interface=\"i.f\" receive_member=\"N\"/>", {SIGNAL}, true, 1},
        {"<allow receive_path=\"/p\"/>", {SIGNAL}, true, 1},
        {"<allow receive_path=\"/q\"/>", {SIGNAL}, false, 0},
        {"<allow receive_error=\"e.r\"/>", {ERROR}, true, 1},
        {"<allow receive_error=\"e.r\"/>", {RETURN}, false, 0},
        {"<allow receive_type=\"method_return\"/>", {RETURN}, true, 1},
        {"<allow receive_type=\"method_return\"/>", {RETURN_UNASKED}, false, 0},
        {"<allow receive_requested_reply=\"false\"/>", {RETURN_UNASKED}, true, 1},
        {ALL_R "<deny receive_requested_reply=\"true\"/>", {RETURN}, false, 2},
        {ALL_R "<deny receive_sender=\"*\"/>", {RETURN}, true, 1},
        {ALL_R "<deny receive_sender=\"*\" min_fds=\"1\"/>", {CALL, .n_fds = 1}, false, 2},
        {"<allow receive_sender=\"*\"/>", {CALL, .eavesdropping = true}, false, 0},
        {ALL_R, {CALL, .eavesdropping = true}, true, 1},
        {ALL_R, {RETURN_UNASKED, .eavesdropping = true}, true, 1},
        {ALL_R "<deny eavesdrop=\"true\"/>", {CALL, .eavesdropping = true}, false, 2},
        {ALL_R "<deny eavesdrop=\"true\"/>", {CALL}, true, 1},
        /* messages of the bus itself */
        {"", {RETURN, .peer = &bus_peer}, true, 0},
        {"", {ERROR, .peer = &bus_peer}, true, 0},
        {"", {UNICAST, .peer = &bus_peer}, true, 0},
        {"", {SIGNAL, .peer = &bus_peer}, false, 0},
        {"", {RETURN, .eavesdropping = true, .peer = &bus_peer}, false, 0},
        {"<deny receive_requested_reply=\"true\"/>", {RETURN, .peer = &bus_peer}, true, 0},
        {"<deny receive_interface=\"i.f\" receive_member=\"M\"/>",
         {UNICAST, .peer = &bus_peer},
         false,
         1},
        {"<allow receive_sender=\"org.freedesktop.DBus\"/>", {SIGNAL, .peer = &bus_peer}, true, 1},
        {"<allow receive_sender=\"org.freedesktop.DBus\"/>", {SIGNAL}, false, 0},
};

/*
 * A message of a settled type must be allowed, and not by a rule that logs: see
 * policy_client_settled_send().
 */
static void check_settled(const struct policy_client *client, const struct policy_message *m,
                          bool send, bool allowed, const struct policy_rule *rule) {
        bool is_reply = m->type == POLICY_TYPE_METHOD_RETURN || m->type == POLICY_TYPE_ERROR;
        bool is_nameless = m->peer->is_nameless;
        uint8_t types = send ? policy_client_settled_send(client, is_nameless)
                             : policy_client_settled_receive(client, is_nameless);

        if (m->eavesdropping || (is_reply && !m->requested_reply) || !(types & 1U << m->type))
                return;
        ck_assert(allowed);
        ck_assert(!rule || !policy_rule_logs(rule));
}

static void check_verdict(const struct verdict *v, bool send) {
        struct policy_message message = v->message;
        const struct policy_rule *rule = NULL;
        struct policy_client *client;
        bool allowed;

        client = client_of(v->rules);
        if (!message.peer) {
                /* ask also with a peer that lists its names: the same rule must decide */
                const struct policy_rule *listed = NULL;

                message.peer = &listed_peer;
                if (send)
                        policy_check_send(client, &message, &listed);
                else
                        policy_check_receive(client, &message, &listed);
                ck_assert_uint_eq(listed ? policy_rule_line(listed) : 0, v->line);
                message.peer = &client_peer;
        }
        allowed = send ? policy_check_send(client, &message, &rule)
                       : policy_check_receive(client, &message, &rule);
        ck_assert_msg(allowed == v->allowed, "%s: %s", v->rules, allowed ? "allowed" : "denied");
        ck_assert_msg((rule ? policy_rule_line(rule) : 0) == v->line, "%s: by %d", v->rules,
                      rule ? (int)policy_rule_line(rule) : 0);
        if (send ? policy_client_allows_all_send(client) : policy_client_allows_all_receive(client))
                ck_assert_msg(allowed, "%s: not all is allowed", v->rules);
        check_settled(client, &message, send, allowed, rule);
        policy_client_free(client);
}

START_TEST(send_is_decided) {
        check_verdict(&sends[_i], true);
}
END_TEST

START_TEST(receive_is_decided) {
        check_verdict(&receives[_i], false);
}
END_TEST

START_TEST(name_without_owner_is_compared_with_the_destination) {
        const struct policy_message call = {CALL};
        const struct policy_message bare = {.type = POLICY_TYPE_METHOD_CALL};
        static const struct {
                const char *rule;
                bool allowed;
        } cases[] = {
                {"<allow send_destination=\"a.b\"/>", true},
                {"<allow send_destination=\"c.d.e\"/>", false},
                {"<allow send_destination_prefix=\"a\"/>", true},
                {"<allow send_destination_prefix=\"a.b.c\"/>", false},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct policy_client *client = client_of(cases[i].rule);

                ck_assert_int_eq(policy_check_send(client, &call, NULL), cases[i].allowed);
                ck_assert(!policy_check_send(client, &bare, NULL));
                policy_client_free(client);
        }
}
END_TEST

static const struct {
        const char *rules;
        const char *name;
        bool allowed;
        unsigned line;
} owns_cases[] = {
        {"", "a.b", false, 0},
        {"<allow own=\"*\"/>", "a.b", true, 1},
        {"<allow own=\"a.b\"/>", "a.b", true, 1},
        {"<allow own=\"a.b\"/>", "a.b.c", false, 0},
        {"<allow own=\"a.b.c\"/>", "a.b", false, 0},
        {"<allow own_prefix=\"a.b\"/>", "a.b", true, 1},
        {"<allow own_prefix=\"a.b\"/>", "a.b.c", true, 1},
        {"<allow own_prefix=\"a.b\"/>", "a.b.c.d", true, 1},
        {"<allow own_prefix=\"a.b\"/>", "a.bc", false, 0},
        {"<allow own_prefix=\"a.b\"/>", "a.c", false, 0},
        {"<allow own_prefix=\"a.b\"/>", "a", false, 0},
        {"<allow own_prefix=\"*\"/>", "a.b", false, 0},
        {"<allow own=\"*\"/>\n<deny own=\"a.b\"/>", "a.b", false, 2},
        {"<allow own=\"*\"/>\n<deny own=\"a.b\"/>", "a.c", true, 1},
        {"<allow own=\"a.b\"/>\n<deny own=\"*\"/>", "a.b", false, 2},
        {"<deny own=\"*\"/>\n<allow own_prefix=\"a\"/>\n<deny own=\"a.b\"/>", "a.b", false, 3},
        {"<allow send_destination=\"*\"/>", "a.b", false, 0},
};

/*
 * Random rules with names and prefixes: the same rule must decide, whether the peer lists its names
 * or is asked about the name of each rule.
 */
START_TEST(last_matching_rule_decides_among_many) {
        static const char *const names[] = {
                "destination=\"a.b\"",        "destination=\"c.d.e\"",
                "destination=\"x.y\"",        "destination_prefix=\"c\"",
                "destination_prefix=\"a.b\"", "destination_prefix=\"a.b.c\"",
                "destination=\"*\""};
        unsigned seed = 1;

        for (unsigned n = 0; n < 300; n++) {
                struct policy_message message = {SIGNAL};
                const struct policy_rule *rule, *listed;
                struct policy_client *client;
                char rules[1000] = "";

                for (unsigned i = 0; i < 12; i++)
                        snprintf(rules + strlen(rules), sizeof(rules) - strlen(rules),
                                 "<%s send_%s send_interface=\"i.%s\"/>\n",
                                 i % 2 ? "allow" : "deny", names[(unsigned)rand_r(&seed) % 7],
                                 (unsigned)rand_r(&seed) % 4 ? "g" : "f");
                client = client_of(rules);
                message.peer = &client_peer;
                policy_check_send(client, &message, &rule);
                message.peer = &listed_peer;
                policy_check_send(client, &message, &listed);
                ck_assert_msg(rule == listed, "%s", rules);
                policy_client_free(client);
        }
}
END_TEST

START_TEST(clients_of_the_same_blocks_share_their_rules) {
        const gid_t group = 7;
        struct policy_client *a, *b, *c;
        struct bus_config *config;

        config = scratch_load_body(&scratch,
                                   "<policy context=\"default\"><allow own=\"*\"/></policy>"
                                   "<policy group=\"7\"><deny own=\"a.b\"/></policy>");
        ck_assert_msg(!!config, "%s", scratch.error);
        ck_assert_int_eq(policy_client_new(config->policy, 1, NULL, 0, &a), 0);
        ck_assert_int_eq(policy_client_new(config->policy, 2, NULL, 0, &b), 0);
        ck_assert_int_eq(policy_client_new(config->policy, 1, &group, 1, &c), 0);
        ck_assert_ptr_eq(a, b);
        ck_assert_ptr_ne(a, c);
        bus_config_free(config);
        policy_client_free(a);
        ck_assert(policy_check_own(b, "a.b", NULL));
        ck_assert(!policy_check_own(c, "a.b", NULL));
        policy_client_free(b);
        policy_client_free(c);
}
END_TEST

START_TEST(own_is_decided) {
        const struct policy_rule *rule = NULL;
        struct policy_client *client;

        client = client_of(owns_cases[_i].rules);
        ck_assert_msg(policy_check_own(client, owns_cases[_i].name, &rule) ==
                              owns_cases[_i].allowed,
                      "%s: %s", owns_cases[_i].rules, owns_cases[_i].name);
        ck_assert_uint_eq(rule ? policy_rule_line(rule) : 0, owns_cases[_i].line);
        policy_client_free(client);
}
END_TEST

static const struct {
        const char *rules;
        bool send, receive;
} unconditional[] = {
        {"", false, false},
        {ALL, true, false},
        {ALL_R, false, true},
        {ALL ALL_R, true, true},
        {"<deny send_type=\"signal\"/>" ALL, true, false},
        {ALL "<deny send_type=\"signal\"/>", false, false},
        {ALL "<allow send_type=\"signal\"/>", true, false},
        {ALL "<deny eavesdrop=\"true\"/>", true, false},
        {"<allow send_destination=\"*\" eavesdrop=\"true\" log=\"true\"/>", false, false},
        {ALL "<allow send_type=\"signal\" log=\"true\"/>", false, false},
        /*
         * Most of these leave something out: unrequested replies, eavesdropped messages when
         * receiving, messages with more than 9 descriptors, or broadcasts.
         */
        {"<allow send_destination=\"*\"/>", false, false},
        {"<allow send_destination=\"*\" send_requested_reply=\"false\"/>", true, false},
        {"<allow receive_sender=\"*\" receive_requested_reply=\"false\"/>", false, false},
        {"<allow send_destination=\"*\" eavesdrop=\"true\" max_fds=\"9\"/>", false, false},
        {"<allow send_destination=\"*\" send_broadcast=\"false\" eavesdrop=\"true\"/>", false,
         false},
        {"<allow receive_type=\"*\" eavesdrop=\"true\"/>", false, true},
};

START_TEST(unconditional_permission_is_noticed) {
        struct policy_client *client;

        client = client_of(unconditional[_i].rules);
        ck_assert_msg(policy_client_allows_all_send(client) == unconditional[_i].send, "%s",
                      unconditional[_i].rules);
        ck_assert_msg(policy_client_allows_all_receive(client) == unconditional[_i].receive, "%s",
                      unconditional[_i].rules);
        policy_client_free(client);
}
END_TEST

#define CALLS (1 << POLICY_TYPE_METHOD_CALL)
#define REPLIES (1 << POLICY_TYPE_METHOD_RETURN | 1 << POLICY_TYPE_ERROR)
#define SIGNALS (1 << POLICY_TYPE_SIGNAL)
#define ALLOW_SEND "<allow send_destination=\"*\"/>"
#define NEXT "</policy><policy context=\"mandatory\">"
#define ALLOW_RECEIVE "<allow receive_sender=\"*\"/>"

static const struct {
        const char *rules;
        uint8_t send, send_nameless, receive, receive_nameless;
} settled[] = {
        {"", 0, 0, 0, 0},
        {ALLOW_SEND, CALLS | REPLIES | SIGNALS, CALLS | REPLIES | SIGNALS, 0, 0},
        {ALLOW_RECEIVE, 0, 0, CALLS | REPLIES | SIGNALS, CALLS | REPLIES | SIGNALS},
        {"<allow send_type=\"signal\"/>", SIGNALS, SIGNALS, 0, 0},
        {ALLOW_SEND "<deny send_destination=\"a.b\"/>", REPLIES, CALLS | REPLIES | SIGNALS, 0, 0},
        {ALLOW_SEND "<deny send_type=\"signal\"/>", CALLS | REPLIES, CALLS | REPLIES, 0, 0},
        {ALLOW_SEND "<deny send_requested_reply=\"true\" send_type=\"error\"/>",
         CALLS | SIGNALS | 1 << POLICY_TYPE_METHOD_RETURN,
         CALLS | SIGNALS | 1 << POLICY_TYPE_METHOD_RETURN, 0, 0},
        {ALLOW_SEND "<allow send_destination=\"a.b\" log=\"true\"/>", 0, CALLS | REPLIES | SIGNALS,
         0, 0},
        {"<allow send_destination=\"*\" log=\"true\"/>", 0, 0, 0, 0},
        {"<allow send_interface=\"i.f\"/>", 0, 0, 0, 0},
        {"<allow send_path=\"/p\"/>", 0, 0, 0, 0},
        {"<allow send_destination=\"*\" max_fds=\"9\"/>", 0, 0, 0, 0},
        {"<allow send_destination=\"*\" send_broadcast=\"false\"/>", 0, 0, 0, 0},
        {"<allow send_error=\"e.r\"/>", 0, 0, 0, 0},
        {"<allow send_destination=\"a.b\"/>", 0, 0, 0, 0},
        /* the same, with the rules in different sections */
        {ALLOW_SEND NEXT "<deny send_type=\"signal\"/>", CALLS | REPLIES, CALLS | REPLIES, 0, 0},
        {"<deny send_type=\"signal\"/>" NEXT ALLOW_SEND, CALLS | REPLIES | SIGNALS,
         CALLS | REPLIES | SIGNALS, 0, 0},
        {ALLOW_SEND NEXT "<deny send_destination=\"a.b\"/>", REPLIES, CALLS | REPLIES | SIGNALS, 0,
         0},
        {ALLOW_SEND NEXT "<allow send_destination=\"a.b\"/>", CALLS | REPLIES | SIGNALS,
         CALLS | REPLIES | SIGNALS, 0, 0},
        {NEXT ALLOW_SEND, CALLS | REPLIES | SIGNALS, CALLS | REPLIES | SIGNALS, 0, 0},
        {ALLOW_RECEIVE "<deny receive_sender=\"a.b\"/>", 0, 0, REPLIES, CALLS | REPLIES | SIGNALS},
        {ALLOW_RECEIVE "<deny eavesdrop=\"true\"/>", 0, 0, CALLS | REPLIES | SIGNALS,
         CALLS | REPLIES | SIGNALS},
};

START_TEST(types_that_are_always_allowed_are_noticed) {
        struct policy_client *client = client_of(settled[_i].rules);

        ck_assert_uint_eq(policy_client_settled_send(client, false), settled[_i].send);
        ck_assert_uint_eq(policy_client_settled_send(client, true), settled[_i].send_nameless);
        ck_assert_uint_eq(policy_client_settled_receive(client, false), settled[_i].receive);
        ck_assert_uint_eq(policy_client_settled_receive(client, true),
                          settled[_i].receive_nameless);
        policy_client_free(client);
}
END_TEST

#define N(array) ((int)(sizeof(array) / sizeof(*(array))))

int main(void) {
        Suite *suite = suite_create("policy-verdict");
        TCase *t = tcase_create("verdict");

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_loop_test(t, send_is_decided, 0, N(sends));
        tcase_add_loop_test(t, receive_is_decided, 0, N(receives));
        tcase_add_test(t, name_without_owner_is_compared_with_the_destination);
        tcase_add_test(t, last_matching_rule_decides_among_many);
        tcase_add_test(t, clients_of_the_same_blocks_share_their_rules);
        tcase_add_loop_test(t, own_is_decided, 0, N(owns_cases));
        tcase_add_loop_test(t, unconditional_permission_is_noticed, 0, N(unconditional));
        tcase_add_loop_test(t, types_that_are_always_allowed_are_noticed, 0, N(settled));
        suite_add_tcase(suite, t);
        return run_suite(suite);
}
