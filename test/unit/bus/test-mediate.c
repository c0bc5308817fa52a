/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Mediation: when the bus asks security modules, about which clients, and what a denial does. */

#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/bus/mediate.h"

#define DENIED "org.freedesktop.DBus.Error.AccessDenied"

/* Questions to the fake module, in order: "own :1.0 a.b;send :1.0 :1.1 Call;eavesdrop :1.0;" ... */
static char asked[4096];
static bool deny;
static bool freed;
static struct peer *A, *B;

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void note(const char *format, ...) {
        size_t n = strlen(asked);
        va_list args;

        va_start(args, format);
        vsnprintf(asked + n, sizeof(asked) - n, format, args);
        va_end(args);
}

static bool answer(char *reason) {
        if (deny)
                strcpy(reason, "the reason");
        return !deny;
}

static bool fake_own(struct mediator *mediator, const struct client *client, const char *name,
                     char *reason) {
        note("own %s %s;", client->unique_name, name);
        return answer(reason);
}

static bool fake_send(struct mediator *mediator, const struct mediation_message *m, char *reason) {
        note("send %s %s %s%s%s;", m->sender->unique_name,
             m->receiver ? m->receiver->unique_name : "bus",
             m->m->member.s ? m->m->member.s : "reply", m->requested_reply ? " requested" : "",
             m->eavesdropping ? " eavesdropped" : "");
        return answer(reason);
}

static bool fake_eavesdrop(struct mediator *mediator, const struct client *client, char *reason) {
        note("eavesdrop %s;", client->unique_name);
        return answer(reason);
}

static void fake_free(struct mediator *mediator) {
        freed = true;
}

static struct mediator fake;

static void begin(void) {
        A = peer_hello();
        B = peer_hello();
        fake = (struct mediator){
                .name = "Fake",
                .enforces = BUS_ENFORCES_APPARMOR,
                .may_own = fake_own,
                .may_send = fake_send,
                .may_eavesdrop = fake_eavesdrop,
                .free = fake_free,
        };
        mediate_add(&bus, &fake);
        asked[0] = '\0';
        deny = freed = false;
}

/* Runs after fixture_teardown(), which ends the bus. */
static void teardown(void) {
        ck_assert(freed);
}

static void expect_asked(const char *expected) {
        ck_assert_str_eq(asked, expected);
        asked[0] = '\0';
}

static void call(struct peer *from, struct peer *to) {
        struct writer w;

        peer_call_init(from, &w, to->client.unique_name, "/p", "i.j", "Call", "");
        ck_assert_int_eq(peer_send(from, &w, 0), 0);
}

START_TEST(messages_between_clients_are_asked_about_both_ways) {
        begin();

        struct message *m;
        struct writer w;

        call(A, B);
        expect_asked("send :1.0 :1.1 Call;");
        m = peer_next(B);
        ck_assert_ptr_nonnull(m);
        writer_init(&w, MESSAGE_TYPE_METHOD_RETURN, MESSAGE_FLAG_NO_REPLY_EXPECTED, 77, "");
        w.destination = ":1.0";
        w.reply_serial = m->serial;
        ck_assert_int_eq(peer_send(B, &w, 0), 0);
        expect_asked("send :1.1 :1.0 reply requested;");
        peer_expect_return(A);

        deny = true;
        call(A, B);
        peer_expect_error(A, DENIED);
        peer_expect_nothing(B);
}
END_TEST

START_TEST(calls_of_the_bus_are_asked_about_and_its_answers_are_not) {
        begin();

        peer_call_driver(A, "GetId", NULL, NULL);
        expect_asked("send :1.0 bus GetId;");
        peer_expect_return(A);
        deny = true;
        peer_call_driver(A, "GetId", NULL, NULL);
        expect_asked("send :1.0 bus GetId;");
        peer_expect_error(A, DENIED);
}
END_TEST

START_TEST(hello_is_not_asked_about) {
        begin();

        deny = true;
        peer_hello();
        expect_asked("");
}
END_TEST

START_TEST(each_receiver_of_a_broadcast_is_asked_about) {
        begin();

        peer_call_driver(A, "AddMatch", "interface='i.j'", NULL);
        peer_call_driver(B, "AddMatch", "interface='i.j'", NULL);
        peer_flush(A);
        peer_flush(B);
        asked[0] = '\0';
        peer_signal(A, NULL, "/p", "i.j", "Said", NULL);
        ck_assert(!strcmp(asked, "send :1.0 :1.0 Said;send :1.0 :1.1 Said;") ||
                  !strcmp(asked, "send :1.0 :1.1 Said;send :1.0 :1.0 Said;"));
        ck_assert_str_eq(peer_next(B)->member.s, "Said");
        peer_flush(A);
        deny = true;
        peer_signal(A, NULL, "/p", "i.j", "Said", NULL);
        peer_expect_nothing(A);
        peer_expect_nothing(B);
}
END_TEST

START_TEST(names_are_asked_about) {
        begin();

        char *reason = NULL;

        ck_assert_uint_eq(peer_request_name(A, "a.b", 0), NAME_PRIMARY_OWNER);
        ck_assert_ptr_nonnull(strstr(asked, "own :1.0 a.b;"));
        peer_flush(A);
        deny = true;
        ck_assert(!mediate_own(&A->client, "a.c", &reason));
        ck_assert_str_eq(reason, "Fake: the reason");
        free(reason);
}
END_TEST

static bool allow_send(struct mediator *mediator, const struct mediation_message *m, char *reason) {
        return true;
}

START_TEST(a_denied_name_is_not_owned) {
        begin();

        struct writer w;

        fake.may_send = allow_send;
        deny = true;
        peer_call_init(A, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH, BUS_DRIVER_INTERFACE, "RequestName",
                       "su");
        writer_string(&w, "a.b");
        writer_u32(&w, 0);
        ck_assert_int_eq(peer_send(A, &w, 0), 0);
        expect_asked("own :1.0 a.b;");
        peer_expect_error(A, DENIED);
        ck_assert_ptr_null(name_find(&bus.names, "a.b", 3));
}
END_TEST

START_TEST(eavesdropping_is_asked_about) {
        begin();

        fake.may_send = allow_send;
        peer_call_driver(A, "AddMatch", "interface='i.j'", NULL);
        expect_asked("");
        peer_expect_return(A);
        peer_call_driver(A, "AddMatch", "eavesdrop='true'", NULL);
        expect_asked("eavesdrop :1.0;");
        peer_expect_return(A);

        /* The bus asks again for :1.0, which overhears the message. */
        fake.may_send = fake_send;
        call(B, B);
        expect_asked("send :1.1 :1.1 Call;send :1.1 :1.0 Call eavesdropped;");

        fake.may_send = allow_send;
        deny = true;
        peer_call_driver(B, "AddMatch", "eavesdrop='true'", NULL);
        expect_asked("eavesdrop :1.1;");
        peer_flush(A);
        peer_flush(B);
        ck_assert_uint_eq(B->client.n_rules, 0);
}
END_TEST

START_TEST(a_monitor_is_asked_about) {
        begin();

        struct writer w;

        fake.may_send = allow_send;
        deny = true;
        peer_call_init(A, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH, "org.freedesktop.DBus.Monitoring",
                       "BecomeMonitor", "asu");
        writer_array_begin(&w, 4);
        writer_array_end(&w);
        writer_u32(&w, 0);
        ck_assert_int_eq(peer_send(A, &w, 0), 0);
        expect_asked("eavesdrop :1.0;");
        peer_expect_error(A, DENIED);
        ck_assert_int_eq(A->client.state, CLIENT_REGISTERED);
}
END_TEST

START_TEST(modules_are_not_asked_about_what_the_policy_denies) {
        begin();

        char path[] = "/tmp/bus1-mediate-XXXXXX", *error = NULL;
        struct bus_config *config;
        int fd = mkstemp(path);

        ck_assert_int_gt(dprintf(fd, "<busconfig><listen>unix:path=/x</listen></busconfig>"), 0);
        close(fd);
        ck_assert_int_eq(bus_config_load(path, NULL, &config, &error), 0);
        unlink(path);
        ck_assert_int_eq(bus_configure(&bus, config), 0);
        call(A, B);
        expect_asked("");
        peer_expect_error(A, DENIED);
        bus.config = NULL;
        bus_config_free(config);
}
END_TEST

START_TEST(all_modules_have_to_allow) {
        begin();

        static struct mediator other;

        other = fake;
        other.name = "Other";
        other.may_send = allow_send;
        other.enforces = BUS_ENFORCES_SELINUX;
        mediate_add(&bus, &other);
        ck_assert_uint_eq(mediate_enforced(&bus), BUS_ENFORCES_SELINUX | BUS_ENFORCES_APPARMOR);
        ck_assert(mediate_has(&bus, "Fake") && mediate_has(&bus, "Other"));
        ck_assert(!mediate_has(&bus, "SELinux"));
        deny = true;
        call(A, B);
        expect_asked("send :1.0 :1.1 Call;");
        peer_expect_error(A, DENIED);
}
END_TEST

/* A denial is one line in the log, with the name of the module and its reason. */
START_TEST(denials_are_logged) {
        begin();

        char line[4096];
        struct capture capture;
        size_t n;

        capture_begin(&capture);
        deny = true;
        call(A, B);
        n = capture_end(&capture, line, sizeof(line));
        ck_assert_uint_gt(n, 0);
        ck_assert_ptr_nonnull(
                strstr(line, "Rejected send message, decided by Fake, sender=\":1.0\""));
        ck_assert_ptr_nonnull(strstr(line, "rule: the reason\n"));
        ck_assert_ptr_eq(strchr(line, '\n'), line + n - 1);
        peer_expect_error(A, DENIED);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("mediate");

        tcase_add_checked_fixture(tcase, NULL, teardown);
        tcase_add_test(tcase, messages_between_clients_are_asked_about_both_ways);
        tcase_add_test(tcase, calls_of_the_bus_are_asked_about_and_its_answers_are_not);
        tcase_add_test(tcase, hello_is_not_asked_about);
        tcase_add_test(tcase, each_receiver_of_a_broadcast_is_asked_about);
        tcase_add_test(tcase, names_are_asked_about);
        tcase_add_test(tcase, a_denied_name_is_not_owned);
        tcase_add_test(tcase, eavesdropping_is_asked_about);
        tcase_add_test(tcase, a_monitor_is_asked_about);
        tcase_add_test(tcase, modules_are_not_asked_about_what_the_policy_denies);
        tcase_add_test(tcase, all_modules_have_to_allow);
        tcase_add_test(tcase, denials_are_logged);
        return suite_main("mediate", tcase);
}
