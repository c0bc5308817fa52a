/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The schedule: whose jobs run, in which order, and when a turn ends.
 *
 * A job writes its letter into the trace. The schedule looks at the clock only after SCHEDULE_STEPS
 * steps, and each job is one step, so few short jobs never end a turn. Jobs with `spins` take more
 * than a turn, and let the schedule notice that.
 */

#include "bridge/base/schedule.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/container-of.h"
#include "test/unit/suite.h"

#define SPIN (3 * SCHEDULE_SLICE_ALONE)
#define MS INT64_C(1000000)

struct job {
        struct schedule_job job;
        char letter;
        bool spins;
        int result;
        struct schedule_user *again; /* whose input gets the job again, n_again times */
        unsigned n_again;
        struct job *causes;            /* output that it causes */
        struct schedule_job *cancels;  /* another job that it cancels */
        struct schedule_user *forgets; /* a user that it frees */
        int fd;                        /* an eventfd that it makes readable; 0: none */
};

static struct loop loop;
static struct schedule schedule;
static char trace[256];
static size_t n_trace;
static int failures[16];
static size_t n_failures;

/* Use CPU time, which is what users are charged for. */
static void spin(void) {
        uint64_t end = thread_cpu_ns() + SPIN;

        while (thread_cpu_ns() < end)
                ;
}

static int run_job(struct schedule_job *schedule_job) {
        struct job *job = container_of(schedule_job, struct job, job);

        ck_assert_uint_lt(n_trace, sizeof(trace) - 1);
        trace[n_trace++] = job->letter;
        ck_assert_ptr_null(schedule_job->user);
        if (job->causes)
                schedule_cause(&schedule, &job->causes->job);
        if (job->cancels)
                schedule_cancel(&schedule, job->cancels);
        if (job->forgets) {
                schedule_forget(&schedule, job->forgets);
                memset(job->forgets, 0xee, sizeof(*job->forgets));
                free(job->forgets);
        }
        if (job->n_again > 0) {
                job->n_again--;
                schedule_add(&schedule, job->again, schedule_job);
        }
        if (job->fd > 0)
                ck_assert_int_eq(eventfd_write(job->fd, 1), 0);
        if (job->spins) {
                spin();
                schedule_count(&schedule, SCHEDULE_STEPS);
        }
        return job->result;
}

static struct job job(char letter) {
        return (struct job){.job.run = run_job, .letter = letter};
}

/* loop.failed: note the error; without memory the loop goes on. */
static int note_failure(struct loop *l, int r) {
        ck_assert_ptr_eq(l, &loop);
        failures[n_failures++] = r;
        return r == -ENOMEM ? 0 : r;
}

static void setup(void) {
        ck_assert_int_eq(loop_init(&loop), 0);
        schedule_init(&schedule, &loop);
        /* On a slow or busy machine, a job without `spins` takes longer than a real slice. */
        schedule.slice_shared = SPIN * 5 / 6;
        memset(trace, 0, sizeof(trace));
        n_trace = n_failures = 0;
}

static void teardown(void) {
        schedule_deinit(&schedule);
        ck_assert_ptr_null(loop.work);
        loop_deinit(&loop);
}

/* One turn of the loop. */
static int turn(void) {
        return loop.work->run(loop.work);
}

static void run_all(void) {
        while (loop.work->is_wanted)
                ck_assert_int_eq(turn(), 0);
}

static void expect(const char *letters) {
        ck_assert_str_eq(trace, letters);
}

/* whose turn it is */

START_TEST(schedule_takes_the_user_with_the_least_time_first) {
        struct schedule_user users[3] = {{.used = 3000000}, {.used = 1000}, {.used = 2000}};
        struct job a = job('a'), b = job('b'), c = job('c');

        schedule_add(&schedule, &users[0], &a.job);
        schedule_add(&schedule, &users[1], &b.job);
        schedule_add(&schedule, &users[2], &c.job);
        run_all();
        expect("bca");
}
END_TEST

START_TEST(schedule_takes_the_user_that_waited_longest_among_equals) {
        struct schedule_user users[3] = {};
        struct job a = job('a'), b = job('b'), c = job('c');

        schedule_add(&schedule, &users[2], &c.job);
        schedule_add(&schedule, &users[0], &a.job);
        schedule_add(&schedule, &users[1], &b.job);
        run_all();
        expect("cab");
}
END_TEST

START_TEST(schedule_lets_a_user_that_comes_go_before_one_that_has_many_jobs) {
        struct schedule_user busy = {}, rare = {};
        struct job jobs[4] = {job('1'), job('2'), job('3'), job('4')}, r = job('r');

        for (size_t i = 0; i < 4; i++) {
                jobs[i].spins = true;
                schedule_add(&schedule, &busy, &jobs[i].job);
        }
        ck_assert_int_eq(turn(), 0);
        expect("1");
        schedule_add(&schedule, &rare, &r.job);
        run_all();
        expect("1r234");
}
END_TEST

START_TEST(schedule_gives_no_credit_for_time_without_jobs) {
        struct schedule_user busy = {.used = 1000 * MS}, idle = {};
        struct job a = job('a'), b = job('b'), c = job('c');

        schedule_add(&schedule, &busy, &a.job);
        schedule_add(&schedule, &busy, &b.job);
        run_all();
        schedule_add(&schedule, &idle, &c.job);
        ck_assert_int_ge(idle.used, 1000 * MS);
        ck_assert_int_le(idle.used, busy.used);
        run_all();
}
END_TEST

START_TEST(schedule_measures_the_time_of_each_user) {
        struct schedule_user heavy = {}, light = {};
        struct job a = job('a'), b = job('b');

        a.spins = true;
        schedule_add(&schedule, &heavy, &a.job);
        schedule_add(&schedule, &light, &b.job);
        run_all();
        ck_assert_int_ge(heavy.used, SPIN);
        ck_assert_int_ge(light.used, 0);
}
END_TEST

START_TEST(schedule_has_short_turns_while_users_share) {
        struct schedule_user a = {}, b = {};
        struct job x = job('x'), y = job('y');

        schedule.slice_shared = SCHEDULE_SLICE_SHARED;
        schedule_add(&schedule, &a, &x.job);
        run_all();
        ck_assert_int_eq(schedule.slice, SCHEDULE_SLICE_ALONE);
        schedule_add(&schedule, &a, &x.job);
        schedule_add(&schedule, &b, &y.job);
        run_all();
        ck_assert_int_eq(schedule.slice, SCHEDULE_SLICE_SHARED);
        /* on a busy machine, the first turn can be over before both jobs are done */
        ck_assert_uint_ge(schedule.n_shared, SCHEDULE_SHARED_TURNS - 1);
        for (unsigned i = schedule.n_shared; i > 1; i--) {
                n_trace = 0;
                schedule_add(&schedule, &a, &x.job);
                run_all();
                ck_assert_int_eq(schedule.slice, SCHEDULE_SLICE_SHARED);
        }
        n_trace = 0;
        schedule_add(&schedule, &a, &x.job);
        run_all();
        ck_assert_int_eq(schedule.slice, SCHEDULE_SLICE_ALONE);
}
END_TEST

/* lists */

START_TEST(schedule_has_a_job_once) {
        struct schedule_user a = {}, b = {};
        struct job x = job('x'), y = job('y'), z = job('z');

        schedule_add(&schedule, &a, &x.job);
        schedule_add(&schedule, &a, &x.job);
        schedule_add(&schedule, &b, &x.job);
        ck_assert_ptr_eq(x.job.user, &a);
        schedule_add_first(&schedule, &a, &y.job);
        schedule_add_first(&schedule, &a, &z.job);
        schedule_add_first(&schedule, &a, &x.job);
        ck_assert(loop.work->is_wanted);
        run_all();
        expect("zyx");
        ck_assert(!loop.work->is_wanted);
        ck_assert(!a.is_ready && !b.is_ready);
}
END_TEST

START_TEST(schedule_does_output_after_the_input_that_caused_it) {
        struct schedule_user a = {};
        struct job x = job('x'), y = job('y'), o = job('O');

        x.causes = y.causes = &o;
        schedule_add(&schedule, &a, &x.job);
        schedule_add(&schedule, &a, &y.job);
        run_all();
        expect("xyO");
}
END_TEST

START_TEST(schedule_does_output_of_earlier_turns_first) {
        struct schedule_user a = {};
        struct job x = job('x'), o = job('O');

        schedule_add(&schedule, &a, &x.job);
        schedule_add_output(&schedule, &a, &o.job);
        run_all();
        expect("Ox");
}
END_TEST

START_TEST(schedule_does_input_although_output_is_always_left) {
        struct schedule_user a = {};
        struct job x = job('x'), o = job('O'), p = job('P');

        o.spins = p.spins = true;
        schedule_add_output(&schedule, &a, &o.job);
        schedule_add_output(&schedule, &a, &p.job);
        schedule_add(&schedule, &a, &x.job);
        ck_assert_int_eq(turn(), 0);
        expect("O");
        ck_assert_int_eq(turn(), 0);
        expect("OxP");
        ck_assert(!a.is_ready);
}
END_TEST

START_TEST(schedule_has_time_for_output_when_input_has_used_its_own) {
        struct schedule_user a = {};
        struct job x = job('x'), y = job('y'), o = job('O');

        x.spins = true;
        x.causes = &o;
        schedule_add(&schedule, &a, &x.job);
        schedule_add(&schedule, &a, &y.job);
        ck_assert_int_eq(turn(), 0);
        expect("xO");
        run_all();
        expect("xOy");
}
END_TEST

START_TEST(schedule_moves_output_to_the_user_that_needs_it_next) {
        struct schedule_user a = {.used = 5 * MS}, b = {};
        struct job o = job('O'), x = job('x');

        schedule_add_output(&schedule, &a, &o.job);
        x.causes = &o;
        schedule_add(&schedule, &b, &x.job);
        ck_assert_int_eq(turn(), 0);
        expect("xO");
        ck_assert(!a.is_ready && !a.output);
        run_all();
        expect("xO");

        /* What nobody causes is done by the bus itself, and only once. */
        schedule_add_output(&schedule, &a, &o.job);
        schedule_cause(&schedule, &o.job);
        ck_assert_ptr_eq(o.job.user, &schedule.own);
        ck_assert(!a.is_ready);
        schedule_cause(&schedule, &o.job);
        schedule_add_output(&schedule, NULL, &o.job);
        run_all();
        expect("xOO");
        schedule_cause(&schedule, &o.job);
        schedule_cause(&schedule, &o.job);
        ck_assert_ptr_eq(o.job.user, &schedule.own);
        run_all();
        expect("xOOO");
        ck_assert(!loop.work->is_wanted);
}
END_TEST

START_TEST(schedule_counts_work_that_is_no_job_as_that_of_its_user) {
        struct schedule_user a = {}, b = {};
        struct job o = job('O'), p = job('P');
        struct schedule_user *before;

        /* a has no jobs, so it does not wait for its turn yet */
        before = schedule_switch(&schedule, &a);
        ck_assert_ptr_null(before);
        schedule_cause(&schedule, &o.job);
        ck_assert_ptr_eq(o.job.user, &a);
        before = schedule_switch(&schedule, &b);
        ck_assert_ptr_eq(before, &a);
        schedule_cause(&schedule, &p.job);
        schedule_cause(&schedule, &o.job);
        ck_assert_ptr_eq(o.job.user, &b);
        schedule_switch(&schedule, NULL);
        run_all();
        expect("PO");
}
END_TEST

START_TEST(schedule_survives_a_user_whose_last_job_is_cancelled_outside_a_turn) {
        struct schedule_user a = {}, b = {};
        struct job o = job('O'), x = job('x');

        schedule_switch(&schedule, &a);
        schedule_cause(&schedule, &o.job);
        schedule_cancel(&schedule, &o.job);
        schedule_switch(&schedule, NULL);
        while (loop.work->is_wanted)
                ck_assert_int_eq(turn(), 0);
        expect("");
        ck_assert(!a.is_ready);

        schedule_switch(&schedule, &a);
        schedule_cause(&schedule, &o.job);
        schedule_cancel(&schedule, &o.job);
        schedule_switch(&schedule, NULL);
        schedule_add(&schedule, &b, &x.job);
        run_all();
        expect("x");
}
END_TEST

/* jobs that change the lists */

START_TEST(schedule_does_a_job_again_that_adds_itself) {
        struct schedule_user a = {}, b = {};
        struct job x = job('x'), y = job('y');

        x.again = &a;
        x.n_again = 3;
        schedule_add(&schedule, &a, &x.job);
        schedule_add(&schedule, &b, &y.job);
        run_all();
        ck_assert_uint_eq(n_trace, 5);
        ck_assert_uint_eq(x.n_again, 0);
        ck_assert_ptr_null(x.job.user);
}
END_TEST

START_TEST(schedule_ends_a_turn_in_time) {
        struct schedule_user a = {};
        struct job x = job('x'), y = job('y');

        x.spins = true;
        x.again = &a;
        x.n_again = 2;
        schedule_add(&schedule, &a, &x.job);
        schedule_add(&schedule, &a, &y.job);
        ck_assert_int_eq(turn(), 0);
        expect("x");
        ck_assert(loop.work->is_wanted);
        ck_assert_int_eq(turn(), 0);
        expect("xyx");
        ck_assert_int_eq(turn(), 0);
        expect("xyxx");
        ck_assert(!loop.work->is_wanted);
}
END_TEST

/* The clock is not read before the job, but a single job learns after some steps that it is over.
 */
static unsigned n_steps;

static int run_long(struct schedule_job *schedule_job) {
        struct job *long_job = container_of(schedule_job, struct job, job);

        for (n_steps = 1; !schedule_is_over(&schedule); n_steps++)
                spin();
        if (long_job->n_again-- > 0)
                schedule_add(&schedule, long_job->again, schedule_job);
        return 0;
}

START_TEST(schedule_tells_a_long_job_to_stop) {
        struct schedule_user a = {};
        struct job x = job('x');

        x.job.run = run_long;
        x.again = &a;
        x.n_again = 1;
        schedule_add(&schedule, &a, &x.job);
        ck_assert_int_eq(turn(), 0);
        ck_assert_uint_le(n_steps, 2 * SCHEDULE_STEPS);
        ck_assert_ptr_eq(x.job.user, &a);
        ck_assert_int_eq(turn(), 0);
        ck_assert_uint_le(n_steps, 2 * SCHEDULE_STEPS);
        ck_assert(!loop.work->is_wanted);
}
END_TEST

START_TEST(schedule_survives_a_job_that_frees_its_user) {
        for (unsigned n_others = 0; n_others < 2; n_others++) {
                struct schedule_user *a = calloc(1, sizeof(*a)), b = {};
                struct job x = job('x'), o = job('O'), p = job('P'), y = job('y');

                n_trace = 0;
                memset(trace, 0, sizeof(trace));
                schedule_add(&schedule, a, &x.job);
                x.forgets = a;
                x.causes = &p;
                if (n_others > 0) {
                        schedule_add_output(&schedule, &b, &o.job);
                        schedule_add(&schedule, &b, &y.job);
                }
                run_all();
                expect(n_others > 0 ? "xOyP" : "xP");
                ck_assert_ptr_null(schedule.users);
        }
}
END_TEST

START_TEST(schedule_forgets_a_user_without_jobs) {
        struct schedule_user a = {}, b = {};
        struct job x = job('x');

        schedule_forget(&schedule, &a);
        schedule_add(&schedule, &b, &x.job);
        schedule_forget(&schedule, &a);
        run_all();
        expect("x");
}
END_TEST

START_TEST(schedule_cancels_jobs_while_others_run) {
        struct schedule_user a = {}, b = {};
        struct job x = job('x'), y = job('y'), o = job('O'), z = job('z');

        /* the last job of the user that runs */
        x.cancels = &y.job;
        schedule_add(&schedule, &a, &x.job);
        schedule_add(&schedule, &a, &y.job);
        run_all();
        expect("x");
        ck_assert(!a.is_ready);

        /* the last job of another user, and one that is in no list */
        x.cancels = &o.job;
        schedule_add(&schedule, &a, &x.job);
        schedule_add_output(&schedule, &b, &o.job);
        b.used = 10 * MS;
        run_all();
        expect("xx");
        ck_assert(!b.is_ready);
        schedule_cancel(&schedule, &o.job);

        /* output that the same job has caused */
        x.causes = &o;
        schedule_add(&schedule, &a, &x.job);
        schedule_add(&schedule, &a, &z.job);
        run_all();
        expect("xxxz");
}
END_TEST

/* failures, and the loop */

START_TEST(schedule_asks_the_loop_about_each_failure) {
        struct schedule_user a = {}, b = {};
        struct job x = job('x'), y = job('y'), o = job('O'), z = job('z');

        loop.failed = note_failure;
        x.result = o.result = -ENOMEM;
        x.causes = &o;
        schedule_add(&schedule, &a, &x.job);
        schedule_add(&schedule, &a, &y.job);
        schedule_add(&schedule, &b, &z.job);
        run_all();
        expect("xyOz");
        ck_assert_uint_eq(n_failures, 2);
        ck_assert_int_eq(failures[0], -ENOMEM);

        /* an error that ends the loop leaves the other jobs where they are */
        x.result = -EIO;
        schedule_add(&schedule, &a, &x.job);
        schedule_add(&schedule, &a, &y.job);
        ck_assert_int_eq(loop_run(&loop), -EIO);
        expect("xyOzx");
        ck_assert_ptr_eq(y.job.user, &a);
        ck_assert_ptr_null(schedule.current);
        o.result = 0;
        run_all();
        expect("xyOzxOy");
}
END_TEST

START_TEST(schedule_passes_a_failure_up_without_a_handler) {
        struct schedule_user a = {};
        struct job x = job('x');

        x.result = -ENOMEM;
        schedule_add(&schedule, &a, &x.job);
        ck_assert_int_eq(loop_run(&loop), -ENOMEM);
        expect("x");
}
END_TEST

static int stop(struct loop_source *source, uint32_t events) {
        (void)source;
        ck_assert(events & EPOLLIN);
        loop_stop(&loop);
        return 0;
}

START_TEST(schedule_lets_the_loop_look_for_events_between_turns) {
        struct loop_source source = {.dispatch = stop};
        struct schedule_user a = {};
        struct job x = job('x'), y = job('y');

        x.spins = y.spins = true;
        x.again = y.again = &a;
        x.n_again = y.n_again = 100;
        ck_assert_int_eq(loop_adopt(&loop, &source, eventfd(0, EFD_CLOEXEC), EPOLLIN), 0);
        x.fd = source.fd;
        schedule_add(&schedule, &a, &x.job);
        schedule_add(&schedule, &a, &y.job);
        ck_assert_int_eq(loop_run(&loop), 0);
        /* The turn after the event is the last one. */
        expect("xy");
        loop_close(&loop, &source);
        schedule_cancel(&schedule, &x.job);
        schedule_cancel(&schedule, &y.job);
}
END_TEST

static int64_t expired_at;

static int expire(struct loop_timer *timer) {
        (void)timer;
        expired_at = loop_now();
        loop_stop(&loop);
        return 0;
}

START_TEST(schedule_without_jobs_lets_the_loop_wait) {
        struct loop_timer timer = {.expired = expire};
        struct schedule_user a = {};
        struct job x = job('x');
        int64_t begin = loop_now();

        /* A job that is done does not keep the loop busy. */
        schedule_add(&schedule, &a, &x.job);
        ck_assert(schedule.work.is_wanted);
        ck_assert_int_eq(loop_timer_set(&loop, &timer, begin + 20 * MS), 0);
        ck_assert_int_eq(loop_run(&loop), 0);
        ck_assert_int_ge(expired_at - begin, 20 * MS);
        ck_assert(!schedule.work.is_wanted);
        expect("x");

        schedule_add(&schedule, &a, &x.job);
        schedule_cancel(&schedule, &x.job);
        ck_assert(!schedule.work.is_wanted);
}
END_TEST

START_TEST(schedule_does_what_is_left_at_its_end) {
        struct schedule_user a = {}, b = {};
        struct job x = job('x'), o = job('O'), y = job('y');

        x.again = &a;
        x.n_again = 2;
        x.spins = true;
        x.causes = &o;
        schedule_add(&schedule, &a, &x.job);
        y.result = -EIO;
        schedule_add(&schedule, &b, &y.job);
        schedule_deinit(&schedule);
        ck_assert_uint_eq(x.n_again, 0);
        ck_assert(strchr(trace, 'O') && strchr(trace, 'y'));
        ck_assert(!x.job.user && !o.job.user && !y.job.user);
        ck_assert_ptr_null(schedule.users);
        ck_assert_ptr_null(loop.work);
        schedule_init(&schedule, &loop);
}
END_TEST

START_TEST(schedule_without_a_loop_is_never_over) {
        struct schedule none = {};

        for (unsigned i = 0; i < 1000; i++) {
                schedule_count(&none, i);
                ck_assert(!schedule_is_over(&none));
        }
}
END_TEST

/* everything at random */

#define N_USERS 5
#define N_JOBS 20

static struct schedule_user random_users[N_USERS];
static struct random_job {
        struct schedule_job job;
        bool is_expected;
        unsigned n_runs;
} random_jobs[N_JOBS];
static unsigned seed;

static size_t random_below(size_t n) {
        return (size_t)rand_r(&seed) % n;
}

static void change_at_random(void) {
        struct random_job *random_job = &random_jobs[random_below(N_JOBS)];
        struct schedule_user *user = &random_users[random_below(N_USERS)];
        struct schedule_job *one = &random_job->job;

        switch (random_below(5)) {
        case 0:
                schedule_add(&schedule, user, one);
                random_job->is_expected = true;
                break;
        case 1:
                schedule_add_first(&schedule, user, one);
                random_job->is_expected = true;
                break;
        case 2:
                if (!one->user || one->is_output) {
                        schedule_add_output(&schedule, random_below(4) ? user : NULL, one);
                        random_job->is_expected = true;
                }
                break;
        case 3:
                if (!one->user || one->is_output) {
                        schedule_cause(&schedule, one);
                        random_job->is_expected = true;
                }
                break;
        default:
                schedule_cancel(&schedule, one);
                random_job->is_expected = false;
                break;
        }
}

static int run_random(struct schedule_job *schedule_job) {
        struct random_job *random_job = container_of(schedule_job, struct random_job, job);

        ck_assert(random_job->is_expected);
        random_job->is_expected = false;
        random_job->n_runs++;
        if (random_below(3) == 0)
                change_at_random();
        schedule_count(&schedule, random_below(4));
        return 0;
}

static void check_lists(void) {
        struct schedule_user *user;
        size_t n_expected = 0, n_found = 0;

        for (size_t i = 0; i < N_JOBS; i++) {
                ck_assert_int_eq(random_jobs[i].is_expected, random_jobs[i].job.user != NULL);
                n_expected += random_jobs[i].is_expected;
        }
        DL_FOREACH(schedule.users, user) {
                struct schedule_job *one;

                ck_assert(user->is_ready);
                ck_assert(user->input || user->output);
                DL_FOREACH(user->input, one) {
                        ck_assert(one->user == user && !one->is_output);
                        n_found++;
                }
                DL_FOREACH(user->output, one) {
                        ck_assert(one->user == user && one->is_output);
                        n_found++;
                }
        }
        ck_assert_uint_eq(n_found, n_expected);
        ck_assert_int_eq(loop.work->is_wanted, n_expected > 0);
}

START_TEST(schedule_loses_no_job) {
        seed = 7;
        for (size_t i = 0; i < N_JOBS; i++)
                random_jobs[i] = (struct random_job){.job.run = run_random};
        memset(random_users, 0, sizeof(random_users));
        for (unsigned i = 0; i < 20000; i++) {
                for (size_t n = random_below(6); n > 0; n--)
                        change_at_random();
                check_lists();
                if (loop.work->is_wanted && random_below(3) == 0)
                        ck_assert_int_eq(turn(), 0);
                check_lists();
                if (random_below(50) == 0) {
                        struct schedule_user *user = &random_users[random_below(N_USERS)];

                        while (user->input)
                                schedule_add_output(&schedule, &schedule.own, user->input);
                        schedule_forget(&schedule, user);
                        *user = (struct schedule_user){};
                        check_lists();
                }
        }
        for (size_t i = 0; i < N_JOBS; i++) {
                ck_assert_uint_gt(random_jobs[i].n_runs, 0);
                schedule_cancel(&schedule, &random_jobs[i].job);
        }
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("schedule");

        tcase_set_timeout(tcase, 60); /* users who have to share make system calls */
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, schedule_takes_the_user_with_the_least_time_first);
        tcase_add_test(tcase, schedule_takes_the_user_that_waited_longest_among_equals);
        tcase_add_test(tcase, schedule_lets_a_user_that_comes_go_before_one_that_has_many_jobs);
        tcase_add_test(tcase, schedule_gives_no_credit_for_time_without_jobs);
        tcase_add_test(tcase, schedule_measures_the_time_of_each_user);
        tcase_add_test(tcase, schedule_has_short_turns_while_users_share);
        tcase_add_test(tcase, schedule_has_a_job_once);
        tcase_add_test(tcase, schedule_does_output_after_the_input_that_caused_it);
        tcase_add_test(tcase, schedule_does_output_of_earlier_turns_first);
        tcase_add_test(tcase, schedule_does_input_although_output_is_always_left);
        tcase_add_test(tcase, schedule_has_time_for_output_when_input_has_used_its_own);
        tcase_add_test(tcase, schedule_moves_output_to_the_user_that_needs_it_next);
        tcase_add_test(tcase, schedule_counts_work_that_is_no_job_as_that_of_its_user);
        tcase_add_test(tcase, schedule_survives_a_user_whose_last_job_is_cancelled_outside_a_turn);
        tcase_add_test(tcase, schedule_does_a_job_again_that_adds_itself);
        tcase_add_test(tcase, schedule_ends_a_turn_in_time);
        tcase_add_test(tcase, schedule_tells_a_long_job_to_stop);
        tcase_add_test(tcase, schedule_survives_a_job_that_frees_its_user);
        tcase_add_test(tcase, schedule_forgets_a_user_without_jobs);
        tcase_add_test(tcase, schedule_cancels_jobs_while_others_run);
        tcase_add_test(tcase, schedule_asks_the_loop_about_each_failure);
        tcase_add_test(tcase, schedule_passes_a_failure_up_without_a_handler);
        tcase_add_test(tcase, schedule_lets_the_loop_look_for_events_between_turns);
        tcase_add_test(tcase, schedule_without_jobs_lets_the_loop_wait);
        tcase_add_test(tcase, schedule_does_what_is_left_at_its_end);
        tcase_add_test(tcase, schedule_without_a_loop_is_never_over);
        tcase_add_test(tcase, schedule_loses_no_job);
        return suite_run("schedule", tcase);
}
