/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The schedule: how long a user's turn is. */

#include <check.h>

#include "bridge/base/schedule.h"

#define RUNS_MAX 100

static struct loop loop;
static struct schedule schedule;
static struct schedule_user user;
static unsigned n_runs;

/* A job with much to do: it goes on until its turn is over, and then adds itself again. */
static int run(struct schedule_job *job) {
        while (!schedule_is_over(&schedule))
                ;
        if (++n_runs < RUNS_MAX)
                schedule_add_first(&schedule, &user, job);
        return 0;
}

START_TEST(a_job_that_adds_itself_waits_for_the_next_turn) {
        struct schedule_job jobs[] = {{.run = run}, {.run = run}};

        ck_assert_int_eq(loop_init(&loop), 0);
        schedule_init(&schedule, &loop);
        for (unsigned turn = 1; turn <= 5; turn++) {
                schedule_add(&schedule, &user, &jobs[0]);
                ck_assert_int_eq(schedule.work.run(&schedule.work), 0);
                ck_assert_uint_eq(n_runs, turn);
        }
        /* the same while the time is measured from the start, because there is more than one job */
        schedule_add(&schedule, &user, &jobs[1]);
        ck_assert_int_eq(schedule.work.run(&schedule.work), 0);
        ck_assert_uint_eq(n_runs, 6);

        schedule_deinit(&schedule);
        ck_assert_uint_ge(n_runs, RUNS_MAX);
        loop_deinit(&loop);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("schedule");
        TCase *tcase = tcase_create("all");
        SRunner *runner = srunner_create(suite);
        int n_failed;

        tcase_add_test(tcase, a_job_that_adds_itself_waits_for_the_next_turn);
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
