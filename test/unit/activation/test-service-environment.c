/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The environment of services: which variables a service gets, and the limits. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bridge/activation/service-environment.h"
#include "test/unit/suite.h"

#define ADDRESS "unix:path=/a;unix:path=/b"

static struct service_environment environment;

static void teardown(void) {
        service_environment_clear(&environment);
        ck_assert_ptr_null(environment.variables);
}

static int set(const char *name, const char *value) {
        return service_environment_set(&environment, name, strlen(name), value, strlen(value));
}

/* Expect exactly these variables, in any order. The list ends with NULL. */
static void check(char *const *inherited, const char *bus_type, const char *const *expected) {
        const struct service_starter starter = {.address = ADDRESS, .bus_type = bus_type};
        char **variables;
        size_t n = 0, n_expected = 0;

        ck_assert_int_eq(service_environment_make(&environment, inherited, &starter, &variables),
                         0);
        while (variables[n])
                n++;
        for (; expected[n_expected]; n_expected++) {
                size_t i = 0;

                while (i < n && strcmp(variables[i], expected[n_expected]) != 0)
                        i++;
                ck_assert_msg(i < n, "%s is missing", expected[n_expected]);
        }
        ck_assert_uint_eq(n, n_expected);
        ck_assert_ptr_null(service_environment_free(variables));
}

#define LIST(...) ((const char *[]){__VA_ARGS__, NULL})
#define INHERITED(...) ((char *[]){__VA_ARGS__, NULL})
#define NONE ((char *[]){NULL})

START_TEST(what_was_set_wins_over_what_is_inherited) {
        char *const *inherited = INHERITED("A=1", "AB=2", "B=3", "", "C");

        ck_assert_int_eq(set("A", "set=x"), 0);
        ck_assert_int_eq(set("C", ""), 0);
        ck_assert_int_eq(set("D", "\xff\n"), 0);
        check(inherited, NULL,
              LIST("A=set=x", "AB=2", "B=3", "", "C=", "D=\xff\n",
                   "DBUS_STARTER_ADDRESS=" ADDRESS));
        ck_assert_int_eq(set("A", "again"), 0);
        check(NONE, NULL, LIST("A=again", "C=", "D=\xff\n", "DBUS_STARTER_ADDRESS=" ADDRESS));
}
END_TEST

START_TEST(way_to_the_bus_wins_over_all) {
        char *const *inherited = INHERITED("DBUS_STARTER_ADDRESS=i", "DBUS_SESSION_BUS_ADDRESS=i",
                                           "DBUS_SYSTEM_BUS_ADDRESS=i", "DBUS_STARTER_BUS_TYPE=i");

        check(inherited, "session",
              LIST("DBUS_STARTER_ADDRESS=" ADDRESS, "DBUS_STARTER_BUS_TYPE=session",
                   "DBUS_SESSION_BUS_ADDRESS=" ADDRESS, "DBUS_SYSTEM_BUS_ADDRESS=i"));
        check(inherited, "system",
              LIST("DBUS_STARTER_ADDRESS=" ADDRESS, "DBUS_STARTER_BUS_TYPE=system",
                   "DBUS_SYSTEM_BUS_ADDRESS=" ADDRESS, "DBUS_SESSION_BUS_ADDRESS=i"));
        check(inherited, "other",
              LIST("DBUS_STARTER_ADDRESS=" ADDRESS, "DBUS_STARTER_BUS_TYPE=other",
                   "DBUS_SYSTEM_BUS_ADDRESS=i", "DBUS_SESSION_BUS_ADDRESS=i"));
        check(inherited, NULL,
              LIST("DBUS_STARTER_ADDRESS=" ADDRESS, "DBUS_SYSTEM_BUS_ADDRESS=i",
                   "DBUS_SESSION_BUS_ADDRESS=i"));

        ck_assert_int_eq(set("DBUS_STARTER_ADDRESS", "s"), 0);
        ck_assert_int_eq(set("DBUS_SESSION_BUS_ADDRESS", "s"), 0);
        ck_assert_int_eq(set("DBUS_SYSTEM_BUS_ADDRESS", "s"), 0);
        ck_assert_int_eq(set("DBUS_STARTER_BUS_TYPE", "s"), 0);
        check(inherited, "session",
              LIST("DBUS_STARTER_ADDRESS=" ADDRESS, "DBUS_STARTER_BUS_TYPE=session",
                   "DBUS_SESSION_BUS_ADDRESS=" ADDRESS, "DBUS_SYSTEM_BUS_ADDRESS=s"));
}
END_TEST

START_TEST(what_is_for_the_bus_alone_stays_with_it) {
        char *const *inherited = INHERITED(
                "LISTEN_FDS=1", "LISTEN_PID=2", "LISTEN_FDNAMES=x", "NOTIFY_SOCKET=/x",
                "INVOCATION_ID=x", "JOURNAL_STREAM=1:2", "MAINPID=1", "MANAGERPID=2",
                "WATCHDOG_USEC=3", "WATCHDOG_PID=4", "DBUS_SESSION_BUS_PID=5", "LISTEN_FDSX=6");

        check(inherited, NULL,
              LIST("MAINPID=1", "MANAGERPID=2", "WATCHDOG_USEC=3", "WATCHDOG_PID=4",
                   "DBUS_SESSION_BUS_PID=5", "LISTEN_FDSX=6", "DBUS_STARTER_ADDRESS=" ADDRESS));
        /* a client may set such a variable for services */
        ck_assert_int_eq(set("NOTIFY_SOCKET", "/y"), 0);
        check(NONE, NULL, LIST("NOTIFY_SOCKET=/y", "DBUS_STARTER_ADDRESS=" ADDRESS));
}
END_TEST

START_TEST(what_is_no_variable_is_refused) {
        ck_assert_int_eq(set("", "x"), -EINVAL);
        ck_assert_int_eq(set("A=B", "x"), -EINVAL);
        ck_assert_int_eq(set("=A", "x"), -EINVAL);
        ck_assert_int_eq(service_environment_set(&environment, "A\0B", 3, "x", 1), -EINVAL);
        ck_assert_int_eq(service_environment_set(&environment, "A", 1, "x\0y", 3), -EINVAL);
        check(NONE, NULL, LIST("DBUS_STARTER_ADDRESS=" ADDRESS));
}
END_TEST

START_TEST(number_of_variables_is_bounded) {
        char name[16];

        for (unsigned i = 0; i < SERVICE_ENVIRONMENT_VARIABLES_MAX; i++) {
                snprintf(name, sizeof(name), "V%u", i);
                ck_assert_int_eq(set(name, "x"), 0);
        }
        ck_assert_int_eq(set("ANOTHER", "x"), -E2BIG);
        ck_assert_int_eq(set("V0", "y"), 0);
}
END_TEST

START_TEST(size_of_all_variables_is_bounded) {
        static char value[SERVICE_VARIABLE_BYTES_MAX];
        char name[2] = "A";

        memset(value, 'x', sizeof(value) - 1);
        ck_assert_int_eq(set("A", value), -E2BIG);
        ck_assert_int_eq(set("A", value + 1), -E2BIG);
        /* eight variables of 131071 bytes, and one that fills the rest */
        for (; *name <= 'H'; ++*name)
                ck_assert_int_eq(set(name, value + 2), 0);
        ck_assert_int_eq(set("IJ", "123456"), -E2BIG);
        ck_assert_int_eq(set("IJ", "12345"), 0);
        ck_assert_uint_eq(environment.n_bytes, SERVICE_ENVIRONMENT_BYTES_MAX);
        ck_assert_int_eq(set("K", ""), -E2BIG);
        /* a replaced variable does not count any more; one that cannot be replaced stays */
        ck_assert_int_eq(set("IJ", "123456"), -E2BIG);
        ck_assert_int_eq(set("IJ", "123"), 0);
        ck_assert_int_eq(set("K", ""), 0);
        ck_assert_int_eq(set("A", ""), 0);
        ck_assert_uint_eq(environment.n_bytes, SERVICE_ENVIRONMENT_BYTES_MAX - 131071 + 2);
}
END_TEST

int main(void) {
        TCase *t = tcase_create("service-environment");

        tcase_add_checked_fixture(t, NULL, teardown);
        tcase_set_timeout(t, 30);
        tcase_add_test(t, what_was_set_wins_over_what_is_inherited);
        tcase_add_test(t, way_to_the_bus_wins_over_all);
        tcase_add_test(t, what_is_for_the_bus_alone_stays_with_it);
        tcase_add_test(t, what_is_no_variable_is_refused);
        tcase_add_test(t, number_of_variables_is_bounded);
        tcase_add_test(t, size_of_all_variables_is_bounded);
        return suite_run("activation-service-environment", t);
}
