/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The event loop - one thread, one epoll set
 *
 * Sources are level-triggered descriptors. A turn of the loop dispatches what is ready, then runs
 * what was deferred: output to a descriptor is deferred, so that all that a turn has for it goes
 * out at once. All callbacks return 0, or a negative errno that ends the loop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define LOOP_EVENTS_MAX 64

struct loop_source {
        int fd;
        uint32_t events; /* as set */
        bool added;
        int (*dispatch)(struct loop_source *source, uint32_t events);
};

struct loop_timer {
        int64_t deadline; /* by loop_now() */
        size_t index;     /* in the heap, from 1; 0: not set */
        int (*expired)(struct loop_timer *timer);
};

struct loop_deferred {
        struct loop_deferred *prev, *next;
        bool queued;
        int (*run)(struct loop_deferred *deferred);
};

struct loop {
        int epoll_fd;
        bool stop;
        struct epoll_event events[LOOP_EVENTS_MAX];
        int n_events;
        struct loop_timer **timers; /* binary heap, earliest first */
        size_t n_timers, n_timers_allocated;
        struct loop_deferred *deferred;
};

/* Nanoseconds of the monotonic clock. */
int64_t loop_now(void);

int loop_init(struct loop *loop);
void loop_deinit(struct loop *loop);
/* Until loop_stop() or a callback fails. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);
/* No system call when nothing changes. */
int loop_set_events(struct loop *loop, struct loop_source *source, uint32_t events);
/* Before the descriptor is closed. Events of this turn that are still waiting are forgotten. */
void loop_remove(struct loop *loop, struct loop_source *source);

/* Set, or move, a timer. -ENOMEM. */
int loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t deadline);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);

/* Run at the end of this turn; once, however often it is deferred. */
void loop_defer(struct loop *loop, struct loop_deferred *deferred);
void loop_defer_cancel(struct loop *loop, struct loop_deferred *deferred);
