/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Includes: files are read at the place of the element, in a fixed order. An invalid file of an
 * <include> makes the whole configuration invalid; an invalid file of an <includedir> is skipped.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

static struct scratch scratch;

static void setup(void) {
        scratch_open(&scratch);
}

static void teardown(void) {
        scratch_close(&scratch);
}

START_TEST(include_is_relative_to_the_including_file) {
        struct bus_config *config;

        scratch_mkdir(&scratch, "sub");
        scratch_write(&scratch, "sub/a.conf", "<busconfig><include>b.conf</include></busconfig>");
        scratch_write(&scratch, "sub/b.conf",
                      "<busconfig><type>deep</type><servicedir>s</servicedir></busconfig>");
        config = scratch_load_body(&scratch, "<include>sub/a.conf</include>");
        ck_assert_ptr_nonnull(config);
        ck_assert_str_eq(config->type, "deep");
        ck_assert(strstr(config->servicedirs[0].path, "/sub/s"));
        ck_assert_uint_eq(config->inputs.n_files, 3);
        bus_config_free(config);
}
END_TEST

START_TEST(include_counts_at_its_place) {
        struct bus_config *config;

        scratch_write(&scratch, "a.conf",
                      "<busconfig><type>a</type><user>a</user><listen>a:</listen><fork/>"
                      "<limit name=\"auth_timeout\">7</limit>"
                      "<limit name=\"max_message_size\">7</limit></busconfig>");
        config = scratch_load_body(&scratch,
                                   "<user>x</user><limit name=\"max_message_size\">1</limit>"
                                   "<include>a.conf</include><type>x</type><listen>z:</listen>"
                                   "<limit name=\"auth_timeout\">8</limit>");
        ck_assert_str_eq(config->type, "x");
        ck_assert_str_eq(config->user, "a");
        ck_assert(config->fork);
        ck_assert_int_eq(config->limits.auth_timeout, 8);
        ck_assert_int_eq(config->limits.max_message_size, 7);
        ck_assert_uint_eq(config->n_listen, 3);
        ck_assert_str_eq(config->listen[1], "a:");
        ck_assert_str_eq(config->listen[2], "z:");
        bus_config_free(config);
}
END_TEST

START_TEST(broken_include_is_fatal_and_says_where) {
        scratch_write(&scratch, "a.conf", "<busconfig>\n<bees/></busconfig>");
        ck_assert_ptr_null(scratch_load_body(&scratch, "\n<include>a.conf</include>"));
        ck_assert(strstr(scratch.error, "/a.conf:2:1: unknown element <bees> (included at "));
        ck_assert(strstr(scratch.error, "/main.conf:3)"));
}
END_TEST

START_TEST(circular_include_is_fatal) {
        ck_assert_ptr_null(scratch_load_body(&scratch, "<include>main.conf</include>"));
        ck_assert(strstr(scratch.error, "circular include"));

        scratch_write(&scratch, "a.conf", "<busconfig><include>b.conf</include></busconfig>");
        scratch_write(&scratch, "b.conf", "<busconfig><include>a.conf</include></busconfig>");
        ck_assert_ptr_null(scratch_load_body(&scratch, "<include>a.conf</include>"));
        ck_assert(strstr(scratch.error, "circular include"));
}
END_TEST

START_TEST(circle_through_a_link_is_found) {
        char from[128], to[128];

        snprintf(from, sizeof(from), "%s/main.conf", scratch.directory);
        snprintf(to, sizeof(to), "%s/link.conf", scratch.directory);
        ck_assert_int_eq(symlink(from, to), 0);
        ck_assert_ptr_null(scratch_load_body(&scratch, "<include>link.conf</include>"));
        ck_assert(strstr(scratch.error, "circular include"));
}
END_TEST

START_TEST(same_file_may_be_included_twice) {
        struct bus_config *config;

        scratch_write(&scratch, "a.conf", "<busconfig><listen>a:</listen></busconfig>");
        config = scratch_load_body(&scratch, "<include>a.conf</include><include>a.conf</include>");
        ck_assert_uint_eq(config->n_listen, 3);
        bus_config_free(config);
}
END_TEST

START_TEST(include_depth_is_bounded) {
        for (int i = 0; i < 100; i++) {
                char name[32], content[128];

                snprintf(name, sizeof(name), "%d.conf", i);
                snprintf(content, sizeof(content),
                         "<busconfig><include>%d.conf</include></busconfig>", i + 1);
                scratch_write(&scratch, name, content);
        }
        ck_assert_ptr_null(scratch_load_body(&scratch, "<include>0.conf</include>"));
        ck_assert(strstr(scratch.error, "includes nest more than 32 deep"));
}
END_TEST

START_TEST(number_of_files_is_bounded) {
        /* each file includes the next one twice, which without a limit makes 2^30 files */
        for (int i = 0; i < 30; i++) {
                char name[32], content[128];

                snprintf(name, sizeof(name), "%d.conf", i);
                snprintf(content, sizeof(content),
                         "<busconfig><include ignore_missing=\"yes\">%d.conf</include>"
                         "<include ignore_missing=\"yes\">%d.conf</include></busconfig>",
                         i + 1, i + 1);
                scratch_write(&scratch, name, content);
        }
        ck_assert_ptr_null(scratch_load_body(&scratch, "<include>0.conf</include>"));
        ck_assert(strstr(scratch.error, "more than 8192 files"));
}
END_TEST

START_TEST(directory_is_read_in_order_of_names) {
        struct bus_config *config;

        scratch_mkdir(&scratch, "d");
        scratch_write(&scratch, "d/b.conf", "<busconfig><listen>b:</listen></busconfig>");
        scratch_write(&scratch, "d/a.conf", "<busconfig><listen>a:</listen></busconfig>");
        scratch_write(&scratch, "d/Z.conf", "<busconfig><listen>Z:</listen></busconfig>");
        scratch_write(&scratch, "d/10.conf", "<busconfig><listen>10:</listen></busconfig>");
        scratch_write(&scratch, "d/c.conf.bak", "<bees>");
        scratch_write(&scratch, "d/.conf", "<bees>");
        scratch_write(&scratch, "d/conf", "<bees>");
        config = scratch_load_body(&scratch, "<includedir>d</includedir><listen>end:</listen>");
        ck_assert_ptr_nonnull(config);
        ck_assert_uint_eq(config->n_listen, 6);
        ck_assert_str_eq(config->listen[1], "10:");
        ck_assert_str_eq(config->listen[2], "Z:");
        ck_assert_str_eq(config->listen[3], "a:");
        ck_assert_str_eq(config->listen[4], "b:");
        ck_assert_str_eq(config->listen[5], "end:");
        ck_assert_uint_eq(config->inputs.n_includedirs, 1);
        ck_assert_uint_eq(config->n_warnings, 0);
        bus_config_free(config);
}
END_TEST

START_TEST(what_is_no_file_is_not_waited_for) {
        char path[128];

        snprintf(path, sizeof(path), "%s/fifo.conf", scratch.directory);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
        ck_assert_ptr_null(scratch_load_body(&scratch, "<include>fifo.conf</include>"));
        ck_assert_ptr_nonnull(strstr(scratch.error, "/fifo.conf: not a regular file"));
        ck_assert_ptr_null(scratch_load(&scratch, "fifo.conf"));
}
END_TEST

START_TEST(broken_drop_in_leaves_no_trace) {
        const struct policy_rule *rule;
        struct policy_client *client;
        struct bus_config *config;
        char path[128];

        scratch_mkdir(&scratch, "d");
        scratch_write(&scratch, "d/a.conf",
                      "<busconfig><type>broken</type><user>broken</user><listen>broken:</listen>"
                      "<fork/><limit name=\"auth_timeout\">1</limit><apparmor mode=\"disabled\"/>"
                      "<policy context=\"default\"><allow own=\"*\"/></policy><bees/></busconfig>");
        scratch_write(&scratch, "d/b.conf", "");
        scratch_write(&scratch, "d/c.conf",
                      "<busconfig><include>/nonexistent</include></busconfig>");
        scratch_write(&scratch, "d/d.conf", "<busconfig><type>good</type></busconfig>");
        scratch_write(&scratch, "d/e.conf", "<busconfig><includedir>.</includedir></busconfig>");
        scratch_mkdir(&scratch, "d/f.conf");
        snprintf(path, sizeof(path), "%s/d/g.conf", scratch.directory);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
        snprintf(path, sizeof(path), "%s/d/h.conf", scratch.directory);
        ck_assert_int_eq(symlink("/nonexistent", path), 0);

        config = scratch_load_body(&scratch, "<user>x</user><includedir>d</includedir>");
        ck_assert_msg(!!config, "%s", scratch.error);
        ck_assert_str_eq(config->type, "good");
        ck_assert_str_eq(config->user, "x");
        ck_assert_uint_eq(config->n_listen, 1);
        ck_assert(!config->fork);
        ck_assert_int_eq(config->limits.auth_timeout, 30000);
        ck_assert_int_eq(config->apparmor, BUS_APPARMOR_ENABLED);
        ck_assert_int_eq(policy_client_new(config->policy, 0, NULL, 0, &client), 0);
        ck_assert(!policy_check_own(client, "a.b", &rule));
        ck_assert_ptr_null(rule);
        policy_client_free(client);
        ck_assert(config_warns(config, "/d/a.conf:1:"));
        ck_assert(config_warns(config, "unknown element <bees>, file skipped"));
        ck_assert(config_warns(config, "/d/b.conf:1:1: no element found, file skipped"));
        ck_assert(config_warns(config, "/d/f.conf: not a regular file, skipped"));
        ck_assert(config_warns(config, "/d/g.conf: not a regular file, skipped"));
        ck_assert(config_warns(config, "/d/h.conf: cannot open"));
        ck_assert(config_warns(config, "circular include"));
        bus_config_free(config);
}
END_TEST

START_TEST(selinux_files_are_found_when_it_is_enabled) {
        struct bus_config_environment environment = {
                .selinux_enabled = true,
                .selinux_root = scratch.directory,
        };
        struct bus_config *config = NULL;
        char path[128];

        scratch_write(&scratch, "dbus_contexts",
                      "<busconfig><selinux><associate own=\"a\" context=\"b\"/></selinux>"
                      "</busconfig>");
        scratch_write_body(&scratch, "main.conf",
                           "<include if_selinux_enabled=\"yes\" selinux_root_relative=\"yes\">"
                           "dbus_contexts</include>");
        snprintf(path, sizeof(path), "%s/main.conf", scratch.directory);
        ck_assert_int_eq(bus_config_load(path, &environment, &config, NULL), 0);
        ck_assert(config->selinux_enabled);
        ck_assert_uint_eq(config->n_selinux, 1);
        ck_assert(strstr(config->selinux[0].file, "/dbus_contexts"));
        bus_config_free(config);
}
END_TEST

START_TEST(relative_main_file_becomes_absolute) {
        static const struct bus_config_environment environment = {};
        struct bus_config *config = NULL;
        char *directory = get_current_dir_name();

        scratch_write_body(&scratch, "main.conf", "<servicedir>s</servicedir>");
        ck_assert_int_eq(chdir(scratch.directory), 0);
        ck_assert_int_eq(bus_config_load("main.conf", &environment, &config, NULL), 0);
        ck_assert_int_eq(chdir(directory), 0);
        ck_assert_int_eq(config->servicedirs[0].path[0], '/');
        ck_assert_int_eq(config->inputs.files[0][0], '/');
        free(directory);
        bus_config_free(config);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("policy-include");
        TCase *t = tcase_create("include");

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_set_timeout(t, 30);
        tcase_add_test(t, include_is_relative_to_the_including_file);
        tcase_add_test(t, include_counts_at_its_place);
        tcase_add_test(t, broken_include_is_fatal_and_says_where);
        tcase_add_test(t, circular_include_is_fatal);
        tcase_add_test(t, circle_through_a_link_is_found);
        tcase_add_test(t, same_file_may_be_included_twice);
        tcase_add_test(t, include_depth_is_bounded);
        tcase_add_test(t, number_of_files_is_bounded);
        tcase_add_test(t, directory_is_read_in_order_of_names);
        tcase_add_test(t, what_is_no_file_is_not_waited_for);
        tcase_add_test(t, broken_drop_in_leaves_no_trace);
        tcase_add_test(t, selinux_files_are_found_when_it_is_enabled);
        tcase_add_test(t, relative_main_file_becomes_absolute);
        suite_add_tcase(suite, t);
        return run_suite(suite);
}
