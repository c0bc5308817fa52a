/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The schedule: the lists of jobs, and whose turn it is. */

#include "bridge/base/schedule.h"

#include "base/clock.h"
#include "base/container-of.h"

/* lists */

static void make_ready(struct schedule *schedule, struct schedule_user *user) {
        if (user->is_ready)
                return;
        user->is_ready = true;
        if (user->used < schedule->used)
                user->used = schedule->used;
        DL_APPEND(schedule->users, user);
        schedule->work.is_wanted = true;
}

static void make_idle(struct schedule *schedule, struct schedule_user *user) {
        if (!user->is_ready)
                return;
        user->is_ready = false;
        DL_DELETE(schedule->users, user);
        schedule->work.is_wanted = schedule->users != NULL;
}

static void job_begin(struct schedule *schedule, struct schedule_user *user,
                      struct schedule_job *job, bool is_output) {
        job->user = user;
        job->is_output = is_output;
        make_ready(schedule, user);
}

void schedule_add(struct schedule *schedule, struct schedule_user *user, struct schedule_job *job) {
        if (job->user)
                return;
        job_begin(schedule, user, job, false);
        DL_APPEND(user->input, job);
}

void schedule_add_first(struct schedule *schedule, struct schedule_user *user,
                        struct schedule_job *job) {
        if (job->user)
                return;
        job_begin(schedule, user, job, false);
        DL_PREPEND(user->input, job);
}

static void job_unlink(struct schedule_job *job) {
        if (job->is_output)
                DL_DELETE(job->user->output, job);
        else
                DL_DELETE(job->user->input, job);
        job->user = NULL;
}

void schedule_add_output(struct schedule *schedule, struct schedule_user *user,
                         struct schedule_job *job) {
        if (!user)
                user = &schedule->own;
        if (job->user == user)
                return;
        if (job->user)
                schedule_cancel(schedule, job);
        job_begin(schedule, user, job, true);
        DL_APPEND(user->output, job);
}

void schedule_cancel(struct schedule *schedule, struct schedule_job *job) {
        struct schedule_user *user = job->user;

        if (!user)
                return;
        job_unlink(job);
        /* The user whose job is running stays in the list until it is done. */
        if (!user->output && !user->input && user != schedule->current)
                make_idle(schedule, user);
}

void schedule_forget(struct schedule *schedule, struct schedule_user *user) {
        while (user->output)
                schedule_add_output(schedule, NULL, user->output);
        make_idle(schedule, user);
        if (schedule->current == user)
                schedule->current = NULL;
}

/* turns */

static void set_steps(struct schedule *schedule) {
        schedule->steps = schedule_is_shared(schedule) ? SCHEDULE_STEPS_SHARED : SCHEDULE_STEPS;
}

bool schedule_look(struct schedule *schedule) {
        set_steps(schedule);
        if (!schedule->loop)
                return false;
        schedule->now = loop_now();
        if (schedule->end == 0) {
                /* When the turn began is not known. It was a few steps ago. */
                schedule->end = schedule->now + schedule->slice;
                return false;
        }
        if (schedule->now < schedule->end)
                return false;
        /* Whoever asks next gets the same answer: the job stops, and then so does its list. */
        schedule->steps = 1;
        return true;
}

/*
 * There are few users with jobs at a time, so a search costs less than keeping them in order. Among
 * equals the first one in the list has waited longest.
 */
static struct schedule_user *next_user(struct schedule *schedule) {
        struct schedule_user *user, *least = schedule->users;

        for (user = least->next; user; user = user->next)
                if (user->used < least->used)
                        least = user;
        return least;
}

/* Take the first job out of the list. */
static inline struct schedule_job *pop(struct schedule_job **list) {
        struct schedule_job *job = *list;

        *list = job->next;
        if (job->next)
                job->next->prev = job->prev;
        job->user = NULL;
        return job;
}

/*
 * Do jobs of one of the user's lists until it is empty, or until the time is over. Returns 0 or a
 * negative errno. schedule->current is NULL afterwards if the user has ended.
 */
static inline int run_list(struct schedule *schedule, struct schedule_user *user,
                           struct schedule_job **list) {
        int r;

        do {
                struct schedule_job *job = pop(list);

                r = job->run(job);
                if (r < 0 && (r = loop_failed(schedule->loop, r)) < 0)
                        return r;
                /* a job is many steps, compared with the time that is left to others */
                if (schedule_is_shared(schedule))
                        schedule->steps = 0;
        } while (schedule->current == user && !schedule_is_over(schedule) && *list);
        return 0;
}

/*
 * Output that is left from earlier turns comes first, but not twice in a row. Then comes input, and
 * last the output that it caused: all messages to one socket go out together. Output has the same
 * time as input, so that it does not pile up.
 */
static int run_user(struct schedule *schedule, struct schedule_user *user) {
        int64_t end;
        int r = 0;

        if (user->output && !user->input_waits) {
                r = run_list(schedule, user, &user->output);
                if (r < 0 || schedule->current != user)
                        return r;
                user->input_waits = user->output && user->input;
                if (user->output)
                        return 0;
        }
        user->input_waits = false;
        if (user->input)
                r = run_list(schedule, user, &user->input);
        if (r < 0 || schedule->current != user || !user->output)
                return r;
        end = schedule->end;
        if (end == 0)
                return run_list(schedule, user, &user->output);
        schedule->now = loop_now();
        schedule->end = schedule->now + schedule->slice;
        r = run_list(schedule, user, &user->output);
        /* the time of input does not begin again: others may have come */
        schedule->end = end;
        return r;
}

/* The user has had its turn. */
static void end_turn(struct schedule *schedule, struct schedule_user *user) {
        schedule->current = NULL;
        if (!user->output && !user->input) {
                make_idle(schedule, user);
        } else if (schedule->users->next) {
                DL_DELETE(schedule->users, user);
                DL_APPEND(schedule->users, user);
        }
}

/*
 * More than one user has jobs, or one has many: look at the clock, and, if there are several users,
 * note who uses the time. It is CPU time: on a busy machine, the thread may have to wait for a CPU
 * in the middle of a turn, which is nobody's fault.
 */
static int run_measured(struct schedule *schedule) {
        uint64_t cpu = 0; /* when the turn of the user began; 0: nobody else waited */
        bool is_over = false;
        int r = 0;

        schedule->now = loop_now();
        schedule->end = schedule->now + schedule->slice;
        while (schedule->users && !is_over && r >= 0) {
                struct schedule_user *user = next_user(schedule);
                int64_t begin = schedule->now, used;
                uint64_t cpu_begin;

                if (cpu == 0 && schedule->users->next)
                        cpu = thread_cpu_ns();
                cpu_begin = cpu;
                schedule->used = user->used;
                schedule->current = user;
                r = run_user(schedule, user);
                is_over = schedule_look(schedule);
                if (cpu != 0) {
                        cpu = thread_cpu_ns();
                        used = (int64_t)(cpu - cpu_begin);
                } else {
                        /* enough to let others come first who come now */
                        used = schedule->now - begin;
                        if (used > 2 * schedule->slice)
                                used = 2 * schedule->slice;
                }
                if (schedule->current == user) {
                        user->used += used;
                        end_turn(schedule, user);
                }
        }
        return r;
}

static int run(struct loop_work *work) {
        struct schedule *schedule = container_of(work, struct schedule, work);
        struct schedule_user *user = schedule->users;
        struct schedule_job *job = user->input;
        int r;

        if (user->next)
                schedule->n_shared = SCHEDULE_SHARED_TURNS;
        else if (schedule->n_shared > 0)
                schedule->n_shared--;
        schedule->slice =
                schedule_is_shared(schedule) ? schedule->slice_shared : SCHEDULE_SLICE_ALONE;
        set_steps(schedule);
        /* A user may have lost its last job outside of a turn, after schedule_switch(). */
        if (user->next || user->output || !job || job->next) {
                r = run_measured(schedule);
        } else {
                schedule->end = 0;
                schedule->current = user;
                r = run_user(schedule, user);
                if (schedule->current == user)
                        end_turn(schedule, user);
        }
        schedule->current = NULL;
        return r;
}

/* life */

void schedule_init(struct schedule *schedule, struct loop *loop) {
        *schedule = (struct schedule){
                .loop = loop,
                .work.run = run,
                .slice_shared = SCHEDULE_SLICE_SHARED,
        };
        loop->work = &schedule->work;
}

void schedule_deinit(struct schedule *schedule) {
        while (schedule->users)
                run(&schedule->work);
        if (schedule->loop)
                schedule->loop->work = NULL;
        schedule->loop = NULL;
}
