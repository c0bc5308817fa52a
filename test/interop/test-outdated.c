/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A policy that is older than its files refuses native members nothing. */

#include "test/interop/members.h"

#include <stdio.h>
#include <sys/stat.h>

#define ALLOW_NAME "<allow own=\"" NAME "\"/>"
#define ALLOW_WHO "<allow send_interface=\"" NAME "\" send_member=\"Who\"/>"

static void path_of(char path[128], const char *name) {
        snprintf(path, 128, "%s/policy.d%s%s", bus_daemon.directory, name[0] ? "/" : "", name);
}

/* Put a file with these rules into its place, as a package does. */
static void put(const char *rules) {
        char from[128], to[128];
        FILE *f;

        path_of(from, "rules.new");
        path_of(to, "rules.conf");
        f = fopen(from, "we");
        ck_assert_ptr_nonnull(f);
        fprintf(f, "<busconfig><policy context=\"default\">%s</policy></busconfig>", rules);
        fclose(f);
        ck_assert_int_eq(rename(from, to), 0);
}

/* Without further rules, nobody may own NAME or call Who. */
static void setup(void) {
        char path[128];

        members_start("<deny own=\"" NAME "\"/>"
                      "<deny send_interface=\"" NAME "\" send_member=\"Who\"/>"
                      "</policy><includedir>policy.d</includedir><policy context=\"default\">");
        path_of(path, "");
        ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void teardown(void) {
        char path[128];

        path_of(path, "rules.conf");
        unlink(path);
        path_of(path, "");
        rmdir(path);
        members_teardown();
}

/* The answers to calls, in the order in which they came: the numbers of the calls. */
static unsigned order[8], n_order;

static int noted(struct bus1_dbus_message *reply, void *userdata) {
        ck_assert_int_eq(dbus_message_get_type(reply->message), DBUS_MESSAGE_TYPE_METHOD_RETURN);
        order[n_order++] = *(const unsigned *)userdata;
        return 0;
}

static void ask(const char *member, const unsigned *number) {
        DBusMessage *m = dbus_message_new_method_call(NAME, PATH, NAME, member);

        ck_assert_int_eq(bus1_dbus_call_async(client, BUS1_DBUS_BUS, m, NULL, 0, 10000, noted,
                                              (void *)number, NULL),
                         0);
        dbus_message_unref(m);
}

START_TEST(a_native_member_gets_its_name) {
        put(ALLOW_NAME);
        request();
}
END_TEST

/* The handle that comes with the call waits with it. */
START_TEST(a_native_member_publishes) {
        put(ALLOW_NAME ALLOW_WHO);
        publish();
        expect_text(call(client, BUS1_DBUS_BUS, NAME, PATH, "Who", NULL),
                    bus1_dbus_get_unique_name(client));
        expect_text(call(client, look_up(client, NAME, NULL), NULL, PATH, "Where", NULL), PATH);
}
END_TEST

START_TEST(calls_stay_in_order) {
        static const unsigned numbers[] = {0, 1, 2, 3};

        put(ALLOW_NAME);
        publish();
        n_order = 0;
        put(ALLOW_NAME ALLOW_WHO);
        for (size_t i = 0; i < 4; i++)
                ask(i == 1 ? "Who" : "Where", &numbers[i]);
        UNTIL(n_order == 4);
        for (unsigned i = 0; i < 4; i++)
                ck_assert_uint_eq(order[i], i);
}
END_TEST

START_TEST(what_the_files_deny_is_denied) {
        put(ALLOW_NAME);
        publish();
        put(ALLOW_NAME "<deny own=\"a.b\"/>");
        expect_error(call(client, BUS1_DBUS_BUS, NAME, PATH, "Who", NULL),
                     DBUS_ERROR_ACCESS_DENIED);
        ck_assert_int_ne(bus1_dbus_request_name(client, "a.b", 0, NULL, NULL), 0);
}
END_TEST

START_TEST(a_member_that_leaves_waits_no_more) {
        static const unsigned number;

        put(ALLOW_NAME);
        publish();
        put(ALLOW_NAME ALLOW_WHO);
        ask("Who", &number);
        client = bus1_dbus_free(client);
        put(ALLOW_NAME "<allow own=\"a.b\"/>");
        ck_assert_int_eq(bus1_dbus_request_name(service, "a.b", 0, NULL, NULL), 0);
}
END_TEST

START_TEST(a_native_program_connects) {
        char rule[64];

        for (int i = 0; i < 20; i++) {
                snprintf(rule, sizeof(rule), "<deny user=\"%u\"/>", (unsigned)getuid());
                put(rule);
                /* The policy denies this program to connect as soon as it has been read. */
                while (bus1_dbus_open(&third, bus_daemon.address, NULL) == 0)
                        third = bus1_dbus_free(third);
                put("");
                ck_assert_int_eq(bus1_dbus_open(&third, bus_daemon.address, NULL), 0);
                third = bus1_dbus_free(third);
        }
}
END_TEST

static Suite *make_suite(void) {
        Suite *suite = suite_create("outdated");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, a_native_member_gets_its_name);
        tcase_add_test(tcase, a_native_member_publishes);
        tcase_add_test(tcase, calls_stay_in_order);
        tcase_add_test(tcase, what_the_files_deny_is_denied);
        tcase_add_test(tcase, a_member_that_leaves_waits_no_more);
        tcase_add_test(tcase, a_native_program_connects);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
