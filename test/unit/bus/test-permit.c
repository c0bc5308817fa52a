/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Permits: no permit allows a call that the rules and the names of the receiver do not allow. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/bus/permit.h"
#include "bridge/bus/verdict.h"
#include "fixture.h"

#define DENIED "org.freedesktop.DBus.Error.AccessDenied"

static struct peer *A, *B;

static void configure(const char *rules) {
        char path[] = "/tmp/bus1-permit-XXXXXX", *error = NULL;
        struct bus_config *config;
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
        bus_config_free(config);
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

/*
 * Shortcuts never change a verdict. There are three: permits; clients that may send or receive
 * everything (may_send_all, may_receive_all); and settled verdicts: for a type of messages that the
 * policy always allows, no rules are asked, see policy_client_settled_send(). The test compares
 * verdict_check() with the rules, for random policies, names and messages. These have few different
 * values, so that rules often match.
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
        }
        if (chance(4))
                fprintf(f, " %s_path=\"%s\"", side, PICK(paths));
        if (chance(5))
                fprintf(f, " %s_requested_reply=\"%s\"", side, chance(2) ? "true" : "false");
        if (chance(5))
                fprintf(f, " eavesdrop=\"%s\"", chance(2) ? "true" : "false");
        if (chance(6))
                fprintf(f, " %s_fds=\"%d\"", chance(2) ? "min" : "max", chance(2) ? 1 : 0);
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

static bool check_plainly(struct client *sender, struct client *receiver, const struct message *m,
                          const struct verdict_context *context) {
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
        if (sender && !policy_check_send(sender->policy, &asked, NULL))
                return false;
        peer.is_driver = !sender;
        peer.userdata = sender;
        return !receiver || policy_check_receive(receiver->policy, &asked, NULL);
}

static struct wire_string string_of(const char *s) {
        return (struct wire_string){s, s ? (uint32_t)strlen(s) : 0};
}

static void check_by_chance(struct peer *const *peers, size_t n_peers) {
        struct client *sender = &peers[(unsigned)rand_r(&seed) % n_peers]->client;
        struct client *receiver = &peers[(unsigned)rand_r(&seed) % n_peers]->client;
        struct message m = {.type = 1 + rand_r(&seed) % 4};
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
        if (m.type == MESSAGE_TYPE_ERROR)
                m.error_name = string_of("e.r");
        if (m.type != MESSAGE_TYPE_SIGNAL || chance(2))
                m.destination = string_of(receiver ? receiver->unique_name : BUS_DRIVER_NAME);
        m.n_fds = chance(4);
        context.requested_reply = is_reply && chance(2);
        ck_assert_msg(verdict_check(&bus, sender, receiver, &m, &context, NULL) ==
                              check_plainly(sender, receiver, &m, &context),
                      "%s from %s to %s", types[m.type], sender ? sender->unique_name : "the bus",
                      receiver ? receiver->unique_name : "the bus");
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

START_TEST(shortcuts_change_no_verdict) {
        struct peer *peers[3];

        seed = (unsigned)_i;
        for (size_t i = 0; i < 3; i++) {
                bus.uid = 1 + i % 2;
                peers[i] = peer_hello();
        }
        for (int round = 0; round < 100; round++) {
                if (round == 0 || chance(4))
                        configure_by_chance();
                rename_by_chance(&peers[(unsigned)rand_r(&seed) % 3]->client);
                for (int i = 0; i < 100; i++)
                        check_by_chance(peers, 3);
        }
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
        tcase_add_loop_test(t, shortcuts_change_no_verdict, 0, 20);
        return suite_main("permit", t);
}
