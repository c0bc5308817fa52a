/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Complaints: how many log lines there are about one user, and how many are suppressed. */

#include "fixture.h"

static struct complaints complaints;
static int64_t now;

static void setup(void) {
        complaints = (struct complaints){};
        now = INT64_C(1000000000000);
}

static unsigned take_all(uint32_t uid) {
        uint64_t n_suppressed;
        unsigned n = 0;

        while (complaint_take(&complaints, uid, now, &n_suppressed))
                n++;
        return n;
}

START_TEST(complaints_come_in_bursts_and_then_slowly) {
        uint64_t n_suppressed = 1;

        ck_assert(complaint_take(&complaints, 1, now, &n_suppressed));
        ck_assert_uint_eq(n_suppressed, 0);
        ck_assert_uint_eq(take_all(1), COMPLAINT_BURST - 1);
        now += COMPLAINT_INTERVAL - 1;
        ck_assert_uint_eq(take_all(1), 0);
        now += 1;
        ck_assert_uint_eq(take_all(1), 1);
        now += 1000 * COMPLAINT_BURST * COMPLAINT_INTERVAL;
        ck_assert_uint_eq(take_all(1), COMPLAINT_BURST);
}
END_TEST

START_TEST(complaints_say_how_many_were_suppressed) {
        uint64_t n_suppressed;

        take_all(1); /* ends when a line is suppressed: the first one of 11 */
        for (unsigned i = 0; i < 10; i++)
                ck_assert(!complaint_take(&complaints, 1, now, &n_suppressed));
        now += 2 * COMPLAINT_INTERVAL;
        ck_assert(complaint_take(&complaints, 1, now, &n_suppressed));
        ck_assert_uint_eq(n_suppressed, 11);
        ck_assert(complaint_take(&complaints, 1, now, &n_suppressed));
        ck_assert_uint_eq(n_suppressed, 0);
}
END_TEST

START_TEST(complaints_of_one_user_do_not_silence_another) {
        for (uint32_t uid = 0; uid < COMPLAINT_USERS; uid++)
                ck_assert_uint_eq(take_all(uid), COMPLAINT_BURST);
        for (uint32_t uid = 0; uid < COMPLAINT_USERS; uid++)
                ck_assert_uint_eq(take_all(uid), 0);
}
END_TEST

START_TEST(complaints_need_no_more_memory_for_more_users) {
        for (uint32_t uid = 0; uid < 10 * COMPLAINT_USERS; uid++)
                ck_assert_uint_eq(take_all(uid), COMPLAINT_BURST);
        ck_assert_uint_eq(take_all(10 * COMPLAINT_USERS - 1), 0);
        ck_assert_uint_eq(take_all(0), COMPLAINT_BURST);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("complaint");

        tcase_add_checked_fixture(tcase, setup, NULL);
        tcase_add_test(tcase, complaints_come_in_bursts_and_then_slowly);
        tcase_add_test(tcase, complaints_say_how_many_were_suppressed);
        tcase_add_test(tcase, complaints_of_one_user_do_not_silence_another);
        tcase_add_test(tcase, complaints_need_no_more_memory_for_more_users);
        return suite_main("complaint", tcase);
}
