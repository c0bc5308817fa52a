/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Subordinate users: the file, and as whom they count. */

#include "policy/subuid.h"

#include <stdio.h>

#include "support.h"
#include "test/unit/suite.h"

static struct scratch scratch;
static struct bus_subuids subuids;

static void set_up(void) {
        scratch_open(&scratch);
}

static void tear_down(void) {
        bus_subuids_clear(&subuids);
        scratch_close(&scratch);
}

static void read_text(const char *text) {
        char path[128];

        scratch_write(&scratch, "subuid", text);
        snprintf(path, sizeof(path), "%s/subuid", scratch.directory);
        ck_assert_int_eq(bus_subuids_read(path, &subuids), 0);
}

static uint32_t user(uint32_t uid) {
        return bus_subuids_user(&subuids, uid);
}

START_TEST(uids_of_one_owner_are_one_user) {
        read_text("carol:300000:10\nalice:200000:65536\nalice:100000:65536\n1000:400000:1\n");
        ck_assert_uint_eq(subuids.n, 4);
        ck_assert_uint_eq(user(0), 0);
        ck_assert_uint_eq(user(1000), 1000);
        ck_assert_uint_eq(user(99999), 99999);
        ck_assert_uint_eq(user(100000), 100000);
        ck_assert_uint_eq(user(165535), 100000);
        ck_assert_uint_eq(user(165536), 165536);
        ck_assert_uint_eq(user(200000), 100000);
        ck_assert_uint_eq(user(265535), 100000);
        ck_assert_uint_eq(user(300009), 300000);
        ck_assert_uint_eq(user(300010), 300010);
        ck_assert_uint_eq(user(400000), 400000);
        ck_assert_uint_eq(user(UINT32_MAX - 1), UINT32_MAX - 1);
}
END_TEST

START_TEST(ranges_may_reach_to_the_last_uid) {
        read_text("a:4294967294:1\nb:1:4294967294\n");
        ck_assert_uint_eq(user(UINT32_MAX - 1), UINT32_MAX - 1);
        ck_assert_uint_eq(user(5), 1);
        ck_assert_uint_eq(user(0), 0);
}
END_TEST

START_TEST(lines_with_errors_are_left_out) {
        static const char *const lines[] = {
                "",
                "\n",
                "a\n",
                "a:5\n",
                "a:5:\n",
                "a::5\n",
                "a:5:0\n",
                "a:-5:10\n",
                "a:5:-1\n",
                "a: 5:1\n",
                "a:5:10:1\n",
                "a:5x:10\n",
                ":5:10\n",
                "a:4294967296:1\n",
                "a:4294967295:1\n",
                "a:2:4294967294\n",
                "a:5:99999999999999999999\n",
        };

        for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
                read_text(lines[i]);
                ck_assert_msg(subuids.n == 0, "%s", lines[i]);
        }
        read_text("nonsense\na:5:10\nmore");
        ck_assert_uint_eq(subuids.n, 1);
        ck_assert_uint_eq(user(14), 5);
}
END_TEST

START_TEST(there_need_be_no_file) {
        ck_assert_int_eq(bus_subuids_read("/nonexistent/subuid", &subuids), 0);
        ck_assert_uint_eq(user(100000), 100000);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("subuid");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, uids_of_one_owner_are_one_user);
        tcase_add_test(tcase, ranges_may_reach_to_the_last_uid);
        tcase_add_test(tcase, lines_with_errors_are_left_out);
        tcase_add_test(tcase, there_need_be_no_file);
        return suite_run("subuid", tcase);
}
