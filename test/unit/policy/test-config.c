/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Configuration elements: the settings of each element, and invalid elements. The outcomes in the
 * tables were compared with dbus-daemon 1.14.10.
 */

#include <errno.h>
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

static const char *const accepted_bodies[] = {
        "",
        "<type> </type>",
        "<type>foo</type>",
        "<type>a<!-- c -->b</type>",
        "<type><![CDATA[x]]></type>",
        "<?pi x?>",
        "<fork> </fork>",
        "<fork/><fork/>",
        "<keep_umask/><syslog/><allow_anonymous/>",
        "<include ignore_missing=\"yes\">/nonexistent</include>",
        "<include if_selinux_enabled=\"yes\" selinux_root_relative=\"yes\">ctx</include>",
        "<includedir>/nonexistent</includedir>",
        "<servicedir>x</servicedir>",
        "<standard_session_servicedirs/><standard_session_servicedirs/>",
        "<limit name=\"max_incoming_bytes\">5</limit>",
        "<limit name=\"max_incoming_bytes\"> 5 </limit>",
        "<limit name=\"max_incoming_bytes\">0x10</limit>",
        "<limit name=\"max_incoming_bytes\">+5</limit>",
        "<limit name=\"max_incoming_bytes\">9999999999</limit>",
        "<limit name=\"max_message_size\">9999999999</limit>",
        "<limit name=\"max_incoming_unix_fds\">9999999999</limit>",
        "<limit name=\"max_outgoing_unix_fds\">9999999999</limit>",
        "<limit name=\"max_message_unix_fds\">9999999999</limit>",
        "<limit name=\"reply_timeout\">0</limit>",
        "<limit name=\"auth_timeout\">0</limit>",
        "<limit name=\"max_names_per_connection\">2147483647</limit>",
        "<limit name=\"max_containers\">5</limit>",
        "<limit name=\"max_containers_per_user\">5</limit>",
        "<limit name=\"max_connections_per_container\">5</limit>",
        "<limit name=\"max_incoming_bytes\">5</limit><limit name=\"max_incoming_bytes\">6</limit>",
        "<selinux/>",
        "<selinux><associate own=\"a\" context=\"b\"/></selinux>",
        "<selinux><associate own=\"\" context=\"\"/></selinux>",
        "<apparmor/>",
        "<apparmor mode=\"disabled\"/>",
        "<apparmor mode=\"enabled\"> </apparmor>",
        "<auth>EXTERNAL</auth>",
        "<auth>ANONYMOUS</auth>",
        "<auth>DBUS_COOKIE_SHA1</auth>",
        "<user>nosuchuser</user>",
        "<servicehelper>x</servicehelper>",
        "<policy user=\"*\"/>",
        "<policy group=\"*\"/>",
        "<policy user=\"\"/>",
        "<policy group=\"nosuchgroup\"/>",
        "<policy user=\"99999999999\"/>",
        "<policy user=\"12345\"/>",
        "<policy at_console=\"true\"/><policy at_console=\"false\"/>",
        "<policy context=\"mandatory\"/>",
};

START_TEST(body_is_accepted) {
        struct bus_config *config;

        config = scratch_load_body(&scratch, accepted_bodies[_i]);
        ck_assert_msg(!!config, "%s: %s", accepted_bodies[_i], scratch.error);
        bus_config_free(config);
}
END_TEST

static const struct {
        const char *body;
        const char *error;
} refused_bodies[] = {
        {"<type></type>", "2:7: <type> must not be empty"},
        {"<pidfile/>", "<pidfile> must not be empty"},
        {"<user></user>", "<user> must not be empty"},
        {"<listen></listen>", "<listen> must not be empty"},
        {"<auth></auth>", "<auth> must not be empty"},
        {"<include></include>", "<include> must not be empty"},
        {"<includedir></includedir>", "<includedir> must not be empty"},
        {"<servicedir></servicedir>", "<servicedir> must not be empty"},
        {"<servicehelper></servicehelper>", "<servicehelper> must not be empty"},
        {"<limit name=\"max_incoming_bytes\"></limit>", "<limit> must not be empty"},
        {"<fork>x</fork>", "2:7: no text is allowed inside <fork>"},
        {"<allow_anonymous>x</allow_anonymous>", "inside <allow_anonymous>"},
        {"<standard_session_servicedirs>x</standard_session_servicedirs>", "no text"},
        {"<apparmor>x</apparmor>", "no text"},
        {"text", "no text is allowed inside <busconfig>"},
        {"<selinux>x</selinux>", "no text is allowed inside <selinux>"},
        {"<selinux><associate own=\"a\" context=\"b\">x</associate></selinux>", "no text"},
        {"<policy context=\"default\">text</policy>", "no text is allowed inside <policy>"},
        {"<policy context=\"default\"><allow own=\"a\">x</allow></policy>", "inside <allow>"},
        {"<fork a=\"b\"/>", "2:1: attribute \"a\" is invalid on <fork>"},
        {"<type a=\"b\">x</type>", "attribute \"a\" is invalid on <type>"},
        {"<listen carefully=\"yes\">x</listen>", "\"carefully\" is invalid on <listen>"},
        {"<includedir a=\"b\">x</includedir>", "attribute \"a\" is invalid on <includedir>"},
        {"<include a=\"b\">x</include>", "attribute \"a\" is invalid on <include>"},
        {"<selinux a=\"b\"/>", "attribute \"a\" is invalid on <selinux>"},
        {"<apparmor style=\"b\"/>", "attribute \"style\" is invalid on <apparmor>"},
        {"<policy hat=\"top\"/>", "attribute \"hat\" is invalid on <policy>"},
        {"<policy context=\"default\"><allow hat=\"top\"/></policy>",
         "\"hat\" is invalid on <allow>"},
        {"<policy context=\"default\"><deny hat=\"top\"/></policy>",
         "\"hat\" is invalid on <deny>"},
        {"<selinux><associate own=\"a\" context=\"b\" c=\"d\"/></selinux>", "\"c\" is invalid"},
        {"<limit wildebeest=\"gnu\">5</limit>", "\"wildebeest\" is invalid on <limit>"},
        {"<limit name=\"a\" name=\"a\">5</limit>", "duplicate attribute"},
        {"<bees/>", "2:1: unknown element <bees>"},
        {"<fork><bees/></fork>", "unknown element <bees>"},
        {"<busconfig/>", "<busconfig> is not allowed inside <busconfig>"},
        {"<allow own=\"a\"/>", "<allow> is not allowed inside <busconfig>"},
        {"<associate own=\"a\" context=\"b\"/>", "<associate> is not allowed inside <busconfig>"},
        {"<fork><fork/></fork>", "<fork> is not allowed inside <fork>"},
        {"<selinux><fork/></selinux>", "<fork> is not allowed inside <selinux>"},
        {"<type>a<fork/></type>", "<fork> is not allowed inside <type>"},
        {"<policy context=\"default\"><fork/></policy>", "<fork> is not allowed inside <policy>"},
        {"<policy context=\"default\"><policy context=\"default\"/></policy>",
         "<policy> is not allowed inside <policy>"},
        {"<policy context=\"default\"><allow own=\"a\"><deny own=\"b\"/></allow></policy>",
         "<deny> is not allowed inside <allow>"},
        {"<policy/>", "exactly one of"},
        {"<policy context=\"default\" user=\"root\"/>", "exactly one of"},
        {"<policy user=\"root\" at_console=\"true\"/>", "exactly one of"},
        {"<policy context=\"\"/>", "bad value \"\" for attribute context"},
        {"<policy context=\"apropos\"/>", "bad value \"apropos\" for attribute context"},
        {"<policy at_console=\"yes\"/>", "bad value \"yes\" for attribute at_console"},
        {"<include>/nonexistent</include>", "/nonexistent: cannot open: No such file"},
        {"<include> x.conf </include>", "/ x.conf : cannot open"},
        {"<include ignore_missing=\"yes\">/etc/passwd/x</include>", "Not a directory"},
        {"<include ignore_missing=\"yes\">/proc/self</include>", "/proc/self"},
        {"<include ignore_missing=\"true\">/nonexistent</include>", "must be yes or no"},
        {"<include if_selinux_enabled=\"moo\">x</include>", "must be yes or no"},
        {"<include selinux_root_relative=\"jomoma\">x</include>", "must be yes or no"},
        {"<include selinux_root_relative=\"yes\">x</include>",
         "/nonexistent/selinux/x: cannot open"},
        {"<includedir>/etc/passwd</includedir>", "cannot read directory /etc/passwd"},
        {"<limit>5</limit>", "needs the attribute \"name\""},
        {"<limit name=\"\">5</limit>", "no limit called \"\""},
        {"<limit name=\"max_bees\">5</limit>", "no limit called \"max_bees\""},
        {"<limit name=\"max_incoming_bytes\">bees</limit>", "is not an integer"},
        {"<limit name=\"max_incoming_bytes\"> </limit>", "is not an integer"},
        {"<limit name=\"reply_timeout\">-1</limit>", "is negative"},
        {"<limit name=\"auth_timeout\">9999999999</limit>", "out of range"},
        {"<limit name=\"auth_timeout\">99999999999999999999999</limit>", "out of range"},
        {"<limit name=\"max_incoming_bytes\">99999999999999999999999</limit>", "out of range"},
        {"<limit name=\"max_container_metadata_bytes\">9999999999</limit>", "out of range"},
        {"<limit name=\"max_names_per_connection\">2147483648</limit>", "out of range"},
        {"<selinux><associate own=\"a\"/></selinux>", "needs the attributes own and context"},
        {"<selinux><associate context=\"a\"/></selinux>", "needs the attributes own and context"},
        {"<apparmor mode=\"\"/>", "bad value \"\" for attribute mode"},
        {"<apparmor mode=\"plaintive\"/>", "bad value \"plaintive\" for attribute mode"},
        {"<auth>FOO</auth>", "unsupported auth mechanism \"FOO\""},
        {"<auth>external</auth>", "unsupported auth mechanism \"external\""},
        {"<auth> EXTERNAL </auth>", "unsupported auth mechanism"},
        {"<type>&undefined;</type>", "undefined entity"},
        {"<user>x</foo>", "mismatched tag"},
        {"<user", "not well-formed"},
};

START_TEST(body_is_refused) {
        struct bus_config *config;

        config = scratch_load_body(&scratch, refused_bodies[_i].body);
        ck_assert_msg(!config, "%s: accepted", refused_bodies[_i].body);
        ck_assert_msg(!!strstr(scratch.error, refused_bodies[_i].error), "%s: %s",
                      refused_bodies[_i].body, scratch.error);
}
END_TEST

#define LISTEN "<listen>unix:path=/x</listen>"

static const struct {
        const char *content;
        const char *error; /* NULL: accepted */
} documents[] = {
        {"<busconfig>" LISTEN "</busconfig>", NULL},
        {"\xef\xbb\xbf<busconfig>" LISTEN "</busconfig>", NULL},
        {"<?xml version='1.0' encoding='ISO-8859-1'?><busconfig>" LISTEN "</busconfig>", NULL},
        {"<!DOCTYPE busconfig [<!ENTITY x \"a\">]><busconfig>" LISTEN
         "<type>a&x;</type></busconfig>",
         NULL},
        {"<!DOCTYPE busconfig PUBLIC \"a\" \"b\"><busconfig>" LISTEN "</busconfig>", NULL},
        {"<busconfig></busconfig>", "there is no <listen> element"},
        {"<fork/>", "the root element must be <busconfig>, not <fork>"},
        {"<bees/>", "unknown element <bees>"},
        {"", "1:1: no element found"},
        {"<busconfig x=\"y\">" LISTEN "</busconfig>", "\"x\" is invalid on <busconfig>"},
        {"<busconfig xmlns=\"foo\">" LISTEN "</busconfig>", "\"xmlns\" is invalid"},
        {"<busconfig>" LISTEN "</busconfig><busconfig/>", "junk after document element"},
        {"<busconfig>" LISTEN, "no element found"},
        /* stricter than dbus-daemon, which reads this as "a" */
        {"<!DOCTYPE busconfig PUBLIC \"a\" \"b\"><busconfig>" LISTEN
         "<type>a&undefined;</type></busconfig>",
         "undefined entity &undefined;"},
};

START_TEST(document_is_judged) {
        struct bus_config *config;

        scratch_write(&scratch, "main.conf", documents[_i].content);
        config = scratch_load(&scratch, "main.conf");
        if (!documents[_i].error)
                ck_assert_msg(!!config, "%s: %s", documents[_i].content, scratch.error);
        else
                ck_assert_msg(!config && strstr(scratch.error, documents[_i].error), "%s: %s",
                              documents[_i].content, scratch.error);
        bus_config_free(config);
}
END_TEST

START_TEST(missing_main_file_is_told_apart) {
        struct bus_config *config = NULL;
        char *error = NULL;

        ck_assert_int_eq(bus_config_load("/nonexistent/x.conf", NULL, &config, &error), -ENOENT);
        ck_assert_str_eq(error, "/nonexistent/x.conf: cannot open: No such file or directory");
        ck_assert_ptr_null(config);
        free(error);
        ck_assert_int_eq(bus_config_load("/nonexistent/x.conf", NULL, &config, NULL), -ENOENT);
}
END_TEST

START_TEST(error_starts_with_file_line_and_column) {
        char expected[256];

        ck_assert_ptr_null(scratch_load_body(&scratch, "\n  <fork/>\n  <bees/>"));
        snprintf(expected, sizeof(expected), "%s/main.conf:4:3: unknown element <bees>",
                 scratch.directory);
        ck_assert_str_eq(scratch.error, expected);
}
END_TEST

START_TEST(elements_set_their_fields) {
        struct bus_config *config;

        config = scratch_load_body(&scratch,
                                   "<type>session</type><type>system</type><user>a</user>"
                                   "<user>b</user><fork/><keep_umask/><syslog/>"
                                   "<pidfile>/run/a</pidfile><pidfile>/run/b</pidfile>"
                                   "<allow_anonymous/><listen> unix:path=/&lt;y&gt;</listen>"
                                   "<auth>EXTERNAL</auth><auth>ANONYMOUS</auth>"
                                   "<servicehelper>/bin/h</servicehelper>"
                                   "<apparmor mode=\"required\"/>"
                                   "<selinux><associate own=\"a\" context=\"1\"/>\n"
                                   "<associate own=\"b\" context=\"2\"/>"
                                   "<associate own=\"a\" context=\"3\"/></selinux>");
        ck_assert_ptr_nonnull(config);
        ck_assert_str_eq(config->type, "system");
        ck_assert_str_eq(config->user, "b");
        ck_assert(config->fork && config->keep_umask && config->syslog && config->allow_anonymous);
        ck_assert_str_eq(config->pidfile, "/run/b");
        ck_assert_uint_eq(config->n_listen, 2);
        ck_assert_str_eq(config->listen[0], "unix:path=/x");
        ck_assert_str_eq(config->listen[1], " unix:path=/<y>");
        ck_assert_uint_eq(config->n_auth, 2);
        ck_assert_str_eq(config->auth[1], "ANONYMOUS");
        ck_assert(bus_config_allows_auth(config, "EXTERNAL"));
        ck_assert(!bus_config_allows_auth(config, "DBUS_COOKIE_SHA1"));
        ck_assert_str_eq(config->servicehelper, "/bin/h");
        ck_assert_int_eq(config->apparmor, BUS_APPARMOR_REQUIRED);
        ck_assert_uint_eq(config->n_selinux, 2);
        ck_assert_str_eq(config->selinux[0].own, "a");
        ck_assert_str_eq(config->selinux[0].context, "3");
        ck_assert_uint_eq(config->selinux[0].line, 3);
        ck_assert_str_eq(config->selinux[1].context, "2");
        ck_assert_uint_eq(config->inputs.n_files, 1);
        ck_assert_uint_eq(config->n_warnings, 0);
        bus_config_free(config);
}
END_TEST

START_TEST(absent_elements_leave_defaults) {
        struct bus_config *config;

        config = scratch_load_body(&scratch, "");
        ck_assert_ptr_null(config->type);
        ck_assert_ptr_null(config->user);
        ck_assert_ptr_null(config->pidfile);
        ck_assert_ptr_null(config->servicehelper);
        ck_assert(!config->fork && !config->keep_umask && !config->syslog);
        ck_assert(!config->allow_anonymous);
        ck_assert(bus_config_allows_auth(config, "ANONYMOUS"));
        ck_assert_int_eq(config->apparmor, BUS_APPARMOR_ENABLED);
        ck_assert_ptr_null(config->place_apparmor.file);
        ck_assert_int_eq(config->limits.max_incoming_bytes, 133169152);
        ck_assert_int_eq(config->limits.max_incoming_unix_fds, 64);
        ck_assert_int_eq(config->limits.max_outgoing_bytes, 133169152);
        ck_assert_int_eq(config->limits.max_outgoing_unix_fds, 64);
        ck_assert_int_eq(config->limits.max_message_size, 33554432);
        ck_assert_int_eq(config->limits.max_message_unix_fds, 16);
        ck_assert_int_eq(config->limits.service_start_timeout, 25000);
        ck_assert_int_eq(config->limits.auth_timeout, 30000);
        ck_assert_int_eq(config->limits.pending_fd_timeout, 150000);
        ck_assert_int_eq(config->limits.max_completed_connections, 2048);
        ck_assert_int_eq(config->limits.max_incomplete_connections, 64);
        ck_assert_int_eq(config->limits.max_connections_per_user, 256);
        ck_assert_int_eq(config->limits.max_pending_service_starts, 512);
        ck_assert_int_eq(config->limits.max_names_per_connection, 512);
        ck_assert_int_eq(config->limits.max_match_rules_per_connection, 512);
        ck_assert_int_eq(config->limits.max_replies_per_connection, 128);
        ck_assert_int_eq(config->limits.reply_timeout, -1);
        bus_config_free(config);
}
END_TEST

START_TEST(limit_is_the_leading_number) {
        static const struct {
                const char *text;
                int64_t value;
                bool warns;
        } cases[] = {
                {"5000", 5000, false}, {" 5000 ", 5000, false}, {"0x100", 256, false},
                {"010", 8, false},     {"5000x", 5000, true},   {"1.5", 1, true},
        };
        char body[128];

        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct bus_config *config;

                snprintf(body, sizeof(body), "<limit name=\"max_message_size\">%s</limit>",
                         cases[i].text);
                config = scratch_load_body(&scratch, body);
                ck_assert_ptr_nonnull(config);
                ck_assert_int_eq(config->limits.max_message_size, cases[i].value);
                ck_assert_int_eq(config_warns(config, "is read as"), cases[i].warns);
                bus_config_free(config);
        }
}
END_TEST

START_TEST(service_directories_keep_document_order) {
        static const struct bus_config_environment environment = {
                .home = "/home/x",
                .xdg_runtime_dir = "/run/user/1",
                .xdg_data_dirs = "/opt/share:relative::/usr/share",
                .directory = "/work",
        };
        static const char *const expected[] = {
                "/srv/first",
                "/run/user/1/dbus-1/services",
                "/home/x/.local/share/dbus-1/services",
                "/opt/share/dbus-1/services",
                "/work/relative/dbus-1/services",
                "/usr/share/dbus-1/services",
                "/srv/last",
        };
        static const enum bus_servicedir_kind kinds[] = {
                SERVICEDIR_FIXED,       SERVICEDIR_RUNTIME,     SERVICEDIR_ENVIRONMENT,
                SERVICEDIR_ENVIRONMENT, SERVICEDIR_ENVIRONMENT, SERVICEDIR_FIXED,
                SERVICEDIR_FIXED,
        };
        struct bus_config *config = NULL;
        char path[128];

        scratch_write_body(&scratch, "main.conf",
                           "<servicedir>/srv/first</servicedir><standard_session_servicedirs/>"
                           "<servicedir>/srv/last</servicedir>");
        snprintf(path, sizeof(path), "%s/main.conf", scratch.directory);
        ck_assert_int_eq(bus_config_load(path, &environment, &config, NULL), 0);
        ck_assert_uint_eq(config->n_servicedirs, sizeof(expected) / sizeof(*expected));
        for (size_t i = 0; i < config->n_servicedirs; i++) {
                ck_assert_str_eq(config->servicedirs[i].path, expected[i]);
                ck_assert_int_eq(config->servicedirs[i].kind, kinds[i]);
        }
        bus_config_free(config);
}
END_TEST

START_TEST(system_service_directories_ignore_the_environment) {
        struct bus_config *config;
        char relative[128];

        config = scratch_load_body(&scratch, "<standard_system_servicedirs/>"
                                             "<servicedir>services</servicedir>");
        ck_assert_uint_eq(config->n_servicedirs, 6);
        ck_assert_str_eq(config->servicedirs[0].path, "/etc/dbus-1/system-services");
        ck_assert_str_eq(config->servicedirs[2].path, "/usr/local/share/dbus-1/system-services");
        ck_assert_str_eq(config->servicedirs[4].path, "/lib/dbus-1/system-services");
        snprintf(relative, sizeof(relative), "%s/services", scratch.directory);
        ck_assert_str_eq(config->servicedirs[5].path, relative);
        bus_config_free(config);
}
END_TEST

START_TEST(entity_bomb_is_refused) {
        struct bus_config *config;

        scratch_write(
                &scratch, "main.conf",
                "<!DOCTYPE busconfig [<!ENTITY a \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\">\n"
                "<!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">\n"
                "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">\n"
                "<!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;\">\n"
                "<!ENTITY e \"&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;\">\n"
                "<!ENTITY f \"&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;\">\n"
                "<!ENTITY g \"&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;\">]>\n"
                "<busconfig><listen>unix:path=/x</listen>"
                "<policy context=\"default\"><allow own=\"&g;\"/></policy></busconfig>");
        config = scratch_load(&scratch, "main.conf");
        ck_assert_ptr_null(config);
}
END_TEST

START_TEST(long_text_is_refused) {
        char *body;

        body = malloc(200000);
        ck_assert_ptr_nonnull(body);
        memset(body, 'a', 200000);
        memcpy(body, "<type>", 6);
        memcpy(body + 200000 - 8, "</type>", 8);
        ck_assert_ptr_null(scratch_load_body(&scratch, body));
        ck_assert(strstr(scratch.error, "longer than"));
        free(body);
}
END_TEST

START_TEST(unenforced_things_are_listed) {
        const unsigned all = ~0u;
        struct policy_unenforced *list = NULL;
        struct bus_config *config;
        size_t n = 0;

        config = scratch_load_body(&scratch, "<allow_anonymous/><auth>DBUS_COOKIE_SHA1</auth>"
                                             "<servicehelper>/h</servicehelper>"
                                             "<servicedir>/s</servicedir>\n"
                                             "<apparmor mode=\"required\"/>\n<selinux>"
                                             "<associate own=\"a\" context=\"b\"/></selinux>");
        ck_assert_int_eq(policy_unenforced(config, all, &list, &n), 0);
        ck_assert_uint_eq(n, 0);
        ck_assert_ptr_null(list);
        policy_unenforced_free(list, n);

        /* SELinux is disabled */
        ck_assert_int_eq(policy_unenforced(config, 0, &list, &n), 0);
        ck_assert_uint_eq(n, 5);
        ck_assert_int_eq(list[0].severity, POLICY_UNENFORCED_REQUIRED);
        ck_assert(strstr(list[0].text, "/main.conf:3: AppArmor"));
        for (size_t i = 1; i < n; i++)
                ck_assert_int_eq(list[i].severity, POLICY_UNENFORCED_NOTE);
        policy_unenforced_free(list, n);

        config->selinux_enabled = true;
        ck_assert_int_eq(
                policy_unenforced(config, all & ~(unsigned)BUS_ENFORCES_SELINUX, &list, &n), 0);
        ck_assert_uint_eq(n, 2);
        ck_assert_int_eq(list[0].severity, POLICY_UNENFORCED_REFUSE);
        ck_assert(strstr(list[0].text, "/main.conf:4: SELinux"));
        policy_unenforced_free(list, n);
        bus_config_free(config);
}
END_TEST

#define N(array) ((int)(sizeof(array) / sizeof(*(array))))

int main(void) {
        Suite *suite = suite_create("policy-config");
        TCase *t = tcase_create("elements");

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_loop_test(t, body_is_accepted, 0, N(accepted_bodies));
        tcase_add_loop_test(t, body_is_refused, 0, N(refused_bodies));
        tcase_add_loop_test(t, document_is_judged, 0, N(documents));
        tcase_add_test(t, missing_main_file_is_told_apart);
        tcase_add_test(t, error_starts_with_file_line_and_column);
        tcase_add_test(t, elements_set_their_fields);
        tcase_add_test(t, absent_elements_leave_defaults);
        tcase_add_test(t, limit_is_the_leading_number);
        tcase_add_test(t, service_directories_keep_document_order);
        tcase_add_test(t, system_service_directories_ignore_the_environment);
        tcase_add_test(t, entity_bomb_is_refused);
        tcase_add_test(t, long_text_is_refused);
        tcase_add_test(t, unenforced_things_are_listed);
        suite_add_tcase(suite, t);
        return run_suite(suite);
}
