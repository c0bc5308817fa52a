/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Permits: no permit allows a call or signal that the rules and the names of its sender and
 * receiver do not allow.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/bus/permit.h"
#include "bridge/bus/verdict.h"
#include "fixture.h"

#define DENIED "org.freedesktop.DBus.Error.AccessDenied"

static struct peer *A, *B;

static struct bus_config *config; /* that the bus has now, or had in the test before */

static void configure(const char *rules) {
        char path[] = "/tmp/bus1-permit-XXXXXX", *error = NULL;
        struct bus_config *old = config;
        int fd = mkstemp(path);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_gt(dprintf(fd,
                                 "<busconfig><listen>unix:path=/x</listen>"
                                 "<policy context=\"default\"><allow own=\"*\"/>"
                                 "<allow send_destination=\"org.freedesktop.DBus\"/>"
                                 "<allow receive_sender=\"*\"/>%s</policy></busconfig>",
                                 rules),
                         0);
        close(fd);
        ck_assert_msg(bus_config_load(path, NULL, &config, &error) == 0, "%s", error);
        unlink(path);
        ck_assert_int_eq(bus_configure(&bus, config), 0);
        bus_config_free(old);
}

static void setup_rules(const char *rules) {
        configure(rules);
        A = peer_hello();
        B = peer_hello();
        ck_assert_uint_eq(peer_request_name(B, "a.b", 0), NAME_PRIMARY_OWNER);
        peer_flush(B);
}

static void call(const char *path, const char *interface, const char *member) {
        struct writer w;

        peer_call_init(A, &w, B->client.unique_name, path, interface, member, "");
        ck_assert_int_eq(peer_send(A, &w, 0), 0);
}

static void expect_allowed(const char *path, const char *interface, const char *member) {
        call(path, interface, member);
        ck_assert_str_eq(peer_next(B)->member.s, member);
        peer_expect_nothing(A);
}

static void expect_denied(const char *path, const char *interface, const char *member) {
        call(path, interface, member);
        peer_expect_nothing(B);
        peer_expect_error(A, DENIED);
}

START_TEST(permit_is_kept_for_the_same_call_only) {
        setup_rules(
                "<allow send_destination=\"a.b\" send_interface=\"i.f\" send_member=\"Mine\"/>");
        for (int i = 0; i < 3; i++) {
                expect_allowed("/", "i.f", "Mine");
                ck_assert_ptr_nonnull(B->client.permits);
                expect_allowed("/any", "i.f", "Mine");
                /* These two use the slot of the permit: their strings have the same lengths. */
                expect_denied("/", "i.f", "Line");
                expect_denied("/", "i.g", "Mine");
                /* Calls without an interface never have a permit. */
                expect_denied("/", NULL, "Mine");
        }
}
END_TEST

START_TEST(permit_depends_on_the_path_if_rules_do) {
        setup_rules("<allow send_destination=\"a.b\" send_path=\"/p\"/>");
        for (int i = 0; i < 3; i++) {
                expect_allowed("/p", "i.f", "M");
                expect_denied("/q", "i.f", "M");
        }
}
END_TEST

START_TEST(permit_ends_with_the_name) {
        setup_rules("<allow send_destination=\"a.b\"/>");
        expect_allowed("/", "i.f", "M");
        peer_call_driver(B, "ReleaseName", "a.b", NULL);
        peer_flush(B);
        expect_denied("/", "i.f", "M");
        ck_assert_uint_eq(peer_request_name(B, "a.b", 0), NAME_PRIMARY_OWNER);
        peer_flush(B);
        expect_allowed("/", "i.f", "M");
}
END_TEST

START_TEST(permit_ends_with_another_name) {
        setup_rules("<allow send_destination=\"a.b\"/><deny send_destination=\"x.y\"/>");
        expect_allowed("/", "i.f", "M");
        ck_assert_uint_eq(peer_request_name(B, "x.y", 0), NAME_PRIMARY_OWNER);
        peer_flush(B);
        expect_denied("/", "i.f", "M");
}
END_TEST

START_TEST(permit_ends_with_the_policy) {
        setup_rules("<allow send_destination=\"a.b\"/>");
        expect_allowed("/", "i.f", "M");
        configure("");
        expect_denied("/", "i.f", "M");
        configure("<allow send_destination=\"a.b\"/>");
        expect_allowed("/", "i.f", "M");
}
END_TEST

START_TEST(permit_is_for_senders_with_the_same_rules) {
        struct peer *first;

        bus.uid = 1; /* new peers get this uid */
        setup_rules("</policy><policy user=\"1\"><allow send_destination=\"a.b\"/>");
        first = A;
        expect_allowed("/", "i.f", "M");
        bus.uid = 2;
        A = peer_hello();
        expect_denied("/", "i.f", "M");
        A = first;
        expect_allowed("/", "i.f", "M");
}
END_TEST

START_TEST(permit_is_not_kept_for_a_logged_message) {
        setup_rules("<allow send_destination=\"a.b\" log=\"true\"/>");
        expect_allowed("/", "i.f", "M");
        ck_assert_ptr_null(B->client.permits);
}
END_TEST

/* signals */

/* Send a signal from A, to B or (broadcast) to all. Returns whether B gets it. */
static bool signal_arrives(bool broadcast, const char *path, const char *interface,
                           const char *member) {
        struct message *m;

        peer_signal(A, broadcast ? NULL : B->client.unique_name, path, interface, member, NULL);
        peer_flush(A); /* the error, if the policy does not allow a signal to B */
        m = peer_next(B);
        ck_assert_ptr_null(m ? peer_next(B) : NULL);
        return m && m->type == MESSAGE_TYPE_SIGNAL && !strcmp(m->member.s, member);
}

/* How many forms have permits of the client? */
static size_t count_signal_permits(const struct client *client) {
        size_t n = 0;

        for (size_t i = 0; client->signal_permits && i < SIGNAL_PERMITS_MAX; i++)
                n += client->signal_permits->forms[i] != 0;
        return n;
}

static void setup_signals(const char *rules) {
        setup_rules(rules);
        peer_call_driver(B, "AddMatch", "type='signal',interface='i.f'", NULL);
        peer_call_driver(B, "AddMatch", "type='signal',interface='i.g'", NULL);
        peer_call_driver(B, "AddMatch", "type='signal',interface='i.ff'", NULL);
        peer_flush(B);
}

START_TEST(signal_permit_is_kept_for_the_same_signal_only) {
        setup_signals(
                "<allow send_destination=\"a.b\" send_interface=\"i.f\" send_member=\"Mine\"/>"
                "<deny send_type=\"signal\" send_broadcast=\"false\"/>");
        for (int i = 0; i < 3; i++) {
                ck_assert(signal_arrives(true, "/", "i.f", "Mine"));
                ck_assert_uint_eq(count_signal_permits(&B->client), 1);
                ck_assert(signal_arrives(true, "/any", "i.f", "Mine"));
                /* These use the place of the form: their strings have the same lengths. */
                ck_assert(!signal_arrives(false, "/", "i.f", "Mine"));
                ck_assert(!signal_arrives(true, "/", "i.f", "Line"));
                ck_assert(!signal_arrives(true, "/", "i.g", "Mine"));
        }
}
END_TEST

START_TEST(signal_permit_depends_on_the_path_if_sending_does) {
        setup_signals("<allow send_destination=\"a.b\" send_path=\"/p\"/>");
        for (int i = 0; i < 3; i++) {
                ck_assert(signal_arrives(true, "/p", "i.f", "M"));
                ck_assert(!signal_arrives(true, "/q", "i.f", "M"));
        }
}
END_TEST

START_TEST(signal_permit_depends_on_the_path_if_receiving_does) {
        setup_signals("<allow send_destination=\"a.b\"/><deny receive_path=\"/q\"/>");
        for (int i = 0; i < 3; i++) {
                ck_assert(signal_arrives(true, "/p", "i.f", "M"));
                ck_assert(!signal_arrives(true, "/q", "i.f", "M"));
        }
}
END_TEST

START_TEST(signal_permit_ends_with_a_name_of_the_receiver) {
        setup_signals("<allow send_destination=\"a.b\"/><deny send_destination=\"x.y\"/>");
        ck_assert(signal_arrives(true, "/", "i.f", "M"));
        ck_assert_uint_eq(peer_request_name(B, "x.y", 0), NAME_PRIMARY_OWNER);
        peer_flush(B);
        ck_assert(!signal_arrives(true, "/", "i.f", "M"));
        peer_call_driver(B, "ReleaseName", "x.y", NULL);
        peer_flush(B);
        ck_assert(signal_arrives(true, "/", "i.f", "M"));
        peer_call_driver(B, "ReleaseName", "a.b", NULL);
        peer_flush(B);
        ck_assert(!signal_arrives(true, "/", "i.f", "M"));
}
END_TEST

START_TEST(signal_permit_ends_with_a_name_of_the_sender) {
        setup_signals("<allow send_destination=\"a.b\"/><deny receive_sender=\"x.y\"/>");
        ck_assert(signal_arrives(false, "/", "i.f", "M"));
        ck_assert_uint_eq(peer_request_name(A, "x.y", 0), NAME_PRIMARY_OWNER);
        peer_flush(B);
        ck_assert(!signal_arrives(false, "/", "i.f", "M"));
        peer_call_driver(A, "ReleaseName", "x.y", NULL);
        peer_flush(B);
        ck_assert(signal_arrives(false, "/", "i.f", "M"));
}
END_TEST

START_TEST(signal_permit_ends_with_the_policy) {
        setup_signals("<allow send_destination=\"a.b\"/>");
        ck_assert(signal_arrives(true, "/", "i.f", "M"));
        configure("");
        ck_assert(!signal_arrives(true, "/", "i.f", "M"));
        configure("<allow send_destination=\"a.b\"/>");
        ck_assert(signal_arrives(true, "/", "i.f", "M"));
        configure("<allow send_destination=\"a.b\"/><deny receive_interface=\"i.f\"/>");
        ck_assert(!signal_arrives(true, "/", "i.f", "M"));
}
END_TEST

START_TEST(signal_permit_is_for_one_sender) {
        bus.uid = 1; /* new peers get this uid */
        setup_signals("</policy><policy user=\"1\"><allow send_destination=\"a.b\"/>");
        ck_assert(signal_arrives(true, "/", "i.f", "M"));
        bus.uid = 2;
        A = peer_hello();
        peer_flush(B);
        for (int i = 0; i < 3; i++)
                ck_assert(!signal_arrives(true, "/", "i.f", "M"));
}
END_TEST

START_TEST(signal_permit_is_not_kept_for_a_logged_signal) {
        struct capture capture;
        char text[4096];

        setup_signals("<allow send_destination=\"a.b\"/>"
                      "<allow receive_interface=\"i.f\" log=\"true\"/>");
        capture_begin(&capture);
        for (int i = 0; i < 3; i++)
                ck_assert(signal_arrives(true, "/", "i.f", "M"));
        capture_end(&capture, text, sizeof(text));
        ck_assert_uint_eq(count_signal_permits(&B->client), 0);
        for (const char *line = text, *next; line < text + strlen(text); line = next + 1) {
                next = strchrnul(line, '\n');
                ck_assert_ptr_nonnull(strstr(line, "member"));
        }
        ck_assert(signal_arrives(true, "/", "i.g", "M"));
        ck_assert_uint_eq(count_signal_permits(&B->client), 1);
}
END_TEST

/* However many different signals one sender sends, it uses only its own few forms and places. */
START_TEST(signal_permits_of_one_sender_are_few) {
        char member[32];

        setup_signals("<allow send_destination=\"a.b\"/>");
        for (int i = 0; i < 1000; i++) {
                memset(member, 'M', sizeof(member) - 1);
                member[1 + i % 30] = '\0';
                ck_assert(signal_arrives(true, "/", i % 2 ? "i.f" : "i.ff", member));
                peer_forget(B);
        }
        ck_assert_uint_gt(count_signal_permits(&B->client), 1);
        ck_assert_uint_le(count_signal_permits(&B->client), SIGNAL_FORMS_MAX);
}
END_TEST

/*
 * Shortcuts never change a verdict. There are four: permits for calls; permits for signals; clients
 * that may send or receive everything (may_send_all, may_receive_all); and settled verdicts: for a
 * type of messages that the policy always allows, no rules are asked, see
 * policy_client_settled_send(). The test compares verdict_check() with the rules, for random
 * policies, names and messages. These have few different values, so that rules often match.
 */

static unsigned seed;

static bool chance(unsigned one_in) {
        return rand_r(&seed) % one_in == 0;
}

static const char *const names[] = {"a.b", "a.b.c", "x.y", "org.freedesktop.DBus"};
static const char *const types[] = {"*", "method_call", "method_return", "error", "signal"};
static const char *const interfaces[] = {"i.f", "i.g"};
static const char *const members[] = {"M", "N"};
static const char *const paths[] = {"/p", "/q"};

#define PICK(list) ((list)[(unsigned)rand_r(&seed) % (sizeof(list) / sizeof(*(list)))])

static void print_rule(FILE *f) {
        unsigned attributes = 1 + (unsigned)rand_r(&seed) % 7;
        bool is_send = !chance(3);
        const char *side = is_send ? "send" : "receive";

        fprintf(f, "<%s", chance(2) ? "allow" : "deny");
        if (attributes & 1)
                fprintf(f, " %s_%s=\"%s\"", side,
                        !is_send    ? "sender"
                        : chance(3) ? "destination_prefix"
                                    : "destination",
                        PICK(names));
        else if (is_send && chance(5))
                fprintf(f, " send_broadcast=\"%s\"", chance(2) ? "true" : "false");
        if (attributes & 2)
                fprintf(f, " %s_type=\"%s\"", side, PICK(types));
        if (attributes & 4) {
                fprintf(f, " %s_interface=\"%s\"", side, PICK(interfaces));
                if (chance(2))
                        fprintf(f, " %s_member=\"%s\"", side, PICK(members));
        } else if (chance(4)) {
                fprintf(f, " %s_error=\"e.r\"", side);
        }
        if (chance(4))
                fprintf(f, " %s_path=\"%s\"", side, PICK(paths));
        if (chance(5))
                fprintf(f, " %s_requested_reply=\"%s\"", side, chance(2) ? "true" : "false");
        if (chance(5))
                fprintf(f, " eavesdrop=\"%s\"", chance(2) ? "true" : "false");
        if (chance(6))
                fprintf(f, " %s_fds=\"%d\"", chance(2) ? "min" : "max", chance(2) ? 1 : 0);
        if (chance(8))
                fprintf(f, " log=\"true\"");
        fprintf(f, "/>");
}

static void configure_by_chance(void) {
        static const char *const contexts[] = {"context=\"default\"", "user=\"1\"",
                                               "context=\"mandatory\""};
        char *rules = NULL;
        size_t n_rules;
        FILE *f = open_memstream(&rules, &n_rules);

        if (chance(2))
                fprintf(f, "<allow send_destination=\"*\" eavesdrop=\"true\"/>");
        for (int blocks = rand_r(&seed) % 4; blocks > 0; blocks--) {
                fprintf(f, "</policy><policy %s>", PICK(contexts));
                for (int n = rand_r(&seed) % 5; n >= 0; n--)
                        print_rule(f);
        }
        fclose(f);
        configure(rules);
        free(rules);
}

/* *ret_logs: a rule that allows the message has log="true". */
static bool check_plainly(struct client *sender, struct client *receiver, struct message *m,
                          const struct verdict_context *context, bool *ret_logs) {
        const struct policy_rule *rule = NULL;
        struct policy_peer peer = {.owns = name_client_owns};
        struct policy_message asked = {
                .type = m->type,
                .path = m->path.s,
                .interface = m->interface.s,
                .member = m->member.s,
                .error_name = m->error_name.s,
                .destination = m->destination.s,
                .n_fds = m->n_fds,
                .requested_reply = context->requested_reply,
                .broadcast = m->type == MESSAGE_TYPE_SIGNAL && !m->destination.s,
                .eavesdropping = context->eavesdropping,
                .peer = &peer,
        };

        peer.is_driver = !receiver;
        peer.userdata = receiver;
        *ret_logs = false;
        if (sender && !policy_check_send(sender->policy, &asked, &rule))
                return false;
        *ret_logs = rule && policy_rule_logs(rule);
        rule = NULL;
        peer.is_driver = !sender;
        peer.userdata = sender;
        if (receiver && !policy_check_receive(receiver->policy, &asked, &rule))
                return false;
        *ret_logs = *ret_logs || (rule && policy_rule_logs(rule));
        return true;
}

static struct wire_string string_of(const char *s) {
        return (struct wire_string){s, s ? (uint32_t)strlen(s) : 0};
}

static size_t n_found; /* permits for signals that the test found */

static void compare(struct client *sender, struct client *receiver, struct message *m,
                    const struct verdict_context *context) {
        bool logs, allowed = check_plainly(sender, receiver, m, context, &logs);

        ck_assert_msg(verdict_check(&bus, sender, receiver, m, context, NULL) == allowed,
                      "%s from %s to %s", types[m->type], sender ? sender->unique_name : "the bus",
                      receiver ? receiver->unique_name : "the bus");
        /* A permit would keep the message out of the log. */
        if (sender && receiver && !context->eavesdropping &&
            signal_permit_find(receiver, signal_form_get(&bus.n_signal_forms, sender, m))) {
                n_found++;
                ck_assert(allowed && !logs);
        }
}

static void check_by_chance(struct peer *const *peers, size_t n_peers) {
        struct client *sender = &peers[(unsigned)rand_r(&seed) % n_peers]->client;
        struct client *receiver = &peers[(unsigned)rand_r(&seed) % n_peers]->client;
        struct message m = {.type = chance(2) ? MESSAGE_TYPE_SIGNAL : 1 + rand_r(&seed) % 4};
        struct verdict_context context = {.eavesdropping = chance(6)};
        bool is_reply = m.type == MESSAGE_TYPE_METHOD_RETURN || m.type == MESSAGE_TYPE_ERROR;

        if (chance(8))
                sender = NULL;
        else if (chance(8))
                receiver = NULL;
        if (!is_reply) {
                m.path = string_of(PICK(paths));
                m.interface = string_of(
                        chance(4) && m.type == MESSAGE_TYPE_METHOD_CALL ? NULL : PICK(interfaces));
                m.member = string_of(PICK(members));
        }
        if (m.type == MESSAGE_TYPE_ERROR || chance(8))
                m.error_name = string_of("e.r");
        if (m.type != MESSAGE_TYPE_SIGNAL || chance(2))
                m.destination = string_of(receiver ? receiver->unique_name : BUS_DRIVER_NAME);
        m.n_fds = chance(4);
        context.requested_reply = is_reply && chance(2);
        if (m.destination.s || context.eavesdropping) {
                compare(sender, receiver, &m, &context);
                return;
        }

        /* a broadcast: verdict_check() keeps its form from one receiver to the next */
        context.form = &(uint64_t){0};
        for (size_t i = 0; i < n_peers; i++)
                compare(sender, &peers[i]->client, &m, &context);
}

/* Request a random name, or release it if the client is in its queue. */
static void rename_by_chance(struct client *client) {
        const char *text = names[(unsigned)rand_r(&seed) % 3];
        struct name_ownership *ownership = NULL;
        struct name *name = name_find(&bus.names, text, strlen(text));
        struct name_change change;
        uint32_t result;

        if (name)
                ownership = name_ownership_find(name, client);
        if (ownership)
                name_ownership_release(&bus.names, ownership, &change);
        else
                ck_assert_int_eq(name_request(&bus.names, client, text, strlen(text),
                                              rand_r(&seed) % 8, &result, &change),
                                 0);
}

/* Another client takes the place of one that leaves. */
static void replace_by_chance(struct peer **peer) {
        configure(""); /* so that the answer to Hello arrives */
        peer_free(*peer);
        bus.uid = 1 + rand_r(&seed) % 2;
        *peer = peer_hello();
        configure_by_chance();
}

#define N_PEERS 6

START_TEST(shortcuts_change_no_verdict) {
        struct peer *peers[N_PEERS];

        seed = (unsigned)_i;
        n_found = 0;
        for (size_t i = 0; i < N_PEERS; i++) {
                bus.uid = 1 + i % 2;
                peers[i] = peer_hello();
        }
        for (int round = 0; round < 100; round++) {
                if (chance(8))
                        replace_by_chance(&peers[(unsigned)rand_r(&seed) % N_PEERS]);
                if (round == 0 || chance(4))
                        configure_by_chance();
                for (size_t renames = rand_r(&seed) % 3; renames > 0; renames--)
                        rename_by_chance(&peers[(unsigned)rand_r(&seed) % N_PEERS]->client);
                for (int i = 0; i < 200; i++)
                        check_by_chance(peers, N_PEERS);
                for (size_t i = 0; i < N_PEERS; i++)
                        peer_forget(peers[i]);
        }
        ck_assert_uint_gt(n_found, 1000);
}
END_TEST

int main(void) {
        TCase *t = tcase_create("permit");

        tcase_add_test(t, permit_is_kept_for_the_same_call_only);
        tcase_add_test(t, permit_depends_on_the_path_if_rules_do);
        tcase_add_test(t, permit_ends_with_the_name);
        tcase_add_test(t, permit_ends_with_another_name);
        tcase_add_test(t, permit_ends_with_the_policy);
        tcase_add_test(t, permit_is_for_senders_with_the_same_rules);
        tcase_add_test(t, permit_is_not_kept_for_a_logged_message);
        tcase_add_test(t, signal_permit_is_kept_for_the_same_signal_only);
        tcase_add_test(t, signal_permit_depends_on_the_path_if_sending_does);
        tcase_add_test(t, signal_permit_depends_on_the_path_if_receiving_does);
        tcase_add_test(t, signal_permit_ends_with_a_name_of_the_receiver);
        tcase_add_test(t, signal_permit_ends_with_a_name_of_the_sender);
        tcase_add_test(t, signal_permit_ends_with_the_policy);
        tcase_add_test(t, signal_permit_is_for_one_sender);
        tcase_add_test(t, signal_permit_is_not_kept_for_a_logged_signal);
        tcase_add_test(t, signal_permits_of_one_sender_are_few);
        tcase_add_loop_test(t, shortcuts_change_no_verdict, 0, 20);
        return suite_main("permit", t);
}
