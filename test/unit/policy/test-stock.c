/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stock configurations: those that the reference bus installs, and those of its own tests. Cases
 * whose files are not installed pass without a message.
 */

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

#define SESSION_CONF "/usr/share/dbus-1/session.conf"
#define SYSTEM_CONF "/usr/share/dbus-1/system.conf"

static bool owns_nothing(void *userdata, const char *name, bool prefix) {
        return false;
}

static bool owns_hostname1(void *userdata, const char *name, bool prefix) {
        return !prefix && !strcmp(name, "org.freedesktop.hostname1");
}

static const struct policy_peer nobody = {.owns = owns_nothing};
static const struct policy_peer bus = {.is_driver = true};

static struct bus_config *load(const char *path) {
        static const struct bus_config_environment environment = {
                .home = "/home/x",
                .selinux_root = "/nonexistent",
        };
        struct bus_config *config = NULL;
        char *error = NULL;

        if (access(path, R_OK) < 0)
                return NULL;
        ck_assert_msg(bus_config_load(path, &environment, &config, &error) == 0, "%s", error);
        return config;
}

START_TEST(session_policy_allows_everything_at_no_cost) {
        struct bus_config *config = load(SESSION_CONF);
        struct policy_unenforced *list = NULL;
        struct policy_client *client;
        size_t n = 0;

        if (!config)
                return;
        ck_assert_str_eq(config->type, "session");
        ck_assert(config->keep_umask && !config->fork);
        ck_assert_str_eq(config->listen[0], "unix:tmpdir=/tmp");
        ck_assert(bus_config_allows_auth(config, "EXTERNAL"));
        ck_assert(!bus_config_allows_auth(config, "ANONYMOUS"));
        ck_assert_int_eq(config->limits.max_incoming_bytes, 1000000000);
        ck_assert_int_eq(config->limits.max_names_per_connection, 50000);
        ck_assert_int_eq(config->limits.max_message_unix_fds, 16);
        ck_assert_int_eq(policy_client_new(config->policy, 1000, NULL, 0, &client), 0);
        ck_assert(policy_client_allows_all_send(client));
        ck_assert(policy_client_allows_all_receive(client));
        ck_assert(policy_check_own(client, "a.b", NULL));
        ck_assert(policy_check_connect(config->policy, 1000, NULL, 0, 1000, NULL));
        ck_assert(!policy_check_connect(config->policy, 1001, NULL, 0, 1000, NULL));
        ck_assert(!policy_check_connect(config->policy, 0, NULL, 0, 1000, NULL));
        ck_assert_int_eq(policy_unenforced(config, BUS_ENFORCES_ACTIVATION, &list, &n), 0);
        ck_assert_uint_eq(n, 0);
        policy_unenforced_free(list, n);
        policy_client_free(client);
        bus_config_free(config);
}
END_TEST

static bool may_call_bus(const struct policy_client *client, const char *interface,
                         const char *member) {
        const struct policy_message m = {
                .type = POLICY_TYPE_METHOD_CALL,
                .path = "/org/freedesktop/DBus",
                .interface = interface,
                .member = member,
                .destination = POLICY_DRIVER_NAME,
                .peer = &bus,
        };

        return policy_check_send(client, &m, NULL);
}

START_TEST(system_policy_is_closed) {
        const struct policy_peer hostname1 = {.owns = owns_hostname1};
        struct policy_message call = {
                .type = POLICY_TYPE_METHOD_CALL,
                .path = "/x",
                .interface = "x.Y",
                .member = "Z",
                .destination = "x.y",
                .peer = &nobody,
        };
        struct policy_message reply = {.type = POLICY_TYPE_METHOD_RETURN, .peer = &nobody};
        const struct policy_message signal = {
                .type = POLICY_TYPE_SIGNAL,
                .path = "/x",
                .interface = "x.Y",
                .member = "Z",
                .broadcast = true,
                .peer = &nobody,
        };
        struct bus_config *config = load(SYSTEM_CONF);
        struct policy_client *user, *root;
        const struct policy_rule *rule;

        if (!config)
                return;
        ck_assert_str_eq(config->type, "system");
        ck_assert_str_eq(config->user, "messagebus");
        ck_assert_str_eq(config->listen[0], "unix:path=/run/dbus/system_bus_socket");
        ck_assert(config->fork && config->syslog);
        ck_assert_ptr_nonnull(config->servicehelper);
        ck_assert_str_eq(config->pidfile, "/run/dbus/pid");
        ck_assert_int_eq(config->limits.max_connections_per_user, 256);
        ck_assert(policy_check_connect(config->policy, 12345, NULL, 0, 100, NULL));
        ck_assert_int_eq(policy_client_new(config->policy, 12345, NULL, 0, &user), 0);
        ck_assert_int_eq(policy_client_new(config->policy, 0, NULL, 0, &root), 0);
        ck_assert(!policy_client_allows_all_send(user));

        ck_assert(!policy_check_own(user, "x.y", &rule));
        ck_assert_str_eq(policy_rule_file(rule), SYSTEM_CONF);
        ck_assert(!policy_check_send(user, &call, &rule));
        ck_assert_str_eq(policy_rule_file(rule), SYSTEM_CONF);
        ck_assert(policy_check_send(user, &signal, NULL));
        ck_assert(!policy_check_send(user, &reply, NULL));
        reply.requested_reply = true;
        ck_assert(policy_check_send(user, &reply, NULL));
        ck_assert(policy_check_receive(user, &call, NULL));
        ck_assert(policy_check_receive(user, &reply, NULL));
        ck_assert(policy_check_receive(user, &signal, NULL));
        reply.requested_reply = false;
        ck_assert(!policy_check_receive(user, &reply, NULL));
        call.eavesdropping = true;
        ck_assert(!policy_check_receive(root, &call, NULL));
        call.eavesdropping = false;

        ck_assert(may_call_bus(user, "org.freedesktop.DBus", "RequestName"));
        ck_assert(may_call_bus(user, "org.freedesktop.DBus.Introspectable", "Introspect"));
        ck_assert(!may_call_bus(user, "org.freedesktop.DBus", "UpdateActivationEnvironment"));
        ck_assert(!may_call_bus(user, NULL, "RequestName"));
        ck_assert(!may_call_bus(user, "org.freedesktop.DBus.Monitoring", "BecomeMonitor"));
        ck_assert(may_call_bus(root, "org.freedesktop.DBus.Monitoring", "BecomeMonitor"));
        ck_assert(!may_call_bus(user, "org.freedesktop.DBus.Debug.Stats", "GetStats"));
        ck_assert(may_call_bus(root, "org.freedesktop.DBus.Debug.Stats", "GetStats"));
        ck_assert(!may_call_bus(root, "org.freedesktop.DBus", "UpdateActivationEnvironment"));

        /* the file of a service, if it is installed */
        if (!access("/usr/share/dbus-1/system.d/org.freedesktop.hostname1.conf", R_OK)) {
                call.peer = &hostname1;
                call.destination = "org.freedesktop.hostname1";
                ck_assert(policy_check_send(user, &call, &rule));
                ck_assert(strstr(policy_rule_file(rule), "hostname1.conf"));
                ck_assert(policy_check_own(root, "org.freedesktop.hostname1", NULL));
                ck_assert(!policy_check_own(user, "org.freedesktop.hostname1", NULL));
        }
        policy_client_free(user);
        policy_client_free(root);
        bus_config_free(config);
}
END_TEST

/* The files of the package dbus-tests. */

static void each_file(const char *pattern, void (*check)(const char *path)) {
        static const char *const roots[] = {
                "/usr/lib/dbus-1.0/*/libexec/installed-tests/dbus/data",
                "/usr/libexec/installed-tests/dbus/data",
        };
        glob_t found;
        char path[512];

        for (size_t i = 0; i < sizeof(roots) / sizeof(*roots); i++) {
                snprintf(path, sizeof(path), "%s/%s/*.conf", roots[i], pattern);
                if (glob(path, 0, NULL, &found))
                        continue;
                for (size_t j = 0; j < found.gl_pathc; j++)
                        check(found.gl_pathv[j]);
                globfree(&found);
        }
}

static void expect_accepted(const char *path) {
        bus_config_free(load(path));
}

static void expect_refused(const char *path) {
        struct bus_config *config = NULL;
        char *error = NULL;

        ck_assert_msg(bus_config_load(path, NULL, &config, &error) == -EINVAL, "%s", path);
        ck_assert_msg(strstr(error, ".conf:") != NULL, "%s", error);
        free(error);
}

START_TEST(valid_files_of_the_reference_tests_are_accepted) {
        each_file("valid-config-files", expect_accepted);
        each_file("valid-config-files-system", expect_accepted);
}
END_TEST

START_TEST(invalid_files_of_the_reference_tests_are_refused) {
        each_file("invalid-config-files", expect_refused);
}
END_TEST

static struct bus_config *first_equivalent;

static void expect_equivalent(const char *path) {
        struct bus_config *config = load(path), *first = first_equivalent;

        if (!first) {
                first_equivalent = config;
                return;
        }
        ck_assert_str_eq(config->user, first->user);
        ck_assert_uint_eq(config->n_listen, first->n_listen);
        for (size_t i = 0; i < config->n_listen; i++)
                ck_assert_str_eq(config->listen[i], first->listen[i]);
        ck_assert_uint_eq(config->n_servicedirs, first->n_servicedirs);
        for (size_t i = 0; i < config->n_servicedirs; i++)
                ck_assert_str_eq(config->servicedirs[i].path, first->servicedirs[i].path);
        ck_assert_int_eq(policy_check_connect(config->policy, 1, NULL, 0, 2, NULL),
                         policy_check_connect(first->policy, 1, NULL, 0, 2, NULL));
        bus_config_free(config);
}

START_TEST(equivalent_files_of_the_reference_tests_are_equal) {
        static const char *const groups[] = {"equiv-config-files/basic",
                                             "equiv-config-files/entities"};

        for (size_t i = 0; i < 2; i++) {
                each_file(groups[i], expect_equivalent);
                first_equivalent = bus_config_free(first_equivalent);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("policy-stock");
        TCase *t = tcase_create("stock");

        tcase_set_timeout(t, 30);
        tcase_add_test(t, session_policy_allows_everything_at_no_cost);
        tcase_add_test(t, system_policy_is_closed);
        tcase_add_test(t, valid_files_of_the_reference_tests_are_accepted);
        tcase_add_test(t, invalid_files_of_the_reference_tests_are_refused);
        tcase_add_test(t, equivalent_files_of_the_reference_tests_are_equal);
        suite_add_tcase(suite, t);
        return run_suite(suite);
}
