/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Permits: a call that was allowed once is allowed again as long as the rules and names say so. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/bus/permit.h"
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
                /* as long as these, so they would be kept in the same place */
                expect_denied("/", "i.f", "Line");
                expect_denied("/", "i.g", "Mine");
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

START_TEST(permit_is_of_who_has_the_same_rules) {
        struct peer *first;

        bus.uid = 1; /* that of new peers */
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

START_TEST(permit_is_not_kept_of_what_is_logged) {
        setup_rules("<allow send_destination=\"a.b\" log=\"true\"/>");
        expect_allowed("/", "i.f", "M");
        ck_assert_ptr_null(B->client.permits);
}
END_TEST

int main(void) {
        TCase *t = tcase_create("permit");

        tcase_add_test(t, permit_is_kept_for_the_same_call_only);
        tcase_add_test(t, permit_depends_on_the_path_if_rules_do);
        tcase_add_test(t, permit_ends_with_the_name);
        tcase_add_test(t, permit_ends_with_another_name);
        tcase_add_test(t, permit_ends_with_the_policy);
        tcase_add_test(t, permit_is_of_who_has_the_same_rules);
        tcase_add_test(t, permit_is_not_kept_of_what_is_logged);
        return suite_main("permit", t);
}
