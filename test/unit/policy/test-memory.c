/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Out of memory: each allocation of the policy code fails once, while a configuration is loaded and
 * used. Each time the whole operation must fail with -ENOMEM and leak nothing, which the sanitizers
 * check. A configuration without one of its rules would be worse than none.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "test/unit/memory.h"

static struct scratch scratch;

static void setup(void) {
        scratch_open(&scratch);
        scratch_mkdir(&scratch, "d");
        scratch_write(&scratch, "d/broken.conf", "<busconfig><type>x</type><bees/></busconfig>");
        scratch_write(&scratch, "d/whole.conf",
                      "<busconfig><type>x</type><listen>x:</listen><auth>EXTERNAL</auth>"
                      "<servicedir>s</servicedir><policy user=\"1\"><deny own=\"*\"/></policy>"
                      "<policy group=\"root\"><deny own=\"*\"/></policy>"
                      "<selinux><associate own=\"a\" context=\"b\"/></selinux></busconfig>");
        scratch_write_body(
                &scratch, "main.conf",
                "<user>x</user><pidfile>/p</pidfile><servicehelper>/h</servicehelper>"
                "<standard_session_servicedirs/><standard_system_servicedirs/>"
                "<policy context=\"default\"><allow own=\"a.b\"/><deny own_prefix=\"c\"/>"
                "<allow send_type=\"signal\" log=\"maybe\"/>"
                "<deny send_destination=\"x.y\" send_interface=\"i.f\" "
                "send_member=\"M\" send_path=\"/\"/><deny send_error=\"e.r\"/></policy>"
                "<policy at_console=\"false\"><deny user=\"1\"/></policy>"
                "<includedir>d</includedir>"
                "<include ignore_missing=\"yes\">missing.conf</include>"
                "<limit name=\"auth_timeout\">7 s</limit>"
                "<selinux><associate own=\"a\" context=\"c\"/></selinux>");
}

static void teardown(void) {
        scratch_close(&scratch);
}

/* Make a client of the policy, and list what is not enforced. Returns 0 or -ENOMEM. */
static int use(const struct bus_config *config) {
        struct policy_unenforced *list = NULL;
        struct policy_client *client;
        size_t n = 0;
        int r;

        r = policy_client_new(config->policy, 1, NULL, 0, &client);
        if (r < 0)
                return r;
        r = policy_unenforced(config, 0, &list, &n);
        policy_unenforced_free(list, n);
        policy_client_free(client);
        return r;
}

START_TEST(load_fails_as_a_whole) {
        char path[128], subuid[128];
        const struct bus_config_environment environment = {
                .home = "/home/x",
                .selinux_enabled = true,
                .selinux_root = "/nonexistent",
                .subuid = subuid,
        };
        long n;

        snprintf(path, sizeof(path), "%s/main.conf", scratch.directory);
        snprintf(subuid, sizeof(subuid), "%s/subuid", scratch.directory);
        scratch_write(&scratch, "subuid", "a:100000:10\nb:200000:10\na:300000:10\n");
        for (n = 0; n < 100000; n++) {
                struct bus_config *config = NULL;
                char *error = NULL;
                bool failed;
                int r;

                memory_left = n;
                r = bus_config_reload(path, &environment, &config, &error);
                if (r >= 0)
                        r = use(config);
                failed = memory_left < 0;
                memory_left = -1;

                ck_assert_ptr_null(error);
                bus_config_free(config);
                ck_assert_int_eq(r, failed ? -ENOMEM : 0);
                if (!failed)
                        break;
        }
        /* the load must have failed many times before it succeeded */
        ck_assert_int_gt(n, 100);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("policy-memory");
        TCase *t = tcase_create("memory");

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_set_timeout(t, 60);
        tcase_add_test(t, load_fails_as_a_whole);
        suite_add_tcase(suite, t);
        return run_suite(suite);
}
