/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The event loop - one thread, one epoll set
 *
 * A source is a descriptor with a callback; sources are level-triggered. A turn of the loop is:
 *
 *      epoll_wait()  ->  dispatch() of each source that epoll_wait() has reported
 *                    ->  a part of the work (schedule.h)  ->  expired() of each timer that is due
 *                    ->  between()
 *
 * While work is left, epoll_wait() does not wait. All callbacks return 0, or a negative errno. Then
 * loop.failed() decides whether the loop goes on; without this function, the loop ends.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define LOOP_EVENTS_MAX 64

struct loop_source {
        int fd;
        uint32_t events; /* EPOLL*, as registered */
        bool added;
        int (*dispatch)(struct loop_source *source, uint32_t events);
};

struct loop_timer {
        int64_t deadline; /* by loop_now() */
        size_t index;     /* position in the heap, counted from 1; 0: the timer is not set */
        int (*expired)(struct loop_timer *timer);
};

/* Work that is done in parts, one in each turn. */
struct loop_work {
        bool is_wanted; /* there is work */
        int (*run)(struct loop_work *work);
};

struct loop {
        int epoll_fd;
        bool stop;
        struct epoll_event events[LOOP_EVENTS_MAX];
        int n_events;
        struct loop_timer **timers; /* binary heap, earliest first */
        size_t n_timers, n_timers_allocated;
        struct loop_work *work; /* NULL: none */
        /* Called at the end of each turn, when no callback runs. NULL: nothing. */
        int (*between)(void *userdata);
        void *between_userdata;
        /* A callback has returned r. Returns 0 to go on with the other callbacks, else r. */
        int (*failed)(struct loop *loop, int r);
};

/* The monotonic clock, in ns. */
int64_t loop_now(void);

int loop_init(struct loop *loop);
void loop_deinit(struct loop *loop);
/* Run turns. Returns 0 after loop_stop(), or a negative errno if a callback or epoll fails. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* A callback has returned r, which is negative. Returns 0 to go on, or r. */
int loop_failed(struct loop *loop, int r);

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);
/* Change the events; without a change there is no system call. */
int loop_set_events(struct loop *loop, struct loop_source *source, uint32_t events);
/*
 * Remove a source. Call this before closing the descriptor. Events of the source that this turn has
 * not dispatched yet are dropped. Does nothing if the source was not added.
 */
void loop_remove(struct loop *loop, struct loop_source *source);

/*
 * loop_adopt() adds a source for fd, which the caller has just made. If the caller could not make
 * it (fd is -1), loop_adopt() returns -errno. The source owns fd: if loop_adopt() fails, it closes
 * fd. loop_close() removes the source and closes fd; source->fd is -1 afterwards.
 */
int loop_adopt(struct loop *loop, struct loop_source *source, int fd, uint32_t events);
void loop_close(struct loop *loop, struct loop_source *source);
/* Block these signals, and adopt a signalfd for them. */
int loop_adopt_signals(struct loop *loop, struct loop_source *source, const sigset_t *signals);

/* Set a timer, or move one that is set. Returns 0 or -ENOMEM. */
int loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t deadline);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);
