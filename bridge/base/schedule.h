/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The schedule - whose work the bus does next
 *
 * The bus has one thread, and all users share its time. What a user causes is cut into jobs, for
 * example "read once from this socket", "write to this socket", "release the names of a client that
 * left". A job is in a list of the user who caused it:
 *
 *      user 1000   output: write, write     input: read, read, read, ...
 *      user 1001   output:                  input: read
 *
 * The user who has used the least time of the bus comes first. So a user who asks for little waits
 * at most for the job that is running, whatever all others do. A user who did nothing for a while
 * does not keep the advantage: it comes back with the time of those who run now.
 *
 * In each turn of the loop, input has a slice of time and then output has as much; then the loop
 * looks for new events. A job that can take longer asks schedule_is_over() after each step, and
 * adds itself again with what is left. Output that did not go out in this time comes first when
 * its user is next.
 *
 * The clock is only read when there is more than one job, and after SCHEDULE_STEPS steps, or after
 * each job while others have jobs, too; and only then the CPU time that a user takes. So a client
 * that is alone on the bus pays nothing.
 */

#include <utlist.h>

#include "bridge/base/loop.h"

/*
 * ns: the time while one user has the bus for itself, and while others have jobs, too. In a long
 * slice, more messages to one socket go out together.
 */
#define SCHEDULE_SLICE_ALONE (1000 * INT64_C(1000))
#define SCHEDULE_SLICE_SHARED (10 * INT64_C(1000))
/* After others had jobs, so many turns are short, because they will probably come again. */
#define SCHEDULE_SHARED_TURNS 1024
/* steps between two looks at the clock, also while others have jobs, too */
#define SCHEDULE_STEPS 16
#define SCHEDULE_STEPS_SHARED 4

struct schedule_user;

struct schedule_job {
        struct schedule_job *prev, *next;
        struct schedule_user *user; /* whose list it is in; NULL: none */
        bool is_output;             /* in the list of output */
        /*
         * Returns 0 or a negative errno, for which loop.failed() is asked. The job is in no list
         * any more, and may free itself.
         */
        int (*run)(struct schedule_job *job);
};

struct schedule_user {
        struct schedule_user *prev, *next;   /* those with jobs */
        struct schedule_job *output, *input; /* jobs */
        int64_t used; /* CPU time of the bus in ns, on the scale of schedule.used */
        bool is_ready;
        bool input_waits; /* output that was left took all the time of the last turn */
};

struct schedule {
        struct loop *loop;
        struct loop_work work;
        struct schedule_user *users; /* those with jobs; the last one came or ran last */
        struct schedule_user *current;
        struct schedule_user own; /* of the bus itself: what no user causes */
        int64_t used;             /* the time of the user that ran last, before it ran */
        int64_t now;              /* the last look at the clock; 0: none in this turn */
        int64_t end;              /* when the turn is over; 0: not known, nobody else waits */
        int steps;                /* left until the next look at the clock */
        int64_t slice;            /* of this turn */
        int64_t slice_shared;     /* SCHEDULE_SLICE_SHARED; tests of the order give more */
        unsigned n_shared;        /* turns left that are short */
};

void schedule_init(struct schedule *schedule, struct loop *loop);
/* Do all jobs that are left, which must come to an end. */
void schedule_deinit(struct schedule *schedule);

/* Add a job to a list of the user, unless it is in a list already. */
void schedule_add(struct schedule *schedule, struct schedule_user *user, struct schedule_job *job);
/* Like schedule_add(), but the job comes before the others in the list. */
void schedule_add_first(struct schedule *schedule, struct schedule_user *user,
                        struct schedule_job *job);
/*
 * Add a job to the output of the user (NULL: of the bus itself). If it is in the list of another
 * user's output, it moves: whoever needs it next does it.
 */
void schedule_add_output(struct schedule *schedule, struct schedule_user *user,
                         struct schedule_job *job);
/* Add a job to the output of the user whose job is running, because this job is the cause. */
static inline void schedule_cause(struct schedule *schedule, struct schedule_job *job) {
        struct schedule_user *user = schedule->current;

        if (!job->user && user && user->is_ready) {
                job->user = user;
                job->is_output = true;
                DL_APPEND(user->output, job);
        } else if (!job->user || job->user != user) {
                schedule_add_output(schedule, user, job);
        }
}
/* Take the job out of its list, if it is in one. */
void schedule_cancel(struct schedule *schedule, struct schedule_job *job);
/* The user ends. What is left of its output becomes that of the bus itself. */
void schedule_forget(struct schedule *schedule, struct schedule_user *user);
/*
 * Work for this user follows that is no job, for example a message that came over bus1: what it
 * sends is output of this user. Returns the user of before, for the next call. NULL stands for the
 * bus itself.
 */
static inline struct schedule_user *schedule_switch(struct schedule *schedule,
                                                    struct schedule_user *user) {
        struct schedule_user *before = schedule->current;

        schedule->current = user;
        return before;
}

/*
 * Have several users jobs, or had they some a short time ago? Then everything is done in small
 * parts.
 */
static inline bool schedule_is_shared(const struct schedule *schedule) {
        return schedule->n_shared > 0;
}
/* Look at the clock: is the turn over? Without a loop, it never is. */
bool schedule_look(struct schedule *schedule);
/* A job has done a step. Must it stop, because the turn is over? */
static inline bool schedule_is_over(struct schedule *schedule) {
        return --schedule->steps <= 0 && schedule_look(schedule);
}
/* A step was as expensive as n usual ones, for example because it had n receivers. */
static inline void schedule_count(struct schedule *schedule, size_t n) {
        schedule->steps = n < (size_t)schedule->steps ? schedule->steps - (int)n : 0;
}
