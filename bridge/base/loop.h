/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The event loop - one thread, one epoll set
 *
 * Sources are level-triggered descriptors. A turn of the loop has three parts:
 *
 *      epoll_wait()  ->  dispatch() of each ready source  ->  expired() of each timer that is due
 *                    ->  run() of each deferred function
 *
 * Output to a descriptor is deferred, so that everything a turn has for one descriptor goes out
 * with one system call. All callbacks return 0, or a negative errno that ends the loop.
 */

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
        int64_t deadline; /* on the clock of loop_now() */
        size_t index;     /* position in the heap, from 1; 0: not set */
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

/* The monotonic clock, in ns. */
int64_t loop_now(void);

int loop_init(struct loop *loop);
void loop_deinit(struct loop *loop);
/* Run turns until loop_stop() is called or a callback fails, and return its negative errno. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);
/* Makes no system call if the events are the same as before. */
int loop_set_events(struct loop *loop, struct loop_source *source, uint32_t events);
/* Call before closing the descriptor. Its events of this turn are not dispatched any more. */
void loop_remove(struct loop *loop, struct loop_source *source);

/* Set a timer, or move one that is set. -ENOMEM. */
int loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t deadline);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);

/* Run it at the end of this turn; once, even if it is deferred several times. */
void loop_defer(struct loop *loop, struct loop_deferred *deferred);
void loop_defer_cancel(struct loop *loop, struct loop_deferred *deferred);
