/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Watching the owners of names
 *
 * The owners are native or not, and come, go and are replaced, between any two steps of the watch.
 */

#include "test/interop/async.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char owners[4096]; /* "+NAME " for an owner, "- " for none */
static unsigned n_told;
static struct bus1_dbus_slot *watch;
static unsigned free_watch_at; /* free the slot at this change; 0: never */
static bool free_bus_at_change;

static void note_owner(const char *owner) {
        size_t n = strlen(owners);

        ck_assert_uint_lt(n, sizeof(owners) - 64);
        snprintf(owners + n, sizeof(owners) - n, "%s%s ", owner ? "+" : "-", owner ? owner : "");
        n_told++;
        if (n_told == free_watch_at)
                watch = bus1_dbus_slot_free(watch);
        if (free_bus_at_change)
                client = bus1_dbus_free(client);
}

static void owner_appeared(struct bus1_dbus *bus, const char *name, const char *owner,
                           void *userdata) {
        ck_assert_ptr_eq(bus, client);
        ck_assert_str_eq(name, userdata);
        note_owner(owner);
}

static void owner_vanished(struct bus1_dbus *bus, const char *name, void *userdata) {
        ck_assert_ptr_eq(bus, client);
        ck_assert_str_eq(name, userdata);
        note_owner(NULL);
}

static int watch_owner(const char *name, bool wait) {
        owners[0] = 0;
        n_told = 0;
        if (wait)
                return bus1_dbus_watch_name(client, &watch, name, owner_appeared, owner_vanished,
                                            (void *)name, NULL);
        return bus1_dbus_watch_name_async(client, &watch, name, owner_appeared, owner_vanished,
                                          NULL, (void *)name);
}

/* Dispatch everything, and compare: "a" and "b" stand for these owners, "-" for none. */
static void expect_owners(const char *pattern, const char *a, const char *b) {
        char expected[256] = "";
        size_t n = 0;

        settle();
        for (; *pattern; pattern++)
                n += (size_t)snprintf(expected + n, sizeof(expected) - n, "%s%s ",
                                      *pattern == '-' ? "-" : "+",
                                      *pattern == 'a'   ? a
                                      : *pattern == 'b' ? b
                                                        : "");
        ck_assert_str_eq(owners, expected);
        owners[0] = 0;
}

START_TEST(owner_is_watched) {
        struct owner a, b;

        owner_open(&a, _i & 1);
        owner_open(&b, _i & 2);
        ck_assert_int_eq(watch_owner(OTHER, _i & 4), 0);
        expect_owners("-", NULL, NULL);
        owner_request(&a, OTHER, DBUS_NAME_FLAG_ALLOW_REPLACEMENT);
        expect_owners("a", a.name, NULL);
        /* the name is replaced, and then given back to the one that waits */
        owner_request(&b, OTHER, DBUS_NAME_FLAG_REPLACE_EXISTING);
        expect_owners("-a", b.name, NULL);
        owner_release(&b, OTHER);
        expect_owners("-a", a.name, NULL);
        owner_release(&a, OTHER);
        expect_owners("-", NULL, NULL);
        /* many changes between two dispatches */
        owner_request(&a, OTHER, 0);
        owner_release(&a, OTHER);
        owner_request(&b, OTHER, 0);
        expect_owners("a-b", a.name, b.name);
        owner_close(&b);
        expect_owners("-", NULL, NULL);
        watch = bus1_dbus_slot_free(watch);
        owner_request(&a, OTHER, 0);
        expect_owners("", NULL, NULL);
        /* the present state of a name with an owner; nothing else is told */
        ck_assert_int_eq(watch_owner(OTHER, _i & 4), 0);
        expect_owners("a", a.name, NULL);
        expect_owners("", NULL, NULL);
        owner_close(&a);
        expect_owners("-", NULL, NULL);
        watch = bus1_dbus_slot_free(watch);
}
END_TEST

START_TEST(unique_name_is_watched) {
        struct owner a;
        char name[32];

        owner_open(&a, _i & 1);
        strcpy(name, a.name);
        ck_assert_int_eq(watch_owner(name, _i & 2), 0);
        expect_owners("a", name, NULL);
        owner_close(&a);
        expect_owners("-", NULL, NULL);
        watch = bus1_dbus_slot_free(watch);
        ck_assert_int_eq(watch_owner(name, _i & 2), 0);
        expect_owners("-", NULL, NULL);
        watch = bus1_dbus_slot_free(watch);
        ck_assert_int_eq(watch_owner(DBUS_SERVICE_DBUS, _i & 2), 0);
        expect_owners("a", DBUS_SERVICE_DBUS, NULL);
        watch = bus1_dbus_slot_free(watch);
        /* own names, too */
        ck_assert_int_eq(watch_owner(bus1_dbus_get_unique_name(client), _i & 2), 0);
        expect_owners("a", bus1_dbus_get_unique_name(client), NULL);
        watch = bus1_dbus_slot_free(watch);
}
END_TEST

/* A change before dispatch is told: by the answer, or after it. */
START_TEST(change_is_told_once) {
        struct owner a;

        owner_open(&a, _i & 1);
        ck_assert_int_eq(watch_owner(OTHER, _i & 2), 0);
        owner_request(&a, OTHER, 0);
        settle();
        if (strncmp(owners, "- ", 2) == 0)
                memmove(owners, owners + 2, strlen(owners + 2) + 1);
        expect_owners("a", a.name, NULL);
        owner_close(&a);
        expect_owners("-", NULL, NULL);
        watch = bus1_dbus_slot_free(watch);
}
END_TEST

/* A process takes and gives up the name, again and again. */
static void toggle(void) {
        struct bus1_dbus *bus;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (bus1_dbus_open(&bus, bus_daemon.address, NULL) < 0)
                _exit(1);
        for (;;) {
                bus1_dbus_request_name(bus, OTHER, 0, NULL, NULL);
                bus1_dbus_release_name(bus, OTHER, NULL, NULL);
        }
}

START_TEST(no_change_is_missed) {
        struct timespec pause = {};
        unsigned n_owned = 0;
        pid_t pid;

        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0)
                toggle();
        for (int i = 0; i < 300; i++) {
                pause.tv_nsec = i % 30 * 20000;
                ck_assert_int_eq(watch_owner(OTHER, i & 1), 0);
                nanosleep(&pause, NULL);
                UNTIL(n_told >= 6);
                for (char *p = owners; *p;) {
                        char *next = strchr(p, ' ') + 1;

                        /* an owner, none, an owner, none, ... */
                        ck_assert_msg(!*next || *p != *next, "%s", owners);
                        n_owned += *p == '+';
                        p = next;
                }
                watch = bus1_dbus_slot_free(watch);
        }
        ck_assert_uint_gt(n_owned, 300);
        /* The last state is the true one. */
        ck_assert_int_eq(watch_owner(OTHER, true), 0);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        /* the bus may not have noticed yet */
        for (int i = 0; i < 100; i++) {
                usleep(10000);
                settle();
        }
        ck_assert_str_eq(owners + strlen(owners) - 2, "- ");
        watch = bus1_dbus_slot_free(watch);
}
END_TEST

START_TEST(watch_ends_in_its_function) {
        struct owner a, b;

        owner_open(&a, true);
        owner_open(&b, true);
        /* at the present state, or at both parts of a replacement */
        for (free_watch_at = 1; free_watch_at <= 3; free_watch_at++) {
                owner_request(&a, OTHER, DBUS_NAME_FLAG_ALLOW_REPLACEMENT);
                ck_assert_int_eq(watch_owner(OTHER, free_watch_at & 1), 0);
                settle();
                owner_request(&b, OTHER, DBUS_NAME_FLAG_REPLACE_EXISTING);
                settle();
                owner_release(&b, OTHER);
                owner_release(&a, OTHER);
                settle();
                ck_assert_ptr_null(watch);
                ck_assert_uint_eq(n_told, free_watch_at);
        }
        free_watch_at = 0;
        ck_assert_int_eq(watch_owner(OTHER, true), 0);
        expect_owners("-", NULL, NULL);
        owner_request(&a, OTHER, DBUS_NAME_FLAG_ALLOW_REPLACEMENT);
        expect_owners("a", a.name, NULL);
        owner_request(&b, OTHER, DBUS_NAME_FLAG_REPLACE_EXISTING);
        free_bus_at_change = true;
        UNTIL(!client);
        free_bus_at_change = false;
        expect_owners("-", NULL, NULL);
        owner_close(&a);
        owner_close(&b);
}
END_TEST

/* A function that dispatches is told the changes in their order, and at last the true state. */
static bool is_nested;

static void dispatching_vanished(struct bus1_dbus *bus, const char *name, void *userdata) {
        note_owner(NULL);
        if (is_nested)
                return;
        is_nested = true;
        while (bus1_dbus_dispatch(bus) > 0)
                ;
        is_nested = false;
}

START_TEST(function_dispatches) {
        struct owner a, b;

        owner_open(&a, true);
        owner_open(&b, true);
        owner_request(&a, OTHER, DBUS_NAME_FLAG_ALLOW_REPLACEMENT);
        owners[0] = 0;
        ck_assert_int_eq(bus1_dbus_watch_name(client, &watch, OTHER, owner_appeared,
                                              dispatching_vanished, (void *)OTHER, NULL),
                         0);
        expect_owners("a", a.name, NULL);
        owner_request(&b, OTHER, DBUS_NAME_FLAG_REPLACE_EXISTING);
        owner_release(&a, OTHER);
        owner_release(&b, OTHER);
        owner_request(&a, OTHER, 0);
        ping(client);
        settle();
        ck_assert(strncmp(owners, "- ", 2) == 0);
        ck_assert(strstr(owners, a.name) && !strstr(strstr(owners, a.name), "-"));
        owner_release(&a, OTHER);
        settle();
        ck_assert_str_eq(owners + strlen(owners) - 2, "- ");
        watch = bus1_dbus_slot_free(watch);
        owner_close(&a);
        owner_close(&b);
}
END_TEST

static void note_failure(struct bus1_dbus *bus, const DBusError *error, void *userdata) {
        got_note(error);
}

/* The number of match rules of a member is limited. */
START_TEST(watch_is_refused) {
        DBusError error = DBUS_ERROR_INIT;

        members_teardown();
        members_start("</policy><limit name=\"max_match_rules_per_connection\">1</limit>"
                      "<policy context=\"default\">");
        ck_assert_int_eq(watch_owner(OTHER, true), 0);
        expect_owners("-", NULL, NULL);
        ck_assert_int_eq(bus1_dbus_watch_name(client, NULL, OTHER, owner_appeared, owner_vanished,
                                              (void *)OTHER, &error),
                         -EREMOTEIO);
        ck_assert_str_eq(error.name, DBUS_ERROR_LIMITS_EXCEEDED);
        dbus_error_free(&error);
        ck_assert_int_eq(bus1_dbus_watch_name_async(client, NULL, OTHER, owner_appeared,
                                                    owner_vanished, note_failure, (void *)OTHER),
                         0);
        UNTIL(got.n == 1);
        ck_assert_str_eq(got.error, DBUS_ERROR_LIMITS_EXCEEDED);
        expect_owners("", NULL, NULL);
        watch = bus1_dbus_slot_free(watch);
}
END_TEST

static void setup(void) {
        members_setup();
        got_reset();
        free_watch_at = 0;
        free_bus_at_change = false;
}

static void teardown(void) {
        if (!client)
                ck_assert_int_eq(bus1_dbus_open(&client, bus_daemon.address, NULL), 0);
        members_teardown();
}

static Suite *make_suite(void) {
        Suite *suite = suite_create("watch");
        TCase *tcase = tcase_create("owners");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 120);
        tcase_add_loop_test(tcase, owner_is_watched, 0, 8);
        tcase_add_loop_test(tcase, unique_name_is_watched, 0, 4);
        tcase_add_loop_test(tcase, change_is_told_once, 0, 4);
        tcase_add_test(tcase, no_change_is_missed);
        tcase_add_test(tcase, watch_ends_in_its_function);
        tcase_add_test(tcase, function_dispatches);
        tcase_add_test(tcase, watch_is_refused);
        suite_add_tcase(suite, tcase);
        return suite;
}

int main(int argc, char **argv) {
        return run_suite(make_suite(), argc, argv);
}
